"""Rules from the output of iptables-save(8). The options are those of iptables-extensions(8)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import overload

from bridgework.firewall.ip_sets import IpSets
from bridgework.firewall.iptables_matches import MODULES, Words, read_match, read_reverse_path
from bridgework.firewall.iptables_targets import effects_of
from bridgework.firewall.ruleset import SETTING, UNKNOWN, Chain, Effect, Hook, Match, Rule, Table
from bridgework.model.observations import FirewallChain

# Priorities and kinds of the built-in chains (linux/netfilter_ipv4.h). OUTPUT of the table mangle routes again.
_HOOKS = {
    "PREROUTING": Hook.PREROUTING,
    "INPUT": Hook.INPUT,
    "FORWARD": Hook.FORWARD,
    "OUTPUT": Hook.OUTPUT,
    "POSTROUTING": Hook.POSTROUTING,
}
_PRIORITIES = {"raw": -300, "mangle": -150, "filter": 0, "security": 50}
_NAT_PRIORITIES = {"PREROUTING": -100, "INPUT": 100, "OUTPUT": -100, "POSTROUTING": 100}
FAMILY = {4: "ip", 6: "ip6"}
_NO_SETS = IpSets(None)


def is_built_in(chain: str) -> bool:
    """Whether the chain is one that the kernel calls: it has a policy, and no user can make it."""
    return chain in _HOOKS


def ruleset_of(
    chains: Iterable[FirewallChain],
    version: int,
    program: str | None = None,
    sets: IpSets = _NO_SETS,
    uncertain: Collection[tuple[int, str, str]] = (),
) -> tuple[Table, ...]:
    """Return the tables of one IP version, from the chains that ``iptables-save`` or ``ip6tables-save`` printed.

    ``program`` is the program that changes them, where it is not the plain ``iptables`` or ``ip6tables``. ``sets`` are
    the sets of ipset that the rules name. ``uncertain`` are the version, table and text of each rule of which it is not
    known whether it is there: it may match and may not.
    """
    # The dumps of iptables-legacy and of iptables-nft have the same form, and both can be in force at once.
    tables: dict[str, dict[str, Chain]] = {}
    for chain in chains:
        rules = LazyRules(
            chain.rules, sets, {text for of, table, text in uncertain if (of, table) == (version, chain.table)}
        )
        tables.setdefault(chain.table, {})[chain.name] = chain_of(chain.table, chain.name, rules, chain.policy)
    return tuple(Table(FAMILY[version], name, found, program) for name, found in tables.items())


def chain_of(table: str, name: str, rules: Sequence[Rule], policy: str | None) -> Chain:
    """Return a chain of a table of iptables, with its hook and priority if it is a built-in one."""
    hook = _HOOKS.get(name)  # iptables refuses a user's chain with a built-in chain's name
    nat = table == "nat"
    priority = _NAT_PRIORITIES.get(name, 0) if nat else _PRIORITIES.get(table, 0)
    # Only a base chain has a policy; a user's chain without a verdict returns to its caller.
    return Chain(name, rules, hook, priority, "nat" if nat else "filter", accepts=policy != "DROP")


class LazyRules(Sequence[Rule]):
    """The rules of a chain, parsed when a packet comes to the chain."""

    # A host with kube-proxy has thousands of rules in chains to which a packet never comes.

    def __init__(
        self, printed: Sequence[tuple[int, int, str]], sets: IpSets = _NO_SETS, uncertain: Collection[str] = ()
    ) -> None:
        """Take packets, bytes and text of each rule, the sets that they name, and the texts of uncertain ones."""
        self._printed, self._sets, self._uncertain = printed, sets, uncertain

    def __len__(self) -> int:
        return len(self._printed)

    @overload
    def __getitem__(self, at: int) -> Rule: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Rule]: ...
    def __getitem__(self, at: int | slice) -> Rule | Sequence[Rule]:
        if isinstance(at, slice):
            return LazyRules(self._printed[at], self._sets, self._uncertain)
        packets, _, text = self._printed[at]
        rule = read_rule(text, packets)
        if text in self._uncertain:
            rule = uncertain_rule(rule)
        # A set's entries change while the text of the rule, by which it is kept, does not.
        if "--match-set" in text:
            return replace(rule, matches=tuple(map(self._sets.resolved, rule.matches)))
        return rule


def uncertain_rule(rule: Rule, setting: str = "") -> Rule:
    """Return the rule as one of which it is not known whether it is there; ``setting`` may decide that."""
    # A match that is not known makes the simulation walk both ways, unless another match excludes the packet.
    return replace(rule, matches=(*rule.matches, Match(SETTING, text=setting) if setting else Match(UNKNOWN)))


def read_rule(text: str, packets: int = 0) -> Rule:
    """Read one rule; ``text`` may begin with its ``-A CHAIN``. What is not understood is an unknown match or effect."""
    matches, effects = _read(text)
    return Rule(text, matches, effects, packets)


# shlex takes four times as long, and a busy host has thousands of rules with comments.
_WORDS = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')


@lru_cache(maxsize=16384)
def _read(text: str) -> tuple[tuple[Match, ...], tuple[Effect, ...]]:
    # A text with an open quote was cut off; nothing of it is reliable.
    if text.replace('\\"', "").count('"') % 2:
        return (Match(UNKNOWN, text=text),), (Effect(UNKNOWN),)
    words = Words([quoted or plain for quoted, plain in _WORDS.findall(text)])
    matches: list[Match] = []
    # A rule without a target only counts packets.
    effects: tuple[Effect, ...] = (Effect("continue"),)
    negated, module = False, ""
    while words:
        word = words.take()
        # "!" negates the option behind it: "! -i docker0".
        if word == "!":
            negated = True
            continue
        if word in {"-j", "-g"}:
            effects = effects_of(word, words.take(), _target_options(words))
        elif word == "-A":
            words.take()  # the chain, which is known already
        elif word == "-m":
            module = words.take()
            # Some modules match without an option of theirs: rpfilter, socket, eui64.
            if module == "rpfilter":
                matches.append(read_reverse_path(words))
            elif module not in MODULES:
                matches.append(Match(UNKNOWN, text=f"-m {module}"))
        else:
            # Of the modules mark and connmark both have an option of this name; all other names say their module.
            option = "--connmark" if (module, word) == ("connmark", "--mark") else word
            matches.append(read_match(option, words, negated=negated))
        negated = False
    return tuple(matches), effects


def _target_options(words: Words) -> dict[str, str]:
    """Return the options of a target, which are all words behind it."""
    found: dict[str, str] = {}
    while words:
        name = words.take()
        value = words.take() if words and not words.words[words.at].startswith("--") else ""
        found[name] = value
    return found
