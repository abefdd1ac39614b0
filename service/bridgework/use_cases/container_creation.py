"""Create a container and start it. When it cannot be started it is removed again, so that nothing is half done."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace

from bridgework.model.create_specs import ContainerSpec
from bridgework.model.errors import BridgeworkError, Conflict, NotFound, Remedy
from bridgework.model.snapshot import Container, Snapshot
from bridgework.policy.access import Caller, require_ownership, stamped
from bridgework.telemetry import progress
from bridgework.use_cases.containers import get_container
from bridgework.use_cases.idempotency import PAUSES_S, RetryKey, earlier
from bridgework.use_cases.networks import Created
from bridgework.use_cases.preflight.container import (
    WantedContainer,
    require_allowed,
    require_free,
    resolved,
    wanted_ports,
)
from bridgework.use_cases.preflight.container_conflicts import explained, held_by_a_program, name_taken
from bridgework.use_cases.services import Services
from bridgework.use_cases.views import DescribedContainer, describe_container, planned_container, with_state

GOING = frozenset({"removing", "dead"})


def create_container(
    services: Services, caller: Caller, wanted: WantedContainer, key: RetryKey | None, *, dry_run: bool
) -> Created | DescribedContainer:
    """Make a container and start it; when it cannot be started it is removed again. Raises ``Conflict``…

    In a dry run, answer the container that would be made.
    """
    snapshot = services.engine.snapshot()
    before = earlier(snapshot.containers, key)
    if before is not None:
        require_ownership(caller, "container", before.name, before.labels)
        return _planned_again(snapshot, before, wanted) if dry_run else _replayed(services, before, wanted)
    name = wanted.name or (f"bridgework-{key.key[:12]}" if key else f"bridgework-{secrets.token_hex(6)}")
    spec = resolved(services, snapshot, replace(wanted.spec, name=name), wanted)
    require_allowed(services, caller, snapshot, spec)
    require_free(snapshot, spec, start=wanted.start)
    present = services.engine.has_image(spec.image)
    if not present and wanted.pull == "never":
        raise _image_missing(spec.image)
    if dry_run:
        _foresee(services, snapshot, spec, wanted)
        return planned_container(snapshot, replace(spec, labels=stamped(caller, spec.labels)), start=wanted.start)
    if not present or wanted.pull == "always":
        progress.tell(f"Pulling {spec.image}")
        services.engine.pull_image(spec.image)
    progress.tell(f"Creating {spec.name}")
    labels = {**stamped(caller, spec.labels), **(key.labels if key else {})}
    return _create(services, replace(_by_names(snapshot, spec), labels=labels), wanted, key)


def _foresee(services: Services, snapshot: Snapshot, spec: ContainerSpec, wanted: WantedContainer) -> None:
    """For a rehearsal, which never comes to the engine: raise ``Conflict`` where a program has a port."""
    held = held_by_a_program(services, snapshot, wanted_ports(snapshot, spec)) if wanted.start else None
    if held is not None:
        raise held


def _by_names(snapshot: Snapshot, spec: ContainerSpec) -> ContainerSpec:
    """With the networks by their names: the engine keeps the key, and before the first start finds no other."""
    named = {snapshot.networks_by_id[key].name: endpoint for key, endpoint in spec.networks.items()}
    return replace(spec, networks=named)


def _planned_again(snapshot: Snapshot, before: Container, wanted: WantedContainer) -> DescribedContainer:
    """Answer a dry run with a key that made this container: it would be started if that did not happen yet."""
    return describe_container(snapshot, with_state(before, "running") if _unstarted(before, wanted) else before)


def _unstarted(before: Container, wanted: WantedContainer) -> bool:
    return wanted.start and before.state == "created"


def _create(
    services: Services,
    spec: ContainerSpec,
    wanted: WantedContainer,
    key: RetryKey | None,
    pauses_s: tuple[float, ...] = PAUSES_S,
) -> Created:
    """A name that nobody is seen to have is one that the engine is just making or removing: then once more."""
    try:
        container_id = services.engine.create_container(spec)
    except Conflict as conflict:
        snapshot = services.engine.snapshot()
        again = earlier(snapshot.containers, key)
        if again is not None:
            return _replayed(services, again, wanted)
        holder = next((c for c in snapshot.containers if c.name == spec.name), None)
        if not pauses_s or holder is not None or conflict.code != "container-name-taken":
            raise name_taken(holder) if holder is not None else conflict from conflict
        time.sleep(pauses_s[0])
        return _create(services, spec, wanted, key, pauses_s[1:])
    if wanted.start:
        progress.tell(f"Starting {spec.name}")
        try:
            services.engine.start_container(container_id)
        except BridgeworkError as error:
            return _undone(services, container_id, spec, error)
    return Created(container_id)


def _replayed(services: Services, before: Container, wanted: WantedContainer) -> Created:
    """The earlier request's container, started when that request did not come to it."""
    if before.state in GOING:
        raise _earlier_failed()
    if _unstarted(before, wanted):
        try:
            services.engine.start_container(before.id)
        except NotFound as error:
            raise _earlier_failed() from error
        except Conflict as conflict:
            if conflict.code == "container-removing":
                raise _earlier_failed() from conflict
            raise explained(services, before, conflict) from conflict
    return Created(before.id, replayed=True)


def _earlier_failed() -> Conflict:
    return Conflict(
        code="earlier-request-failed",
        detail="The earlier request with this key could not start its container, and removed it.",
        remedy=Remedy("Send it again."),
    )


def described(services: Services, made: Created) -> DescribedContainer:
    """The container as it is now."""
    try:
        found = get_container(services.engine.snapshot(), made.id)
    except NotFound as error:
        raise _earlier_failed() if made.replayed else error from error
    if made.replayed and found.state in GOING:
        raise _earlier_failed()
    return found


def _undone(services: Services, container_id: str, spec: ContainerSpec, error: BridgeworkError) -> Created:
    """Remove what could not be started, so that nothing is half done; say so when even that fails.

    Not by force: when it runs after all (the engine was only slow, or a retry started it), it stays.
    """
    told = error
    try:
        made = services.engine.snapshot().containers_by_id.get(container_id)
        if isinstance(error, Conflict) and made is not None:
            told = explained(services, made, error)
        services.engine.remove_container(container_id)
    except NotFound:
        raise told from error
    except BridgeworkError as stuck:
        if stuck.code == "container-running":
            return Created(container_id)
        detail = f"{told.detail} The container {spec.name} was created and is still there."
        facts = {**told.facts, "left_behind": {"id": container_id, "name": spec.name}}
        raise replace(told, detail=detail, facts=facts) from error
    raise told from error


def _image_missing(image: str) -> NotFound:
    return NotFound(
        code="image-not-found",
        detail=f"The engine has no image {image}.",
        remedy=Remedy('Send the same body with "pull": "missing", or load the image into the engine.'),
        facts={"image": image},
    )
