"""Assertions about reachability: each is a check with an expected verdict, and passes or fails."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from bridgework.analysis.verdict import why_inconclusive
from bridgework.explanations.networks import NETWORKS_NOT_ISOLATED
from bridgework.model.checks import CheckResult, Verdict
from bridgework.model.errors import BridgeworkError
from bridgework.model.expectations import Assertion
from bridgework.model.snapshot import Snapshot
from bridgework.policy.access import Caller
from bridgework.use_cases.connectivity.check import check
from bridgework.use_cases.services import Services


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one assertion: ``passed``, ``failed`` or ``error``.

    ``error`` means that the check was inconclusive, or could not be made. Where it could not, ``result`` is ``None``
    and ``error`` says why.
    """

    name: str
    outcome: str
    expect: Verdict
    message: str
    duration_ms: float
    result: CheckResult | None = None
    error: BridgeworkError | None = None


def run_assertions(services: Services, snapshot: Snapshot, assertions: Sequence[Assertion]) -> list[Outcome]:
    """Run the assertions in order. One that cannot be checked is an outcome too, and does not stop the others."""
    return [run_assertion(services, snapshot, assertion) for assertion in assertions]


def run_assertion(
    services: Services, snapshot: Snapshot, assertion: Assertion, tracer: Caller | None = None
) -> Outcome:
    """Run one assertion. It may be traced for the ``tracer``, if there is one."""
    began = time.perf_counter()
    try:
        result = check(services, snapshot, assertion.wanted, tracer)
    except BridgeworkError as error:
        return Outcome(assertion.name, "error", assertion.expect, error.detail, _since(began), error=error)
    if result.verdict is Verdict.INCONCLUSIVE:
        known = f"({why_inconclusive(result)}), predicted {result.predicted.verdict}"
        words = f"The check is inconclusive {known}. {result.measured.detail or ''}".strip()
        return Outcome(assertion.name, "error", assertion.expect, words, _since(began), result)
    passed = result.verdict is assertion.expect
    return Outcome(
        assertion.name,
        "passed" if passed else "failed",
        assertion.expect,
        _words(result, passed=passed),
        _since(began),
        result,
    )


def _words(result: CheckResult, *, passed: bool) -> str:
    if passed:
        return f"The verdict is {result.verdict}, as expected."
    if result.verdict is Verdict.REACHABLE:
        return f"The verdict is reachable{_where(result)}. {_why_open(result)}".strip()
    why = result.findings[0].message if result.findings else (result.measured.detail or "")
    return f"The verdict is {result.verdict}. {why}".strip()


def _where(result: CheckResult) -> str:
    """Name the addresses that are open."""
    reached = [one for one in result.addresses if (one.measured or one.predicted) is Verdict.REACHABLE]
    shown = [f"{one.address} on {one.network.name}" if one.network is not None else one.address for one in reached]
    return f", at {' and '.join(shown)}" if shown else ""


def _why_open(result: CheckResult) -> str:
    opened = (one for one in result.findings if one.code == NETWORKS_NOT_ISOLATED.code)
    return " ".join(f"{one.message} {one.remedy.summary}" if one.remedy is not None else one.message for one in opened)


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 2)
