"""The namespaces at both ends of a packet's way, as rules about them read them."""

from __future__ import annotations

from dataclasses import dataclass

from bridgework.analysis.attachment import IPV4, Attachment, Condition
from bridgework.analysis.endpoint_links import endpoint_on, host_end_of, interface_of_endpoint
from bridgework.analysis.routing import Candidate, Way, host_address_on
from bridgework.analysis.rules.base import Situation, once_for_each
from bridgework.explanations.remedies import container_reference, reconnect
from bridgework.firewall.ruleset import Packet
from bridgework.model.actions import RestartContainer
from bridgework.model.errors import Remedy
from bridgework.model.observations import Interface, Observation
from bridgework.model.snapshot import Container, Endpoint, Network


@dataclass(frozen=True, slots=True)
class End:
    """A container at one end of the way, in the network through which the packet leaves it or arrives.

    ``link`` is its interface inside, ``port`` the host's end of that. ``is_source`` says at which end it is.
    ``candidate`` is the address that the packet goes to.
    """

    is_source: bool
    candidate: Candidate
    container: Container
    network: Network
    endpoint: Endpoint
    seen: Observation
    link: Interface | None
    port: Interface | None

    def address(self, version: int) -> str | None:
        """Return its address in the network."""
        return self.endpoint.ipv4_address if version == IPV4 else self.endpoint.ipv6_address

    @property
    def new_namespace(self) -> Remedy:
        """The remedy for what was changed inside: the container's next namespace has nothing of it."""
        name = self.container.name
        summary = f"Restart {name}: its new namespace is as Docker makes it. If a program in {name} made the change, "
        return Remedy(f"{summary}configure that program.", (RestartContainer(container_reference(self.container)),))


@once_for_each
def ends_of(situation: Situation) -> tuple[End, ...]:
    """Return the ends that are containers and whose namespaces were seen, the source first."""
    # Twenty rules ask for them.
    candidate = situation.candidate
    if candidate is None or candidate.way in {Way.LOCAL, Way.NO_ROUTE}:
        return ()
    sides = ((True, situation.source, candidate.exit), (False, candidate.attachment, candidate.network))
    found = (
        _end(situation, candidate, attachment, network, is_source=is_source)
        for is_source, attachment, network in sides
        if attachment is not None and network is not None and attachment.condition is Condition.NETWORKED
    )
    return tuple(end for end in found if end is not None)


def _end(
    situation: Situation, candidate: Candidate, attachment: Attachment, network: Network, *, is_source: bool
) -> End | None:
    seen, endpoint = situation.observed(attachment), endpoint_on(attachment, network.id)
    if seen is None or endpoint is None or attachment.owner is None:
        return None
    link = interface_of_endpoint(seen, endpoint)
    port = host_end_of(situation.observations, link) if link is not None else None
    return End(is_source, candidate, attachment.owner, network, endpoint, seen, link, port)


def source_of(situation: Situation) -> str | None:
    """Return the source address with which the packet arrives; ``None`` where that is not known."""
    candidate = situation.candidate
    if candidate is None or candidate.network is None:
        return None
    if situation.source.is_host:
        return host_address_on(situation.snapshot, candidate.network, candidate.version)
    source = next((end for end in ends_of(situation) if end.is_source), None)
    return source.address(candidate.version) if source is not None and candidate.way is Way.DIRECT else None


def packet_at(situation: Situation, end: End) -> Packet:
    """Return the packet as it is in the namespace of an end."""
    candidate = end.candidate
    return situation.packet(candidate, end.address(candidate.version) if end.is_source else source_of(situation))


def reconnection(situation: Situation, end: End) -> Remedy:
    """Return the remedy that gives the container a new interface in the network."""
    return reconnect(situation.snapshot, end.network, end.container, end.endpoint)
