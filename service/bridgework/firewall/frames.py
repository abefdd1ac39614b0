"""Rules of the families netdev, bridge and arp, which see frames, and what they do with one packet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from bridgework.firewall.nft_json import LazyRules, NamedSets
from bridgework.firewall.ruleset import Effect, Packet, Rule
from bridgework.model.trace import TABLE_PREFIX

_MAX_DEPTH = 16

# How a packet leaves a chain: for good, or back to the chain that called it.
_ACCEPTED, _BACK = "accepted", "back"
_NO_WAY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FrameChain:
    """A base chain: its hook, and the interfaces of the family netdev. ``others`` are the chains that it can call."""

    family: str
    table: str
    name: str
    hook: str
    devices: frozenset[str]
    accepts: bool
    rules: Sequence[Rule]
    others: Mapping[str, Sequence[Rule]]


@dataclass(frozen=True, slots=True)
class Drop:
    """A rule that drops the packet, or the policy (``None``); not ``is_certain`` where a match is not understood."""

    chain: FrameChain
    rule: Rule | None
    is_certain: bool

    @property
    def text(self) -> str:
        """The rule as nft prints it."""
        return "its policy is drop" if self.rule is None else self.rule.text


@lru_cache(maxsize=64)
def frame_chains(text: str) -> tuple[FrameChain, ...]:
    """Return the base chains of a dump, which has a JSON document for each family in a line; nothing if it is none."""
    try:
        return tuple(chain for line in text.splitlines() for chain in _chains(json.loads(line).get("nftables", [])))
    except (AttributeError, KeyError, TypeError, ValueError):
        return ()


def _chains(objects: list[Any]) -> Iterator[FrameChain]:
    named = NamedSets(objects)
    printed: dict[tuple[str, str], list[Any]] = {}
    for rule in (thing["rule"] for thing in objects if "rule" in thing):
        printed.setdefault((rule["table"], rule["chain"]), []).append(rule)
    rules = {key: LazyRules(found, named) for key, found in printed.items()}
    for chain in (thing["chain"] for thing in objects if "chain" in thing):
        if "hook" not in chain or chain["table"].startswith(TABLE_PREFIX):
            continue
        devices = chain.get("dev", [])
        yield FrameChain(
            chain["family"],
            chain["table"],
            chain["name"],
            chain["hook"],
            frozenset([devices] if isinstance(devices, str) else devices),
            chain.get("policy") != "drop",
            rules.get((chain["table"], chain["name"]), ()),
            {name: found for (table, name), found in rules.items() if table == chain["table"]},
        )


def drop_of(chain: FrameChain, packet: Packet) -> Drop | None:
    """Return what drops the packet for certain, else the first rule that may drop it; ``None`` where none does."""
    ways, drop = _walked(chain, chain.rules, packet, 0)
    if _BACK in ways and not chain.accepts:
        return _named(drop, Drop(chain, None, is_certain=ways == {_BACK}))
    return drop


def _walked(chain: FrameChain, rules: Sequence[Rule], packet: Packet, depth: int) -> tuple[frozenset[str], Drop | None]:
    """Return how the packet may leave the chain unless it is dropped there, and the drop that was met."""
    ways, drop = _NO_WAY, None
    for rule in rules:
        applies = rule.applies(packet)
        if applies is False:
            continue
        for effect in rule.effects:
            left, onward, met = _done(chain, rule, effect, packet, depth)
            if met is not None:
                drop = _named(drop, replace(met, is_certain=met.is_certain and applies is True and not ways))
            ways |= left
            if applies and not onward:
                return ways, drop
    return ways | {_BACK}, drop


def _done(
    chain: FrameChain, rule: Rule, effect: Effect, packet: Packet, depth: int
) -> tuple[frozenset[str], bool, Drop | None]:
    """Return how a packet leaves the chain by an effect, whether it may come to the next rule, and the drop."""
    if effect.kind in {"jump", "goto"} and depth < _MAX_DEPTH:
        ways, drop = _walked(chain, chain.others.get(effect.chain, ()), packet, depth + 1)
        # A goto leaves no place to come back to: its chain returns to the caller of this one (nft_do_chain).
        return (ways, False, drop) if effect.kind == "goto" else (ways - {_BACK}, _BACK in ways, drop)
    if effect.kind == "drop":
        return _NO_WAY, False, Drop(chain, rule, is_certain=True)
    left = {"accept": _ACCEPTED, "return": _BACK}.get(effect.kind)
    return (_NO_WAY, True, None) if left is None else (frozenset({left}), False, None)


def _named(earlier: Drop | None, later: Drop) -> Drop:
    return later if earlier is None or (later.is_certain and not earlier.is_certain) else earlier
