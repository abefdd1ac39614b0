"""Beyond this engine: the nodes of the swarm, and the snapshot widened by what lives on them.

Two sources. The engine's own gossip says who holds which address of an overlay network, and on which node: always at
hand, also while a node's instance is silent. The peers say all the rest. Without either, the world is this engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_network

from bridgework.model import references
from bridgework.model.errors import NotFound
from bridgework.model.peers import Gap, Holder, Membership, Node, OverlayPlace, Report, joined, placed
from bridgework.model.snapshot import Container, Endpoint, Network, NodePlace, Reference, Snapshot
from bridgework.use_cases.services import Services

GOSSIPED = "endpoint-"
"""How the id begins of a container that is known by gossip alone."""

NO_INSTANCE = "No instance of this service answers there."
NOT_CONFIGURED = "This service knows no instance there: BRIDGEWORK_PEERS is not set."


@dataclass(frozen=True, slots=True)
class Survey:
    """Every node that is known of, this one first; ``gaps`` are those that say nothing."""

    nodes: tuple[Node, ...]
    gaps: tuple[Gap, ...]
    reports: tuple[Report, ...]


@dataclass(frozen=True, slots=True)
class World:
    """A snapshot, perhaps widened, and what is missing in it. ``instances`` leads from a node's id to its instance."""

    snapshot: Snapshot
    gaps: tuple[Gap, ...] = ()
    instances: tuple[tuple[str, str], ...] = ()

    def instance_of(self, node_id: str) -> str | None:
        """Where to ask a node that answered."""
        return dict(self.instances).get(node_id)


def overlays(snapshot: Snapshot) -> Iterator[Network]:
    """The overlay networks of containers and services: not the routing mesh."""
    return (n for n in snapshot.networks if n.driver == "overlay" and not n.ingress)


def local_node(services: Services, snapshot: Snapshot) -> Node:
    """The node that this service is on."""
    facts = services.engine.facts()
    member = services.swarm.membership() if services.swarm else Membership(facts.swarm_node_id)
    found = tuple(_overlay(services, network) for network in overlays(snapshot)) if member.node_id else ()
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
        overlays=found,
    )


def _overlay(services: Services, network: Network) -> OverlayPlace:
    gossip = services.swarm.gossip(network.id) if services.swarm else None
    subnets = tuple(pool.subnet for pool in network.pools)
    reference = Reference(network.id, network.name)
    return OverlayPlace(reference, network.attachable, subnets, gossip.peers if gossip else ())


def survey(services: Services, snapshot: Snapshot, *, forwarded: bool = False) -> Survey:
    """Ask everybody. A forwarded question is about this node and its manager's list alone."""
    here = local_node(services, snapshot)
    reports = services.peers.look() if services.peers and not forwarded else ()
    return surveyed(services, here, reports)


def surveyed(services: Services, here: Node, reports: Iterable[Report]) -> Survey:
    """The nodes that these reports, this node and the managers tell of."""
    reports = tuple(reports)
    known = {here.id: here}
    members = services.swarm.members() if services.swarm and here.manager else ()
    for member in (*members, *(member for report in reports for member in report.members)):
        reason = NO_INSTANCE if services.peers else NOT_CONFIGURED
        known.setdefault(member.id, replace(member, here=False, reachable=False, reason=reason))
    hosts = _hosts_of_instances(services, here, reports)
    for report in reports:
        node = _node_of(report, known.values(), hosts)
        listed = known.get(node.id)
        known[node.id] = replace(node, state=listed.state, manager=listed.manager) if listed else node
    nodes = (here, *sorted((n for n in known.values() if not n.here), key=lambda n: (n.hostname, n.id)))
    gaps = tuple(Gap(node.id, node.reason or NO_INSTANCE) for node in nodes if not node.reachable)
    return Survey(nodes, gaps, reports)


def _hosts_of_instances(services: Services, here: Node, reports: Iterable[Report]) -> dict[str, str]:
    """Where the instances that say nothing run, when they have addresses on an overlay network: gossip knows."""
    if services.swarm is None or all(report.node is not None for report in reports):
        return {}
    gossips = (services.swarm.gossip(place.network.id) for place in here.overlays)
    return {held.address: held.node_address for gossip in gossips if gossip for held in gossip.holders}


def _node_of(report: Report, known: Iterable[Node], hosts: Mapping[str, str]) -> Node:
    """The node of a report; of one that never said anything, the member at its address, else the instance itself."""
    if report.node is not None:
        return report.node
    host = report.instance.rpartition(":")[0].strip("[]")
    host = hosts.get(host, host)
    listed = next((node for node in known if node.address == host and not node.here), None)
    named = listed or Node(report.instance, report.instance)
    return replace(named, instance=report.instance, reachable=False, reason=report.reason)


def whole(services: Services, snapshot: Snapshot) -> World:
    """This engine and everything that the others tell of."""
    if services.peers is None:
        return by_gossip(services, snapshot, overlays(snapshot))
    found = survey(services, snapshot)
    networks = [network for report in found.reports for network in report.networks]
    containers = [
        placed(container, report.node.place)
        for report in found.reports
        if report.node is not None
        for container in report.containers
    ]
    wide = joined(snapshot, networks, containers)
    wide = _with_gossip(services, wide, overlays(snapshot), {n.address: n.place for n in found.nodes if n.address})
    instances = tuple((n.id, n.instance) for n in found.nodes if n.instance and n.reachable)
    return World(wide, found.gaps, instances)


def by_gossip(services: Services, snapshot: Snapshot, networks: Iterable[Network]) -> World:
    """This engine and the holders of addresses on these overlay networks, by the engine's own knowledge."""
    return World(_with_gossip(services, snapshot, networks, {}))


def _with_gossip(
    services: Services, snapshot: Snapshot, networks: Iterable[Network], places: dict[str, NodePlace]
) -> Snapshot:
    if services.swarm is None:
        return snapshot
    known = {e.endpoint_id for container in snapshot.containers for e in container.endpoints}
    held: list[Container] = []
    for network in networks:
        gossip = services.swarm.gossip(network.id)
        fresh = (h for h in (gossip.holders if gossip else ()) if h.endpoint_id not in known)
        held += (_gossiped(network, holder, places) for holder in fresh)
    return joined(snapshot, (), held) if held else snapshot


def _gossiped(network: Network, holder: Holder, places: dict[str, NodePlace]) -> Container:
    """A holder as a container of which only the endpoint is known."""
    place = places.get(holder.node_address) or NodePlace(holder.node_address, holder.node_address, holder.node_address)
    container_id = f"{GOSSIPED}{holder.endpoint_id}"
    endpoint = Endpoint(
        network.id, network.name, container_id, holder.name,
        endpoint_id=holder.endpoint_id, ipv4_address=holder.address, dns_names=(holder.name,),
        ipv4_prefix_len=next((ip_network(p.subnet, strict=False).prefixlen for p in network.pools if p.subnet), None),
    )  # fmt: skip
    return Container(container_id, holder.name, network_mode=network.name, endpoints=(endpoint,), node=place)


def find(snapshot: Snapshot, world: World, reference: str) -> Container:
    """The container meant: this engine's own first. Raises ``NotFound``, which tells who could not be asked."""
    try:
        return references.container(snapshot, reference)
    except NotFound:
        return _elsewhere(world, reference)


def _elsewhere(world: World, reference: str) -> Container:
    try:
        return references.container(world.snapshot, reference)
    except NotFound as error:
        if not world.gaps:
            raise
        silent = ", ".join(gap.node for gap in world.gaps)
        raise NotFound(
            error.code, f"{error.detail} Not asked, since silent: {silent}.", error.remedy, error.facts
        ) from error


def knows(snapshot: Snapshot, reference: str | None) -> bool:
    """Whether the reference is of this engine, or none at all."""
    if reference is None:
        return True
    try:
        references.container(snapshot, reference)
    except NotFound:
        return False
    return True


def beyond(services: Services, snapshot: Snapshot) -> bool:
    """Whether there is anything to look at beyond this engine; where not, nothing is looked for."""
    return services.peers is not None or (services.swarm is not None and any(True for _ in overlays(snapshot)))
