"""Rules of the families netdev, bridge and arp, which see frames, and what they do with one packet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from bridgework.firewall.nft_json import LazyRules, NamedSets
from bridgework.firewall.ruleset import Packet, Rule
from bridgework.model.trace import TABLE_PREFIX

_MAX_DEPTH = 16


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
    """Return the first rule of the chain that drops the packet, or may drop it; ``None`` where none does."""
    ended, drop = _walked(chain, chain.rules, packet, 0)
    if drop is not None or ended or chain.accepts:
        return drop
    return Drop(chain, None, is_certain=True)


def _walked(chain: FrameChain, rules: Sequence[Rule], packet: Packet, depth: int) -> tuple[bool, Drop | None]:
    """Return whether the walk ends here, and the drop that was met."""
    possible: Drop | None = None
    for rule in rules:
        applies = rule.applies(packet)
        if applies is False:
            continue
        for effect in rule.effects:
            if effect.kind == "drop":
                possible = possible or Drop(chain, rule, is_certain=applies is True)
                if applies:
                    return True, possible
            elif effect.kind in {"jump", "goto"} and depth < _MAX_DEPTH:
                ended, inner = _walked(chain, chain.others.get(effect.chain, ()), packet, depth + 1)
                certain = inner is not None and inner.is_certain and applies is True
                possible = possible or (Drop(chain, inner.rule, is_certain=certain) if inner is not None else None)
                if applies and ended:
                    return True, possible
            elif applies and effect.kind in {"accept", "return"}:
                return effect.kind == "accept", possible
    return False, possible
