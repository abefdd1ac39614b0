"""The result of a check from the predictions of its addresses and their measurements.

The verdict of an address is the measured one; an inconclusive measurement stays inconclusive. The prediction is the
verdict only where nothing could be sent: the source does not run, or the destination has no address. Where prediction
and measurement differ, a finding says so, and where a trace last saw the packet.

An address that was not measured has the verdict of the measured one, since both have the same prediction. The check is
``reachable`` where any address is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bridgework.analysis.measured_findings import black_hole, from_the_wire
from bridgework.analysis.predict import any_reachable, joined, joined_findings, ordered
from bridgework.analysis.rules.base import Situation, component_of
from bridgework.analysis.rules.table import why_undecided
from bridgework.analysis.trace.loss import where
from bridgework.explanations import CATALOGUE, finding
from bridgework.explanations.addresses import ADDRESS_TENTATIVE
from bridgework.explanations.answers import ANALYSIS_LIMITED, ICMP_BLOCKED_TCP_OK, PREDICTION_INCONSISTENT
from bridgework.explanations.limitations import LIMITATIONS
from bridgework.explanations.links import PMTU_BLACKHOLE
from bridgework.explanations.overlay import VXLAN_CHECKSUM_OFFLOAD
from bridgework.explanations.ports import PORT_NOT_PUBLISHED
from bridgework.model.checks import (
    CheckResult,
    Component,
    Finding,
    Measurement,
    Prediction,
    Protocol,
    Reason,
    Severity,
    Verdict,
)
from bridgework.model.errors import Remedy
from bridgework.model.trace import NOT_TRACED, TracedSurprise

# These measurements say that no probe was sent, so they do not contradict a prediction.
_NOTHING_TO_SEND = frozenset({Reason.SOURCE_NOT_RUNNING, Reason.NO_ADDRESS})
NOT_SENT = _NOTHING_TO_SEND | {Reason.NOT_ALLOWED}
# Warnings about what was not observed. A packet that passed has shown it.
_MOOT_ONCE_PASSED = frozenset({ADDRESS_TENTATIVE.code, ANALYSIS_LIMITED.code, PORT_NOT_PUBLISHED.code})
# What is found by further probes only, so that no prediction could have it.
_EXPLAIN_A_SURPRISE = frozenset({PMTU_BLACKHOLE.code, VXLAN_CHECKSUM_OFFLOAD.code})
# What these reasons say by themselves. All others leave open what happened to the packet: only a trace shows it.
_SAID_BY_THE_REASON = {
    Reason.NO_ROUTE: "The source has no route to the destination.",
    Reason.NAME_UNKNOWN: "The source's resolver does not know the name.",
    Reason.RESOLVER_FAILED: "The source's resolver does not work.",
    Reason.MESSAGE_TOO_LONG: "An MTU on the path is smaller than the packet.",
    Reason.CONNECTION_RESET: "The program or a proxy before it closed the connection.",
    Reason.UNEXPECTED_ANSWER: "The answer of the program is not the expected one.",
}


@dataclass(frozen=True, slots=True)
class Tried:
    """One address of a question: its situation, what is predicted, and what was measured, if it was.

    ``also`` are measurements of the same address by other protocols. ``path_mtu_bytes`` is the largest packet that
    passes, where larger ones are lost without an ICMP error. ``traced`` tells where a surprising probe was lost.
    """

    situation: Situation
    prediction: Prediction
    measurement: Measurement | None = None
    traced: TracedSurprise = NOT_TRACED
    also: Mapping[Protocol, Measurement] = field(default_factory=dict)
    path_mtu_bytes: int | None = None

    @property
    def is_sent(self) -> bool:
        """Whether a probe was sent to the address."""
        return self.measurement is not None and self.measurement.reason not in NOT_SENT


def weigh(tried: Sequence[Tried], measurement: Measurement) -> CheckResult:
    """Weigh the addresses of one question. ``measurement`` is the one of the address that was measured first."""
    situations = [one.situation for one in tried]
    first = next(one for one in tried if one.measurement is measurement)
    weighed = [_weighed(one, first) for one in tried]
    verdict = any_reachable(own for own, _ in weighed)
    predicted = joined(situations, [one.prediction for one in tried])
    addresses = tuple(
        replace(
            shown,
            measured=one.measurement.verdict if one.measurement is not None and one.is_sent else None,
            reason=one.measurement.reason if one.measurement is not None else None,
        )
        for shown, one in zip(predicted.addresses, tried, strict=False)
    )
    deciding = (one.measurement for one, (own, _) in zip(tried, weighed, strict=True) if one.is_sent and own is verdict)
    return CheckResult(
        verdict,
        predicted,
        _of_name(next((one for one in deciding if one is not None), measurement), measurement),
        joined_findings(situations, verdict, weighed),
        addresses=addresses,
    )


def _of_name(shown: Measurement, first: Measurement) -> Measurement:
    """Add what the first measurement says about the resolution of the name, which is made once."""
    if shown is first or not first.resolved_addresses:
        return shown
    phases = replace(shown.phases_ms, resolve=first.phases_ms.resolve)
    return replace(shown, phases_ms=phases, resolved_addresses=first.resolved_addresses, resolver=first.resolver)


def _weighed(tried: Tried, first: Tried) -> tuple[Verdict, tuple[Finding, ...]]:
    """Return the verdict of one address, and its findings."""
    prediction, measurement, situation = tried.prediction, tried.measurement, tried.situation
    if measurement is None and prediction.verdict is first.prediction.verdict:
        # Its prediction is that of the first address, so it is as certain as that one's.
        return _weighed(first, first)[0], prediction.findings
    if measurement is None or (tried is not first and measurement.reason is Reason.NOT_ALLOWED):
        return prediction.verdict, prediction.findings
    component = component_of(situation.source)
    measured = [
        *from_the_wire(prediction, measurement, situation, tried.also),
        *black_hole(prediction, measurement, situation, tried.path_mtu_bytes),
    ]
    explained = any(one.code in _EXPLAIN_A_SURPRISE for one in measured)
    found = [
        *_as_it_turned_out(prediction, measurement),
        *measured,
        *(() if explained else _surprise(tried, measurement, component)),
        *_icmp_only(measurement, situation, tried.also, component),
    ]
    verdict = measurement.verdict
    if verdict is Verdict.INCONCLUSIVE:
        # A port that is published elsewhere, for example: nothing was sent, and the prediction is certain.
        if measurement.reason in _NOTHING_TO_SEND:
            verdict = prediction.verdict
        else:
            found.append(_not_measured(measurement, component))
    return verdict, ordered(situation.snapshot, found)


def _as_it_turned_out(prediction: Prediction, measurement: Measurement) -> Iterator[Finding]:
    """Yield the predicted findings, with a lower severity where the packet passed in spite of them."""
    passed = measurement.verdict is Verdict.REACHABLE
    for predicted in prediction.findings:
        # What was not observed no longer matters once the packet passed. A predicted cause that did not stop the packet
        # stays as a warning: the prediction or the configuration is wrong somewhere.
        about = CATALOGUE[predicted.code].about
        decided = measurement.verdict is not Verdict.INCONCLUSIVE
        if decided and about not in {None, measurement.verdict} and predicted.severity is not Severity.BLOCKING:
            continue
        if passed and predicted.code in _MOOT_ONCE_PASSED:
            yield replace(predicted, severity=Severity.INFO)
        elif passed and predicted.severity is Severity.BLOCKING:
            yield replace(predicted, severity=Severity.WARNING)
        else:
            yield predicted


def _surprise(tried: Tried, measurement: Measurement, component: Component) -> Iterator[Finding]:
    """Yield a finding where the two differ and neither is inconclusive. It names no cause that was not seen."""
    prediction = tried.prediction
    # An inconclusive side cannot contradict the other one.
    pair = {prediction.verdict, measurement.verdict}
    if len(pair) == 1 or Verdict.INCONCLUSIVE in pair:
        return
    # The first blocking finding is the most severe and decided the predicted verdict.
    blocking = [found.code for found in prediction.findings if found.severity is Severity.BLOCKING]
    measured = measurement.reason.value if measurement.reason else measurement.verdict.value
    shown, told = _traced(tried.traced, measurement)
    if measurement.verdict is Verdict.REACHABLE:
        cause = CATALOGUE.get(blocking[0]) if blocking else None
        told = f"Possible is that {cause.unseen}." if cause and cause.unseen else "What let it pass is not known."
    told = _SAID_BY_THE_REASON.get(measurement.reason or Reason.TIMED_OUT, told)
    message = f"Predicted {prediction.verdict.value}, measured {measured}. {told}"
    facts = {
        "predicted": prediction.verdict.value,
        "measured": measured,
        "predicted_codes": blocking,
        **shown,
    }
    yield finding(PREDICTION_INCONSISTENT, component, message, evidence=facts)


def _traced(traced: TracedSurprise, measurement: Measurement) -> tuple[Mapping[str, object], str]:
    """Return what the trace shows as evidence and as a sentence; for another address, that nothing was traced."""
    trace = traced.trace
    if trace is None or trace.flow.address != measurement.address:
        return {}, f"Where the packet was lost is not known. {traced.why_not}"
    lost = trace.lost
    if lost is None:
        answer = next((step for step in trace.steps if step.seen and step.direction == "reply"), None)
        if answer is None:
            return {}, " ".join(("Where the packet was lost is not known.", *trace.missing))
        return {"answered_at": where(answer)}, f"The trace shows the first packet of an answer at {where(answer)}."
    steps = {"last_seen": lost.last, "stopped_by": lost.by, "not_seen": lost.silent}
    return {name: where(step) for name, step in steps.items() if step is not None}, lost.message


def why_inconclusive(result: CheckResult) -> str:
    """Return the code of what makes an inconclusive check so: a reason, or a code of the catalogue."""
    measured = result.measured
    # Where nothing was sent, the prediction is the verdict, so its own limit is the reason.
    if measured.verdict is Verdict.INCONCLUSIVE and measured.reason is not None and measured.reason not in NOT_SENT:
        return measured.reason.value
    return why_undecided(result.findings)


def _not_measured(measurement: Measurement, component: Component) -> Finding:
    reason = measurement.reason.value if measurement.reason else "no reason given"
    detail = f": {measurement.detail}" if measurement.detail else ""
    why, change = LIMITATIONS.get(measurement.reason or "", ("", None))
    message = f"The measurement is inconclusive ({reason}{detail}). {why}".strip()
    remedy = Remedy(change) if change else None
    evidence = {"reason": reason}
    return finding(ANALYSIS_LIMITED, component, message, severity=Severity.WARNING, remedy=remedy, evidence=evidence)


def _icmp_only(
    measurement: Measurement, situation: Situation, also: Mapping[Protocol, Measurement], component: Component
) -> Iterator[Finding]:
    """Yield a finding where a ping failed and a connection to the same address succeeded."""
    # Firewalls often drop pings and let connections pass, so a failed ping alone says little about a program.
    if situation.question.probe.protocol is not Protocol.ICMP or measurement.verdict is not Verdict.UNREACHABLE:
        return
    for protocol, other in also.items():
        # UDP and DNS say less: their silence is normal. A connection proves that packets pass in both directions.
        if protocol in {Protocol.TCP, Protocol.HTTP} and other.verdict is Verdict.REACHABLE:
            message = f"{other.address or 'The destination'} answers {protocol.value}, but does not answer pings."
            yield finding(ICMP_BLOCKED_TCP_OK, component, message, evidence={"protocol": protocol.value})
            return
