"""Create a container and start it. If the start fails, the container is removed again: nothing is left half done."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import replace

from bridgework.model.create_specs import ContainerRequest, ContainerSpec
from bridgework.model.errors import BridgeworkError, Conflict, NotFound, Remedy
from bridgework.model.snapshot import Container, Snapshot
from bridgework.policy.access import require_ownership, stamped
from bridgework.telemetry import progress
from bridgework.use_cases.containers import get_container
from bridgework.use_cases.idempotency import PAUSES_S, Created, RetryKey, earlier, retry_key
from bridgework.use_cases.preflight.container import require_allowed, require_free, resolved, wanted_ports
from bridgework.use_cases.preflight.container_conflicts import explained, held_by_a_program, name_taken
from bridgework.use_cases.services import Actor, Services
from bridgework.use_cases.views import DescribedContainer, describe_container, planned_container, with_state

GOING = frozenset({"removing", "dead"})


def create_container(actor: Actor, request: ContainerRequest, key_text: str | None) -> Created[DescribedContainer]:
    """Create a container and start it; in a dry run, describe the container that would be created.

    A container that cannot be started is removed again. Raises ``InvalidInput``, ``NotFound``, ``Refused``,
    ``Conflict`` or ``EngineMisbehaved``.
    """
    services, caller = actor.services, actor.caller
    key = retry_key(caller, key_text, request)
    snapshot = services.engine.snapshot()
    before = earlier(snapshot.containers, key)
    if before is not None:
        require_ownership(caller, "container", before.name, before.labels)
        if actor.dry_run:
            return Created(_planned_again(snapshot, before, request))
        return _described(services, _replayed(services, before, request), replayed=True)
    name = request.name or (f"bridgework-{key.key[:12]}" if key else f"bridgework-{secrets.token_hex(6)}")
    spec = resolved(services, snapshot, request, name)
    require_allowed(services, caller, snapshot, spec)
    require_free(snapshot, spec, start=request.start)
    present = services.engine.has_image(spec.image)
    if not present and request.pull == "never":
        raise _image_missing(spec.image)
    if actor.dry_run:
        # The engine is not asked in a dry run, so a program that has one of the ports is looked for here.
        held = held_by_a_program(services, snapshot, wanted_ports(snapshot, spec)) if request.start else None
        if held is not None:
            raise held
        planned = replace(spec, labels=stamped(caller, spec.labels))
        return Created(planned_container(snapshot, planned, start=request.start))
    if not present or request.pull == "always":
        progress.tell(f"Pulling {spec.image}")
        services.engine.pull_image(spec.image)
    progress.tell(f"Creating {spec.name}")
    labels = {**stamped(caller, spec.labels), **(key.labels if key else {})}
    return _create(services, replace(_by_names(snapshot, spec), labels=labels), request, key)


def _by_names(snapshot: Snapshot, spec: ContainerSpec) -> ContainerSpec:
    """Key the networks by their names: the engine keeps the key, and finds no other before the first start."""
    named = {snapshot.networks_by_id[key].name: endpoint for key, endpoint in spec.networks.items()}
    return replace(spec, networks=named)


def _planned_again(snapshot: Snapshot, before: Container, request: ContainerRequest) -> DescribedContainer:
    """Describe the container of an earlier request as a repeat would leave it: started, if it was never started."""
    return describe_container(snapshot, with_state(before, "running") if _unstarted(before, request) else before)


def _unstarted(before: Container, request: ContainerRequest) -> bool:
    return request.start and before.state == "created"


def _create(
    services: Services,
    spec: ContainerSpec,
    request: ContainerRequest,
    key: RetryKey | None,
    pauses_s: Sequence[float] = PAUSES_S,
) -> Created[DescribedContainer]:
    """Create and start the container.

    If the name is taken and no container is listed with it, the engine is making or removing that container at this
    moment. Then try again after each of ``pauses_s``.
    """
    try:
        container_id = services.engine.create_container(spec)
    except Conflict as conflict:
        snapshot = services.engine.snapshot()
        again = earlier(snapshot.containers, key)
        if again is not None:
            return _described(services, _replayed(services, again, request), replayed=True)
        holder = next((c for c in snapshot.containers if c.name == spec.name), None)
        if not pauses_s or holder is not None or conflict.code != "container-name-taken":
            raise name_taken(holder) if holder is not None else conflict from conflict
        time.sleep(pauses_s[0])
        return _create(services, spec, request, key, pauses_s[1:])
    if request.start:
        progress.tell(f"Starting {spec.name}")
        try:
            services.engine.start_container(container_id)
        except BridgeworkError as error:
            _undo(services, container_id, spec, error)
    return _described(services, container_id, replayed=False)


def _replayed(services: Services, before: Container, request: ContainerRequest) -> str:
    """Return the id of the earlier request's container, and start it if that request did not come so far."""
    if before.state in GOING:
        raise _earlier_failed()
    if _unstarted(before, request):
        try:
            services.engine.start_container(before.id)
        except NotFound as error:
            raise _earlier_failed() from error
        except Conflict as conflict:
            if conflict.code == "container-removing":
                raise _earlier_failed() from conflict
            raise explained(services, before, conflict) from conflict
    return before.id


def _earlier_failed() -> Conflict:
    return Conflict(
        code="earlier-request-failed",
        detail="The earlier request with this key could not start its container. The container was removed.",
        remedy=Remedy("Send the request again."),
    )


def _described(services: Services, container_id: str, *, replayed: bool) -> Created[DescribedContainer]:
    """Describe the container as it is now. Raises ``Conflict`` if an earlier request is about to remove it again."""
    try:
        described = get_container(services.engine.snapshot(), container_id)
    except NotFound as error:
        raise _earlier_failed() if replayed else error from error
    if replayed and described.state in GOING:
        raise _earlier_failed()
    return Created(described, replayed)


def _undo(services: Services, container_id: str, spec: ContainerSpec, error: BridgeworkError) -> None:
    """Remove the container that could not be started and raise why; say so if it could not be removed either.

    The removal is not by force: a container that runs after all stays, and nothing is raised. That happens when the
    engine was only slow, or when a retry started the container.
    """
    detailed = error
    try:
        made = services.engine.snapshot().containers_by_id.get(container_id)
        if isinstance(error, Conflict) and made is not None:
            detailed = explained(services, made, error)
        services.engine.remove_container(container_id)
    except NotFound:
        raise detailed from error
    except BridgeworkError as stuck:
        if stuck.code == "container-running":
            return
        detail = f"{detailed.detail} The container {spec.name} was created and is still there."
        facts = {**detailed.facts, "left_behind": {"id": container_id, "name": spec.name}}
        raise replace(detailed, detail=detail, facts=facts) from error
    raise detailed from error


def _image_missing(image: str) -> NotFound:
    return NotFound(
        code="image-not-found",
        detail=f"The engine has no image {image}.",
        remedy=Remedy('Send the same body with "pull": "missing", or load the image into the engine.'),
        facts={"image": image},
    )
