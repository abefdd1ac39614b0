"""The ports that rules of other programs than Docker name.

Two published ports of the host whose containers are alike have the same verdicts, unless such a rule tells them apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridgework.analysis.attachment import IPV4, IPV6, EngineState
from bridgework.analysis.docker_rules.in_effect import in_effect
from bridgework.analysis.host_rules import NATIVE_TABLE
from bridgework.firewall.ruleset import Match, Range

_PORTS = frozenset({"destination-port", "original-destination-port", "source-port", "port"})


@dataclass(frozen=True, slots=True)
class PortsNamed:
    """``ranges`` are the ports. ``every``: a rule compares ports in a way that is not understood."""

    ranges: frozenset[Range] = frozenset()
    every: bool = False

    def holds(self, port: int) -> bool:
        """Return whether a rule may tell the port from others."""
        return self.every or any(low <= port <= high for low, high in self.ranges)


def ports_named(state: EngineState) -> PortsNamed:
    """Return the ports that rules of others name in this state."""
    rules, ranges, every = in_effect(state), set[Range](), False
    for version in (IPV4, IPV6):
        ruleset, written = rules.ruleset(version), rules.written(version)
        for table in ruleset.tables if ruleset is not None else ():
            # No other program writes into Docker's own table.
            if table.name == NATIVE_TABLE:
                continue
            for chain in table.chains.values():
                for rule in chain.rules:
                    if written is not None and written.because(table.name, chain.name, rule.text) is not None:
                        continue
                    for match in rule.matches:
                        every = every or _compares_unseen(match)
                        ranges |= set(match.ranges) if match.key in _PORTS else set()
    return PortsNamed(frozenset(ranges), every)


def _compares_unseen(match: Match) -> bool:
    # The sets of ipset can hold ports; a negated match of a port is about all others.
    return match.key in {"set", "unknown"} or (match.key in _PORTS and match.negated)
