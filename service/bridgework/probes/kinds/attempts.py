"""Repeats a probe and sums up its attempts. Nothing here opens a socket.

A probe is a function of a request, a literal address and a moment. It tries once, ends at that moment
(``time.monotonic``) at the latest, and returns one ``Attempt`` or raises ``OSError``. Every wait ends at a moment that
was set once: a time-out for each read would give a server that sends single bytes a new time-out with each of them.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from bridgework.model.checks import Measurement, Phases, ProbeRequest, Reason, RoundTrip, Verdict
from bridgework.probes.kinds.reasons import IcmpError, of_errno
from bridgework.probes.kinds.sockaddr import AddressError

INCONCLUSIVE_REASONS = frozenset(
    {
        Reason.NO_ANSWER,
        Reason.NAMESPACE_OUT_OF_REACH,
        Reason.SOURCE_NOT_RUNNING,
        Reason.BUDGET_EXHAUSTED,
        Reason.RESOURCES_EXHAUSTED,
        Reason.DEADLINE,
        Reason.NOT_ALLOWED,
    }
)
SILENT_REASONS = frozenset({Reason.TIMED_OUT, Reason.NO_ANSWER})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: either ``rtt_ms`` of a success or the ``reason`` of a failure."""

    rtt_ms: float | None = None
    reason: Reason | None = None
    detail: str | None = None
    phases_ms: Phases = field(default_factory=Phases)
    status: int | None = None
    path_mtu_bytes: int | None = None


_CUT_SHORT = Attempt(reason=Reason.DEADLINE, detail="the time limit of the whole check ended before an answer came")
Probe = Callable[[ProbeRequest, str, float], Attempt]


def failure(error: OSError) -> Attempt:
    """Return the attempt that ended with this error."""
    match error:
        case TimeoutError():
            return Attempt(reason=Reason.TIMED_OUT)
        case AddressError():
            return Attempt(reason=Reason.NO_ADDRESS, detail=error.strerror)
        case IcmpError():
            return Attempt(reason=error.reason, detail=error.strerror, path_mtu_bytes=error.mtu_bytes)
        case ConnectionResetError():
            return Attempt(reason=Reason.CONNECTION_RESET, detail="closed without an answer")
    return Attempt(reason=of_errno(error.errno), detail=os.strerror(error.errno) if error.errno else str(error))


def verdict_of(reason: Reason) -> Verdict:
    """Return whether a failure for this reason means "unreachable" or "inconclusive"."""
    return Verdict.INCONCLUSIVE if reason in INCONCLUSIVE_REASONS else Verdict.UNREACHABLE


def failed(reason: Reason, detail: str | None = None) -> Measurement:
    """Return a measurement that ended before its first attempt."""
    return Measurement(verdict=verdict_of(reason), reason=reason, detail=detail)


def repeat(probe: Probe, request: ProbeRequest, address: str, ends: float) -> Measurement:
    """Probe ``request.count`` times, one after another, starting at least ``interval_ms`` apart, before ``ends``."""
    attempts: list[Attempt] = []
    started = time.monotonic()
    for number in range(request.count):
        wait_s = min(started + number * request.interval_ms / 1000, ends) - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        now = time.monotonic()
        if now >= ends:
            break
        timed_out_at = now + request.timeout_ms / 1000
        # Only the first attempt has the given source port: the kernel may still keep it in TIME_WAIT for the next one.
        asked = request if number == 0 or request.flow_id is None else replace(request, flow_id=None)
        try:
            attempt = probe(asked, address, min(timed_out_at, ends))
        except OSError as error:
            attempt = failure(error)
        # An attempt that ``ends`` cut short does not count: the destination did not get the whole time-out.
        if attempt.reason in SILENT_REASONS and ends < timed_out_at:
            break
        attempts.append(attempt)
    return summarise(attempts or [_CUT_SHORT], address)


def summarise(attempts: Sequence[Attempt], address: str) -> Measurement:
    """Sum up at least one attempt: one success is "reachable", else the most specific failure decides."""
    times = [attempt.rtt_ms for attempt in attempts if attempt.rtt_ms is not None]
    failures = [attempt for attempt in attempts if attempt.reason is not None]
    specific = _most_specific(failures)
    shown = specific if specific and not times else next(a for a in attempts if a.rtt_ms is not None)
    return Measurement(
        verdict=verdict_of(shown.reason) if shown.reason else Verdict.REACHABLE,
        address=address,
        attempts=len(attempts),
        successes=len(times),
        reason=shown.reason,
        rtt_ms=round_trip(times) if times else None,
        phases_ms=attempts[0].phases_ms,
        detail=_lost(len(failures), len(attempts), specific) if times and specific else shown.detail,
        status=shown.status,
        path_mtu_bytes=next((a.path_mtu_bytes for a in attempts if a.path_mtu_bytes is not None), None),
    )


def _most_specific(failures: Sequence[Attempt]) -> Attempt | None:
    """Return the last refusal, or the last silence if there is none: a refusal is more specific."""
    refusals = [attempt for attempt in failures if attempt.reason not in SILENT_REASONS]
    return next(reversed(refusals or failures), None)


def _lost(failures: int, attempts: int, specific: Attempt) -> str:
    return f"{failures} of {attempts} attempts failed: {specific.reason}"


def round_trip(times_ms: Sequence[float]) -> RoundTrip:
    """Return statistics of at least one time; percentiles are interpolated between the nearest ranks."""
    ordered = sorted(times_ms)
    return RoundTrip(
        min=round(ordered[0], 3),
        avg=round(math.fsum(ordered) / len(ordered), 3),
        max=round(ordered[-1], 3),
        p50=percentile(ordered, 0.50),
        p95=percentile(ordered, 0.95),
        p99=percentile(ordered, 0.99),
    )


def percentile(ordered: Sequence[float], fraction: float) -> float:
    """Return the value below which ``fraction`` (0 to 1) of ``ordered`` (sorted, not empty) lies, to three digits."""
    rank = fraction * (len(ordered) - 1)
    below = int(rank)
    above = min(below + 1, len(ordered) - 1)
    return round(ordered[below] + (ordered[above] - ordered[below]) * (rank - below), 3)
