"""Findings from the reason of a failed measurement, where the prediction has no finding for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from bridgework.analysis.name_lookup import Lookup
from bridgework.analysis.rules.base import Situation, component_of
from bridgework.analysis.rules.listener import bound, described, listener, sockets_of
from bridgework.analysis.rules.name import valid_names
from bridgework.analysis.rules.overlay import damaged_by_offload, place_of, silent_tunnel
from bridgework.explanations import HOST, finding, of_network
from bridgework.explanations.answers import ANALYSIS_LIMITED
from bridgework.explanations.containers import DESTINATION_NOT_RUNNING, SHARED_NETWORK_STALE
from bridgework.explanations.links import MTU_MISMATCH, PMTU_BLACKHOLE
from bridgework.explanations.names import DEFAULT_BRIDGE_NO_DNS, DNS_UPSTREAM_FAILED, NAME_NOT_ON_SHARED_NETWORK
from bridgework.explanations.overlay import NODE_UNREACHABLE
from bridgework.explanations.ports import (
    CONNECTION_REFUSED,
    LISTENS_ON_LOOPBACK_ONLY,
    NO_LISTENER,
    PORT_BOUND_TO_LOOPBACK,
    PORT_NOT_PUBLISHED,
)
from bridgework.explanations.remedies import with_mtu
from bridgework.model.checks import (
    Component,
    Finding,
    Measurement,
    NameDestination,
    Prediction,
    Protocol,
    Reason,
    Severity,
    Verdict,
)
from bridgework.model.errors import Remedy

# Where the prediction already has one of these findings, the measurement adds nothing.
_NAME_CODES = frozenset({DEFAULT_BRIDGE_NO_DNS.code, NAME_NOT_ON_SHARED_NETWORK.code, DESTINATION_NOT_RUNNING.code})
_PORT_CODES = frozenset(
    {NO_LISTENER.code, LISTENS_ON_LOOPBACK_ONLY.code, PORT_NOT_PUBLISHED.code, PORT_BOUND_TO_LOOPBACK.code}
)


@dataclass(frozen=True, slots=True)
class _Measured:
    """A measurement, the situation that it was made in, and measurements of the same destination by protocol.

    ``is_explained``: the prediction has a blocking finding, so that the failure was expected.
    """

    measurement: Measurement
    situation: Situation
    also: Mapping[Protocol, Measurement]
    is_explained: bool


def from_the_wire(
    prediction: Prediction, measurement: Measurement, situation: Situation, also: Mapping[Protocol, Measurement]
) -> Iterator[Finding]:
    """Yield the findings that follow from the measurement's reason."""
    # Most reasons are explained by the prediction, or by the finding ``prediction-inconsistent``.
    reader = _READERS.get(measurement.reason) if measurement.reason else None
    if reader is None:
        return
    known = frozenset(found.code for found in prediction.findings)
    is_explained = any(found.severity is Severity.BLOCKING for found in prediction.findings)
    yield from reader(_Measured(measurement, situation, also, is_explained), known)


def black_hole(
    prediction: Prediction, measurement: Measurement, situation: Situation, path_mtu_bytes: int | None
) -> Iterator[Finding]:
    """Yield the finding for packets above the path MTU that are lost without an ICMP error."""
    # A link that was seen to be too small explains it better.
    if path_mtu_bytes is None or any(found.code == MTU_MISMATCH.code for found in prediction.findings):
        return
    network = situation.candidate.exit if situation.candidate else None
    option = f"com.docker.network.driver.mtu={path_mtu_bytes}"
    remedy = Remedy(f"Send packets of at most {path_mtu_bytes} bytes, or let ICMP pass on the way.")
    if network is not None and network.bridge_name is not None and not situation.source.is_host:
        remedy = with_mtu(situation.snapshot, network, path_mtu_bytes)
    yield finding(
        PMTU_BLACKHOLE,
        component_of(situation.source),
        f"Packets of more than {path_mtu_bytes} bytes from {situation.source.name} to {measurement.address} are lost, "
        f"and no ICMP error says so.",
        remedy=remedy,
        evidence={"path_mtu_bytes": path_mtu_bytes, "address": measurement.address, "option": option},
    )


def _source(measured: _Measured) -> Component:
    return component_of(measured.situation.source)


def _refused(measured: _Measured, known: frozenset[str]) -> Iterator[Finding]:
    # A TCP reset and ICMP port unreachable come from the kernel where no program listens, and just so from a rule with
    # the target REJECT, and where the program's socket is bound to another interface (SO_BINDTODEVICE). So a refusal
    # alone names no cause: where the sockets were seen, the prediction has named a port that is closed.
    situation, destination = measured.situation, measured.situation.destination
    if measured.is_explained or known & _PORT_CODES or situation.transport is None or situation.port is None:
        return
    # A name of an upstream server has no attachment here. Its address is treated like one of the host.
    component = HOST if destination is None or destination.is_host else component_of(destination)
    where = measured.measurement.address or component.name
    refused = f"{where} refuses {situation.transport} port {situation.port}"
    socket = listener(situation)
    sockets = sockets_of(situation, destination) if destination is not None else None
    if socket is not None and destination is not None:
        message = (
            f"{refused}, though a socket of {destination.name} listens there ({socket.protocol} {bound(socket)}). A "
            f"firewall rule may reject the connection, or the socket may be bound to another interface."
        )
    else:
        message = f"{refused}. It is not known whether no program listens there or a firewall rule rejects it."
    remedy = Remedy("Check again with trace: true, which names the rule that rejects the packet, if one does.")
    evidence = {"port": situation.port, "listening": described(sockets) if sockets is not None else None}
    yield finding(CONNECTION_REFUSED, component, message, remedy=remedy, evidence=evidence)


def _name_unknown(measured: _Measured, known: frozenset[str]) -> Iterator[Finding]:
    # The resolver answered NXDOMAIN.
    situation, destination = measured.situation, measured.situation.question.destination
    if known & _NAME_CODES or not isinstance(destination, NameDestination):
        return
    valid = list(valid_names(situation.snapshot, situation.source))
    listed = f"; names that resolve there are {', '.join(valid)}" if valid else ""
    message = f"{destination.name} does not resolve in {situation.source.name}{listed}."
    remedy = Remedy(f"Use one of the valid names: {', '.join(valid)}." if valid else "Use an address.")
    evidence = {"name": destination.name, "valid_names": valid}
    yield finding(NAME_NOT_ON_SHARED_NETWORK, _source(measured), message, remedy=remedy, evidence=evidence)


def _resolver_failed(measured: _Measured, known: frozenset[str]) -> Iterator[Finding]:
    # The embedded server forwarded the question, and no upstream server answered.
    situation, destination = measured.situation, measured.situation.question.destination
    if not isinstance(destination, NameDestination) or known & _NAME_CODES:
        return
    # A container in the network of an earlier run of its owner reaches no server at all.
    if SHARED_NETWORK_STALE.code in known:
        return
    # The server of a container on Podman is Podman's own, and why its lookup failed is not known.
    if situation.observations.podman:
        return
    named = situation.candidate_addresses.named
    # The embedded server knows a container's name itself, so the upstream servers are not the cause.
    if named is not None and named.outcome is Lookup.FOUND:
        return
    seen = situation.observed(situation.source)
    servers = list(seen.resolver.upstreams or seen.resolver.nameservers) if seen and seen.resolver else []
    asked = f" ({', '.join(servers)})" if servers else ""
    message = f"The lookup of {destination.name} in {situation.source.name} failed: no upstream server{asked} answers."
    remedy = Remedy(f"Configure a DNS server for {situation.source.name} that answers.")
    yield finding(DNS_UPSTREAM_FAILED, _source(measured), message, remedy=remedy, evidence={"servers": servers})


def _too_long(measured: _Measured, known: frozenset[str]) -> Iterator[Finding]:
    # A router, or the kernel for its own link, answered ICMP fragmentation needed.
    if MTU_MISMATCH.code in known:
        return
    situation, mtu = measured.situation, measured.measurement.path_mtu_bytes
    # The source's own network is named: its MTU is the one that the caller can set.
    exit_network = situation.candidate.exit if situation.candidate else None
    component = of_network(exit_network) if exit_network else _source(measured)
    largest = f" ({mtu} bytes fit)" if mtu else ""
    message = f"The packet is too large for the path to {measured.measurement.address or 'the destination'}{largest}."
    remedy = Remedy("Send smaller packets, or create the network again with a larger com.docker.network.driver.mtu.")
    yield finding(MTU_MISMATCH, component, message, remedy=remedy, evidence={"path_mtu_bytes": mtu})


def _no_answer(measured: _Measured, known: frozenset[str]) -> Iterator[Finding]:
    # An address of an overlay network that no container of this engine holds is on another node.
    candidate = measured.situation.candidate
    place = place_of(candidate.attachment) if candidate else None
    if (
        candidate is None
        or candidate.network is None
        or candidate.network.driver != "overlay"
        or (candidate.attachment is not None and place is None)
        # Any other predicted finding explains the silence better than the tunnel.
        or known - {ANALYSIS_LIMITED.code, NODE_UNREACHABLE.code}
    ):
        return
    echo = measured.also.get(Protocol.ICMP)
    if measured.situation.transport == "tcp" and echo is not None and echo.verdict is Verdict.REACHABLE:
        yield damaged_by_offload(candidate.network, candidate.address, _egress(measured.situation))
        return
    yield silent_tunnel(
        candidate.network, candidate.address, candidate.attachment.name if candidate.attachment else None, place
    )


def _egress(situation: Situation) -> str | None:
    """Return the host's interface with the default route, by which the tunnel most likely leaves."""
    host = situation.observations.host
    routes = (host.observation.routes if host is not None else None) or ()
    return next((route.interface for route in routes if route.destination == "0.0.0.0/0"), None)


_READERS: Mapping[Reason, Callable[[_Measured, frozenset[str]], Iterator[Finding]]] = {
    Reason.REFUSED: _refused,
    Reason.NAME_UNKNOWN: _name_unknown,
    Reason.RESOLVER_FAILED: _resolver_failed,
    Reason.MESSAGE_TOO_LONG: _too_long,
    Reason.TIMED_OUT: _no_answer,
    Reason.HOST_UNREACHABLE: _no_answer,
}
