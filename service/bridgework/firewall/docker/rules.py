"""The rules of one IP version that an engine writes, as values and as the ruleset that a packet is led through."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from bridgework.firewall.docker.values import Because, Write, WrittenRule
from bridgework.firewall.iptables_save import FAMILY, chain_of, read_rule, uncertain_rule
from bridgework.firewall.ruleset import Chain, Rule, Ruleset, Table

_FORWARD = ("filter", "FORWARD")
# Docker writes a comment behind many native rules, for people. It decides nothing, so it is not compared.
_COMMENT = re.compile(r' comment ".*"$')
# Docker's words for what switches forwarding on. With it the engine sets the policy of FORWARD to DROP.
_IP_FORWARD = Because("ip-forward")


def without_comment(text: str) -> str:
    """Return the text of a rule without the comment of a native one."""
    return _COMMENT.sub("", text)


@dataclass(frozen=True)
class WrittenRules:
    """The rules by table and chain, in order.

    ``forward_drops`` says whether the policy of the chain FORWARD is DROP; ``None`` where that is not known: most
    engines set it only when they switch forwarding on themselves, and the API does not show that. ``writes`` are the
    rules in the order in which the engine writes them. ``all_by`` is a setting that decides whether any of the rules is
    there, and that is not known.
    """

    version: int
    rules: Mapping[tuple[str, str], tuple[WrittenRule, ...]]
    forward_drops: bool | None = None
    writes: tuple[Write, ...] = ()
    all_by: str | None = None

    @cached_property
    def ruleset(self) -> Ruleset:
        """The rules for the simulation. A rule of which it is not known whether it is there is taken both ways."""
        tables: dict[str, dict[str, Chain]] = {}
        for (table, name), rules in self._with_every_chain().items():
            drops = (table, name) == _FORWARD and self.forward_drops and self.all_by is None
            policy = "DROP" if drops else None
            chain = chain_of(table, name, tuple(self.uncertain(read_rule(one.text), one) for one in rules), policy)
            tables.setdefault(table, {})[name] = chain
        return Ruleset(tuple(Table(FAMILY[self.version], name, chains) for name, chains in tables.items()))

    def uncertain(self, read: Rule, rule: WrittenRule) -> Rule:
        """Return the rule as it was read, marked where it is not known whether it is there."""
        setting = self.all_by or (rule.because.setting if rule.unknown else None)
        return uncertain_rule(read, setting) if setting is not None else read

    def because(self, table: str, chain: str, text: str) -> Because | None:
        """Return what causes the rule of that text; ``None`` for one that the engine does not write."""
        return self._causes.get((table, chain, without_comment(text)))

    @cached_property
    def _causes(self) -> Mapping[tuple[str, str, str], Because]:
        every = self._with_every_chain()
        return {(*place, without_comment(rule.text)): rule.because for place, rules in every.items() for rule in rules}

    def _with_every_chain(self) -> Mapping[tuple[str, str], tuple[WrittenRule, ...]]:
        """Return the rules, with the chains that are called and have none, and with the policy if it is not known."""
        found = dict(self.rules)
        for called in self.called():
            found.setdefault(called, ())
        if self.rules and (self.forward_drops if self.all_by else self.forward_drops is None):
            drop = WrittenRule("-A FORWARD -j DROP", _IP_FORWARD, unknown=True)
            found[_FORWARD] = (*found.get(_FORWARD, ()), drop)
        return found

    def called(self) -> Iterator[tuple[str, str]]:
        """Yield the table and chain of each jump."""
        for (table, _), rules in self.rules.items():
            for rule in rules:
                for effect in read_rule(rule.text).effects:
                    if effect.kind == "jump":
                        yield table, effect.chain
