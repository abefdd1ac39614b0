"""The firewall rules that the engine keeps for its networks and ports, compared with those on the host.

The shapes are those of Docker 26 to 29 with iptables, and of Docker 29 with nftables, as dumped from 26.1.5, 28.5.2 and
29.7.2. Source: moby, libnetwork/drivers/bridge/internal, ``iptabler`` and ``nftabler``. Only what the snapshot decides
is expected: no rule that depends on a setting of the daemon which its API does not show.
"""

from __future__ import annotations

from collections.abc import Iterator

from bridgework.analysis.attachment import IPV4, IPV6, EngineState
from bridgework.analysis.docker_rules.expected import (
    FAMILY,
    ISOLATION,
    NETWORK,
    PORT,
    Dump,
    DuplicateRule,
    MissingRule,
    StaleRule,
)
from bridgework.analysis.docker_rules.iptables import IptablesRules
from bridgework.analysis.docker_rules.nftables import NativeRules
from bridgework.analysis.host_rules import NATIVE_TABLE, ruleset_of_host

__all__ = [
    "ISOLATION",
    "NETWORK",
    "PORT",
    "DuplicateRule",
    "MissingRule",
    "StaleRule",
    "duplicate_rules",
    "missing_rules",
    "stale_rules",
]


def missing_rules(state: EngineState) -> Iterator[MissingRule]:
    """Yield the engine's rules that are not on the host; nothing where its rules were not seen or never written."""
    for dump in _dumps(state):
        yield from dump.missing()


def stale_rules(state: EngineState) -> Iterator[StaleRule]:
    """Yield the translations to addresses at which no container publishes the port."""
    for dump in _dumps(state):
        yield from dump.stale()


def duplicate_rules(state: EngineState) -> Iterator[DuplicateRule]:
    """Yield the engine's rules of which there is more than one copy."""
    for dump in _dumps(state):
        yield from dump.duplicates()


def _dumps(state: EngineState) -> Iterator[Dump]:
    observations = state.observations
    rules = observations.firewall
    if rules is None:
        return
    for version in (IPV4, IPV6):
        # Rules that were never written, or all lost, are another finding (firewall-rules-missing).
        written = observations.ipv4_firewall if version == IPV4 else observations.ipv6_firewall
        if written is not True:
            continue
        if observations.nftables:
            ruleset = ruleset_of_host(rules, version)
            tables = ruleset.tables if ruleset else ()
            for table in tables:
                if (table.family, table.name) == (FAMILY[version], NATIVE_TABLE):
                    yield NativeRules(state, version, table)
        else:
            chains = rules.chains_of(version)
            if chains is not None and any((c.table, c.name) == ("filter", "DOCKER") for c in chains):
                yield IptablesRules(state, version, chains)
