"""One check: what the engine's state predicts, what a probe measures and, where it fails, why.

First a prediction of each address of the destination, from the snapshot and a few cheap observations, and a probe of
the first. The others are probed where their prediction differs. Only where prediction and measurement differ does the
check make the expensive observations (routes, links, the host's firewall) and predict again from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial

from bridgework.analysis.case import Case
from bridgework.model.checks import (
    AddressDestination,
    CheckRequest,
    CheckResult,
    ContainerDestination,
    Destination,
    Measurement,
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
from bridgework.model.trace import NOT_TRACED, TracedSurprise
from bridgework.policy.access import Caller
from bridgework.policy.probe_policy import literal
from bridgework.use_cases.connectivity.observe import (
    Ends,
    case_of,
    observe_full,
    observe_quick,
    settled,
    with_kernel_routes,
)
from bridgework.use_cases.connectivity.path_mtu import black_hole
from bridgework.use_cases.connectivity.trace import (
    Tracing,
    not_from_here,
    require_own_source,
    send_traced,
    trace_of,
    trace_surprise,
    with_trace,
)
from bridgework.use_cases.services import Services

UNANSWERED = frozenset({Reason.TIMED_OUT, Reason.ADMINISTRATIVELY_PROHIBITED, Reason.HOST_UNREACHABLE})
CLOSED_TIMEOUT_MS = 300
"""How long a probe of an address that is predicted closed waits, where the destination is reached at another one."""
OTHER_TIMEOUT_MS = 2000
"""How long a probe by another protocol waits, whose answer tells a filter from a dead host: a busy machine is late."""
MAX_AT_ONCE = 8


def check(services: Services, snapshot: Snapshot, request: CheckRequest, tracer: Caller | None = None) -> CheckResult:
    """Predict, measure and weigh. Raises ``NotFound``, ``InvalidInput``, ``Refused``; never for what the wire does.

    Where the source is on another node of a swarm, the instance there makes the check. ``tracer`` is the caller, where
    the check may be traced: only the namespaces of the caller's own project are recorded.
    """
    peers = services.peers_beyond(snapshot)
    world = peers.world_of_check(snapshot, request) if peers else World(snapshot)
    question = question_of(snapshot, world, request)
    source = world.snapshot.containers_by_id.get(question.source_id or "")
    if peers and source is not None and source.node is not None:
        if request.trace:
            raise not_from_here(source.name, source.node.hostname)
        return peers.check(world, request, question, source.node)
    ends = Ends.of(world.snapshot, question)
    observed = observe_quick(services, world.snapshot, question, ends)
    case = case_of(services, world.snapshot, question, observed)
    case = settled(services, case, ends)
    if not request.trace or tracer is None:
        # What a caller on another node may see is known there alone.
        may_trace = request.trace is None and not request.forwarded
        return _check_here(services, case, ends, tracer if may_trace else None)
    require_own_source(tracer, case.snapshot, ends)
    return _check_traced(services, case, ends, Tracing(tracer, request.trace_payload_bytes))


@dataclass(frozen=True, slots=True)
class _Measured:
    """The case with the addresses that were tried, the first measurement, and those of other addresses."""

    case: Case
    first: Measurement
    others: Mapping[str, Measurement]

    @property
    def is_surprising(self) -> bool:
        """Whether more observations may explain one of the measurements."""
        return any(self.case.is_surprised_by(one) for one in (self.first, *self.others.values()))


def _check_here(services: Services, case: Case, ends: Ends, tracer: Caller | None) -> CheckResult:
    plan = case.probe_plan(services.policy)
    measurement = _send(services, case.snapshot, ends, plan) if isinstance(plan, ProbeRequest) else plan
    path_mtu = _path_mtu(services, case, ends, measurement)
    measured = _measure_others(services, case, ends, measurement)
    if not measured.is_surprising:
        return measured.case.weigh(measurement, path_mtu_bytes=path_mtu, others=measured.others)
    seen = observe_full(services, measured.case, ends)
    case = with_kernel_routes(services, measured.case.with_observations(seen))
    also = _other_protocols(services, case, ends, measurement)
    tried = (measurement, *measured.others.values())
    surprise = next((one for one in tried if case.failed_unexpectedly(one)), None)
    traced = trace_surprise(services, case, ends, surprise, tracer) if surprise is not None else NOT_TRACED
    result = case.weigh(measurement, also, path_mtu, measured.others, traced)
    return with_trace(case, ends, result, traced.trace)


def _measure_others(services: Services, case: Case, ends: Ends, measurement: Measurement) -> _Measured:
    """Measure the other addresses that may turn out otherwise, all at the same time."""
    asked, case = case, case.of_name(measurement)
    if case is not asked:
        case = with_kernel_routes(services, case)
    plans = {one.address: case.probe_of(services.policy, one.address) for one in case.others_to_measure(measurement)}
    if not plans:
        return _Measured(case, measurement, {})
    # Once a program was answered at one address, a closed one changes nothing: it is not waited for long.
    is_reached = measurement.verdict is Verdict.REACHABLE
    closed = {one.address for one in case.predict().addresses if one.predicted is Verdict.UNREACHABLE}

    def measure(address: str, plan: ProbeRequest | Measurement) -> Measurement:
        if not isinstance(plan, ProbeRequest):
            return plan
        if is_reached and address in closed:
            plan = replace(plan, timeout_ms=min(plan.timeout_ms, CLOSED_TIMEOUT_MS))
        return _send(services, case.snapshot, ends, plan)

    with ThreadPoolExecutor(min(len(plans), MAX_AT_ONCE)) as pool:
        jobs = {address: pool.submit(copy_context().run, measure, address, plan) for address, plan in plans.items()}
        return _Measured(case, measurement, {address: job.result() for address, job in jobs.items()})


def _path_mtu(services: Services, case: Case, ends: Ends, measurement: Measurement) -> int | None:
    """Return the path MTU where packets above it are lost in silence. The address is one that was probed already."""
    return black_hole(partial(_send, services, case.snapshot, ends), case.question.probe, measurement)


def _check_traced(services: Services, case: Case, ends: Ends, tracing: Tracing) -> CheckResult:
    """Check with a record of the probe. After a surprise, the rest is observed while the record is closed."""
    plan = case.probe_plan(services.policy)
    if not isinstance(plan, ProbeRequest):
        return case.weigh(plan)
    # The address of a name is known only after its resolution in the source, so the name is measured first.
    by_name = _send(services, case.snapshot, ends, plan) if plan.name is not None else None
    if by_name is not None:
        case = case.of_name(by_name)
    observed: list[Observations] = []

    def look(sent: Measurement) -> None:
        if case.is_surprised_by(by_name or sent):
            observed.append(observe_full(services, case, ends))

    measurement, record = send_traced(services, case, ends, plan, tracing, by_name, look)
    measured = _measure_others(services, case, ends, measurement)
    if not observed and measured.is_surprising:
        observed.append(observe_full(services, measured.case, ends))
    case = measured.case
    also: Mapping[Protocol, Measurement] = {}
    if observed:
        case = with_kernel_routes(services, case.with_observations(observed[0]))
        also = _other_protocols(services, case, ends, measurement)
    path_mtu = _path_mtu(services, case, ends, measurement)
    trace = trace_of(case, ends, measurement, record)
    return with_trace(
        case, ends, case.weigh(measurement, also, path_mtu, measured.others, TracedSurprise(trace)), trace
    )


def _send(services: Services, snapshot: Snapshot, ends: Ends, probe: ProbeRequest) -> Measurement:
    engine = services.engine
    place = engine.place_of(snapshot, ends.source) if ends.source else engine.host_place(snapshot)
    return services.runner.check(place, probe)


def _other_protocols(
    services: Services, case: Case, ends: Ends, measurement: Measurement
) -> Mapping[Protocol, Measurement]:
    """Connect to a program of the destination after a silent echo, to distinguish a filter from a dead host.

    After a silent connection through the tunnel of an overlay network, ping it: a link may damage TCP there alone.
    """
    if _lost_in_a_tunnel(case, measurement):
        echo = ProbeRequest(Protocol.ICMP, address=measurement.address, timeout_ms=OTHER_TIMEOUT_MS)
        return {Protocol.ICMP: _send(services, case.snapshot, ends, echo)}
    seen = case.observations.inside.get(ends.target.id) if ends.target else None
    listening = [s for s in (seen.sockets or () if seen else ()) if s.protocol == "tcp" and not _on_loopback(s)]
    silent = case.question.probe.protocol is Protocol.ICMP and measurement.reason in UNANSWERED
    if ends.source is None or not silent or not listening or measurement.address is None:
        return {}
    probe = ProbeRequest(Protocol.TCP, address=measurement.address, port=listening[0].port, timeout_ms=OTHER_TIMEOUT_MS)
    return {Protocol.TCP: _send(services, case.snapshot, ends, probe)}


def _lost_in_a_tunnel(case: Case, measurement: Measurement) -> bool:
    candidates = case.candidate_addresses.candidates
    network = candidates[0].network if candidates else None
    by_tcp = case.question.probe.protocol.transport == "tcp" and measurement.reason is Reason.TIMED_OUT
    return by_tcp and measurement.address is not None and network is not None and network.driver == "overlay"


def _on_loopback(listener: ListeningSocket) -> bool:
    return listener.address.startswith("127.") or listener.address == "::1"


def question_of(snapshot: Snapshot, world: World, request: CheckRequest) -> Question:
    """Resolve the references of a request. Raises ``NotFound``, ``AmbiguousReference`` and ``InvalidInput``."""
    source = world.container(snapshot, request.source).id if request.source else None
    return Question(source, _destination(snapshot, world, request), request.probe)


def _destination(snapshot: Snapshot, world: World, request: CheckRequest) -> Destination:
    match request.destination:
        case ContainerDestination(reference):
            return ContainerDestination(world.container(snapshot, reference).id)
        case AddressDestination(text):
            address = literal(text)
            if address is None:
                fault = InputFault("/destination/address", "Must be a literal IPv4 or IPv6 address, without a zone.")
                raise InvalidInput(code="input-invalid", detail=f"The body is invalid: {fault.message}", faults=[fault])
            return AddressDestination(str(address))
        case destination:
            return destination
