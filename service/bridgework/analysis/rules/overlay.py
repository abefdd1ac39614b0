"""Rules about what is on another node of a swarm: reached through the overlay network's tunnel, or not.

The engine's word on an address elsewhere is gossip, and a peer's may be of the past. Where the holder's node does
not answer, the prediction is inconclusive, never "unreachable": its containers may well go on.
"""

from __future__ import annotations

from collections.abc import Iterator

from bridgework.analysis.attachment import Attachment
from bridgework.analysis.rules.base import Findings, Situation, finding, of_network, unseen
from bridgework.model.actions import Read
from bridgework.model.checks import Component, Finding, Hop
from bridgework.model.errors import Remedy
from bridgework.model.snapshot import Container, Network, NodePlace, Snapshot

PORTS = Remedy("Open udp port 4789, and tcp and udp port 7946, between the nodes.")


def place_of(attachment: Attachment | None) -> NodePlace | None:
    """The other node that it stands on; ``None`` for here, and for what is unknown."""
    owner = attachment.owner if attachment is not None else None
    return owner.node if owner is not None else None


def silent_node(component: Component, reason: str) -> Finding:
    """The finding for a node whose instance does not answer."""
    remedy = Remedy(
        "Bring the node or its instance back, or open the service's port between the nodes.",
        actions=(Read("nodes"),),
    )
    message = f"The node {component.name} does not answer. {reason}"
    return finding("node-unreachable", component, message, remedy=remedy, evidence={"reason": reason})


def silent_tunnel(network: Network, address: str, holder: str | None, place: NodePlace | None) -> Finding:
    """The finding for an address of an overlay network, on another node, for which nothing answers."""
    message = f"{address} on {network.name} is not on this node, and nothing answers for it."
    if holder is not None and place is not None:
        where = f"{holder} ({address} on {network.name})"
        message = f"{where} is on the node {place.hostname}, and nothing comes back through the tunnel."
    evidence = {"address": address, "node": place.id if place else None}
    return finding("overlay-peer-unreachable", of_network(network), message, remedy=PORTS, evidence=evidence)


def silent_pair(snapshot: Snapshot, source: Container, destination: Container) -> Iterator[Finding]:
    """The same for a pair of a matrix: by the first overlay network that the two share."""
    on = {endpoint.network_id for endpoint in source.endpoints}
    for endpoint in destination.endpoints:
        network = snapshot.networks_by_id.get(endpoint.network_id)
        if destination.node is None or network is None or network.driver != "overlay" or network.id not in on:
            continue
        for address in endpoint.addresses[:1]:
            yield silent_tunnel(network, address, destination.name, destination.node)
        return


def node_is_silent(situation: Situation) -> Findings:
    """The destination's node did not answer: what is known of it is of the past."""
    place = place_of(situation.destination)
    if place is None or place.reachable:
        return
    component = Component("node", place.id, place.hostname)
    yield silent_node(component, "What is known of its containers is of the past.")
    yield unseen(component, f"Whether {place.hostname} can be reached is not seen.")


def tunnel(attachment: Attachment, network: Network) -> Iterator[Hop]:
    """Between two nodes: the overlay's tunnel, and the node at its other end."""
    place = place_of(attachment)
    if place is not None:
        yield Hop("vxlan", network.options.get("com.docker.network.driver.overlay.vxlanid_list", "4789"), network.name)
        yield Hop("node", place.hostname, place.address)
