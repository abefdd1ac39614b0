"""One traced check: the probe is recorded in every namespace on its way, and the record joined with the prediction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bridgework.analysis.case import Case
from bridgework.analysis.trace.join import joined
from bridgework.analysis.trace.predicted import THE_HOST
from bridgework.explanations import HOST, finding, of_container
from bridgework.model.checks import CheckResult, Finding, Measurement, ProbeRequest, Protocol
from bridgework.model.errors import NotPossible, Refused, Remedy
from bridgework.model.probe_port import TracePlan
from bridgework.model.snapshot import Container, Snapshot
from bridgework.model.trace import End, Place, Trace, TraceRecord
from bridgework.policy.access import Caller, Role, require_role
from bridgework.use_cases.connectivity.observe import Ends
from bridgework.use_cases.services import Services


def require_trace(services: Services, caller: Caller) -> None:
    """Raise ``Refused`` or ``NotPossible`` unless this caller may trace here."""
    if not services.policy.trace:
        raise Refused(
            code="trace-not-allowed",
            detail="The policy of this service allows no traces.",
            remedy=Remedy('Send the check without "trace", or set BRIDGEWORK_ALLOW_TRACE=true.'),
        )
    require_role(caller, Role.OPERATOR, "A traced check")
    if services.engine.facts().product == "podman":
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


def send_traced(
    services: Services,
    case: Case,
    ends: Ends,
    probe: ProbeRequest,
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
    target = _target(snapshot, ends, probe)
    # What the source and the destination share is recorded once, as the source's.
    local = target is not None and target.running and target.node is None
    destination = engine.place_of(snapshot, target) if target is not None and local else None
    by_proxy = any(hop.kind == "proxy" for hop in case.predictions[0].path)
    plan = TracePlan(host, destination, _answerers(snapshot, target, probe) if target is not None else (), by_proxy)
    measurement, record = services.runner.trace(place, probe, plan, meanwhile)
    return (measurement if measured is None else measured), record


def _target(snapshot: Snapshot, ends: Ends, probe: ProbeRequest) -> Container | None:
    """Return the container that answers at the address; a name is known only by now."""
    if ends.target is not None:
        return ends.target
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


def with_trace(
    case: Case, ends: Ends, result: CheckResult, measurement: Measurement, record: TraceRecord | None
) -> CheckResult:
    """Add the trace of what was measured to the result, and the finding for a client whose address was replaced."""
    if record is None:
        return result
    names: dict[Place, str] = {"source": case.source.name, "host": THE_HOST}
    target = _target(case.snapshot, ends, replace(case.question.probe, address=measurement.address))
    if target is not None:
        names["destination"] = target.name
    at = case.position_of(measurement)
    trace = joined(case.situations[at], case.predictions[at], measurement, record, names)
    return replace(result, trace=trace, findings=(*result.findings, *_replaced(trace, target)))


def _replaced(trace: Trace, target: Container | None) -> tuple[Finding, ...]:
    flow = trace.flow
    if trace.client is None or trace.client[0] == flow.source:
        return ()
    who = target.name if target is not None else "The destination"
    component = of_container(target) if target is not None else HOST
    message = f"{who} sees the client as {trace.client[0]}, not as {flow.source}."
    facts = {"client": flow.source, "seen_as": trace.client[0], "seen_port": trace.client[1]}
    return (finding("client-address-replaced", component, message, evidence=facts),)
