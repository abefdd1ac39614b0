"""One check: what the engine's state predicts, what the wire says, and, where it fails, why.

In two steps. First a prediction from the snapshot and the little that is cheap to see, and the probe. Only when the
two disagree is the expensive looked at (routes, links, the host's firewall) and the prediction made again with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address

from bridgework.analysis.attachment import Attachment, attachment_of
from bridgework.analysis.candidate_addresses import CandidateAddresses, candidate_addresses
from bridgework.analysis.predict import predict
from bridgework.analysis.verdict import weigh
from bridgework.model.check_request import CheckRequest
from bridgework.model.checks import (
    AddressDestination,
    CheckResult,
    ContainerDestination,
    HostDestination,
    Measurement,
    NameDestination,
    ProbeRequest,
    Protocol,
    Question,
    Reason,
    Verdict,
)
from bridgework.model.errors import InputFault, InvalidInput
from bridgework.model.observations import ListeningSocket, Observations
from bridgework.model.peers import World
from bridgework.model.snapshot import Snapshot
from bridgework.policy.probe_policy import allowed_subnets, host_open, literal, published_otherwise, require_allowed
from bridgework.use_cases.connectivity.observe import observe_full, observe_quick, source_of, target_of
from bridgework.use_cases.services import Services

UNANSWERED = frozenset({Reason.TIMED_OUT, Reason.ADMINISTRATIVELY_PROHIBITED, Reason.HOST_UNREACHABLE})


def check(services: Services, snapshot: Snapshot, wanted: CheckRequest) -> CheckResult:
    """Predict, measure and weigh. Raises ``NotFound``, ``InvalidInput``, ``Refused``; never for what the wire does.

    Where the source is on another node of a swarm, the instance there makes the check.
    """
    peers = services.peers_beyond(snapshot)
    world = peers.world_of_check(snapshot, wanted) if peers else World(snapshot)
    question = _question(snapshot, world, wanted)
    source = world.snapshot.containers_by_id.get(question.source_id or "")
    if peers and source is not None and source.node is not None:
        return peers.check(world, wanted, question, source.node)
    return _check_here(services, world.snapshot, wanted, question)


def _check_here(services: Services, snapshot: Snapshot, wanted: CheckRequest, question: Question) -> CheckResult:
    observations = observe_quick(services, snapshot, question)
    source = attachment_of(snapshot, question.source_id, observations)
    aimed = candidate_addresses(snapshot, source, question, observations)
    measurement = _measure(services, snapshot, wanted, question, source, aimed)
    prediction = predict(snapshot, question, observations)
    also: Mapping[Protocol, Measurement] = {}
    unsent = measurement.verdict is Verdict.INCONCLUSIVE and measurement.reason is Reason.NO_ADDRESS
    surprise = measurement.verdict is not Verdict.INCONCLUSIVE and prediction.verdict is not measurement.verdict
    if surprise or (unsent and prediction.verdict is Verdict.INCONCLUSIVE):
        observations = observe_full(services, snapshot, question, aimed, observations)
        prediction = predict(snapshot, question, observations)
        also = _other_protocols(services, snapshot, question, measurement, observations)
    return weigh(prediction, measurement, question=question, snapshot=snapshot, observations=observations, also=also)


def _published_elsewhere(snapshot: Snapshot, question: Question, address: str) -> str:
    """Where the host's port is published instead, when the host is asked for by a port that is not open there.

    Then the prediction is the answer. A port of the host that nobody publishes at all is refused instead.
    """
    asks_host = isinstance(question.destination, HostDestination)
    if not asks_host or host_open(snapshot, question.protocol, question.port, ip_address(address)):
        return ""
    return published_otherwise(snapshot, question.port) if question.port is not None else ""


def _other_protocols(
    services: Services, snapshot: Snapshot, question: Question, measurement: Measurement, observations: Observations
) -> Mapping[Protocol, Measurement]:
    """An echo that stays unanswered says little where a program listens: one connection to it tells more."""
    source, target = source_of(snapshot, question), target_of(snapshot, question)
    seen = observations.inside.get(target.id) if target else None
    listening = [s for s in (seen.sockets or () if seen else ()) if s.protocol == "tcp" and not _on_loopback(s)]
    silent = question.protocol is Protocol.ICMP and measurement.reason in UNANSWERED
    if source is None or not silent or not listening or measurement.address is None:
        return {}
    request = ProbeRequest(Protocol.TCP, address=measurement.address, port=listening[0].port)
    return {Protocol.TCP: services.runner.check(services.engine.place_of(snapshot, source), request)}


def _on_loopback(listener: ListeningSocket) -> bool:
    return listener.address.startswith("127.") or listener.address == "::1"


def _question(snapshot: Snapshot, world: World, wanted: CheckRequest) -> Question:
    source = world.container(snapshot, wanted.source_container).id if wanted.source_container else None
    probe = wanted.probe
    return Question(
        source_id=source,
        destination=_destination(snapshot, world, wanted),
        protocol=probe.protocol,
        port=probe.port,
        ip_version=probe.ip_version,
        payload_bytes=probe.payload_bytes if probe.dont_fragment else None,
        dont_fragment=probe.dont_fragment,
    )


def _destination(
    snapshot: Snapshot, world: World, wanted: CheckRequest
) -> ContainerDestination | NameDestination | AddressDestination | HostDestination:
    if wanted.destination_container:
        return ContainerDestination(world.container(snapshot, wanted.destination_container).id)
    if wanted.destination_name:
        return NameDestination(wanted.destination_name)
    if wanted.destination_address:
        address = literal(wanted.destination_address)
        if address is None:
            fault = InputFault("/destination/address", "Must be a literal IPv4 or IPv6 address, without a zone.")
            raise InvalidInput(code="input-invalid", detail=f"The body is invalid: {fault.message}", faults=[fault])
        return AddressDestination(str(address))
    return HostDestination()


def _measure(
    services: Services,
    snapshot: Snapshot,
    wanted: CheckRequest,
    question: Question,
    source: Attachment,
    aimed: CandidateAddresses,
) -> Measurement:
    container = source_of(snapshot, question)
    if container is not None and not container.running:
        return Measurement(Verdict.UNREACHABLE, reason=Reason.SOURCE_NOT_RUNNING, detail=f"It is {container.state}.")
    if container is not None and container.paused:
        return Measurement(Verdict.UNREACHABLE, reason=Reason.SOURCE_NOT_RUNNING, detail="It is paused.")
    place = services.engine.place_of(snapshot, container) if container else services.engine.host_place(snapshot)
    if isinstance(question.destination, NameDestination):
        request = replace(
            wanted.probe,
            name=question.destination.name,
            reverse_lookup=True,
            allowed_subnets=(
                *allowed_subnets(snapshot, services.policy, question.protocol, question.port),
                *(() if source.is_host else ("127.0.0.0/8", "::1/128")),
            ),
        )
        return services.runner.check(place, request)
    if not aimed.candidates:
        return Measurement(
            Verdict.UNREACHABLE, reason=Reason.NO_ADDRESS, detail="The destination has no address to try."
        )
    address = aimed.candidates[0].address
    published = _published_elsewhere(snapshot, question, address)
    if published:
        asked = f"Port {question.port}/{question.protocol.transport} of {address}"
        detail = f"{asked} is not published, so nothing was sent to it; published: {published}."
        return Measurement(Verdict.INCONCLUSIVE, reason=Reason.NO_ADDRESS, address=address, detail=detail)
    require_allowed(snapshot, services.policy, source, address, question.protocol, question.port)
    return services.runner.check(place, replace(wanted.probe, address=address, reverse_lookup=False))
