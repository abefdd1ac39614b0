"""Containers: list, start, stop, restart, rename and delete. Creation has a module of its own.

Each change is idempotent, and each conflict names what is in the way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

from bridgework.ipam.input import validate_container_name
from bridgework.model import references
from bridgework.model.actions import DeleteContainer, StopContainer
from bridgework.model.errors import BridgeworkError, Conflict, EngineMisbehaved, InvalidInput, Remedy
from bridgework.model.snapshot import Container, Snapshot
from bridgework.policy.access import PROJECT_LABEL, Role, require_ownership, require_role
from bridgework.policy.ownership import require_place
from bridgework.use_cases.networks import carries
from bridgework.use_cases.preflight.container_conflicts import (
    explained,
    name_taken,
    network_gone,
    obstacle,
    owner_conflict,
)
from bridgework.use_cases.preflight.network import require_valid
from bridgework.use_cases.services import Actor, Services
from bridgework.use_cases.views import DescribedContainer, describe_container, with_state

SHORT_ID = 12


@dataclass(frozen=True, slots=True)
class ContainerFilter:
    """What to list. A container must match one value of each field that has any, and every label.

    ``name`` is a part of a name; a label is ``key`` or ``key=value``; ``publishes`` are ports of the host.
    """

    name: Collection[str] = ()
    state: Collection[str] = ()
    network: Collection[str] = ()
    label: Sequence[str] = ()
    image: Collection[str] = ()
    publishes: Collection[int] = ()
    project: Collection[str] = ()


def list_containers(snapshot: Snapshot, criteria: ContainerFilter) -> list[Container]:
    """List the containers that match, sorted by name. Raises ``NotFound`` if a network of the filter does not exist."""
    networks = {references.network(snapshot, reference).id for reference in criteria.network}
    return [container for container in snapshot.containers if _matches(container, criteria, networks)]


def _matches(container: Container, criteria: ContainerFilter, networks: Collection[str]) -> bool:
    ports = {port.host_port for port in (*container.published_ports, *container.configured_ports)}
    return all(
        (
            not criteria.name or any(name in container.name for name in criteria.name),
            not criteria.state or container.state in criteria.state,
            not networks or any(endpoint.network_id in networks for endpoint in container.endpoints),
            carries(container.labels, criteria.label),
            not criteria.image or any(_is_of(container, image) for image in criteria.image),
            not criteria.publishes or not ports.isdisjoint(criteria.publishes),
            not criteria.project or container.labels.get(PROJECT_LABEL) in criteria.project,
        )
    )


def _is_of(container: Container, image: str) -> bool:
    """Whether ``image`` is the container's image: any name that Docker takes for it, its id, or 12 digits of the id."""
    digits = image.removeprefix("sha256:")
    return (
        _in_full(image) == _in_full(container.image)
        or image == container.image_id
        or (len(digits) >= SHORT_ID and container.image_id.removeprefix("sha256:").startswith(digits))
    )


def _in_full(image: str) -> str:
    name = image.removeprefix("docker.io/").removeprefix("library/")
    return name if "@" in name or ":" in name.rpartition("/")[2] else f"{name}:latest"


def get_container(snapshot: Snapshot, reference: str) -> DescribedContainer:
    """Return one container. Raises ``NotFound`` or ``AmbiguousReference``."""
    return describe_container(snapshot, references.container(snapshot, reference))


def _change(
    actor: Actor,
    reference: str,
    *,
    is_done: Callable[[Container], bool],
    act: Callable[[Container], None],
    changed: Callable[[Container], Container],
    starts: bool = False,
) -> DescribedContainer:
    """Do one verb on one container: nothing when ``is_done``, otherwise ``act``; then describe the container.

    A dry run describes the container as ``changed`` would leave it. For a verb that ``starts`` the container, a dry run
    also looks for what would be in the way: the engine says that only at a real start.
    """
    services = actor.services
    snapshot = services.engine.snapshot()
    container = references.container(snapshot, reference)
    require_ownership(actor.caller, "container", container.name, container.labels)
    done = is_done(container)
    if actor.dry_run:
        in_the_way = obstacle(services, snapshot, container) if starts and not done else None
        if in_the_way is not None:
            raise in_the_way
        return describe_container(snapshot, container if done else changed(container))
    if not done:
        try:
            act(container)
        except (Conflict, InvalidInput, EngineMisbehaved) as error:
            raise _detailed(services, container, error) from error
    now = services.engine.snapshot()
    if container.auto_remove and container.id not in now.containers_by_id:
        # The engine removed it because it stopped; the caller still learns how the change left it.
        return describe_container(snapshot, changed(container))
    return get_container(now, container.id)


def _detailed(services: Services, before: Container, error: BridgeworkError) -> BridgeworkError:
    """Add to the engine's refusal what is in the way, and the state if the container stopped: half of a restart."""
    detailed = explained(services, before, error) if isinstance(error, Conflict) else error
    now = services.engine.snapshot().containers_by_id.get(before.id)
    if now is None or now.running or not before.running:
        return detailed
    return replace(
        detailed,
        detail=f"{detailed.detail} {now.name} is {now.state} now.",
        facts={**detailed.facts, "state": now.state},
    )


def start_container(actor: Actor, reference: str) -> DescribedContainer:
    """Start a container, or unpause a paused one. Raises ``Conflict`` that names what is in the way."""
    engine = actor.services.engine

    def act(container: Container) -> None:
        try:
            if container.paused:
                engine.unpause_container(container.id)
            else:
                engine.start_container(container.id)
        except Conflict as conflict:
            if conflict.code != "container-not-paused":  # another client unpaused it meanwhile
                raise

    return _change(
        actor,
        reference,
        is_done=lambda c: c.running and not c.paused,
        act=act,
        changed=partial(with_state, state="running"),
        starts=True,
    )


def stop_container(actor: Actor, reference: str, grace_s: int | None) -> DescribedContainer:
    """Stop a container: SIGTERM, and after ``grace_s`` seconds (by default the service's setting) SIGKILL."""
    grace = actor.services.stop_grace_s if grace_s is None else grace_s
    return _change(
        actor,
        reference,
        is_done=lambda c: not c.running and c.state != "restarting",
        act=lambda c: actor.services.engine.stop_container(c.id, grace),
        changed=partial(with_state, state="exited"),
    )


def restart_container(actor: Actor, reference: str, grace_s: int | None) -> DescribedContainer:
    """Stop and start a container. Nothing is stopped where it is known that the container cannot start again."""
    engine = actor.services.engine
    grace = actor.services.stop_grace_s if grace_s is None else grace_s

    def act(container: Container) -> None:
        snapshot = engine.snapshot()
        missing = owner_conflict(snapshot, container.name, container.shares_with) or network_gone(snapshot, container)
        if missing is not None:
            raise missing
        engine.restart_container(container.id, grace)

    running = partial(with_state, state="running")
    return _change(actor, reference, is_done=lambda _: False, act=act, changed=running, starts=True)


def rename_container(actor: Actor, reference: str, name: str) -> DescribedContainer:
    """Rename a container. Raises ``Conflict`` (``container-name-taken``) that names the holder of the name."""
    require_valid(validate_container_name(name))
    snapshot = actor.services.engine.snapshot()
    container = references.container(snapshot, reference)
    holder = next((c for c in snapshot.containers if c.name == name and c.id != container.id), None)
    if holder is not None:
        raise name_taken(holder)
    for endpoint in container.endpoints:
        network = snapshot.networks_by_id.get(endpoint.network_id)
        if network is not None and not network.is_default_bridge:
            require_place(actor.caller, snapshot, network, (name,), ())
    return _change(
        actor,
        container.id,
        is_done=lambda c: c.name == name,
        act=lambda c: actor.services.engine.rename_container(c.id, name),
        changed=lambda c: replace(
            c, name=name, endpoints=tuple(replace(endpoint, container_name=name) for endpoint in c.endpoints)
        ),
    )


def delete_container(actor: Actor, reference: str, *, force: bool) -> None:
    """Delete a container; a running one only with ``force``. Raises ``Conflict`` (``container-running``)."""
    container = references.container(actor.services.engine.snapshot(), reference)
    require_ownership(actor.caller, "container", container.name, container.labels)
    if force:
        require_role(actor.caller, Role.ADMIN, "DELETE with force")
    if container.running and not force:
        raise Conflict(
            code="container-running",
            detail=f"{container.name} is {container.state}.",
            remedy=Remedy("Stop the container first.", (StopContainer(container.id), DeleteContainer(container.id))),
        )
    if not actor.dry_run:
        actor.services.engine.remove_container(container.id, force=force)
