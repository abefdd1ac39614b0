"""Findings between the nodes: which node is silent, and which overlay network's tunnels carry nothing.

One echo goes from a container here to a container on each other node of each overlay network. All echoes run at once
and wait one second at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from bridgework.analysis.rules.overlay import silent_node, silent_tunnel
from bridgework.explanations.limitations import limitation
from bridgework.explanations.overlay import NODE_UNREACHABLE
from bridgework.model.checks import Component, Finding, Limitation, ProbeRequest, Protocol, Verdict
from bridgework.model.peers import World, overlays
from bridgework.model.probe_port import ProbeRunner
from bridgework.model.snapshot import Container, Endpoint, Network, NodePlace, Snapshot
from bridgework.peers import survey
from bridgework.peers.survey import Sources

AT_ONCE = 16
ECHO_MS = 1000
Far = tuple[Container, Endpoint, NodePlace]


def findings_between_nodes(
    sources: Sources, runner: ProbeRunner, snapshot: Snapshot
) -> tuple[tuple[Finding, ...], tuple[Limitation, ...]]:
    """See ``Peers.findings``. There are none where no peers are configured."""
    if sources.instances is None:
        return (), ()
    world = survey.whole(sources, snapshot)
    silent = tuple(silent_node(Component("node", gap.node, _name(world, gap.node)), gap.reason) for gap in world.gaps)
    pairs = [(network, near, far) for network in overlays(snapshot) for near, far in _pairs(snapshot, world, network)]

    def echoed(pair: tuple[Network, Container, Far]) -> Finding | None:
        network, near, (container, endpoint, place) = pair
        address = endpoint.addresses[0]
        request = ProbeRequest(Protocol.ICMP, address=address, timeout_ms=ECHO_MS)
        measurement = runner.check(sources.engine.place_of(snapshot, near), request)
        if measurement.verdict is not Verdict.UNREACHABLE:
            return None
        return silent_tunnel(network, address, container.name, place)

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        tunnels = tuple(finding for finding in pool.map(echoed, pairs) if finding)
    unseen = (limitation(NODE_UNREACHABLE.code, f"the node {gap.node}", gap.reason) for gap in world.gaps)
    return (*silent, *tunnels), tuple(unseen)


def _name(world: World, node_id: str) -> str:
    places = (container.node for container in world.snapshot.containers)
    return next((place.hostname for place in places if place and place.id == node_id), node_id)


def _pairs(snapshot: Snapshot, world: World, network: Network) -> Iterator[tuple[Container, Far]]:
    """Pair the first running container here with the first running container on each other node."""
    here = (snapshot.containers_by_id[endpoint.container_id] for endpoint in snapshot.endpoints_of(network))
    near = next((container for container in here if container.running and not container.paused), None)
    node_ids: set[str] = set()
    for endpoint in world.snapshot.endpoints_of(network) if near else ():
        container = world.snapshot.containers_by_id[endpoint.container_id]
        place = container.node
        if near and place and container.running and endpoint.addresses and place.id not in node_ids:
            node_ids.add(place.id)
            yield near, (container, endpoint, place)
