"""The rules after a change: those that were read, without what the engine deletes, and with what it writes.

The rules of other programs stay where they are. The engine's new rules go where the engine puts them: to the front of a
chain, or behind its last rule. A rule of the engine's that is missing stays missing, unless the change makes the engine
write it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bridgework.firewall.docker.native_table import NAME, NativeRules
from bridgework.firewall.docker.rules import WrittenRules
from bridgework.firewall.docker.values import Write
from bridgework.firewall.iptables_save import is_built_in
from bridgework.firewall.ruleset import Table

Printed = tuple[int, int, str]
"""A rule with its packets, bytes and text."""
Key = tuple[str, str]
"""A table and a chain."""


@dataclass(frozen=True, slots=True)
class PlannedRules:
    """The rules by table and chain after a change.

    ``uncertain`` are the table and the text of each new rule of which it is not known whether the engine writes it.
    ``not_read`` are the texts of rules that the change deletes and that were not among the rules that were read.
    ``reordered``: rules that stay come in another order, so packets that the change does not touch may end elsewhere.
    """

    rules: Mapping[Key, tuple[Printed, ...]]
    uncertain: frozenset[tuple[str, str]] = frozenset()
    not_read: tuple[str, ...] = ()
    reordered: bool = False


def planned_rules(
    read: Mapping[Key, Sequence[Printed]], before: WrittenRules, kept: WrittenRules, after: WrittenRules
) -> PlannedRules:
    """Return the rules after a change.

    ``before`` and ``after`` are the rules that the engine writes for its networks and ports before the change and after
    it, ``kept`` those for the networks and containers that the change does not touch.
    """
    rules = {key: list(listed) for key, listed in read.items()}
    unknown_kept = {(key, rule.text): rule.unknown for key, listed in kept.rules.items() for rule in listed}
    # A port can move to another network of its container: its rule there is not one that the engine keeps.
    staying = unknown_kept.keys() & _written(before) & _written(after)
    not_read = tuple(
        rule.text
        for key, listed in before.rules.items()
        for rule in listed
        if (key, rule.text) not in staying and not _remove(rules.get(key, []), rule.text) and not rule.unknown
    )
    made = {write.moved_for for write in kept.writes}
    uncertain = set()
    for write in after.writes:
        key = write.table, write.chain
        if write.moved_for is not None:
            if write.moved_for not in made:
                _remove(rules.setdefault(key, []), write.rule.text)
                _write(rules, write)
        # A chain that the engine calls only since its first network is kept as not known, and known afterwards.
        elif (key, write.rule.text) not in staying or (unknown_kept[key, write.rule.text] and not write.rule.unknown):
            is_new = _write(rules, write)
            if is_new and write.rule.unknown:
                uncertain.add((write.table, write.rule.text))
    planned = {key: tuple(listed) for key, listed in rules.items()}
    reordered = any(_left(listed, planned[key]) != _left(planned[key], listed) for key, listed in read.items())
    return PlannedRules(planned, frozenset(uncertain), not_read, reordered)


USER_CHAIN = "DOCKER-USER"
"""The chain for the rules of administrators. Docker deletes none of them, and has no such chain with nftables."""
_OWN = "DOCKER"
"""How the names of Docker's chains begin."""


def upgraded_rules(
    read: Mapping[Key, Sequence[Printed]], before: WrittenRules | None, after: WrittenRules | None
) -> Mapping[Key, tuple[Printed, ...]]:
    """Return the rules after another release of the engine, or one with other settings, has started.

    ``before`` and ``after`` are the rules of iptables that both engines write; ``None`` for one that uses nftables. The
    engine deletes its chains and what is in them, also rules that another program put there. Its new rules come before
    those of others wherever the engine inserts them.
    """
    rules = {key: _of_others(key, listed, before, after) for key, listed in read.items() if _stays(key[1], after)}
    for key in (*after.rules, *after.called()) if after is not None else ():
        rules.setdefault(key, [])
    for write in after.writes if after is not None else ():
        if write.moved_for is not None:
            _remove(rules[write.table, write.chain], write.rule.text)
        _write(rules, write)
    return {key: tuple(listed) for key, listed in rules.items()}


def _stays(chain: str, after: WrittenRules | None) -> bool:
    return not chain.startswith(_OWN) or (chain == USER_CHAIN and after is not None)


def _of_others(
    key: Key, read: Sequence[Printed], before: WrittenRules | None, after: WrittenRules | None
) -> list[Printed]:
    """Return the rules of the chain that the engine did not write, and that call no chain that goes."""
    written = {rule.text for rule in before.rules.get(key, ())} if before is not None else set()
    left = [rule for rule in read if rule[2] not in written]
    # The engine puts its jumps of the built-in chains first again.
    called = ((rule, rule[2].rpartition(" -j ")[2].split(" ")[0]) for rule in left)
    return [rule for rule, chain in called if _stays(chain, None if is_built_in(key[1]) else after)]


def _left(rules: Sequence[Printed], others: Sequence[Printed]) -> list[str]:
    """Return the texts of the rules that are among the others, too."""
    known = {text for *_, text in others}
    return [text for *_, text in rules if text in known]


def _written(rules: WrittenRules) -> set[tuple[Key, str]]:
    return {(key, rule.text) for key, listed in rules.rules.items() for rule in listed}


def _remove(rules: list[Printed], text: str) -> bool:
    """Remove the first rule of that text, as the engine does; say whether there was one."""
    at = next((at for at, (*_, other) in enumerate(rules) if other == text), None)
    if at is not None:
        del rules[at]
    return at is not None


def _write(rules: dict[Key, list[Printed]], write: Write) -> bool:
    """Write the rule unless it is there; say whether it was not."""
    listed = rules.setdefault((write.table, write.chain), [])
    if any(text == write.rule.text for *_, text in listed):
        return False
    listed.insert(0 if write.first else len(listed), (0, 0, write.rule.text))
    return True


@dataclass(frozen=True, slots=True)
class PlannedTable:
    """Docker's native table after a change, as a line of the dump, and the texts of its uncertain rules."""

    line: str
    uncertain: frozenset[tuple[str, str]] = frozenset()


def planned_table(read: Iterable[Table], before: NativeRules, after: NativeRules) -> PlannedTable | None:
    """Return the table after a change; ``None`` where the one that was read is not as the engine writes it.

    No other program writes into this table, so its rules after the change are those that the engine writes.
    """
    found = {
        (NAME, chain.name): {rule.text for rule in chain.rules} for table in read for chain in table.chains.values()
    }
    for key in found.keys() | before.rules.keys():
        written = before.rules.get(key, ())
        certain = {rule.text for rule in written if not rule.unknown}
        if not certain <= found.get(key, set()) <= {rule.text for rule in written}:
            return None
    rules, uncertain = {}, set()
    for key, listed in after.rules.items():
        known = {rule.text for rule in before.rules.get(key, ())}
        # Of a rule that was there before the change, the rules that were read say whether the engine writes it.
        rules[key] = tuple(r for r in listed if not r.unknown or r.text not in known or r.text in found.get(key, set()))
        uncertain |= {(NAME, rule.text) for rule in listed if rule.unknown and rule.text not in known}
    return PlannedTable(replace(after, rules=rules).line, frozenset(uncertain))
