"""Observe what the difference of a plan depends on, and say what of it still holds after the plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from bridgework.analysis.attachment import EngineState
from bridgework.analysis.docker_rules.planned import PlannedFirewall, planned_firewall
from bridgework.analysis.docker_rules.upgraded import UpgradedFirewall, upgraded_firewall
from bridgework.analysis.route_lookup import planned_routing
from bridgework.analysis.routing import gateway_mode
from bridgework.explanations.limitations import limitation
from bridgework.model.checks import Limitation
from bridgework.model.observations import HostObservation, Observation, Observations, ResolverConfiguration
from bridgework.model.snapshot import Container, Snapshot
from bridgework.plans.changes import upgraded
from bridgework.plans.difference import World, affected_containers
from bridgework.plans.reachability import with_assumed_listeners
from bridgework.plans.upgrade import Target
from bridgework.telemetry import deadline
from bridgework.use_cases.connectivity.namespaces import Namespaces
from bridgework.use_cases.connectivity.observe import Observer, base_observations, inodes_of
from bridgework.use_cases.plans.planned_engine import without_published
from bridgework.use_cases.services import Services

FIREWALL_NOT_FORESEEN = (
    limitation("firewall-not-foreseen", "the host's firewall rules after the changes"),
    limitation(
        "findings-not-foreseen",
        "the findings exposed-past-host-firewall, loopback-port-exposed, published-on-every-address and "
        "unpublished-port-exposed",
    ),
)


@dataclass(frozen=True, slots=True)
class Observed:
    """Both worlds, and the containers whose reachability may differ between them.

    ``host`` has the interfaces and routes of the host before the plan; ``None`` where they were not seen. ``hosts``
    maps the full id of a container to the entries of its hosts file before the plan. ``upgrade`` are the rules after an
    upgrade of the engine.
    """

    before: World
    after: World
    affected: frozenset[str]
    host: HostObservation | None
    hosts: Mapping[str, ResolverConfiguration]
    limited: tuple[Limitation, ...]
    upgrade: UpgradedFirewall | None = None


def observe(services: Services, before: Snapshot, after: Snapshot, target: Target | None = None) -> Observed:
    """Observe what the difference depends on: the rules of the host, and the listening sockets.

    ``after`` is what the changes of the plan leave of ``before``, and ``target`` the engine that then takes the place
    of the present one.
    """
    affected = affected_containers(before, after)
    observations = base_observations(services, before)
    planned = planned_firewall(before, after, observations)
    upgrade = None
    if target is not None:
        upgrade, after = _upgraded(before, after, observations, planned, target)
        planned = PlannedFirewall(upgrade.rules, planned.not_read)
    if planned.reordered or target is not None:
        affected = frozenset(before.containers_by_id.keys() | after.containers_by_id.keys())
    limited = list(observations.limited)
    if planned.rules is None and affected:
        limited += FIREWALL_NOT_FORESEEN
    limited += [limitation("rule-not-read", f"the effect of Docker's rule {text}") for text in planned.not_read]
    # Without the rules after the plan, those before it are not compared with them either: both worlds are predicted by
    # the rules that the engine would write.
    rules = observations.firewall if planned.rules is not None else None
    observations = replace(observations, firewall=rules)
    involved = _involved(before, after, affected, observations)
    chosen = [container for container in before.containers if container.running and container.id in involved]
    # The engine writes the hosts file again when it starts the container.
    namespaces = Namespaces(services, before, observations, "sockets", "interfaces", "routes")
    namespaces.look(chosen, "sockets", "resolver")
    # The others may be sources of pairs that change: by rules of a user, or by what programs changed inside.
    namespaces.look(one for one in before.containers if affected and one.id not in involved)
    elsewhere = _hosts_files(services, before, after, involved)
    inodes: dict[str, int] = {}
    for container in chosen:
        if container.shares_with:
            inodes |= inodes_of(services, before, container)
    # docker-proxy's sockets go with the ports; whether a port is published, the snapshots of both worlds know.
    seen = namespaces.observations()
    seen_host = without_published(seen.host.observation, before) if seen.host is not None else None
    observations = replace(
        seen,
        # A resolver that was seen would make each container a class of its own.
        inside={container_id: replace(one, resolver=None) for container_id, one in seen.inside.items()},
        namespace_inodes=inodes,
        host=HostObservation(replace(seen_host, routes=None)) if seen_host is not None else None,
    )
    then = replace(observations, firewall=planned.rules)
    world = _after(before, after, then if target is None else target.of_observations(then), affected)
    limited += _not_foreseen(before, observations, world)
    return Observed(
        World(before, observations),
        world,
        affected,
        namespaces.host,
        {
            container_id: one.resolver
            for container_id, one in (*seen.inside.items(), *elsewhere.inside.items())
            if one.resolver is not None
        },
        tuple(dict.fromkeys((*limited, *seen.limited, *elsewhere.limited))),
        upgrade,
    )


def _upgraded(
    before: Snapshot, after: Snapshot, observations: Observations, planned: PlannedFirewall, target: Target
) -> tuple[UpgradedFirewall, Snapshot]:
    """Return the rules and the snapshot after the upgrade that follows the changes of the plan."""
    # Without changes, the rules are those that were read, also of a release that writes others than are known.
    rules = observations.firewall if after is before else planned.rules
    now = EngineState(after, replace(observations, firewall=rules))
    then = upgraded(after, target.before, target.release, icc=target.icc)
    state = EngineState(then, target.of_observations(observations))
    return upgraded_firewall(now, state, target.of_engine), then


def _hosts_files(services: Services, before: Snapshot, after: Snapshot, involved: set[str]) -> Observer:
    """Read the hosts files of the other containers, where the plan takes an address from a container or gives one."""
    observer = Observer(services, before)
    if before.holders_by_address.keys() != after.holders_by_address.keys():
        for container in before.containers:
            if container.running and container.id not in involved:
                deadline.require_left()
                observer.look(container, ("resolver",))
    return observer


def _involved(before: Snapshot, after: Snapshot, affected: frozenset[str], observations: Observations) -> set[str]:
    """Return the containers whose listeners count: the affected ones, and those that they might reach."""
    if not affected:
        return set()
    networks = [network for snapshot in (before, after) for network in snapshot.networks]
    routed = any(gateway_mode(network, version) == "routed" for network in networks for version in (4, 6))
    versions = {6 for network in networks if network.ipv6_enabled} | {4}
    if routed or not all(observations.guards(version) for version in versions):
        # Packets pass from any bridge to any other.
        return {container.id for container in before.containers}
    found = set(affected)
    for snapshot in (before, after):
        affected_here = [c for i in affected if (c := snapshot.containers_by_id.get(i)) is not None]
        # A container in mode container:X is on the networks of X, also when X itself stays as it is.
        owners = [owner for c in affected_here if (owner := snapshot.network_owner_of(c)) is not None]
        if any(owner.host_mode for owner in owners):
            # The host reaches the containers of every bridge.
            return {container.id for container in before.containers}
        found |= {owner.id for owner in owners}
        places = {e.network_id for owner in owners for e in owner.endpoints}
        found |= {e.container_id for place in places for e in snapshot.endpoints_by_network.get(place, ())}
        found |= {c.id for c in snapshot.containers if c.published_ports or c.host_mode}
    # Sharers have the sockets of their owner.
    return found | {c.id for snapshot in (before, after) for i in found for c in snapshot.sharers_by_owner.get(i, ())}


def _after(before: Snapshot, after: Snapshot, observations: Observations, affected: Iterable[str]) -> World:
    """Return the world after the plan: what was observed inside a container that is started again no longer holds."""
    renewed = {
        container_id
        for container_id in affected
        if (now := after.containers_by_id.get(container_id)) is not None
        and now.running
        and ((was := before.containers_by_id.get(container_id)) is None or runs_anew(was, now))
    }
    gone = {i for i in observations.inside if (c := after.containers_by_id.get(i)) is None or not c.running}
    inodes = {i: inode for i, inode in observations.namespace_inodes.items() if i not in renewed | gone}
    assumed = with_assumed_listeners(after, observations, renewed)
    inside = {i: _inside_after(before, after, i, seen) for i, seen in assumed.inside.items() if i not in gone}
    host = _host_after(before, after, assumed.host)
    return World(after, replace(assumed, namespace_inodes=inodes, inside=inside, host=host), frozenset(renewed))


def _inside_after(before: Snapshot, after: Snapshot, container_id: str, seen: Observation) -> Observation:
    """Return what still holds inside a container: a connect or disconnect changes its links and routes."""
    was, now = before.containers_by_id.get(container_id), after.containers_by_id[container_id]
    if was is not None and was.endpoints == now.endpoints:
        return seen
    return replace(seen, interfaces=None, routes=None, neighbours=None, routing=None)


def _not_foreseen(before: Snapshot, observations: Observations, after: World) -> Iterator[Limitation]:
    """Yield the containers of which what was seen inside does not hold after the plan, and is not known either."""
    for container_id, was in observations.inside.items():
        now = after.observations.inside.get(container_id)
        if now is None or was.routing is None or now.routing is not None:
            continue
        parts = "links, routes and rules" if container_id in after.assumed else "links and routes"
        what = f"the {parts} inside {before.containers_by_id[container_id].name} after the changes"
        yield limitation("inside-not-foreseen", what)


def _host_after(before: Snapshot, after: Snapshot, host: HostObservation | None) -> HostObservation | None:
    seen = host.observation if host is not None else None
    if host is None or seen is None or seen.routing is None:
        return host
    return replace(host, observation=replace(seen, routing=planned_routing(before, after, seen.routing)))


def runs_anew(was: Container, now: Container) -> bool:
    """Whether the container is started between the two states, both of which it may run in."""
    return not was.running or was.started_at != now.started_at
