"""One check: what the engine's state predicts, what the wire says, and, where it fails, why.

In two steps. First a prediction from the snapshot and the little that is cheap to see, and the probe. Only when the
two disagree is the expensive looked at (routes, links, the host's firewall) and the prediction made again with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from service.core import references
from service.core.checks import (
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
from service.core.errors import InputFault, InvalidInput
from service.core.evidence import Evidence
from service.core.observations import ListeningSocket, Observation
from service.core.ports import Aspect
from service.core.probe_policy import allowed_subnets, literal, require_allowed
from service.core.reachability import predict
from service.core.reachability_aim import Aim, aim
from service.core.reachability_standing import Standing, stand
from service.core.snapshot import Container, Snapshot
from service.core.verdict import weigh
from service.operations.house import House

LISTENING_PROTOCOLS = frozenset({Protocol.TCP, Protocol.UDP, Protocol.HTTP, Protocol.DNS})
IPV6_FIREWALL_SINCE = 27
UNANSWERED = frozenset({Reason.TIMED_OUT, Reason.ADMINISTRATIVELY_PROHIBITED, Reason.HOST_UNREACHABLE})
DEEPER: tuple[Aspect, ...] = ("interfaces", "routes", "sockets", "resolver")


@dataclass(frozen=True, slots=True)
class WantedCheck:
    """A check as it came, by the caller's words; ``probe`` holds what is to be sent, without its destination."""

    probe: ProbeRequest
    source_container: str | None = None
    destination_container: str | None = None
    destination_name: str | None = None
    destination_address: str | None = None


def check(house: House, snapshot: Snapshot, wanted: WantedCheck) -> CheckResult:
    """Predict, measure and weigh. Raises ``NotFound``, ``InvalidInput``, ``Refused``; never for what the wire does."""
    question = _question(snapshot, wanted)
    evidence = _first_look(house, snapshot, question)
    source = stand(snapshot, question.source_id, evidence)
    aimed = aim(snapshot, source, question, evidence)
    measurement = _measure(house, snapshot, wanted, question, source, aimed)
    prediction = predict(snapshot, question, evidence)
    also: Mapping[Protocol, Measurement] = {}
    if measurement.verdict is not Verdict.INCONCLUSIVE and prediction.verdict is not measurement.verdict:
        evidence = _second_look(house, snapshot, question, aimed, evidence)
        prediction = predict(snapshot, question, evidence)
        also = _other_protocols(house, snapshot, question, measurement, evidence)
    return weigh(prediction, measurement, question=question, snapshot=snapshot, evidence=evidence, also=also)


def _other_protocols(
    house: House, snapshot: Snapshot, question: Question, measurement: Measurement, evidence: Evidence
) -> Mapping[Protocol, Measurement]:
    """An echo that stays unanswered says little where a program listens: one connection to it tells more."""
    source, target = _source(snapshot, question), _target(snapshot, question)
    seen = evidence.observations.get(target.id) if target else None
    listening = [s for s in (seen.sockets or () if seen else ()) if s.protocol == "tcp" and not _on_loopback(s)]
    silent = question.protocol is Protocol.ICMP and measurement.reason in UNANSWERED
    if source is None or not silent or not listening or measurement.address is None:
        return {}
    request = ProbeRequest(Protocol.TCP, address=measurement.address, port=listening[0].port)
    return {Protocol.TCP: house.runner.check(house.engine.place_of(snapshot, source), request)}


def _on_loopback(listener: ListeningSocket) -> bool:
    return listener.address.startswith("127.") or listener.address == "::1"


def _question(snapshot: Snapshot, wanted: WantedCheck) -> Question:
    source = references.container(snapshot, wanted.source_container).id if wanted.source_container else None
    probe = wanted.probe
    return Question(
        source_id=source,
        destination=_destination(snapshot, wanted),
        protocol=probe.protocol,
        port=probe.port,
        ip_version=probe.ip_version,
        payload_bytes=probe.payload_bytes if probe.dont_fragment else None,
        dont_fragment=probe.dont_fragment,
    )


def _destination(
    snapshot: Snapshot, wanted: WantedCheck
) -> ContainerDestination | NameDestination | AddressDestination | HostDestination:
    if wanted.destination_container:
        return ContainerDestination(references.container(snapshot, wanted.destination_container).id)
    if wanted.destination_name:
        return NameDestination(wanted.destination_name)
    if wanted.destination_address:
        address = literal(wanted.destination_address)
        if address is None:
            fault = InputFault("/destination/address", "Must be a literal IPv4 or IPv6 address, without a zone.")
            raise InvalidInput(code="input-invalid", detail=f"The body is invalid: {fault.message}", faults=[fault])
        return AddressDestination(str(address))
    return HostDestination()


def _first_look(house: House, snapshot: Snapshot, question: Question) -> Evidence:
    """The cheap: identities of shared namespaces, listeners where a port is asked for, the resolver for a name."""
    involved = [c for c in (_source(snapshot, question), _target(snapshot, question)) if c is not None]
    inodes: dict[str, int] = {}
    for container in involved:
        if container.shares_with:
            for one in (container, snapshot.network_owner_of(container)):
                inode = (
                    house.runner.namespace_inode(house.engine.place_of(snapshot, one)) if one and one.running else None
                )
                if one is not None and inode is not None:
                    inodes[one.id] = inode
    seen: dict[str, Observation] = {}
    target = _target(snapshot, question)
    if question.protocol in LISTENING_PROTOCOLS and target is not None:
        _look(house, snapshot, target, ("sockets",), seen)
    source = _source(snapshot, question)
    if isinstance(question.destination, NameDestination) and source is not None:
        _look(house, snapshot, source, ("resolver",), seen)
    return replace(base_evidence(house), namespace_inodes=inodes, observations=seen)


def base_evidence(house: House) -> Evidence:
    """What is known of the engine itself: whether it guards IPv6 too (the default since Docker 27)."""
    major = house.engine.facts().version.partition(".")[0]
    return Evidence(ipv6_firewall=major.isdigit() and int(major) >= IPV6_FIREWALL_SINCE)


def _second_look(house: House, snapshot: Snapshot, question: Question, aimed: Aim, first: Evidence) -> Evidence:
    """Everything that can be seen of both ends and of the host."""
    seen = dict(first.observations)
    ends = [_source(snapshot, question), _target(snapshot, question)]
    ends += [goal.standing.container for goal in aimed.goals if goal.standing is not None]
    limited = [
        f"the network namespace of {container.name}"
        for container in ends
        if container is not None and container.running and not _look(house, snapshot, container, DEEPER, seen)
    ]
    host = house.runner.observe_host(firewall=True)
    if host is None:
        limited.append("the host's links, routes and firewall")
    return replace(first, observations=seen, host=host, limited=tuple(dict.fromkeys(limited)))


def _look(
    house: House, snapshot: Snapshot, container: Container, aspects: tuple[Aspect, ...], seen: dict[str, Observation]
) -> bool:
    if not container.running:
        return False
    found = house.runner.observe(house.engine.place_of(snapshot, container), aspects)
    if found is not None:
        seen[container.id] = found
    return found is not None


def _source(snapshot: Snapshot, question: Question) -> Container | None:
    return snapshot.containers_by_id.get(question.source_id or "")


def _target(snapshot: Snapshot, question: Question) -> Container | None:
    destination = question.destination
    if isinstance(destination, ContainerDestination):
        return snapshot.containers_by_id.get(destination.container_id)
    if isinstance(destination, AddressDestination):
        holders = snapshot.holders_by_address.get(destination.address, ())
        return snapshot.containers_by_id.get(holders[0].container_id) if holders else None
    return None


def _measure(
    house: House, snapshot: Snapshot, wanted: WantedCheck, question: Question, source: Standing, aimed: Aim
) -> Measurement:
    container = _source(snapshot, question)
    if container is not None and not container.running:
        return Measurement(Verdict.UNREACHABLE, reason=Reason.SOURCE_NOT_RUNNING, detail=f"It is {container.state}.")
    if container is not None and container.paused:
        return Measurement(Verdict.UNREACHABLE, reason=Reason.SOURCE_NOT_RUNNING, detail="It is paused.")
    place = house.engine.place_of(snapshot, container) if container else house.engine.host_place(snapshot)
    if isinstance(question.destination, NameDestination):
        request = replace(
            wanted.probe,
            name=question.destination.name,
            reverse_lookup=True,
            allowed_subnets=(
                *allowed_subnets(snapshot, house.policy, question.protocol, question.port),
                *(() if source.is_host else ("127.0.0.0/8", "::1/128")),
            ),
        )
        return house.runner.check(place, request)
    if not aimed.goals:
        return Measurement(
            Verdict.UNREACHABLE, reason=Reason.NO_ADDRESS, detail="The destination has no address to try."
        )
    address = aimed.goals[0].address
    require_allowed(snapshot, house.policy, source, address, question.protocol, question.port)
    return house.runner.check(place, replace(wanted.probe, address=address, reverse_lookup=False))
