"""One traced check: the probe is recorded in every namespace on its way, and the record joined with the prediction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bridgework.analysis.case import Case
from bridgework.analysis.trace.join import joined
from bridgework.analysis.trace.predicted import THE_HOST
from bridgework.explanations import HOST, finding, of_container
from bridgework.explanations.ports import CLIENT_ADDRESS_REPLACED
from bridgework.model.checks import AddressDestination, CheckResult, Finding, Measurement, ProbeRequest, Protocol
from bridgework.model.errors import NotPossible, Refused, Remedy
from bridgework.model.probe_port import TracePlan
from bridgework.model.snapshot import Container, Snapshot
from bridgework.model.trace import NOT_TRACED, End, Place, Trace, TracedSurprise, TraceRecord
from bridgework.policy.access import Caller, Role, require_role
from bridgework.policy.ownership import is_foreign
from bridgework.use_cases.connectivity.observe import Ends
from bridgework.use_cases.services import Services

_SURPRISE_TIMEOUT_MS = 250
"""How long the traced probe after a surprise waits: it was silent before, and is seen within microseconds."""


def require_trace(services: Services, caller: Caller) -> None:
    """Raise ``Refused`` or ``NotPossible`` unless this caller may trace here."""
    if not services.policy.trace:
        raise Refused(
            code="trace-not-allowed",
            detail="The policy of this service allows no traces.",
            remedy=Remedy('Send the check without "trace", or set BRIDGEWORK_ALLOW_TRACE=true.'),
        )
    require_role(caller, Role.OPERATOR, "A traced check")
    if not services.engine.facts().writes_dockers_rules:
        raise NotPossible(
            code="trace-not-possible",
            detail="A trace explains Docker's rules, and this engine is Podman.",
            remedy=Remedy('Send the check without "trace".'),
        )
    status = services.runner.status()
    if status.kind != "namespace":
        raise NotPossible(
            code="trace-not-possible",
            detail=f"A trace needs the namespaces of the containers, and the checks run otherwise: {status.reason}.",
            remedy=Remedy('Send the check without "trace", or let the service share the host\'s process ids.'),
        )


def not_from_here(source: str, node: str) -> NotPossible:
    """Return the error for a source on another node."""
    return NotPossible(
        code="trace-not-possible",
        detail=f"{source} runs on the node {node}, and a trace covers one node.",
        remedy=Remedy(f"Send the check to the instance of this service on {node}."),
    )


@dataclass(frozen=True, slots=True)
class Tracing:
    """The caller of a traced check, and how many bytes behind the transport header of each packet are kept."""

    caller: Caller
    payload_bytes: int = 0


def require_own_source(caller: Caller, snapshot: Snapshot, ends: Ends) -> None:
    """Raise ``Refused`` where the caller has a project and the source's network namespace is not of that project."""
    if ends.source is not None and _is_own(caller, snapshot, ends.source):
        return
    if caller.project is not None:
        where = f"the network namespace of {ends.source.name}" if ends.source is not None else "the host"
        raise Refused(
            code="trace-not-allowed",
            detail=f"The token of {caller.name} is bound to the project {caller.project}, and {where} is not of it.",
            remedy=Remedy("Trace from a container of the project, or use a token that is bound to no project."),
        )


def _is_own(caller: Caller, snapshot: Snapshot, container: Container) -> bool:
    """Whether the caller may see all traffic in the container's network namespace."""
    if caller.project is None:
        return True
    owner = snapshot.network_owner_of(container)
    # A container in host mode is in the host's namespace, whose traffic is everyone's.
    if owner is None or owner.host_mode:
        return False
    shared = (other for other in snapshot.containers if snapshot.network_owner_of(other) is owner)
    return not any(is_foreign(caller, other) for other in (container, *shared))


def send_traced(
    services: Services,
    case: Case,
    ends: Ends,
    probe: ProbeRequest,
    tracing: Tracing,
    measured: Measurement | None,
    meanwhile: Callable[[Measurement], None],
) -> tuple[Measurement, TraceRecord | None]:
    """Send the probe once and record it. ``meanwhile`` is as in ``ProbeRunner.trace``.

    ``measured`` is the measurement of a name, whose address is traced by a probe of its own.
    """
    engine, snapshot = services.engine, case.snapshot
    if measured is not None:
        if measured.address is None:
            meanwhile(measured)
            return measured, None
        probe = replace(probe, name=None, address=measured.address, count=1, reverse_lookup=False)
    host = engine.host_place(snapshot)
    place = engine.place_of(snapshot, ends.source) if ends.source else host
    target = _target(case, ends, probe)
    # What the source and the destination share is recorded once, as the source's.
    local = target is not None and target.running and target.node is None
    plan = TracePlan(
        host,
        engine.place_of(snapshot, target) if target is not None and local else None,
        _answerers(snapshot, target, probe) if target is not None else (),
        by_proxy=any(hop.kind == "proxy" for hop in case.predictions[0].path),
        payload_bytes=tracing.payload_bytes,
    )
    # The packets stay in the source. The same numbers in another namespace are another flow.
    if ends.source is not None and ends.source is target:
        plan = replace(plan, host=None, destination=None)
    plan = _allowed(plan, tracing.caller, snapshot, target)
    measurement, record = services.runner.trace(place, probe, plan, meanwhile)
    return (measurement if measured is None else measured), record


def _allowed(plan: TracePlan, caller: Caller, snapshot: Snapshot, target: Container | None) -> TracePlan:
    """Leave out the namespaces that a caller with a project may not see: the host's, and those of other projects."""
    if caller.project is None:
        return plan
    left_out = [f"The host was not recorded: the token is bound to the project {caller.project}."]
    destination = plan.destination
    if target is not None and destination is not None and not _is_own(caller, snapshot, target):
        destination = None
        left_out.append(f"{target.name} was not recorded: it is not of the project {caller.project}.")
    return replace(plan, host=None, destination=destination, by_proxy=False, left_out=tuple(left_out))


def _target(case: Case, ends: Ends, probe: ProbeRequest) -> Container | None:
    """Return the container that answers at the address; a name is known only by now."""
    snapshot = case.snapshot
    at_host = any(one.candidate and one.candidate.is_host for one in case.situations)
    # A container may publish the asked port at the host. At any other address it is not the one that answers.
    if ends.target is not None and (at_host or not isinstance(case.question.destination, AddressDestination)):
        return ends.target
    if ends.target is ends.source:
        return ends.source
    holders = snapshot.holders_by_address.get(probe.address or "", ())
    return snapshot.containers_by_id.get(holders[0].container_id) if holders else None


def _answerers(snapshot: Snapshot, target: Container, probe: ProbeRequest) -> tuple[End, ...]:
    """Return the addresses and ports of the container to which the probe may be translated."""
    owner = snapshot.network_owner_of(target) or target
    version = ":" in (probe.address or "")
    addresses = [address for e in owner.endpoints for address in e.addresses if (":" in address) == version]
    if probe.protocol is Protocol.ICMP:
        return tuple((address, None) for address in addresses)
    ports = [probe.port]
    ports += [
        port.container_port
        for port in (*target.published_ports, *owner.published_ports)
        if (port.host_port, port.protocol) == (probe.port, probe.protocol.transport)
    ]
    return tuple((address, port) for address in addresses for port in dict.fromkeys(ports))


def trace_of(case: Case, ends: Ends, measurement: Measurement, record: TraceRecord | None) -> Trace | None:
    """Join the record of a probe with the prediction of the address that it was sent to."""
    if record is None:
        return None
    names: dict[Place, str] = {"source": case.source.name, "host": THE_HOST}
    target = _target(case, ends, replace(case.question.probe, address=measurement.address))
    if target is not None:
        names["destination"] = target.name
    at = case.position_of(measurement)
    return joined(case.situations[at], case.predictions[at], measurement, record, names)


def trace_surprise(
    services: Services, case: Case, ends: Ends, measurement: Measurement, caller: Caller | None
) -> TracedSurprise:
    """Send one more probe to the address whose measurement surprises, and record it where the caller may trace."""
    if caller is None:
        return NOT_TRACED
    try:
        require_trace(services, caller)
        require_own_source(caller, case.snapshot, ends)
    except (Refused, NotPossible) as why:
        return TracedSurprise(why_not=f"It was not traced: {why.detail}")
    probe = case.probe_of(services.policy, measurement.address or "")
    if not isinstance(probe, ProbeRequest):
        return TracedSurprise(why_not=f"It was not traced: {probe.detail}")
    probe = replace(probe, timeout_ms=min(probe.timeout_ms, _SURPRISE_TIMEOUT_MS))
    again, record = send_traced(services, case, ends, probe, Tracing(caller), None, lambda _: None)
    if record is None:
        return TracedSurprise(why_not=f"It was not traced: {again.detail}")
    return TracedSurprise(trace_of(case, ends, again, record))


def with_trace(case: Case, ends: Ends, result: CheckResult, trace: Trace | None) -> CheckResult:
    """Add the trace to the result, and the finding for a client whose address was replaced."""
    if trace is None:
        return result
    target = _target(case, ends, replace(case.question.probe, address=trace.flow.address))
    return replace(result, trace=trace, findings=(*result.findings, *_replaced(trace, target)))


def _replaced(trace: Trace, target: Container | None) -> tuple[Finding, ...]:
    flow = trace.flow
    if trace.client is None or trace.client[0] == flow.source:
        return ()
    who = target.name if target is not None else "The destination"
    component = of_container(target) if target is not None else HOST
    message = f"{who} sees the client as {trace.client[0]}, not as {flow.source}."
    facts = {"client": flow.source, "seen_as": trace.client[0], "seen_port": trace.client[1]}
    return (finding(CLIENT_ADDRESS_REPLACED, component, message, evidence=facts),)
