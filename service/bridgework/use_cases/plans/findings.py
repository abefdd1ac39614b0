"""The findings that a plan makes appear and disappear: the same diagnosis, of the states before it and after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from bridgework.diagnosis.address_rules import hosts_entries_lead_nowhere
from bridgework.diagnosis.diagnosis import diagnose
from bridgework.diagnosis.exposure_rules import published_ports_are_exposed, unpublished_ports_are_exposed
from bridgework.diagnosis.view import View
from bridgework.explanations.compose import with_compose
from bridgework.firewall.docker.releases import facts_of
from bridgework.model.checks import Finding
from bridgework.model.observations import (
    EngineObservations,
    HostObservation,
    Observation,
    ResolverConfiguration,
)
from bridgework.model.snapshot import Container, Snapshot
from bridgework.plans.difference import World, made_again
from bridgework.use_cases.plans.observe import Observed, runs_anew
from bridgework.use_cases.services import Services

_Key = tuple[str, str, str, str]


def changed_findings(services: Services, observed: Observed) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """Return the findings that appear and those that disappear."""
    before, after = observed.before, observed.after
    again = made_again(before.snapshot, after.snapshot)
    old = _by_key(_findings(services, before, observed, observed.host, observed.hosts), again)
    host, hosts = host_after(before.snapshot, after.snapshot, observed.host), _hosts_after(observed)
    new = _by_key(_findings(services, after, observed, host, hosts), {})
    return (
        tuple(finding for key, finding in new.items() if key not in old),
        tuple(finding for key, finding in old.items() if key not in new),
    )


def _by_key(found: Iterable[Finding], again: Mapping[str, str]) -> dict[_Key, Finding]:
    about = ((again.get(one.component.id, one.component.id), one) for one in found)
    return {(one.code, one.component.kind, of, one.component.name): one for of, one in about}


def _findings(
    services: Services,
    world: World,
    observed: Observed,
    host: HostObservation | None,
    hosts: Mapping[str, ResolverConfiguration],
) -> Iterator[Finding]:
    """Yield the findings about one world. What only the host's links show is the same in both, so it is left out."""
    facts, seen = services.engine.facts(), world.observations
    without_host = replace(seen, host=None)
    yield from diagnose(
        world.snapshot, EngineObservations(observations=without_host, default_pools=facts.default_address_pools)
    )
    affected = [c for c in world.snapshot.containers if c.id in observed.affected]
    exposed = View.of(
        world.snapshot, EngineObservations(observations=replace(seen, host=with_sockets(host, seen.host)))
    )
    inside = {i: Observation(0, resolver=known) for i, known in hosts.items()}
    named = View.of(world.snapshot, EngineObservations(observations=replace(seen, inside=inside)))
    # Without the rules, the exposure would be said by guess.
    if seen.firewall is not None:
        for rule in (published_ports_are_exposed, unpublished_ports_are_exposed):
            yield from (with_compose(world.snapshot, one) for one in rule(exposed, affected))
    yield from (with_compose(world.snapshot, one) for one in hosts_entries_lead_nowhere(named))


def with_sockets(host: HostObservation | None, sockets: HostObservation | None) -> HostObservation | None:
    """Return what was observed of the host with the sockets of another observation, where there are both."""
    if host is None or sockets is None:
        return host
    return replace(host, observation=replace(host.observation, sockets=sockets.observation.sockets))


def host_after(before: Snapshot, after: Snapshot, host: HostObservation | None) -> HostObservation | None:
    """Return the host without the bridges that the plan removes, their ports and their routes."""
    if host is None:
        return None
    gone = {n.bridge_name for n in before.networks if n.id not in after.networks_by_id and n.bridge_name}
    seen = host.observation
    interfaces = seen.interfaces or ()
    removed = {interface.index for interface in interfaces if interface.name in gone}
    left = tuple(one for one in interfaces if one.name not in gone and one.master_index not in removed)
    routes = tuple(route for route in seen.routes or () if route.interface not in gone)
    return replace(host, observation=replace(seen, interfaces=left, routes=routes))


def _hosts_after(observed: Observed) -> Mapping[str, ResolverConfiguration]:
    """Return the entries of hosts files after the plan, as far as those before it were seen."""
    if observed.upgrade is not None:
        # The new engine starts the containers, and writes these files.
        return {}
    before, after = observed.before.snapshot, observed.after.snapshot
    facts = facts_of(observed.before.observations.engine_version)
    found: dict[str, ResolverConfiguration] = {}
    for container_id, seen in observed.hosts.items():
        was, now = before.containers_by_id[container_id], after.containers_by_id.get(container_id)
        # The engine writes the file again at each start.
        if now is None or not now.running or runs_anew(was, now):
            continue
        # A container has the hosts file of the one whose network it shares. A disconnect removes the container's own
        # lines of that network (26.1.5 and 28.5.2, measured), in some releases but for those of the default bridge.
        stays = facts.keeps_lines_of_default_bridge
        gone = _addresses(before, was, but_default_bridge=stays) - _addresses(after, now)
        found[container_id] = replace(seen, hosts=tuple(entry for entry in seen.hosts if entry[0] not in gone))
    return found


def _addresses(snapshot: Snapshot, container: Container, *, but_default_bridge: bool = False) -> set[str]:
    owner = snapshot.network_owner_of(container)
    return {
        address
        for endpoint in (owner.endpoints if owner else ())
        for address in endpoint.addresses
        if not (but_default_bridge and endpoint.network_name == "bridge")
    }
