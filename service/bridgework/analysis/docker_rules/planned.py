"""The rules in force on the host after a plan, made from those that were read and those that the engine writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bridgework.analysis.attachment import IPV4, IPV6, EngineState
from bridgework.analysis.docker_rules.written import engine_of, written_rules
from bridgework.analysis.host_rules import NATIVE_TABLE, ruleset_of_host
from bridgework.firewall.docker import WrittenRules
from bridgework.firewall.docker.native_table import FAMILY, NativeRules
from bridgework.firewall.docker.planned import (
    Key,
    PlannedRules,
    PlannedTable,
    Printed,
    planned_rules,
    planned_table,
)
from bridgework.firewall.iptables_save import is_built_in
from bridgework.firewall.nft_json import tables_of
from bridgework.model.assembly import with_containers, with_networks
from bridgework.model.observations import FirewallChain, FirewallRules, Observations
from bridgework.model.snapshot import Container, Snapshot

_DOCKERS = {(family, NATIVE_TABLE) for family in FAMILY.values()}


@dataclass(frozen=True, slots=True)
class PlannedFirewall:
    """The rules after a plan; ``None`` where they cannot be known.

    ``not_read`` are the texts of Docker's rules that the plan deletes, and that were not among those that were read.
    ``reordered``: the rules that stay come in another order.
    """

    rules: FirewallRules | None
    not_read: tuple[str, ...] = ()
    reordered: bool = False


def planned_firewall(before: Snapshot, after: Snapshot, observations: Observations) -> PlannedFirewall:
    """Return the rules after a plan. ``observations`` are those before it, with the rules that were read."""
    read = observations.firewall
    if read is None:
        return PlannedFirewall(None)
    states = [EngineState(snapshot, observations) for snapshot in (before, _untouched(before, after), after)]
    return _native(read, states) if observations.nftables else _iptables(read, states)


def _iptables(read: FirewallRules, states: Sequence[EngineState]) -> PlannedFirewall:
    found: dict[int, PlannedRules] = {}
    for version in (IPV4, IPV6):
        chains, written = read.chains_of(version), _written(states, version)
        if chains is None:
            continue
        if written is None:
            return PlannedFirewall(None)
        found[version] = planned_rules(_by_key(chains), *written)
    return PlannedFirewall(
        replace(
            read,
            chains=_chains(read.chains, found.get(IPV4)),
            ipv6_chains=_chains(read.ipv6_chains, found.get(IPV6)),
            uncertain=_uncertain(found),
            state=None,
        ),
        tuple(text for planned in found.values() for text in planned.not_read),
        any(planned.reordered for planned in found.values()),
    )


def _native(read: FirewallRules, states: Sequence[EngineState]) -> PlannedFirewall:
    """Put Docker's own tables as it writes them after the plan in the place of those that were read."""
    found: dict[int, PlannedTable] = {}
    for version in (IPV4, IPV6):
        ruleset, written = ruleset_of_host(read, version), _written(states, version)
        if ruleset is None or written is None:
            return PlannedFirewall(None)
        before, _, after = written
        tables = [table for table in ruleset.tables if (table.family, table.name) == (FAMILY[version], NATIVE_TABLE)]
        if not isinstance(before, NativeRules) or not isinstance(after, NativeRules):
            return PlannedFirewall(None)
        planned = planned_table(tables, before, after)
        if planned is None:
            return PlannedFirewall(None)
        if tables:
            found[version] = planned
    lines = [line for line in (read.native_rules or "").splitlines() if not _is_dockers(line)]
    native = "\n".join([*lines, *(planned.line for planned in found.values())])
    return PlannedFirewall(replace(read, native_rules=native, uncertain=_uncertain(found), state=None))


def _is_dockers(line: str) -> bool:
    return any((table.family, table.name) in _DOCKERS for table in tables_of(line))


def _written(states: Sequence[EngineState], version: int) -> list[WrittenRules] | None:
    # The rules that were read show the settings by what they are written for, which is the state before.
    engine = engine_of(states[0], version)
    written = [rules for state in states if (rules := written_rules(state, version, engine)) is not None]
    return written if len(written) == len(states) else None


def _uncertain(found: Mapping[int, PlannedRules | PlannedTable]) -> frozenset[tuple[int, str, str]]:
    return frozenset((version, *rule) for version, planned in found.items() for rule in planned.uncertain)


def _untouched(before: Snapshot, after: Snapshot) -> Snapshot:
    """Return the networks that stay, and the containers that run all the time, as they are before the plan."""
    gone = {one.id: None for one in before.containers if not _runs_on(one, after.containers_by_id.get(one.id))}
    removed = {network.id: None for network in before.networks if network.id not in after.networks_by_id}
    return with_networks(with_containers(before, gone), removed)


def _runs_on(was: Container, now: Container | None) -> bool:
    return now is not None and was.running and now.running and was.started_at == now.started_at


def _by_key(chains: Sequence[FirewallChain]) -> Mapping[Key, Sequence[Printed]]:
    return {(chain.table, chain.name): chain.rules for chain in chains}


def _chains(read: tuple[FirewallChain, ...] | None, planned: PlannedRules | None) -> tuple[FirewallChain, ...] | None:
    return read if read is None or planned is None else tuple(_changed(read, planned))


def _changed(read: tuple[FirewallChain, ...], planned: PlannedRules) -> Iterator[FirewallChain]:
    left = dict(planned.rules)
    for chain in read:
        rules = left.pop((chain.table, chain.name))
        # The parsed rules are kept by the rules' tuple, so a chain that stays as it is stays the same object.
        yield chain if rules == chain.rules else replace(chain, rules=rules)
    for (table, name), rules in left.items():
        yield FirewallChain(table, name, "ACCEPT" if is_built_in(name) else None, rules)
