"""Containers: list, create, start, stop, restart, rename, remove. Idempotent, with every conflict named."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial

from bridgework.ipam.input import validate_container_name
from bridgework.model import references
from bridgework.model.errors import BridgeworkError, Call, Conflict, EngineMisbehaved, InvalidInput, Remedy
from bridgework.model.snapshot import Container, Snapshot
from bridgework.policy.access import PROJECT_LABEL, Caller, Role, require_ownership, require_role
from bridgework.policy.ownership import require_place
from bridgework.use_cases.networks import carries
from bridgework.use_cases.preflight.container_conflicts import explained, name_taken, obstacle, owner_conflict
from bridgework.use_cases.preflight.network import require_valid
from bridgework.use_cases.services import Services
from bridgework.use_cases.views import DescribedContainer, describe_container, with_state

SHORT_ID = 12


@dataclass(frozen=True, slots=True)
class ContainerFilter:
    """What a list is narrowed to; nothing given narrows nothing.

    Of the values of one field any may fit, but all ``labels`` (``key`` or ``key=value``) must.
    """

    names: Collection[str] = ()
    states: Collection[str] = ()
    networks: Collection[str] = ()
    labels: tuple[str, ...] = ()
    images: Collection[str] = ()
    ports: Collection[int] = ()
    projects: Collection[str] = ()


def list_containers(snapshot: Snapshot, wanted: ContainerFilter) -> list[Container]:
    """The containers that fit, by name. Raises ``NotFound`` when a network of the filter does not exist."""
    networks = {references.network(snapshot, reference).id for reference in wanted.networks}
    return [container for container in snapshot.containers if _fits(container, wanted, networks)]


def _fits(container: Container, wanted: ContainerFilter, networks: Collection[str]) -> bool:
    ports = {port.host_port for port in (*container.published_ports, *container.configured_ports)}
    return all(
        (
            not wanted.names or any(name in container.name for name in wanted.names),
            not wanted.states or container.state in wanted.states,
            not networks or any(endpoint.network_id in networks for endpoint in container.endpoints),
            carries(container.labels, wanted.labels),
            not wanted.images or any(_is_of(container, image) for image in wanted.images),
            not wanted.ports or not ports.isdisjoint(wanted.ports),
            not wanted.projects or container.labels.get(PROJECT_LABEL) in wanted.projects,
        )
    )


def _is_of(container: Container, image: str) -> bool:
    """Whether that is the container's image, by any of the names that Docker takes for it, or by its id."""
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
    """One container. Raises ``NotFound`` or ``AmbiguousReference``."""
    return describe_container(snapshot, references.container(snapshot, reference))


def _change(
    services: Services,
    caller: Caller,
    reference: str,
    changed: Callable[[Container], Container],
    done: Callable[[Container], bool],
    act: Callable[[Container], None],
    *,
    dry_run: bool,
    starts: bool = False,
) -> DescribedContainer:
    """Do one verb on one container: nothing when it is done already, else act and look again.

    A dry run answers the container as ``changed`` would leave it. Where the verb ``starts`` it, a dry run also looks
    for what would stand in the way, which the engine itself says only when it is asked in earnest.
    """
    snapshot = services.engine.snapshot()
    container = references.container(snapshot, reference)
    require_ownership(caller, "container", container.name, container.labels)
    is_done = done(container)
    if dry_run:
        in_the_way = obstacle(services, snapshot, container) if starts and not is_done else None
        if in_the_way is not None:
            raise in_the_way
        return describe_container(snapshot, container if is_done else changed(container))
    if not is_done:
        try:
            act(container)
        except (Conflict, InvalidInput, EngineMisbehaved) as error:
            raise _told(services, container, error) from error
    return get_container(services.engine.snapshot(), container.id)


def _told(services: Services, before: Container, error: BridgeworkError) -> BridgeworkError:
    """The engine's refusal with the culprit's name; a restart that failed after its first half says so."""
    told = explained(services, before, error) if isinstance(error, Conflict) else error
    now = services.engine.snapshot().containers_by_id.get(before.id)
    if now is None or now.running or not before.running:
        return told
    return replace(
        told, detail=f"{told.detail} {now.name} is {now.state} now.", facts={**told.facts, "state": now.state}
    )


def start_container(services: Services, caller: Caller, reference: str, *, dry_run: bool) -> DescribedContainer:
    """Start it; a paused one is unpaused. Raises ``Conflict`` naming who is in the way."""

    def act(container: Container) -> None:
        try:
            if container.paused:
                services.engine.unpause_container(container.id)
            else:
                services.engine.start_container(container.id)
        except Conflict as conflict:
            if conflict.code != "container-not-paused":  # somebody else unpaused it meanwhile
                raise

    return _change(
        services,
        caller,
        reference,
        lambda c: with_state(c, "running"),
        lambda c: c.running and not c.paused,
        act,
        dry_run=dry_run,
        starts=True,
    )


def stop_container(
    services: Services, caller: Caller, reference: str, grace_s: int | None, *, dry_run: bool
) -> DescribedContainer:
    """Stop it."""
    grace = services.stop_grace_s if grace_s is None else grace_s
    return _change(
        services,
        caller,
        reference,
        lambda c: with_state(c, "exited"),
        lambda c: not c.running and c.state != "restarting",
        lambda c: services.engine.stop_container(c.id, grace),
        dry_run=dry_run,
    )


def restart_container(
    services: Services, caller: Caller, reference: str, grace_s: int | None, *, dry_run: bool
) -> DescribedContainer:
    """Stop and start it. Refused before anything is stopped when the network it shares is not there."""
    grace = services.stop_grace_s if grace_s is None else grace_s

    def act(container: Container) -> None:
        missing = owner_conflict(services.engine.snapshot(), container.name, container.shares_with)
        if missing is not None:
            raise missing
        services.engine.restart_container(container.id, grace)

    running = partial(with_state, state="running")
    return _change(services, caller, reference, running, lambda _: False, act, dry_run=dry_run, starts=True)


def rename_container(
    services: Services, caller: Caller, reference: str, name: str, *, dry_run: bool
) -> DescribedContainer:
    """Give it another name. Raises ``Conflict`` (``container-name-taken``) naming the holder."""
    require_valid(validate_container_name(name))
    snapshot = services.engine.snapshot()
    wanted = references.container(snapshot, reference)
    holder = next((c for c in snapshot.containers if c.name == name and c.id != wanted.id), None)
    if holder is not None:
        raise name_taken(holder)
    for endpoint in wanted.endpoints:
        network = snapshot.networks_by_id.get(endpoint.network_id)
        if network is not None and not network.is_default_bridge:
            require_place(caller, snapshot, network, (name,), ())
    return _change(
        services,
        caller,
        wanted.id,
        lambda c: replace(c, name=name, endpoints=tuple(replace(e, container_name=name) for e in c.endpoints)),
        lambda c: c.name == name,
        lambda c: services.engine.rename_container(c.id, name),
        dry_run=dry_run,
    )


def delete_container(services: Services, caller: Caller, reference: str, *, force: bool, dry_run: bool) -> None:
    """Remove it; a running one only with ``force``. Raises ``Conflict`` (``container-running``)."""
    snapshot = services.engine.snapshot()
    container = references.container(snapshot, reference)
    require_ownership(caller, "container", container.name, container.labels)
    if force:
        require_role(caller, Role.ADMIN, "DELETE with force")
    if container.running and not force:
        raise Conflict(
            code="container-running",
            detail=f"{container.name} is {container.state}.",
            remedy=Remedy(
                "Stop it first.",
                calls=(
                    Call("POST", f"/v1/containers/{container.id}/stop"),
                    Call("DELETE", f"/v1/containers/{container.id}"),
                ),
            ),
        )
    if not dry_run:
        services.engine.remove_container(container.id, force=force)
