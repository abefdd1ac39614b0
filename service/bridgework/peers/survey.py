"""The nodes of the swarm, and the snapshot widened by the containers and networks of other nodes.

There are two sources. The engine's gossip names the holder of each address of an overlay network and the holder's
node; it is known while a node's instance is silent too. The instances on the other nodes report everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Any

from bridgework.model.assembly import assembled
from bridgework.model.checks import CheckRequest, WantedMatrix
from bridgework.model.engine_port import Engine
from bridgework.model.peers import Gap, Holder, Membership, Node, OverlayPlace, Survey, Swarm, World, overlays
from bridgework.model.snapshot import Container, Endpoint, Network, NodePlace, Reference, Snapshot
from bridgework.peers.instances import Instances, Report

GOSSIPED = "endpoint-"
"""The beginning of the id of a container that is known from gossip alone. Gossip has no container ids."""

NO_INSTANCE = "No instance of this service answers there."
NOT_CONFIGURED = "This service knows no instance there: BRIDGEWORK_PEERS is not set."


@dataclass(frozen=True, slots=True)
class Sources:
    """Where knowledge of other nodes comes from; ``instances`` is ``None`` where no peers are configured.

    ``check_body`` and ``matrix_body`` dump a request as the JSON body that an instance takes.
    """

    engine: Engine
    swarm: Swarm | None
    instances: Instances | None
    check_body: Callable[[CheckRequest], Mapping[str, Any]]
    matrix_body: Callable[[WantedMatrix], Mapping[str, Any]]


def local_node(sources: Sources, snapshot: Snapshot) -> Node:
    """Return the node that this service is on. Raises the ``Engine*`` errors."""
    facts = sources.engine.facts()
    member = sources.swarm.membership() if sources.swarm else Membership(facts.swarm_node_id)
    node_overlays = tuple(_overlay(sources, network) for network in overlays(snapshot)) if member.node_id else ()
    return Node(
        id=member.node_id or facts.id,
        hostname=facts.name,
        engine_id=facts.id,
        address=member.address,
        engine_version=facts.version,
        state="ready",
        manager=member.manager,
        here=True,
        reachable=True,
        overlays=node_overlays,
    )


def _overlay(sources: Sources, network: Network) -> OverlayPlace:
    gossip = sources.swarm.gossip(network.id) if sources.swarm else None
    subnets = tuple(pool.subnet for pool in network.pools)
    reference = Reference(network.id, network.name)
    return OverlayPlace(reference, network.attachable, subnets, gossip.peers if gossip else ())


def look(sources: Sources, snapshot: Snapshot, *, forwarded: bool = False) -> tuple[Survey, Sequence[Report]]:
    """Ask every instance for its node, networks and containers; none for a forwarded request."""
    reports = sources.instances.look() if sources.instances and not forwarded else ()
    return survey(sources, local_node(sources, snapshot), reports), reports


def survey(sources: Sources, here: Node, reports: Sequence[Report]) -> Survey:
    """Return the nodes that this node, its manager's list and these reports know of, sorted by host name."""
    known = {here.id: here}
    members = sources.swarm.members() if sources.swarm and here.manager else ()
    for member in (*members, *(member for report in reports for member in report.members)):
        reason = NO_INSTANCE if sources.instances else NOT_CONFIGURED
        known.setdefault(member.id, replace(member, here=False, reachable=False, reason=reason))
    hosts = _hosts_of_instances(sources, here, reports)
    for report in reports:
        node = _node_of(report, known.values(), hosts)
        listed = known.get(node.id)
        known[node.id] = replace(node, state=listed.state, manager=listed.manager) if listed else node
    nodes = (here, *sorted((n for n in known.values() if not n.here), key=lambda n: (n.hostname, n.id)))
    gaps = tuple(Gap(node.id, node.reason or NO_INSTANCE) for node in nodes if not node.reachable)
    return Survey(nodes, gaps)


def _hosts_of_instances(sources: Sources, here: Node, reports: Iterable[Report]) -> dict[str, str]:
    """Map an address of an overlay network to its node's address, for instances that never reported their node.

    In the shipped stack an instance's address is on an overlay network, which no manager's list shows. Gossip does.
    """
    if sources.swarm is None or all(report.node is not None for report in reports):
        return {}
    gossips = (sources.swarm.gossip(place.network.id) for place in here.overlays)
    return {held.address: held.node_address for gossip in gossips if gossip for held in gossip.holders}


def _node_of(report: Report, known: Iterable[Node], hosts: Mapping[str, str]) -> Node:
    """Return the node of a report. Without one it is the listed node at the instance's address, or the instance."""
    if report.node is not None:
        return report.node
    host = report.instance.rpartition(":")[0].strip("[]")
    host = hosts.get(host, host)
    listed = next((node for node in known if node.address == host and not node.here), None)
    named = listed or Node(report.instance, report.instance)
    return replace(named, instance=report.instance, reachable=False, reason=report.reason)


def whole(sources: Sources, snapshot: Snapshot) -> World:
    """Widen the snapshot by everything that is known of other nodes."""
    if sources.instances is None:
        return by_gossip(sources, snapshot, overlays(snapshot))
    survey_result, reports = look(sources, snapshot)
    networks = [network for report in reports for network in report.networks]
    containers = [
        placed(container, report.node.place)
        for report in reports
        if report.node is not None
        for container in report.containers
    ]
    places = {node.address: node.place for node in survey_result.nodes if node.address}
    wide = _with_gossip(sources, with_other_nodes(snapshot, networks, containers), overlays(snapshot), places)
    instances = {node.id: node.instance for node in survey_result.nodes if node.instance and node.reachable}
    return World(wide, survey_result.gaps, instances)


def by_gossip(sources: Sources, snapshot: Snapshot, networks: Iterable[Network]) -> World:
    """Widen the snapshot by the holders of addresses on these overlay networks. Asks the local engine alone."""
    return World(_with_gossip(sources, snapshot, networks, {}))


def _with_gossip(
    sources: Sources, snapshot: Snapshot, networks: Iterable[Network], places: Mapping[str, NodePlace]
) -> Snapshot:
    if sources.swarm is None:
        return snapshot
    known = {e.endpoint_id for container in snapshot.containers for e in container.endpoints}
    held: list[Container] = []
    for network in networks:
        gossip = sources.swarm.gossip(network.id)
        fresh = (h for h in (gossip.holders if gossip else ()) if h.endpoint_id not in known)
        held += (_gossiped(network, holder, places) for holder in fresh)
    return with_other_nodes(snapshot, (), held) if held else snapshot


def _gossiped(network: Network, holder: Holder, places: Mapping[str, NodePlace]) -> Container:
    """Return a holder as a container of which only the endpoint is known."""
    place = places.get(holder.node_address) or NodePlace(holder.node_address, holder.node_address, holder.node_address)
    container_id = f"{GOSSIPED}{holder.endpoint_id}"
    endpoint = Endpoint(
        network.id, network.name, container_id, holder.name,
        endpoint_id=holder.endpoint_id, ipv4_address=holder.address, dns_names=(holder.name,),
        ipv4_prefix_len=next((ip_network(p.subnet, strict=False).prefixlen for p in network.pools if p.subnet), None),
    )  # fmt: skip
    return Container(container_id, holder.name, network_mode=network.name, endpoints=(endpoint,), node=place)


def placed(container: Container, place: NodePlace) -> Container:
    """Return the container as seen from another node, without the paths and the pid that enter its namespace."""
    return replace(container, node=place, namespace_path=None, resolver_path=None, hosts_path=None, pid=0)


def with_other_nodes(snapshot: Snapshot, networks: Sequence[Network], containers: Sequence[Container]) -> Snapshot:
    """Add networks and containers of other nodes; where both know one, the local snapshot's stays."""
    known_networks, known = snapshot.networks_by_id, snapshot.containers_by_id
    more_networks = {n.id: n for n in networks if n.id not in known_networks}
    more = {c.id: c for c in containers if c.id not in known}
    return assembled((*snapshot.networks, *more_networks.values()), (*snapshot.containers, *more.values()))
