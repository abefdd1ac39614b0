"""The containers of a matrix, by names, by a network, or all, and what is observed of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bridgework.model import references
from bridgework.model.checks import WantedMatrix
from bridgework.model.errors import InputFault, InvalidInput, NotFound
from bridgework.model.observations import Observations
from bridgework.model.peers import World
from bridgework.model.snapshot import Container, NodePlace, Snapshot
from bridgework.use_cases.connectivity.namespaces import Namespaces
from bridgework.use_cases.connectivity.observe import base_observations, inodes_of
from bridgework.use_cases.services import Services

MAX_CONTAINERS = 1000


def chosen_containers(snapshot: Snapshot, world: World, wanted: WantedMatrix) -> tuple[Container, ...]:
    """Return the containers that the caller wants. Raises ``NotFound``, ``AmbiguousReference`` and ``InvalidInput``."""
    if wanted.everything:
        found = snapshot.containers
    elif wanted.network is not None:
        network = references.network(snapshot, wanted.network)
        found = tuple(world.snapshot.containers_by_id[e.container_id] for e in world.snapshot.endpoints_of(network))
    else:
        named = (_named(snapshot, world, ref, forwarded=wanted.forwarded) for ref in wanted.containers)
        found = tuple({container.id: container for container in named}.values())
    if len(found) > MAX_CONTAINERS:
        fault = InputFault(
            "/containers", f"A matrix takes at most {MAX_CONTAINERS} containers; these are {len(found)}."
        )
        raise InvalidInput(code="input-invalid", detail=f"The body is invalid: {fault.message}", faults=[fault])
    return found


def _named(snapshot: Snapshot, world: World, reference: str, *, forwarded: bool) -> Container:
    """Resolve a reference. In a matrix from a peer, a container that is not known here is still a column."""
    try:
        return world.container(snapshot, reference)
    except NotFound:
        if not forwarded:
            raise
        return Container(reference, reference[:12], node=NodePlace("unknown", "unknown", reachable=False))


def observed(services: Services, snapshot: Snapshot, wanted: WantedMatrix, chosen: Sequence[Container]) -> Observations:
    """Observe the host and the containers: with their sockets when the protocol has a port."""
    inodes: dict[str, int] = {}
    for container in chosen:
        if container.shares_with:
            inodes |= inodes_of(services, snapshot, container)
    namespaces = Namespaces(services, snapshot, base_observations(services, snapshot))
    namespaces.look(chosen, *(("sockets",) if wanted.protocol.transport is not None else ()))
    return replace(namespaces.observations(), namespace_inodes=inodes)
