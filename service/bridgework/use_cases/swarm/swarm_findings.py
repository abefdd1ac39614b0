"""What is wrong between the nodes: who is silent, and which overlay network's tunnels carry nothing.

For each overlay network and each other node on it, one echo from a container here to one there: all at once, a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from bridgework.analysis.rules.overlay import silent_node, silent_tunnel
from bridgework.model.checks import Component, Finding, ProbeRequest, Protocol, Verdict
from bridgework.model.snapshot import Container, Endpoint, Network, NodePlace, Snapshot
from bridgework.use_cases.services import Services
from bridgework.use_cases.swarm import nodes
from bridgework.use_cases.swarm.nodes import World

AT_ONCE = 16
ECHO_MS = 1000
Far = tuple[Container, Endpoint, NodePlace]


def findings_between_nodes(services: Services, snapshot: Snapshot) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """The findings, and what could not be inspected. Nothing where there are no peers."""
    if services.peers is None:
        return (), ()
    world = nodes.whole(services, snapshot)
    silent = tuple(silent_node(Component("node", gap.node, _name(world, gap.node)), gap.reason) for gap in world.gaps)
    pairs = [
        (network, near, far) for network in nodes.overlays(snapshot) for near, far in _pairs(snapshot, world, network)
    ]
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        tunnels = pool.map(lambda pair: _echoed(services, snapshot, *pair), pairs)
    return (*silent, *(one for one in tunnels if one)), tuple(f"the node {gap.node}" for gap in world.gaps)


def _name(world: World, node_id: str) -> str:
    places = (container.node for container in world.snapshot.containers)
    return next((place.hostname for place in places if place and place.id == node_id), node_id)


def _pairs(snapshot: Snapshot, world: World, network: Network) -> Iterator[tuple[Container, Far]]:
    """A running container here with one on each other node."""
    near = next(
        (
            container
            for endpoint in snapshot.endpoints_of(network)
            if (container := snapshot.containers_by_id[endpoint.container_id]).running and not container.paused
        ),
        None,
    )
    seen: set[str] = set()
    for endpoint in world.snapshot.endpoints_of(network) if near else ():
        container = world.snapshot.containers_by_id[endpoint.container_id]
        place = container.node
        if near and place and container.running and endpoint.addresses and place.id not in seen:
            seen.add(place.id)
            yield near, (container, endpoint, place)


def _echoed(services: Services, snapshot: Snapshot, network: Network, near: Container, far: Far) -> Finding | None:
    container, endpoint, place = far
    address = endpoint.addresses[0]
    request = ProbeRequest(Protocol.ICMP, address=address, timeout_ms=ECHO_MS)
    found = services.runner.check(services.engine.place_of(snapshot, near), request)
    if found.verdict is not Verdict.UNREACHABLE:
        return None
    return silent_tunnel(network, address, container.name, place)
