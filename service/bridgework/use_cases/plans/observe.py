"""Observe what the difference of a plan depends on, and say what of it still holds after the plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bridgework.analysis.routing import gateway_mode
from bridgework.model.checks import Limitation
from bridgework.model.observations import HostObservation, Observations
from bridgework.model.snapshot import Container, Snapshot
from bridgework.plans.difference import World
from bridgework.plans.reachability import with_assumed_listeners
from bridgework.telemetry import deadline
from bridgework.use_cases.connectivity.observe import Observer, base_observations, inodes_of
from bridgework.use_cases.plans.planned_engine import without_published
from bridgework.use_cases.services import Services


def observe(
    services: Services, before: Snapshot, after: Snapshot, affected: frozenset[str]
) -> tuple[Observations, tuple[Limitation, ...]]:
    """Observe the listening sockets that the difference depends on, and the inodes of shared namespaces."""
    # The rules in force on the host name the addresses of containers as they are now, so they say nothing about the
    # engine after the plan. Docker's own rules are explained by the options of networks.
    engine = base_observations(services, before)
    observations = replace(engine, firewall=None)
    chosen = [c for c in before.containers if c.running and c.id in _involved(before, after, affected, observations)]
    observer = Observer(services, before)
    for container in chosen:
        # Without time left nothing is seen, which would look like a namespace that cannot be entered.
        deadline.require_left()
        observer.look(container, ("sockets",))
    inodes: dict[str, int] = {}
    for container in chosen:
        if container.shares_with:
            inodes |= inodes_of(services, before, container)
    # The host's own sockets, so that they stay known when the plan stops a container in host mode.
    host = observer.look_at_host_sockets() if affected else None
    # docker-proxy's sockets go with the ports; whether a port is published, the snapshots of both worlds know.
    seen_host = HostObservation(without_published(host.observation, before)) if host is not None else None
    limited = (*engine.limited, *observer.limited)
    return replace(observations, inside=observer.inside, namespace_inodes=inodes, host=seen_host), limited


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


def world_after(before: Snapshot, after: Snapshot, observations: Observations, affected: Iterable[str]) -> World:
    """Return the world after the plan: what was observed inside a container that is started again no longer holds."""
    renewed = {
        container_id
        for container_id in affected
        if (now := after.containers_by_id.get(container_id)) is not None
        and now.running
        and ((was := before.containers_by_id.get(container_id)) is None or _runs_anew(was, now))
    }
    gone = {i for i in observations.inside if (c := after.containers_by_id.get(i)) is None or not c.running}
    inodes = {i: inode for i, inode in observations.namespace_inodes.items() if i not in renewed | gone}
    assumed = with_assumed_listeners(after, observations, renewed)
    inside = {i: seen for i, seen in assumed.inside.items() if i not in gone}
    return World(after, replace(assumed, namespace_inodes=inodes, inside=inside), frozenset(renewed))


def _runs_anew(was: Container, now: Container) -> bool:
    return not was.running or was.started_at != now.started_at
