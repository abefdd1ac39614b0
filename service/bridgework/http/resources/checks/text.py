"""A check as text for a ticket: verdict, path, findings, and the trace step by step."""

from __future__ import annotations

from collections.abc import Iterator

from bridgework.model.checks import CheckResult, TriedAddress
from bridgework.model.trace import Trace, TracedPacket, TraceStep
from bridgework.printable import printable

_HEADINGS = {"request": "The packet's way", "reply": "The answer's way"}


def to_text(result: CheckResult) -> str:
    """Write the result as lines of text."""
    return "\n".join(map(printable, _lines(result))) + "\n"


def _lines(result: CheckResult) -> Iterator[str]:
    measured, predicted = result.measured, result.predicted
    reason = f" ({measured.reason.value})" if measured.reason else ""
    yield f"verdict:   {result.verdict.value}"
    yield f"predicted: {predicted.verdict.value}"
    yield f"measured:  {measured.verdict.value}{reason}"
    for one in result.addresses if len(result.addresses) > 1 else ():
        yield f"address:   {_tried(one)}"
    yield "path:      " + " > ".join(f"{hop.name} ({hop.kind}, {hop.status.value})" for hop in predicted.path)
    if result.trace is not None:
        yield from _trace(result.trace)
    for finding in result.findings:
        yield ""
        yield f"{finding.severity.value}: {finding.code}: {finding.message}"
        if finding.remedy is not None:
            yield f"  remedy: {finding.remedy.summary}"
            yield from (f"  $ {command}" for command in finding.remedy.commands)


def _tried(one: TriedAddress) -> str:
    where = f" ({one.network.name})" if one.network is not None else ""
    measured = one.measured.value if one.measured is not None else "not measured"
    reason = f" ({one.reason.value})" if one.reason is not None else ""
    return f"{one.address}{where} predicted {one.predicted.value}, {measured}{reason}"


def _trace(trace: Trace) -> Iterator[str]:
    flow = trace.flow
    port = "" if flow.port is None else f" port {flow.port}"
    number = "identifier" if flow.protocol == "icmp" else "source port"
    yield ""
    yield f"trace of {flow.protocol} from {flow.source} to {flow.address}{port}, {number} {flow.identifier}"
    for direction, heading in _HEADINGS.items():
        steps = [step for step in trace.steps if step.direction == direction]
        if not steps:
            continue
        yield ""
        yield f"{heading} (p = predicted, s = seen)"
        before = None
        for step in steps:
            yield f"  {'p' if step.predicted else '-'}{'s' if step.seen else '-'}  {_step(step)}"
            if step.packet is not None and step.kind != "route" and step.seen:
                if before is not None and _ends(before) != _ends(step.packet):
                    yield f"        now {_ends(step.packet)}"
                before = step.packet
    yield ""
    if trace.client is not None and trace.server is not None:
        yield f"the destination {_end(*trace.server)} sees the client as {_end(*trace.client)}"
    yield f"lost: {trace.lost.message}" if trace.lost is not None else "lost: no"
    yield from (f"missing: {sentence}" for sentence in trace.missing)


def _step(step: TraceStep) -> str:
    if step.kind == "interface":
        time = "" if step.time_us is None else f"  +{step.time_us:.0f} us"
        note = f"  {step.packet.note}" if step.packet is not None and step.packet.note else ""
        return f"{'out' if step.leaving else 'in '} {step.interface} of {step.of}{note}{time}"
    if step.kind == "route":
        by = f" by {step.interface}" if step.interface else ""
        return f"route of {step.of}: {step.verdict or 'not seen'}{by}"
    text = step.rule or ("policy" if step.kind == "policy" else f"handle {step.handle}")
    return f"{step.hook} {step.family} {step.table} {step.chain}: {text}  => {step.verdict}"


def _ends(packet: TracedPacket) -> str:
    source, destination = packet.source or "?", packet.destination
    return f"{_end(source, packet.source_port)} -> {_end(destination, packet.destination_port)}"


def _end(address: str, port: int | None) -> str:
    if port is None:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
