"""Which rules that the engine writes are not among those that were read, and the commands that write them again.

A rule that depends on something unknown is never lost, and neither is one that decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bridgework.firewall.docker.native_table import FAMILY, NAME, JumpElement, NativeRules
from bridgework.firewall.docker.rules import WrittenRules, without_comment
from bridgework.firewall.docker.values import WrittenRule
from bridgework.firewall.iptables_save import read_rule
from bridgework.firewall.ruleset import UNKNOWN, Chain, Rule, Table

PROGRAM = {4: "iptables", 6: "ip6tables"}
Key = tuple[str, str]
"""A table and a chain."""
# A chain that ends without a verdict returns anyway. The chain DOCKER-USER belongs to the administrator.
_DECIDES_NOTHING = re.compile(r"-A \S+ -j RETURN|-A DOCKER-USER .*")


@dataclass(frozen=True, slots=True)
class LostRule:
    """A rule of the engine's that is not on the host.

    ``at`` is the position among the rules of the chain that were read before which it belongs, ``None`` behind all of
    them. For a native rule it is the handle of the rule there. ``made`` are the commands that come first: they make the
    chain, or the jump to it.
    """

    version: int
    table: str
    chain: str
    rule: WrittenRule
    effects: frozenset[str]
    at: int | None = None
    made: tuple[str, ...] = ()


def lost_of_iptables(written: WrittenRules, read: Mapping[Key, Sequence[str]]) -> Iterator[LostRule]:
    """Yield the rules that are not among those read, which are the texts of ``iptables-save`` by table and chain."""
    for (table, chain), rules in written.rules.items():
        there = _positions(rules, read.get((table, chain), ()))
        for at, rule in enumerate(rules):
            if there[at] is None and not rule.unknown and not _DECIDES_NOTHING.fullmatch(rule.text):
                effects = frozenset(effect.kind for effect in read_rule(rule.text).effects)
                place = _place(chain, rules, there, at)
                yield LostRule(written.version, table, chain, rule, effects, place)


def _meaning(rule: Rule) -> object:
    """Return what two texts of one rule have in common: the programs print some matches in more than one way."""
    unknown = any(match.key == UNKNOWN for match in rule.matches)
    return rule.text if unknown else (frozenset(rule.matches), rule.effects)


def _positions(rules: Sequence[WrittenRule], texts: Sequence[str]) -> list[int | None]:
    """Return where each rule is among the texts that were read."""
    by_text = {text: at for at, text in enumerate(texts)}
    if all(rule.text in by_text for rule in rules):
        return [by_text[rule.text] for rule in rules]
    by_meaning = {_meaning(read_rule(text)): at for text, at in by_text.items()}
    return [by_text.get(rule.text, by_meaning.get(_meaning(read_rule(rule.text)))) for rule in rules]


def _place(chain: str, rules: Sequence[WrittenRule], there: Sequence[int | None], at: int) -> int | None:
    """Return where in its chain the lost rule belongs."""
    bridge = rules[at].because.bridge
    for later in range(at + 1, len(rules)):
        # Rules of different bridges exclude each other. Those of no bridge call chains, or end one.
        of_same = bridge is None or rules[later].because.bridge in {None, bridge}
        if of_same and (place := there[later]) is not None:
            return place
    if chain.startswith("DOCKER"):
        return None
    # Behind Docker's own rules and before those of others, which may reject what is left.
    behind = [place for place in there if place is not None]
    return max(behind) + 1 if behind else 0 if chain in {"FORWARD", "POSTROUTING"} else None


def lost_of_nftables(written: NativeRules, read: Table) -> Iterator[LostRule]:
    """Yield the rules that are not in the table that was read, and those that lead to chains which nothing calls."""
    for (table, chain), rules in written.rules.items():
        handles: dict[str, int | None] = {}
        for listed in _rules(read.chains.get(chain)):
            handles.setdefault(without_comment(listed.text), listed.handle)
        texts = [without_comment(rule.text) for rule in rules]
        for at, rule in enumerate(rules):
            elements = _elements_of(written, rule)
            if texts[at] in handles or rule.unknown or elements == []:
                continue
            behind = next((handles[text] for text in texts[at + 1 :] if text in handles), None)
            made = () if chain in read.chains else (_chain_made(written, chain),)
            # The reader makes a rule of each element of the map, so that a map without elements looks like a lost rule.
            made = (*made, *(_element_made(written, element) for element in elements or ()))
            yield LostRule(written.version, table, chain, _plain(rule), _effects(written, rule), behind, made)
    for element in written.elements:
        yield from _lost_jump(written, element, read)


def _rules(chain: Chain | None) -> Sequence[Rule]:
    return chain.rules if chain is not None else ()


def _elements_of(written: NativeRules, rule: WrittenRule) -> list[JumpElement] | None:
    """Return the elements of the map by which the rule jumps; ``None`` for a rule without a map."""
    _, by_map, name = rule.text.partition(" vmap @")
    return [element for element in written.elements if element.name == name] if by_map else None


def _effects(written: NativeRules, rule: WrittenRule) -> frozenset[str]:
    (table,) = written.ruleset.tables
    listed = (other for chain in table.chains.values() for other in chain.rules if other.text == rule.text)
    return frozenset(effect.kind for other in listed for effect in other.effects)


def _plain(rule: WrittenRule) -> WrittenRule:
    return WrittenRule(without_comment(rule.text), rule.because)


def _lost_jump(written: NativeRules, element: JumpElement, read: Table) -> Iterator[LostRule]:
    # A base chain does not jump itself: it looks up the bridge in a map of verdicts, whose elements are the jumps.
    bases = (chain for chain in read.chains.values() if chain.hook is not None)
    jumps = [rule for chain in bases for rule in chain.rules if rule.text.endswith(f" vmap @{element.name}")]
    called = {effect.chain for rule in jumps for effect in rule.effects}
    if not jumps or element.chain in called:
        return
    made = () if element.chain in read.chains else (_chain_made(written, element.chain),)
    jump = WrittenRule(f"{element.name} {_printed(element)}", element.because)
    made = (*made, _element_made(written, element))
    yield LostRule(written.version, NAME, element.chain, jump, frozenset({"jump"}), made=made)


def _printed(element: JumpElement) -> str:
    return f"{{ {element.bridge} : jump {element.chain} }}"


def _element_made(written: NativeRules, element: JumpElement) -> str:
    return f"nft add element {FAMILY[written.version]} {NAME} {element.name} {_printed(element)}"


def _chain_made(written: NativeRules, chain: str) -> str:
    base, where = written.bases.get(chain), f"{FAMILY[written.version]} {NAME} {chain}"
    if base is None:
        return f"nft add chain {where}"
    hook = f"type {base.kind} hook {base.hook.value} priority {base.priority}"
    return f"nft add chain {where} '{{ {hook}; policy accept; }}'"


def commands_for(lost: Sequence[LostRule]) -> tuple[str, ...]:
    """Return the commands that write the rules again, in their order."""
    commands: dict[str, None] = {}
    places: dict[tuple[int, str, str], list[int]] = {}
    for one in lost:
        commands |= dict.fromkeys(one.made)
        if one.table == NAME:
            commands |= dict.fromkeys(_native(one))
            continue
        # Each rule that is written before the place moves it by one.
        before = places.setdefault((one.version, one.table, one.chain), [])
        moved = None if one.at is None else one.at + sum(at <= one.at for at in before)
        before += [] if one.at is None else [one.at]
        commands[_with_iptables(one, moved)] = None
    return tuple(commands)


def _with_iptables(one: LostRule, at: int | None) -> str:
    program = PROGRAM[one.version] if one.table == "filter" else f"{PROGRAM[one.version]} -t {one.table}"
    text = one.rule.text.removeprefix(f"-A {one.chain} ")
    if at is None:
        return f"{program} -A {one.chain} {text}"
    # Without a number the rule becomes the first of its chain.
    return f"{program} -I {one.chain} {f'{at + 1} ' if at else ''}{text}"


def _native(one: LostRule) -> Iterator[str]:
    if " : jump " in one.rule.text:
        return
    where = f"{FAMILY[one.version]} {NAME} {one.chain}"
    if one.at is None:
        yield f"nft add rule {where} {one.rule.text}"
    else:
        yield f"nft insert rule {where} handle {one.at} {one.rule.text}"
