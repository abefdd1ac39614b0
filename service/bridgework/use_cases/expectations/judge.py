"""Measure one expectation, and say what became of it, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import BoundedSemaphore

from bridgework.analysis.verdict import why_inconclusive
from bridgework.model import references
from bridgework.model.checks import ContainerDestination, Prediction, Verdict
from bridgework.model.errors import BridgeworkError
from bridgework.model.expectations import (
    Assertion,
    ExpectationPorts,
    ExpectationSet,
    ExpectationState,
    Judgement,
    SignOfChange,
    Status,
)
from bridgework.model.snapshot import Snapshot
from bridgework.policy.access import Caller, Role
from bridgework.use_cases.connectivity.assertions import Outcome, run_assertion
from bridgework.use_cases.connectivity.check import CLOSED_TIMEOUT_MS
from bridgework.use_cases.expectations.cause import Seen, cause_of
from bridgework.use_cases.expectations.signs import now
from bridgework.use_cases.services import Services

_STATUS = {"passed": Status.MET, "failed": Status.VIOLATED, "error": Status.UNKNOWN}
_TRACES = BoundedSemaphore(2)


@dataclass(frozen=True, slots=True)
class Measured:
    """The outcome of one measurement, and what the search for its cause needs."""

    state: ExpectationState
    seen: Seen


def measure(
    services: Services,
    ports: ExpectationPorts,
    of: ExpectationSet,
    assertion: Assertion,
    predicted: Prediction | None,
    before: ExpectationState | None,
) -> Measured:
    """Measure an expectation. Never raises what a check raises: that is the status ``unknown``."""
    outcome = _run(services, of, _sooner(assertion, predicted), traced=False)
    if _is_surprise(outcome) and (before is None or before.status is not _STATUS[outcome.outcome]):
        # One lost packet is no outage, and the engine may have written its event meanwhile.
        outcome = _run(services, of, assertion, traced=True)
    result, moment = outcome.result, now()
    findings = tuple(ports.findings_to_json(result.findings)) if result is not None else ()
    verdict = result.verdict if result is not None else None
    state = ExpectationState(_STATUS[outcome.outcome], verdict, moment, moment, outcome.message, findings)
    path = frozenset(hop.name for hop in result.predicted.path) if result is not None else frozenset()
    return Measured(state, Seen(verdict, findings, outcome.message, _code(outcome), _ends(services, assertion), path))


def judged(
    of: ExpectationSet,
    assertion: Assertion,
    before: ExpectationState | None,
    measured: Measured,
    signs: Sequence[SignOfChange],
) -> Judgement:
    """Return what became of the expectation, with the cause of a change."""
    if before is not None and before.status is measured.state.status:
        return Judgement(of, assertion, replace(measured.state, since=before.since))
    return Judgement(of, assertion, measured.state, cause_of(before, measured.seen, signs))


def _run(services: Services, of: ExpectationSet, assertion: Assertion, *, traced: bool) -> Outcome:
    try:
        snapshot = services.engine.snapshot()
    except BridgeworkError as error:
        return Outcome(assertion.name, "error", assertion.expect, error.detail, 0.0, error=error)
    # Traces are made one or two at a time: a flush of all rules may surprise a thousand expectations at once.
    may_trace = traced and _TRACES.acquire(blocking=False)
    try:
        # A set is checked as its project would check it: a trace records only namespaces of the project.
        tracer = Caller(f"expectations of {of.name}", Role.OPERATOR, of.project) if may_trace else None
        return run_assertion(services, snapshot, assertion, tracer)
    finally:
        if may_trace:
            _TRACES.release()


def _sooner(assertion: Assertion, predicted: Prediction | None) -> Assertion:
    """Wait less for an answer that is predicted not to come."""
    if predicted is None or predicted.verdict is not Verdict.UNREACHABLE:
        return assertion
    probe = assertion.wanted.probe
    shorter = replace(probe, timeout_ms=min(probe.timeout_ms, CLOSED_TIMEOUT_MS))
    return replace(assertion, wanted=replace(assertion.wanted, probe=shorter))


def _is_surprise(outcome: Outcome) -> bool:
    """Whether the measurement is not what was predicted."""
    result = outcome.result
    return result is not None and Verdict.INCONCLUSIVE is not result.predicted.verdict is not result.verdict


def _code(outcome: Outcome) -> str | None:
    if outcome.error is not None:
        return outcome.error.code
    result = outcome.result
    return why_inconclusive(result) if result is not None and result.verdict is Verdict.INCONCLUSIVE else None


def _ends(services: Services, assertion: Assertion) -> frozenset[str]:
    """Return the ids of the containers at both ends, and of their networks."""
    try:
        snapshot = services.engine.snapshot()
    except BridgeworkError:
        return frozenset()
    destination = assertion.wanted.destination
    named = (assertion.wanted.source, destination.container if isinstance(destination, ContainerDestination) else None)
    involved = [_of_container(snapshot, name) for name in named if name]
    return frozenset().union(*involved) if all(involved) else frozenset()


def _of_container(snapshot: Snapshot, reference: str) -> set[str]:
    try:
        container = references.container(snapshot, reference)
    except BridgeworkError:
        return set()
    owner = snapshot.network_owner_of(container)
    involved = [one for one in (container, owner) if one is not None]
    return {one.id for one in involved} | {place.network_id for one in involved for place in one.endpoints}
