"""The native table of one IP version while an engine writes it, in the form of ``nft --json``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from bridgework.firewall.docker.rules import WrittenRules
from bridgework.firewall.docker.values import Because, WrittenRule
from bridgework.firewall.nft_json import tables_from
from bridgework.firewall.nft_text import text_of
from bridgework.firewall.ruleset import Hook, Rule, Ruleset, Table

Json = Any
FAMILY, NAME = {4: "ip", 6: "ip6"}, "docker-bridges"
COUNTER: Json = {"counter": {"packets": 0, "bytes": 0}}


@dataclass(frozen=True, slots=True)
class NativeRule(WrittenRule):
    """A rule whose ``text`` is that of its JSON (``printed``), which has no handle."""

    printed: Json = None


@dataclass(frozen=True, slots=True)
class JumpElement:
    """An element of a verdict map: packets by the bridge jump to the chain."""

    name: str
    bridge: str
    chain: str
    because: Because


@dataclass(frozen=True, slots=True)
class BaseChain:
    """A chain that the kernel calls; Docker leaves its policy at *accept*."""

    hook: Hook
    priority: int
    kind: str = "filter"

    @property
    def printed(self) -> Json:
        """The properties of the chain as nft prints them."""
        return {"type": self.kind, "hook": self.hook.value, "prio": self.priority, "policy": "accept"}


@dataclass(frozen=True)
class NativeRules(WrittenRules):
    """The rules of the table ``docker-bridges`` by chain, and the elements of its verdict maps."""

    bases: Mapping[str, BaseChain] = field(default_factory=dict)
    elements: tuple[JumpElement, ...] = ()

    @cached_property
    def ruleset(self) -> Ruleset:
        """The rules for the simulation. A rule of which it is not known whether it is there is taken both ways."""
        return Ruleset(tuple(map(self._with_unknown_rules, tables_from(list(self.objects())))))

    def _with_every_chain(self) -> Mapping[tuple[str, str], tuple[WrittenRule, ...]]:
        # Each chain is written, and no policy depends on a setting.
        return self.rules

    def _with_unknown_rules(self, table: Table) -> Table:
        written = {(chain, rule.text): rule for (_, chain), rules in self.rules.items() for rule in rules}

        def marked(chain: str, read: Rule) -> Rule:
            rule = written.get((chain, read.text))
            return self.uncertain(read, rule) if rule is not None else read

        chains = {
            name: replace(chain, rules=tuple(marked(name, one) for one in chain.rules))
            for name, chain in table.chains.items()
        }
        return replace(table, chains=chains)

    @property
    def line(self) -> str:
        """The table as ``nft --json`` prints it."""
        return json.dumps({"nftables": list(self.objects())})

    def objects(self) -> Iterator[Json]:
        """Yield the objects of the table as nft lists them; nothing where the engine writes no rules."""
        family = FAMILY[self.version]
        of_table = {"family": family, "table": NAME}
        if self.bases:
            yield {"table": {"family": family, "name": NAME}}
        for _, name in self.rules:
            yield {"chain": {**of_table, "name": name, **(self.bases[name].printed if name in self.bases else {})}}
        maps: dict[str, list[Json]] = {}
        for element in self.elements:
            maps.setdefault(element.name, []).append([element.bridge, {"jump": {"target": element.chain}}])
        for name, elements in maps.items():
            yield {"map": {**of_table, "name": name, "type": "ifname", "map": "verdict", "elem": elements}}
        for rules in self.rules.values():
            yield from ({"rule": rule.printed} for rule in rules if isinstance(rule, NativeRule))


class NativeTable:
    """The table while an engine writes it. As in the engine, a rule that is there already is not written twice."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.chains: dict[str, list[NativeRule]] = {}
        self.bases: dict[str, BaseChain] = {}
        self.elements: list[JumpElement] = []

    @property
    def family(self) -> str:
        """The family of the table, which is also nft's word for the IP header: ``ip`` or ``ip6``."""
        return FAMILY[self.version]

    def base_chain(self, name: str, hook: Hook, priority: int, kind: str = "filter") -> None:
        """Make a chain that the kernel calls."""
        self.bases[name] = BaseChain(hook, priority, kind)
        self.chains[name] = []

    def chain(self, name: str) -> None:
        """Make a chain that others jump to."""
        self.chains[name] = []

    def append(
        self, chain: str, *statements: Json, because: Because, comment: str | None = None, unknown: bool = False
    ) -> None:
        """Write a rule at the end of its chain."""
        printed = {"family": self.family, "table": NAME, "chain": chain, "expr": list(statements)}
        if comment:
            printed["comment"] = comment
        rule = NativeRule(text_of(printed), because, unknown, printed)
        if all(rule.text != other.text for other in self.chains[chain]):
            self.chains[chain].append(rule)

    def jump(self, name: str, bridge: str, chain: str, because: Because) -> None:
        """Write an element of a verdict map, with the chain to which it leads."""
        self.chain(chain)
        self.elements.append(JumpElement(name, bridge, chain, because))

    def rules(self) -> NativeRules:
        """Return what was written."""
        rules = {(NAME, name): tuple(rules) for name, rules in self.chains.items()}
        return NativeRules(self.version, rules, bases=self.bases, elements=tuple(self.elements))


def equal(left: Json, right: Json) -> Json:
    """Return the match of one value."""
    return {"match": {"op": "==", "left": left, "right": right}}


def differs(left: Json, right: Json) -> Json:
    """Return the match of every other value."""
    return {"match": {"op": "!=", "left": left, "right": right}}


def meta(key: str) -> Json:
    """Return what nft keeps beside the packet, such as ``iifname``."""
    return {"meta": {"key": key}}


def header(protocol: str, name: str) -> Json:
    """Return a field of a header, such as ``tcp`` and ``dport``."""
    return {"payload": {"protocol": protocol, "field": name}}


def address_type(side: str) -> Json:
    """Return the type of an address (``saddr`` or ``daddr``) in the host's routing table, such as ``local``."""
    return {"fib": {"result": "type", "flags": [side]}}


def prefix(subnet: str) -> Json:
    """Return the subnet as nft prints it."""
    address, _, length = subnet.partition("/")
    return {"prefix": {"addr": address, "len": int(length)}}


def verdict(name: str) -> Json:
    """Return ``accept``, ``drop`` or ``masquerade``."""
    return {name: None}
