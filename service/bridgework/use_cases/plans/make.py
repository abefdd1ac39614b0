"""Make a plan: rehearse its changes in order, and compare the engine before them with the engine after them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from bridgework.explanations.limitations import limitation, of_pairs
from bridgework.firewall.docker import knows_rules_of
from bridgework.firewall.docker.releases import in_words
from bridgework.model import actions
from bridgework.model.actions import Call, Change
from bridgework.model.checks import Finding, Limitation
from bridgework.model.errors import BridgeworkError, InvalidInput, NotFound, NotSupported, Remedy
from bridgework.model.snapshot import Snapshot
from bridgework.plans.difference import (
    Difference,
    KnownWorlds,
    World,
    difference,
)
from bridgework.plans.effort import Effort
from bridgework.plans.exposure import ChangedExposure, ChangedRow, SeenWorld, changed_exposure
from bridgework.plans.groups import Groups, grouped
from bridgework.plans.inverse import CannotUndoError, as_request, inverse, lost
from bridgework.plans.notes import Note
from bridgework.plans.upgrade import Target, target_of
from bridgework.policy.access import Role, require_role
from bridgework.telemetry import deadline
from bridgework.use_cases import container_creation, containers, endpoints, networks, prune
from bridgework.use_cases.idempotency import earlier, retry_key
from bridgework.use_cases.plans.findings import changed_findings, host_after, with_sockets
from bridgework.use_cases.plans.observe import Observed, observe
from bridgework.use_cases.plans.planned_engine import PlannedEngine
from bridgework.use_cases.plans.upgrade_notes import upgrade_notes
from bridgework.use_cases.services import Actor


@dataclass(frozen=True, slots=True)
class WantedChange:
    """A change of a plan: the call as the caller wrote it, and what it means."""

    call: Call
    change: Change


@dataclass(frozen=True, slots=True)
class WantedPlan:
    """What to plan. ``undo`` is ``on-failure`` or ``never``; it counts only with ``apply``.

    ``upgrade`` is the engine that takes the place of the present one after the changes.
    """

    changes: tuple[WantedChange, ...]
    apply: bool = False
    undo: str = "on-failure"
    upgrade: actions.UpgradeEngine | None = None

    @property
    def id(self) -> str:
        """The digest of the changes: the same for the same changes in the same order."""
        calls: list[Any] = [[one.call.method, one.call.path, one.call.body] for one in self.changes]
        if self.upgrade is not None:
            calls.append(asdict(self.upgrade))
        return hashlib.sha256(json.dumps(calls, sort_keys=True).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Step:
    """A change as it would be made. ``problem`` is why it cannot be made.

    ``changes`` says whether the step changes anything. ``undo`` undoes the step; ``None`` where nothing can, and then
    ``not_undoable`` says why, in a sentence.
    """

    wanted: WantedChange
    changes: bool
    problem: BridgeworkError | None = None
    undo: tuple[Change, ...] | None = ()
    not_undoable: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan: its steps, what it changes, and the state of everything that it names.

    ``target`` is the engine after the plan, if it is another one, and ``notes`` are about it. ``exposure`` are the rows
    of the exposure that open or close.
    """

    wanted: WantedPlan
    steps: tuple[Step, ...]
    before: World
    after: World
    difference: Difference
    groups: Groups
    appearing: tuple[Finding, ...]
    disappearing: tuple[Finding, ...]
    limited: tuple[Limitation, ...] = ()
    state: str = ""
    target: Target | None = None
    notes: tuple[Note, ...] = ()
    exposure: tuple[ChangedRow, ...] = ()

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
    run_change(actor, plan.changes[index].change, _key_of(plan, index))


def is_made(actor: Actor, plan: WantedPlan, index: int, snapshot: Snapshot) -> bool:
    """Whether what the creation ``index`` of the plan makes is there: it has the key of that change."""
    change = plan.changes[index].change
    key = retry_key(actor.caller, _key_of(plan, index), getattr(change, "spec", None))
    return any(earlier(things, key) is not None for things in (snapshot.networks, snapshot.containers))


def _key_of(plan: WantedPlan, index: int) -> str:
    return f"plan {plan.id} {index}"


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
    if not services.engine.facts().writes_dockers_rules:
        # The rules that netavark would write after a change are not known, so no prediction of a plan would hold.
        raise NotSupported(
            code="engine-lacks-function",
            detail="Plans predict what Docker's rules let pass, and this engine is Podman.",
            remedy=Remedy("Make the changes one by one, and check after each."),
        )
    target = None
    if wanted.upgrade is not None:
        pointer = f"/changes/{len(wanted.changes)}/upgrade_engine"
        target = target_of(wanted.upgrade, services.engine.facts(), pointer)
        require_not_applied(wanted)
    engine = PlannedEngine(services, snapshot)
    # A viewer may ask what a change would do; that the change needs a higher role is said when the plan is applied.
    caller = replace(actor.caller, role=max(actor.caller.role, Role.OPERATOR))
    steps = _rehearse(Actor(engine.services, caller), engine, wanted)
    observed = observe(services, snapshot, engine.now, target)
    before, after, affected = observed.before, observed.after, observed.affected
    known: KnownWorlds = {}
    found = difference(before, after, Effort(deadline.require_left), affected, known)
    appearing, disappearing = changed_findings(services, observed)
    exposure = _exposure(observed, known)
    notes = upgrade_notes(services, observed, target, known) if target is not None else ()
    return Plan(
        wanted=wanted,
        steps=steps,
        before=before,
        after=after,
        difference=found,
        groups=grouped(found.pairs, snapshot, engine.now),
        appearing=appearing,
        disappearing=disappearing,
        limited=(
            *of_pairs(Counter(one.reason for one in found.pairs if one.reason)),
            *observed.limited,
            *_unknown_addresses(snapshot, engine.now, affected),
            *(() if exposure.is_whole else (limitation("exposure-not-compared", "the exposure to networks"),)),
            *(_unknown_release(target) if target is not None else ()),
        ),
        state=_state_of(snapshot, affected, engine.now),
        target=target,
        notes=notes,
        exposure=exposure.rows,
    )


def _exposure(observed: Observed, known: KnownWorlds) -> ChangedExposure:
    """Return the rows of the exposure that change; nothing where the host or its rules were not seen."""
    before, after, host = observed.before, observed.after, observed.host
    then = host_after(before.snapshot, after.snapshot, host)
    if host is None or then is None or before.observations.firewall is None:
        return ChangedExposure()
    was, now = (
        SeenWorld(world, with_sockets(seen, world.observations.host) or seen)
        for world, seen in ((before, host), (after, then))
    )
    return changed_exposure(was, now, observed.affected, Effort(deadline.require_left), known)


def require_not_applied(wanted: WantedPlan) -> None:
    """Raise ``InvalidInput`` where a plan with an upgrade is to be applied."""
    if wanted.apply:
        raise InvalidInput(
            code="plan-not-applicable",
            detail="The plan has upgrade_engine, and the service cannot install another release of Docker.",
            remedy=Remedy("Send the plan without apply, and upgrade Docker with the package manager of its host."),
        )


def _unknown_release(target: Target) -> Iterable[Limitation]:
    """Name what is not known of the release to which the plan leads."""
    release = in_words(target.release)
    if target.is_newer:
        yield limitation("release-newer-than-known", f"Docker {target.version}, answered as Docker {release}")
    elif not knows_rules_of(target.release):
        yield limitation("rules-of-release-not-known", f"the rules of Docker {release}")
    if not knows_rules_of(target.before):
        yield limitation("rules-of-release-not-known", f"the rules of Docker {in_words(target.before)}, which runs now")


def _rehearse(actor: Actor, engine: PlannedEngine, wanted: WantedPlan) -> tuple[Step, ...]:
    """Make each change on the planned engine. A change that cannot be made leaves it as it is."""
    steps: list[Step] = []
    for index, one in enumerate(wanted.changes):
        deadline.require_left()
        before = engine.now
        problem: BridgeworkError | None = engine.error_of_made_up_id(references_of(one.change))
        try:
            if problem is None:
                make_change(actor, wanted, index)
        except BridgeworkError as error:
            # A change that fails half way, such as a prune, is not counted as half made.
            engine.now = before
            problem = None if is_gone_anyway(error, wanted, index) else error
        changed = engine.now is not before
        undo, why = _undo_of(actor, engine, before) if changed else ((), "")
        steps.append(Step(one, changed, problem, undo, why))
    return tuple(steps)


def _undo_of(actor: Actor, engine: PlannedEngine, before: Snapshot) -> tuple[tuple[Change, ...] | None, str]:
    """Return what undoes the change that was just rehearsed, or ``None`` and the reason.

    The undoing is rehearsed too, as the requests that the plan answers, so what would be refused is not promised.
    """
    after = engine.now
    try:
        undo = inverse(before, after)
        for change in undo:
            run_change(actor, as_request(change))
        why = lost(before, engine.now)
    except CannotUndoError as error:
        return None, str(error)
    except BridgeworkError as error:
        return None, error.detail
    finally:
        engine.now = after
    return (None, why) if why else (undo, "")


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


def references_of(change: Change) -> set[str]:
    """Return the references in a change, and those in its body."""
    found = names_of(change)
    if isinstance(change, actions.CreateNetwork) and change.spec.config_from:
        found.add(change.spec.config_from)
    if isinstance(change, actions.CreateContainer):
        found |= {place.network for place in change.spec.networks}
        found.add((change.spec.network_mode or "").removeprefix("container:"))
    return found - {""}


def _deleted_by(change: Change) -> set[str]:
    deletes = isinstance(change, actions.DeleteNetwork | actions.DeleteContainer)
    return names_of(change) if deletes else set()


def _unknown_addresses(before: Snapshot, after: Snapshot, affected: frozenset[str]) -> Iterable[Limitation]:
    """Name what the engine, or an IPAM driver, chooses in a way that cannot be foreseen."""
    for network in after.networks:
        involved = any(e.container_id in affected for e in after.endpoints_of(network))
        if involved and network.ipam_driver != "default":
            what = f"the addresses that the IPAM driver {network.ipam_driver} gives in {network.name}"
            yield limitation("addresses-not-foreseen", what)
        chosen = network.ipv6_enabled and not any(":" in pool.subnet for pool in network.pools)
        if chosen and network.id not in before.networks_by_id:
            yield limitation("addresses-not-foreseen", f"the IPv6 subnet that the engine chooses for {network.name}")


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
