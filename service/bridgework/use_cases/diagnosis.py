"""The diagnosis and the topology of the whole engine: all observations are collected once, then rules judge them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bridgework.diagnosis.diagnosis import diagnose, worst_first
from bridgework.diagnosis.route_rules import route_questions
from bridgework.explanations.limitations import limitation
from bridgework.model import references
from bridgework.model.checks import Finding, Limitation
from bridgework.model.errors import NotFound
from bridgework.model.observations import EngineObservations, Observations
from bridgework.model.probe_port import Aspect
from bridgework.model.snapshot import Snapshot
from bridgework.model.topology_graph import Topology, TopologyFilter
from bridgework.topology.build import build
from bridgework.use_cases.connectivity.observe import FIREWALL, FIREWALL_UNSEEN, Observer, base_observations
from bridgework.use_cases.services import Services

ASPECTS: tuple[Aspect, ...] = ("interfaces", "neighbours", "sockets", "resolver", "embedded_dns")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The findings, the most severe first, and what could not be inspected."""

    findings: tuple[Finding, ...]
    limited: tuple[Limitation, ...]


def diagnosis(services: Services, snapshot: Snapshot, *, forwarded: bool = False) -> Diagnosis:
    """Examine the engine, and the connections to other nodes unless a peer asks (``forwarded``)."""
    peers = None if forwarded else services.peers_beyond(snapshot)
    between, silent = peers.findings(snapshot) if peers else ((), ())
    observations = gather(services, snapshot)
    routes = services.runner.routes(route_questions(snapshot, observations.host))
    own = diagnose(
        snapshot,
        EngineObservations(
            observations=replace(observations, routes=routes),
            network_endpoint_ids=_endpoint_ids(services, snapshot),
            default_pools=services.engine.facts().default_address_pools,
        ),
    )
    return Diagnosis(worst_first((*between, *own)), (*silent, *observations.limited))


def gather(services: Services, snapshot: Snapshot) -> Observations:
    """Observe every running container and the host."""
    observer = Observer(services, snapshot)
    for container in snapshot.containers:
        observer.look(container, ASPECTS)
    host = observer.look_at_host()
    engine = base_observations(services, snapshot, fresh=True)
    return replace(
        engine,
        namespace_inodes={container_id: observation.inode for container_id, observation in observer.inside.items()},
        inside=observer.inside,
        host=host,
        limited=(*observer.limited, *engine.limited),
    )


def _endpoint_ids(services: Services, snapshot: Snapshot) -> Mapping[str, Mapping[str, str]]:
    by_network: dict[str, Mapping[str, str]] = {}
    for network in snapshot.networks:
        try:
            by_network[network.id] = services.engine.network_endpoint_ids(network.id)
        except NotFound:
            continue
    return by_network


NOT_ASKED = limitation("links-not-asked", "the host's links, routes and forwarding, and the veths of containers")


@dataclass(frozen=True, slots=True)
class DrawnTopology:
    """The graph, and what of the engine's host and containers is not in it."""

    graph: Topology
    limited: tuple[Limitation, ...]


def topology(services: Services, snapshot: Snapshot, criteria: TopologyFilter) -> DrawnTopology:
    """Return the graph. With ``links`` it has the veths on the host too, which takes a look into every namespace."""
    network_ids = None if criteria.network is None else [references.network(snapshot, criteria.network).id]
    gathered = gather(services, snapshot) if criteria.links else None
    graph = build(
        snapshot,
        host=gathered.host if gathered else None,
        observations=gathered.inside if gathered else None,
        network_ids=network_ids,
        label=criteria.label,
        project=criteria.project,
    )
    if gathered is None:
        return DrawnTopology(graph, (NOT_ASKED,))
    # A graph has no firewall, so it leaves nothing open where the firewall was not visible.
    limited = (
        limitation
        for limitation in gathered.limited
        if limitation.code != FIREWALL_UNSEEN and limitation.what != FIREWALL
    )
    return DrawnTopology(graph, tuple(limited))
