"""Rules for a destination on another node of a swarm, reached through the tunnel of an overlay network."""

from __future__ import annotations

from collections.abc import Iterator

from bridgework.analysis.attachment import Attachment
from bridgework.analysis.rules.base import Findings, Situation, finding, of_network, unseen
from bridgework.explanations.overlay import NODE_UNREACHABLE, OVERLAY_PEER_UNREACHABLE, VXLAN_CHECKSUM_OFFLOAD
from bridgework.model.actions import Read
from bridgework.model.checks import Component, Finding, Hop
from bridgework.model.errors import Remedy
from bridgework.model.snapshot import Container, Network, NodePlace, Snapshot

PORTS = Remedy("Open udp port 4789, and tcp and udp port 7946, between the nodes.")


def place_of(attachment: Attachment | None) -> NodePlace | None:
    """Return the other node of the attachment; ``None`` for this node, and where the node is unknown."""
    owner = attachment.owner if attachment is not None else None
    return owner.node if owner is not None else None


def silent_node(component: Component, reason: str) -> Finding:
    """Make the finding for a node whose instance of the service does not answer."""
    remedy = Remedy(
        "Repair the node or its instance, or open the service's port between the nodes.",
        actions=(Read("nodes"),),
    )
    message = f"The node {component.name} does not answer. {reason}"
    return finding(NODE_UNREACHABLE, component, message, remedy=remedy, evidence={"reason": reason})


def silent_tunnel(network: Network, address: str, holder: str | None, place: NodePlace | None) -> Finding:
    """Make the finding for an address of an overlay network on another node that does not answer."""
    # Without gossip or a peer's report the holder is unknown.
    message = f"{address} on {network.name} is not on this node, and no answer comes."
    if holder is not None and place is not None:
        where = f"{holder} ({address} on {network.name})"
        message = f"{where} is on the node {place.hostname}, and no answer comes through the tunnel."
    evidence = {"address": address, "node": place.id if place else None}
    return finding(OVERLAY_PEER_UNREACHABLE, of_network(network), message, remedy=PORTS, evidence=evidence)


def damaged_by_offload(network: Network, address: str, interface: str | None) -> Finding:
    """Make the finding for an overlay address that answers pings, while a TCP connection gets no answer."""
    # A ping has no checksum that the link would compute. The other node drops a packet with a wrong one in silence.
    link = interface or "the link between the nodes"
    commands = (f"ethtool -K {interface} tx-checksum-ip-generic off",) if interface else ()
    summary = f"Switch the checksum offload of {link} off, on each node."
    return finding(
        VXLAN_CHECKSUM_OFFLOAD,
        of_network(network),
        f"{address} on {network.name} answers pings, but no TCP connection: {link} may damage checksums in the tunnel.",
        remedy=Remedy(summary, commands=commands),
        evidence={"address": address, "interface": interface},
    )


def silent_pair(snapshot: Snapshot, source: Container, destination: Container) -> Iterator[Finding]:
    """Yield the same finding for a pair of a matrix, for the first overlay network that both are on."""
    on = {endpoint.network_id for endpoint in source.endpoints}
    for endpoint in destination.endpoints:
        network = snapshot.networks_by_id.get(endpoint.network_id)
        # Only an overlay network reaches another node. The first in the order of the destination's endpoints is named.
        if destination.node is None or network is None or network.driver != "overlay" or network.id not in on:
            continue
        for address in endpoint.addresses[:1]:
            yield silent_tunnel(network, address, destination.name, destination.node)
        return


def node_is_silent(situation: Situation) -> Findings:
    """Find a destination on a node that does not answer."""
    place = place_of(situation.destination)
    if place is None or place.reachable:
        return
    component = Component("node", place.id, place.hostname)
    # The prediction is inconclusive, not unreachable: the node's containers may run although its instance is silent.
    yield silent_node(component, "The service knows only an earlier state of its containers.")
    yield unseen(component, f"It is not known whether {place.hostname} can be reached.")


def tunnel(attachment: Attachment, network: Network) -> Iterator[Hop]:
    """Yield the hops between two nodes: the overlay network's tunnel, and the node at its other end."""
    place = place_of(attachment)
    if place is not None:
        # The VXLAN id tells the networks of a swarm apart in a packet capture; 4789 is the UDP port of all of them.
        yield Hop("vxlan", network.options.get("com.docker.network.driver.overlay.vxlanid_list", "4789"), network.name)
        yield Hop("node", place.hostname, place.address)
