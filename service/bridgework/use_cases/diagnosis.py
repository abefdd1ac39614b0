"""The diagnosis and the topology of the whole engine: all observations are collected once, then rules judge them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bridgework.diagnosis.diagnosis import diagnose, worst_first
from bridgework.diagnosis.route_rules import route_questions
from bridgework.explanations.undecided import Limitation, limitation
from bridgework.model import references
from bridgework.model.checks import Finding
from bridgework.model.errors import NotFound
from bridgework.model.observations import EngineObservations, Observation, Observations
from bridgework.model.probe_port import Aspect
from bridgework.model.snapshot import Snapshot
from bridgework.model.topology_graph import Topology, TopologyFilter
from bridgework.topology.build import build
from bridgework.use_cases.connectivity.observe import base_observations
from bridgework.use_cases.services import Services

ASPECTS: tuple[Aspect, ...] = ("interfaces", "neighbours", "sockets", "resolver", "embedded_dns")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The findings, the most severe first, and what could not be inspected."""

    findings: tuple[Finding, ...]
    limited: tuple[str, ...]


def diagnosis(services: Services, snapshot: Snapshot, *, forwarded: bool = False) -> Diagnosis:
    """Examine the engine, and the connections to other nodes unless a peer asks (``forwarded``)."""
    peers = None if forwarded else services.peers_beyond(snapshot)
    between, silent = peers.findings(snapshot) if peers else ((), ())
    observations = gather(services, snapshot)
    routes = services.runner.routes(route_questions(snapshot, observations.host))
    found = diagnose(
        snapshot,
        EngineObservations(
            observations=replace(observations, routes=routes),
            network_endpoint_ids=_endpoint_ids(services, snapshot),
            default_pools=services.engine.facts().default_address_pools,
        ),
    )
    return Diagnosis(worst_first((*between, *found)), (*silent, *observations.limited))


def gather(services: Services, snapshot: Snapshot) -> Observations:
    """Observe every running container and the host."""
    seen: dict[str, Observation] = {}
    inodes: dict[str, int] = {}
    limited: list[str] = []
    for container in snapshot.containers:
        if not container.running:
            continue
        found = services.runner.observe(services.engine.place_of(snapshot, container), ASPECTS)
        if found is None:
            limited.append(f"the network namespace of {container.name}")
            continue
        seen[container.id] = found.whole()
        if found.truncated:
            limited.append(f"all {' and '.join(found.truncated)} of {container.name}, which has more than is read")
        inodes[container.id] = found.inode
    host = services.runner.observe_host()
    if host is None:
        limited.append("the host's links, routes and firewall")
    elif host.observation.truncated:
        limited.append(f"all {' and '.join(host.observation.truncated)} of the host, which has more than is read")
    return replace(
        base_observations(services, snapshot, fresh=True),
        namespace_inodes=inodes,
        inside=seen,
        host=host,
        limited=tuple(limited),
    )


def _endpoint_ids(services: Services, snapshot: Snapshot) -> Mapping[str, Mapping[str, str]]:
    found: dict[str, Mapping[str, str]] = {}
    for network in snapshot.networks:
        try:
            found[network.id] = services.engine.network_endpoint_ids(network.id)
        except NotFound:
            continue
    return found


NOT_ASKED = Limitation(
    "analysis-limited",
    "the host's links, routes and forwarding, and the veths of containers",
    "The request did not ask for them, because that takes a look into every namespace.",
    "Ask with links=true.",
)


@dataclass(frozen=True, slots=True)
class DrawnTopology:
    """The graph, and what of the engine's host and containers is not in it."""

    graph: Topology
    limited: tuple[Limitation, ...]


def topology(services: Services, snapshot: Snapshot, wanted: TopologyFilter) -> DrawnTopology:
    """Return the graph. With ``links`` it has the veths on the host too, which takes a look into every namespace."""
    network_ids = None if wanted.network is None else [references.network(snapshot, wanted.network).id]
    seen = gather(services, snapshot) if wanted.links else None
    graph = build(
        snapshot,
        host=seen.host if seen else None,
        observations=seen.inside if seen else None,
        network_ids=network_ids,
        label=wanted.label,
        project=wanted.project,
    )
    if seen is None:
        return DrawnTopology(graph, (NOT_ASKED,))
    return DrawnTopology(graph, tuple(limitation("analysis-limited", what) for what in seen.limited))
