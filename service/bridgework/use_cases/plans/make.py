"""Make a plan: rehearse its changes in order, and compare the engine before them with the engine after them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from bridgework.analysis.routing import gateway_mode
from bridgework.diagnosis.diagnosis import diagnose
from bridgework.model import actions
from bridgework.model.actions import Call, Change
from bridgework.model.checks import Finding
from bridgework.model.errors import BridgeworkError, NotFound, NotSupported, Remedy
from bridgework.model.observations import EngineObservations, HostObservation, Observation, Observations
from bridgework.model.snapshot import Container, Snapshot
from bridgework.plans.difference import Difference, Groups, World, affected_containers, difference, grouped
from bridgework.plans.inverse import inverse
from bridgework.plans.reachability import with_assumed_listeners
from bridgework.policy.access import Role, require_role
from bridgework.use_cases import container_creation, containers, endpoints, networks, prune
from bridgework.use_cases.connectivity.observe import base_observations, inodes_of, look
from bridgework.use_cases.plans.planned_engine import PlannedEngine
from bridgework.use_cases.services import Actor, Services


@dataclass(frozen=True, slots=True)
class WantedChange:
    """A change of a plan: the call as the caller wrote it, and what it means."""

    call: Call
    change: Change


@dataclass(frozen=True, slots=True)
class WantedPlan:
    """What to plan. ``undo`` is ``on-failure`` or ``never``; it counts only with ``apply``."""

    changes: tuple[WantedChange, ...]
    apply: bool = False
    undo: str = "on-failure"

    @property
    def id(self) -> str:
        """The digest of the changes: the same for the same changes in the same order."""
        calls = [[one.call.method, one.call.path, one.call.body] for one in self.changes]
        return hashlib.sha256(json.dumps(calls, sort_keys=True).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Step:
    """A change as it would be made. ``problem`` is why it cannot be made.

    ``changes`` says whether the step changes anything. ``undo`` undoes the step; ``None`` where nothing can.
    """

    wanted: WantedChange
    changes: bool
    problem: BridgeworkError | None = None
    undo: tuple[Change, ...] | None = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan: its steps, what it changes, and the state of everything that it names."""

    wanted: WantedPlan
    steps: tuple[Step, ...]
    before: World
    after: World
    difference: Difference
    groups: Groups
    appearing: tuple[Finding, ...]
    disappearing: tuple[Finding, ...]
    limited: tuple[str, ...] = ()
    state: str = ""

    @property
    def conflicts(self) -> tuple[Step, ...]:
        """The steps that cannot be made."""
        return tuple(step for step in self.steps if step.problem is not None)

    @property
    def without_undo(self) -> tuple[Step, ...]:
        """The steps that nothing can undo."""
        return tuple(step for step in self.steps if step.undo is None)


def make_change(actor: Actor, plan: WantedPlan, index: int) -> None:
    """Make one change of the plan. A creation has an idempotency key of the plan, so that a repeat makes nothing twice.

    Raises what the change itself raises.
    """
    run_change(actor, plan.changes[index].change, f"plan {plan.id} {index}")


def run_change(actor: Actor, change: Change, key: str | None = None) -> None:
    """Make a change by its own use case."""
    require_role(actor.caller, Role.OPERATOR, "A change")
    run: Callable[[Actor, Any, str | None], object] = _USE_CASES[type(change)]
    run(actor, change, key)


def _prune(actor: Actor, change: actions.PruneNetworks, _: str | None) -> None:
    require_role(actor.caller, Role.ADMIN, "A prune")
    prune.prune_networks(actor, prune.PruneFilter(change.label, change.until, change.include_configured))


_USE_CASES: Mapping[type, Callable[[Actor, Any, str | None], object]] = {
    actions.CreateNetwork: lambda actor, c, key: networks.create_network(actor, c.spec, key),
    actions.DeleteNetwork: lambda actor, c, _: networks.delete_network(actor, c.network, force=c.force),
    actions.PruneNetworks: _prune,
    actions.Connect: lambda actor, c, _: endpoints.connect(actor, c.network, c.container, c.spec),
    actions.Disconnect: lambda actor, c, _: endpoints.disconnect(actor, c.network, c.container, force=c.force),
    actions.CreateContainer: lambda actor, c, key: container_creation.create_container(actor, c.spec, key),
    actions.StartContainer: lambda actor, c, _: containers.start_container(actor, c.container),
    actions.StopContainer: lambda actor, c, _: containers.stop_container(actor, c.container, c.grace_s),
    actions.RestartContainer: lambda actor, c, _: containers.restart_container(actor, c.container, c.grace_s),
    actions.DeleteContainer: lambda actor, c, _: containers.delete_container(actor, c.container, force=c.force),
}


def make_plan(actor: Actor, wanted: WantedPlan, snapshot: Snapshot) -> Plan:
    """Rehearse the changes and predict what they do. Nothing is changed and nothing is sent."""
    services = actor.services
    if services.engine.facts().product == "podman":
        # The rules that netavark would write after a change are not known, so no prediction of a plan would hold.
        raise NotSupported(
            code="engine-lacks-function",
            detail="Plans predict what Docker's rules let pass, and this engine is Podman.",
            remedy=Remedy("Make the changes one by one, and check after each."),
        )
    engine = PlannedEngine(services, snapshot)
    # A viewer may ask what a change would do; that the change needs a higher role is said when the plan is applied.
    caller = replace(actor.caller, role=max(actor.caller.role, Role.OPERATOR))
    steps = _rehearse(Actor(engine.services, caller), engine, wanted)
    affected = affected_containers(snapshot, engine.now)
    observations, limited = _observe(services, snapshot, engine.now, affected)
    before = World(snapshot, observations)
    after = _world_after(snapshot, engine.now, observations, affected)
    found = difference(before, after)
    old, new = (_findings(services, world) for world in (before, after))
    return Plan(
        wanted=wanted,
        steps=steps,
        before=before,
        after=after,
        difference=found,
        groups=grouped(found.pairs, snapshot, engine.now),
        appearing=tuple(finding for key, finding in new.items() if key not in old),
        disappearing=tuple(finding for key, finding in old.items() if key not in new),
        limited=(*limited, *_unknown_addresses(snapshot, engine.now, affected)),
        state=_state_of(snapshot, affected, engine.now),
    )


def _rehearse(actor: Actor, engine: PlannedEngine, wanted: WantedPlan) -> tuple[Step, ...]:
    """Make each change on the planned engine. A change that cannot be made leaves it as it is."""
    steps: list[Step] = []
    for index, one in enumerate(wanted.changes):
        before = engine.now
        problem: BridgeworkError | None = None
        try:
            make_change(actor, wanted, index)
        except BridgeworkError as error:
            # A change that fails half way, such as a prune, is not counted as half made.
            engine.now = before
            problem = None if is_gone_anyway(error, wanted, index) else error
        changed = engine.now is not before
        undo = inverse(before, engine.now, one.change) if changed else ()
        steps.append(Step(one, changed, problem, undo))
    return tuple(steps)


def is_gone_anyway(error: BridgeworkError, wanted: WantedPlan, index: int) -> bool:
    """Whether a change failed only because its network or container is gone, and the plan deletes that in any case.

    So a plan that was made half way can be made again.
    """
    if not isinstance(error, NotFound) or error.code not in {"network-not-found", "container-not-found"}:
        return False
    named = names_of(wanted.changes[index].change)
    return any(named & _deleted_by(later.change) for later in wanted.changes[index:])


def names_of(change: Change) -> set[str]:
    """Return the references to networks and containers in a change."""
    return {text for name in ("network", "container") if (text := getattr(change, name, ""))}


def _deleted_by(change: Change) -> set[str]:
    deletes = isinstance(change, actions.DeleteNetwork | actions.DeleteContainer)
    return names_of(change) if deletes else set()


def _observe(
    services: Services, before: Snapshot, after: Snapshot, affected: frozenset[str]
) -> tuple[Observations, tuple[str, ...]]:
    """Observe the listening sockets that the difference depends on, and the inodes of shared namespaces."""
    # The rules in force on the host name the addresses of containers as they are now, so they say nothing about the
    # engine after the plan. Docker's own rules are explained by the options of networks.
    observations = replace(base_observations(services, before), firewall=None)
    chosen = [c for c in before.containers if c.running and c.id in _involved(before, after, affected, observations)]
    seen: dict[str, Observation] = {}
    limited = [
        f"the network namespace of {container.name}"
        for container in chosen
        if not look(services, before, container, ("sockets",), seen)
    ]
    inodes: dict[str, int] = {}
    for container in chosen:
        if container.shares_with:
            inodes |= inodes_of(services, before, container)
    # The host's own sockets, so that they stay known when the plan stops a container in host mode.
    host = services.runner.observe(services.engine.host_place(before), ("sockets",)) if chosen else None
    seen_host = HostObservation(host.whole()) if host is not None else None
    return replace(observations, inside=seen, namespace_inodes=inodes, host=seen_host), tuple(limited)


def _involved(before: Snapshot, after: Snapshot, affected: frozenset[str], observations: Observations) -> set[str]:
    """Return the containers whose listeners count: the affected ones, and those that they might reach."""
    if not affected:
        return set()
    routed = any(
        gateway_mode(n, version) == "routed" for s in (before, after) for n in s.networks for version in (4, 6)
    )
    if routed or not observations.guards(4):
        # Packets pass from any bridge to any other.
        return {container.id for container in before.containers}
    found = set(affected)
    for snapshot in (before, after):
        places = {e.network_id for i in affected if (c := snapshot.containers_by_id.get(i)) for e in c.endpoints}
        found |= {e.container_id for place in places for e in snapshot.endpoints_by_network.get(place, ())}
        found |= {c.id for c in snapshot.containers if c.published_ports or c.host_mode}
    # Sharers have the sockets of their owner.
    return found | {c.id for snapshot in (before, after) for i in found for c in snapshot.sharers_by_owner.get(i, ())}


def _world_after(before: Snapshot, after: Snapshot, observations: Observations, affected: Iterable[str]) -> World:
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


def _findings(services: Services, world: World) -> dict[tuple[str, str, str, str], Finding]:
    """Return the findings about the snapshot, by what they are about. What only the host shows is the same in both."""
    facts = services.engine.facts()
    inside = replace(world.observations, host=None)
    seen = EngineObservations(observations=inside, default_pools=facts.default_address_pools)
    found = diagnose(world.snapshot, seen)
    return {(f.code, f.component.kind, f.component.id, f.component.name): f for f in found}


def _unknown_addresses(before: Snapshot, after: Snapshot, affected: frozenset[str]) -> Iterable[str]:
    """Name what the engine, or an IPAM driver, chooses in a way that cannot be foreseen."""
    for network in after.networks:
        involved = any(e.container_id in affected for e in after.endpoints_of(network))
        if involved and network.ipam_driver != "default":
            yield f"the addresses that the IPAM driver {network.ipam_driver} gives in {network.name}"
        chosen = network.ipv6_enabled and not any(":" in pool.subnet for pool in network.pools)
        if chosen and network.id not in before.networks_by_id:
            yield f"the IPv6 subnet that the engine chooses for {network.name}"


def _state_of(before: Snapshot, affected: frozenset[str], after: Snapshot) -> str:
    """Return a digest of the state of everything that the plan changes, as it is before the plan."""
    containers = [before.containers_by_id[i] for i in sorted(affected) if i in before.containers_by_id]
    ids = {e.network_id for container in containers for e in container.endpoints}
    ids |= {n.id for n in before.networks if n.id not in after.networks_by_id}
    things: Sequence[Any] = [
        *containers,
        *(before.networks_by_id[i] for i in sorted(ids) if i in before.networks_by_id),
    ]
    text = json.dumps([asdict(thing) for thing in things], sort_keys=True, default=sorted)
    return hashlib.sha256(text.encode()).hexdigest()
