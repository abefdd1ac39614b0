"""Rules of the host's layer: which container or program answers at a port of the host.

A published port is answered in one of two ways. The engine's NAT rules translate the address to the container's, or
the userland proxy (docker-proxy) accepts the connection at the host. ``_delivery`` decides between them. Besides
published ports, containers in host mode and the host's own programs listen there, which only an observation shows.

Measured on 26.1.5, 28.5.2 and 29.7.2. Source: moby's ``iptabler`` and ``nftabler``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from bridgework.analysis.attachment import IPV4, IPV6, THE_HOST, Attachment, EngineState, version_of
from bridgework.analysis.routing import Candidate, default_exit, gateway_mode, masquerades
from bridgework.analysis.rules.base import (
    HOST,
    Findings,
    Situation,
    finding,
    members,
    of_network,
    once_for_each,
    unseen,
)
from bridgework.analysis.rules.listener import is_loopback, matching, sockets_of, unserved
from bridgework.analysis.rules.simulated import Outcome, Walked, cause_of, stops_the_answer, walk_of
from bridgework.explanations import of_container, remedies
from bridgework.explanations.networks import (
    BRIDGES_ISOLATED,
    GATEWAY_MODE_ROUTED,
    INTER_CONTAINER_OFF,
    INTERNAL_NO_EGRESS,
)
from bridgework.explanations.ports import DOCKER_PROXY_MISSING, PORT_BOUND_TO_LOOPBACK, PORT_NOT_PUBLISHED
from bridgework.explanations.routes import MASQUERADE_OFF
from bridgework.firewall.docker.chains import ICC, INTERNAL
from bridgework.firewall.docker.releases import facts_of
from bridgework.model.actions import RestartContainer
from bridgework.model.checks import Finding, Protocol, Severity
from bridgework.model.errors import Remedy
from bridgework.model.observations import Observations
from bridgework.model.snapshot import Container, Network, PublishedPort, Snapshot
from bridgework.policy.host_ports import overlap

# A message with more ports is hard to read.
_PORTS_LISTED = 20


class Delivery(StrEnum):
    """What answers at a published port.

    ``UNSEEN``: that depends on a docker-proxy, which was not observed. ``PROXY_GONE``: docker-proxy should answer, and
    the host's sockets show that it does not run.
    """

    PROXY = "proxy"
    PROXY_GONE = "proxy gone"
    RULES = "rules"
    NOTHING = "nothing"
    UNSEEN = "unseen"


@dataclass(frozen=True, slots=True)
class Publication:
    """The published port that a packet for the host arrives at.

    ``attachment`` is the publisher's; ``home`` is the network of the publisher's default route, to which the engine
    translates the port. ``inner`` is the publisher's address there, to which docker-proxy connects.
    """

    container: Container
    port: PublishedPort
    attachment: Attachment
    delivery: Delivery
    home: Network | None
    inner: str | None

    @property
    def by_proxy(self) -> bool:
        """Whether docker-proxy answers."""
        return self.delivery is Delivery.PROXY


def publications(state: EngineState, transport: str) -> tuple[tuple[Container, PublishedPort], ...]:
    """List the ports that running containers publish for the transport protocol, by port and container name."""
    return tuple(pair for pair in state.once(_publications) if pair[1].protocol == transport)


def _publications(snapshot: Snapshot, _: Observations) -> tuple[tuple[Container, PublishedPort], ...]:
    found = [
        (port.host_port, container.name, container, port)
        for container in snapshot.containers
        if container.running
        for port in container.published_ports
        if port.host_port is not None
    ]
    return tuple((container, port) for *_, container, port in sorted(found, key=lambda row: row[:2]))


def asks_the_host(situation: Situation) -> bool:
    """Whether the question is about a port of the host."""
    return situation.candidate is not None and situation.candidate.is_host and situation.transport is not None


@once_for_each
def publication(situation: Situation) -> Publication | None:
    """Return the published port that the packet arrives at, if there is one."""
    candidate, transport = situation.candidate, situation.transport
    if candidate is None or transport is None or not candidate.is_host:
        return None
    for container, port in situation.snapshot.publishers_by_port.get((situation.port or 0, transport), ()):
        if container.running and overlap(port.host_ip, candidate.address):
            if _leaves_to_another(situation, container):
                return None
            attachment = situation.state.attachment_of(container.id)
            home = default_exit(situation.state, attachment, candidate.version)
            delivery = _delivery(situation, candidate)
            # A routed network has no docker-proxy.
            routed = home is not None and gateway_mode(home, candidate.version) == "routed"
            if delivery is Delivery.PROXY and not routed and _proxy_has_ended(situation):
                delivery = Delivery.PROXY_GONE
            inner = _address_behind(situation, attachment, candidate.version)
            return Publication(container, port, attachment, delivery, home, inner)
    return None


def _leaves_to_another(situation: Situation, publisher: Container) -> bool:
    """Whether a rule sends the packet to another end than the publisher, before Docker's own rules translate it."""
    walked = walk_of(situation)
    if walked is None or not walked.is_translated:
        return False
    return not any(walked.there.packet.destination in endpoint.addresses for endpoint in publisher.endpoints)


def _address_behind(situation: Situation, publisher: Attachment, version: int) -> str | None:
    """Return the publisher's address on the network of its default route."""
    # docker-proxy leads IPv6 to the IPv4 address of a container that has no IPv6 address (moby: addPortMappings).
    for own in (version, IPV4, IPV6):
        home = default_exit(situation.state, publisher, own)
        endpoints = (e for e in publisher.endpoints if home is not None and e.network_id == home.id)
        found = next((address for e in endpoints for address in e.addresses if version_of(address) == own), None)
        if found is not None:
            return found
    return None


def _delivery(situation: Situation, candidate: Candidate) -> Delivery:
    """Decide what answers at the published port: a rule that translates it, or only a socket of the host."""
    walked = walk_of(situation)
    # The kernel routes no packet from ::1 to another host, whatever a rule translates it to.
    stays = candidate.version != IPV4 and ip_address(candidate.address).is_loopback
    if walked is not None and walked.is_translated and not stays:
        return Delivery.RULES
    return _proxy_or_nothing(situation.observations)


def _proxy_or_nothing(observations: Observations) -> Delivery:
    """Return the proxy where it runs, else nothing; unseen where no observation shows whether it runs."""
    # daemon.json decides (userland-proxy), and the engine tells it from Docker 29.5 on. Before, only its rules and
    # processes show it. Without the proxy its rules translate more packets, never fewer.
    if observations.userland_proxy is None:
        return Delivery.UNSEEN
    return Delivery.PROXY if observations.userland_proxy else Delivery.NOTHING


def port_has_no_owner(situation: Situation) -> Findings:
    """Find a port of the host at which no container or program is known to answer."""
    if not asks_the_host(situation) or publication(situation) is not None:
        return
    candidate, port, transport = situation.candidate, situation.port, situation.transport
    if candidate is None or transport is None:
        return
    # Without a port no published port can be compared.
    if port is None:
        yield unseen(HOST, "The question names no port, so the prediction cannot tell whether a program answers.")
        return
    # A port that is published on 127.0.0.1 is the commonest surprise here: it works on the host and nowhere else.
    loopback = [
        c for c, p in publications(situation.state, transport) if p.host_port == port and is_loopback(p.host_ip)
    ]
    asked, walked = situation.candidate_addresses.destination, walk_of(situation)
    if walked is not None and _ends_somewhere_known(situation, walked):
        yield from _behind_another_rule(situation, walked.there)
    elif loopback:
        yield _loopback_only(situation, loopback[0], port)
    # The destination is a container in host mode: its port is a port of the host, published or not.
    elif asked is not None and asked.is_host:
        yield from unserved(situation, asked, port, candidate.address, candidate.version)
    elif not (_sees_host(situation) and _may_listen_at_host(situation)):
        yield from _not_published(situation, transport, port)


def _sees_host(situation: Situation) -> bool:
    return sockets_of(situation, THE_HOST) is not None


def _may_listen_at_host(situation: Situation) -> bool:
    """Whether a socket of the host may accept the connection: one was observed, or the host's sockets were not."""
    candidate = situation.candidate
    if candidate is None or not _sees_host(situation):
        return True
    return matching(situation, THE_HOST, situation.port, candidate.address, candidate.version) is not None


def _proxy_has_ended(situation: Situation) -> bool:
    """Whether the host's sockets and processes were observed, and no docker-proxy holds the port."""
    host = situation.observations.host
    # A plan observes no processes, and leaves out the sockets of published ports: they change with the plan.
    if host is None or host.proxies is None or _may_listen_at_host(situation):
        return False
    return all((one.protocol, one.host_port) != (situation.transport, situation.port) for one in host.proxies)


def _ends_somewhere_known(situation: Situation, walked: Walked) -> bool:
    """Whether a rule leads the packet to the host itself, at another end, or to a container's address."""
    there = walked.there
    known = there.delivered_locally or there.packet.destination in situation.snapshot.holders_by_address
    return walked.is_translated and known


def _behind_another_rule(situation: Situation, there: Outcome) -> Findings:
    """Find that no program listens where a rule that is not Docker's leads the port, such as one with REDIRECT."""
    packet = there.packet
    holders = situation.snapshot.holders_by_address.get(packet.destination, ())
    attachment = situation.state.attachment_of(holders[0].container_id) if holders else THE_HOST
    yield from unserved(
        situation, attachment, packet.destination_port, packet.destination, packet.version, leads=_leading(there)
    )


def _leading(there: Outcome) -> str | None:
    """Return the rule that translated the packet."""
    return next((s.rule.text for s in there.steps if s.rule and s.before.translated != s.after.translated), None)


def _loopback_only(situation: Situation, publisher: Container, port: int) -> Finding:
    attachment = situation.state.attachment_of(publisher.id)
    remedy = remedies.share_network(situation.snapshot, members(situation.source, attachment))
    message = f"Port {port} of {publisher.name} is published on a loopback address of the host only."
    return finding(PORT_BOUND_TO_LOOPBACK, of_container(publisher), message, remedy=remedy, evidence={"port": port})


def _not_published(situation: Situation, transport: str, port: int) -> Findings:
    """Find an unpublished port. The finding blocks only where the host's own sockets were observed."""
    published = [
        f"{p.host_ip or '0.0.0.0'}:{p.host_port} ({c.name})" for c, p in publications(situation.state, transport)
    ][:_PORTS_LISTED]
    listed = f"; published ports are {', '.join(published)}" if published else ""
    seen = sockets_of(situation, THE_HOST) is not None
    evidence = {"port": port, "published": published}
    remedy = Remedy("Use a published port, or a common network and the container's own port.")
    yield finding(
        PORT_NOT_PUBLISHED,
        HOST,
        f"No container publishes {transport} port {port} at the host{listed}.",
        # Unseen, the finding only warns, and the second one makes the verdict inconclusive.
        severity=None if seen else Severity.WARNING,
        remedy=remedy,
        evidence=evidence,
    )
    if not seen:
        yield unseen(
            HOST, f"The listening sockets of the host were not visible: port {port} may be open there.", port=port
        )


def nothing_answers_for_it(situation: Situation) -> Findings:
    """Find a published port at which neither docker-proxy nor a rule answers, or neither was observed."""
    candidate, found = situation.candidate, publication(situation)
    if candidate is None or found is None:
        return
    port = {"port": situation.port, "container": found.container.name}
    if found.delivery is Delivery.UNSEEN:
        message = f"It is not known whether docker-proxy answers for port {situation.port} of {found.container.name}."
        yield unseen(HOST, message, port=situation.port, container=found.container.name)
    elif found.delivery is Delivery.PROXY_GONE:
        yield _proxy_is_gone(situation, found)
    elif found.delivery is Delivery.NOTHING:
        # Docker 26 and 27 reserve the port with a socket that listens, so the kernel accepts the connection. The engine
        # never reads from it.
        # Only a plain TCP connect succeeds there. A request by http gets no answer.
        tcp = situation.question.probe.protocol is Protocol.TCP
        held = tcp and facts_of(situation.observations.engine_version).holds_ports
        message = (
            f"Port {situation.port} of {found.container.name} is published, but not at {candidate.address}: the engine "
            f"runs without docker-proxy (userland-proxy=false) and no rule of its firewall translates that address."
        )
        if held:
            message += " A socket of the engine accepts connections there and never answers."
        remedy = Remedy("Use another address of the host, or start the engine with userland-proxy=true.")
        severity = Severity.WARNING if held else None
        yield finding(PORT_NOT_PUBLISHED, HOST, message, severity=severity, remedy=remedy, evidence=port)


def _proxy_is_gone(situation: Situation, found: Publication) -> Finding:
    # The engine starts docker-proxy with the container, and does not start it again when it ends.
    port = f"{situation.transport} port {situation.port}"
    message = f"docker-proxy does not run for {port} of {found.container.name}: no socket of the host listens there."
    remedy = Remedy(
        f"Restart {found.container.name}: the engine starts docker-proxy with the container.",
        (RestartContainer(remedies.container_reference(found.container)),),
    )
    evidence = {"port": situation.port, "protocol": situation.transport}
    component = of_container(found.container)
    return finding(DOCKER_PROXY_MISSING, component, message, remedy=remedy, evidence=evidence)


def translated_and_dropped(situation: Situation) -> Findings:
    """Find a packet that is translated to the container's address, and then dropped between two bridges."""
    if not stops_the_answer(situation):
        yield from _lost_behind_translation(situation)


def translated_and_unanswered(situation: Situation) -> Findings:
    """Find a packet that is translated and arrives, and whose answer is dropped on its way back."""
    if stops_the_answer(situation):
        yield from _lost_behind_translation(situation)


def _lost_behind_translation(situation: Situation) -> Findings:
    """Find the option whose rule drops a packet behind its translation, or its answer."""
    candidate, found, cause = situation.candidate, publication(situation), cause_of(situation)
    if candidate is None or candidate.exit is None or found is None or cause is None:
        return
    if found.delivery is not Delivery.RULES:
        return
    leaves, home = candidate.exit, found.home
    remedy = remedies.share_network(situation.snapshot, members(situation.source, found.attachment))
    whose = f"port {situation.port} of {found.container.name}, published at the host,"
    # The iptables rules drop everything that leaves an internal bridge before they look at the destination.
    if cause.option == INTERNAL:
        message = f"{leaves.name} is internal: {whose} cannot be reached from there."
        yield finding(INTERNAL_NO_EGRESS, of_network(leaves), message, severity=Severity.BLOCKING, remedy=remedy)
    # The hairpin stays on one bridge, so the rule of enable_icc=false drops it.
    elif cause.option == ICC:
        message = f"{leaves.name} has enable_icc=false and no docker-proxy answers: {whose} cannot be reached."
        yield finding(INTER_CONTAINER_OFF, of_network(leaves), message, remedy=remedy)
    # With masquerading docker-proxy would answer (Docker 26 to 28), or the answer would be addressed to the host.
    elif not masquerades(leaves):
        yield _unanswered(situation, leaves, found)
    else:
        message = (
            f"The engine runs without docker-proxy (userland-proxy=false): {whose} is translated to its own address, "
            f"and dropped on the way from {leaves.name} to {home.name if home else 'its network'}."
        )
        yield finding(BRIDGES_ISOLATED, of_network(leaves), message, remedy=remedy)


def _unanswered(situation: Situation, leaves: Network, found: Publication) -> Finding:
    message = (
        f"{leaves.name} does not masquerade: port {situation.port} of {found.container.name}, published at the host, "
        f"does not answer from there."
    )
    remedy = remedies.share_network(situation.snapshot, members(situation.source, found.attachment))
    return finding(MASQUERADE_OFF, of_network(leaves), message, severity=Severity.BLOCKING, remedy=remedy)


def published_by_route(situation: Situation) -> Findings:
    """Find a port that is published in gateway mode ``routed``: it is open at the container's address only."""
    candidate, found = situation.candidate, publication(situation)
    if candidate is None or found is None:
        return
    network = found.home
    walked = walk_of(situation)
    if walked is not None and walked.is_translated:
        return
    # In this mode the engine publishes nothing at the host's addresses.
    if network is not None and gateway_mode(network, candidate.version) == "routed":
        message = f"{network.name} is routed: port {situation.port} of {found.container.name} is not open at the host."
        yield finding(GATEWAY_MODE_ROUTED, of_network(network), message, severity=Severity.BLOCKING)


def nothing_listens_behind_the_port(situation: Situation) -> Findings:
    """Find a published port behind which no program listens in the container."""
    candidate, found = situation.candidate, publication(situation)
    if candidate is None or found is None:
        return
    # The packet never reaches the container, and ``nothing_answers_for_it`` has said so.
    if found.delivery in {Delivery.NOTHING, Delivery.PROXY_GONE}:
        return
    by_proxy = found.delivery in {Delivery.PROXY, Delivery.UNSEEN}
    # The proxy accepts a TCP connection before it connects to the container, even where no program listens there.
    accepted = by_proxy and situation.question.probe.protocol is Protocol.TCP
    inner = found.inner or candidate.address
    yield from unserved(
        situation, found.attachment, found.port.container_port, inner, version_of(inner) or IPV4, accepted=accepted
    )
