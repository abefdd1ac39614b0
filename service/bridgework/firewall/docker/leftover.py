"""The engine's rules that are out of date, or there more than once, among those that were read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bridgework.firewall.docker.lost import PROGRAM, Key
from bridgework.firewall.docker.native_table import FAMILY, NAME
from bridgework.firewall.iptables_save import read_rule
from bridgework.firewall.ruleset import Rule, Table

_TRANSLATIONS = "nat-prerouting-and-output"


@dataclass(frozen=True, slots=True)
class Translation:
    """A DNAT rule of the engine's: packets to the port of the host get the address. ``deletion`` deletes the rule.

    ``spares_its_bridge``: it does not hold for what comes from the bridge of the container, which docker-proxy serves.
    """

    rule: str
    deletion: str
    protocol: str
    host_port: int
    address: str
    spares_its_bridge: bool


@dataclass(frozen=True, slots=True)
class DuplicateRule:
    """A rule of the engine's that is there more than once; ``commands`` remove all but one."""

    rule: str
    copies: int
    commands: tuple[str, ...]


def translations_of_iptables(version: int, read: Mapping[Key, Sequence[str]]) -> Iterator[Translation]:
    """Yield the translations in the engine's chain."""
    for text in read.get(("nat", "DOCKER"), ()):
        if "-j DNAT" in text:
            yield from _translation(read_rule(text), f"{PROGRAM[version]} -t nat -D {text.removeprefix('-A ')}")


def translations_of_nftables(version: int, read: Table) -> Iterator[Translation]:
    """Yield the translations in the engine's table."""
    chain = read.chains.get(_TRANSLATIONS)
    for rule in chain.rules if chain is not None else ():
        yield from _translation(rule, _deleted(version, _TRANSLATIONS, rule.handle))


def _translation(rule: Rule, deletion: str) -> Iterator[Translation]:
    effect = next((effect for effect in rule.effects if effect.kind == "dnat" and effect.address), None)
    named = {match.key: match for match in rule.matches}
    ports, protocol = named.get("destination-port"), named.get("protocol")
    # A rule without a port or protocol is not one of the engine's: each of those translates one port.
    if effect is not None and effect.address and ports and ports.ranges and protocol and protocol.words:
        incoming = named.get("incoming")
        spares = incoming is not None and incoming.negated
        yield Translation(rule.text, deletion, protocol.words[0], ports.ranges[0][0], effect.address, spares)


def _deleted(version: int, chain: str, handle: int | None) -> str:
    return f"nft delete rule {FAMILY[version]} {NAME} {chain} handle {handle}"


def duplicates_of_iptables(
    version: int, read: Mapping[Key, Sequence[str]], bridges: Iterable[str]
) -> Iterator[DuplicateRule]:
    """Yield the rules that are there more than once. ``bridges`` are the names of the engine's bridges."""
    own = set(bridges)
    for (table, name), texts in read.items():
        # This chain belongs to the user, and Docker writes at most its RETURN.
        if name == "DOCKER-USER":
            continue
        for text, copies in Counter(texts).items():
            # In chains that Docker shares with others, a rule counts as Docker's if it names one of its chains or
            # bridges.
            is_dockers = name.startswith("DOCKER") or "-j DOCKER" in text or not own.isdisjoint(text.split())
            if copies > 1 and is_dockers:
                option = "" if table == "filter" else f" -t {table}"
                command = f"{PROGRAM[version]}{option} -D {text.removeprefix('-A ')}"
                yield DuplicateRule(text, copies, (command,) * (copies - 1))


def duplicates_of_nftables(version: int, read: Table) -> Iterator[DuplicateRule]:
    """Yield the rules of the engine's table that are there more than once."""
    for name, chain in read.chains.items():
        # A map of verdicts became several rules with one handle.
        handles: dict[str, dict[int, None]] = {}
        for rule in chain.rules:
            handles.setdefault(rule.text, {})[rule.handle or 0] = None
        for text, copies in handles.items():
            if len(copies) > 1:
                extra = tuple(_deleted(version, name, handle) for handle in list(copies)[1:])
                yield DuplicateRule(text, len(copies), extra)
