"""One attempt, and what several of them add up to.

A probe is a function from a request, a literal address and a moment to one ``Attempt``: it tries once, ends at that
moment (``time.monotonic``) at the latest, and never falls back to anything else. This module repeats it and forms the
``Measurement``. It never opens a socket.

Every wait is computed from a moment that was set once. A time-out for each read would give a server that trickles its
answer a new time-out with each byte.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bridgework.model.checks import Measurement, Phases, ProbeRequest, Reason, RoundTrip, Verdict

INCONCLUSIVE_REASONS = frozenset(
    {
        Reason.NO_ANSWER,
        Reason.NAMESPACE_OUT_OF_REACH,
        Reason.SOURCE_NOT_RUNNING,
        Reason.BUDGET_EXHAUSTED,
        Reason.DEADLINE,
        Reason.NOT_ALLOWED,
    }
)
SILENT_REASONS = frozenset({Reason.TIMED_OUT, Reason.NO_ANSWER})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: ``rtt_ms`` of a success, or the ``reason`` of a failure, never both."""

    rtt_ms: float | None = None
    reason: Reason | None = None
    detail: str | None = None
    phases_ms: Phases = field(default_factory=Phases)
    status: int | None = None
    path_mtu_bytes: int | None = None


_CUT_SHORT = Attempt(reason=Reason.DEADLINE, detail="the time for the whole check was over before an answer came")
Probe = Callable[[ProbeRequest, str, float], Attempt]


def verdict_of(reason: Reason) -> Verdict:
    """Whether a failure for this reason says "no" or merely "could not tell"."""
    return Verdict.INCONCLUSIVE if reason in INCONCLUSIVE_REASONS else Verdict.UNREACHABLE


def failed(reason: Reason, detail: str | None = None) -> Measurement:
    """A measurement that ended before the first attempt."""
    return Measurement(verdict=verdict_of(reason), reason=reason, detail=detail)


def repeat(probe: Probe, request: ProbeRequest, address: str, ends: float) -> Measurement:
    """Probe ``request.count`` times, attempts starting at least ``interval_ms`` apart, one after another.

    ``ends`` bounds all of them together. An attempt that it cuts short does not count, since the destination did not
    get the whole time-out; where it is the only one, the measurement's reason is ``deadline``.
    """
    attempts: list[Attempt] = []
    started = time.monotonic()
    for number in range(request.count):
        wait_s = min(started + number * request.interval_ms / 1000, ends) - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        now = time.monotonic()
        if now >= ends:
            break
        whole = now + request.timeout_ms / 1000
        attempt = probe(request, address, min(whole, ends))
        if attempt.reason in SILENT_REASONS and ends < whole:
            break
        attempts.append(attempt)
    return summarise(attempts or [_CUT_SHORT], address)


def summarise(attempts: Sequence[Attempt], address: str) -> Measurement:
    """One success is "reachable"; otherwise the most telling failure decides: a refusal tells more than silence."""
    times = [attempt.rtt_ms for attempt in attempts if attempt.rtt_ms is not None]
    failures = [attempt for attempt in attempts if attempt.reason is not None]
    telling = _most_telling(failures)
    shown = telling if telling and not times else next(a for a in attempts if a.rtt_ms is not None)
    return Measurement(
        verdict=verdict_of(shown.reason) if shown.reason else Verdict.REACHABLE,
        address=address,
        attempts=len(attempts),
        successes=len(times),
        reason=shown.reason,
        rtt_ms=round_trip(times) if times else None,
        phases_ms=attempts[0].phases_ms,
        detail=_lost(len(failures), len(attempts), telling) if times and telling else shown.detail,
        status=shown.status,
        path_mtu_bytes=next((a.path_mtu_bytes for a in attempts if a.path_mtu_bytes is not None), None),
    )


def _most_telling(failures: Sequence[Attempt]) -> Attempt | None:
    spoken = [attempt for attempt in failures if attempt.reason not in SILENT_REASONS]
    return next(reversed(spoken or failures), None)


def _lost(failures: int, attempts: int, telling: Attempt) -> str:
    return f"{failures} of {attempts} attempts failed: {telling.reason}"


def round_trip(times_ms: Sequence[float]) -> RoundTrip:
    """Statistics of at least one time; percentiles by linear interpolation between the nearest ranks."""
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
    """The value below which ``fraction`` (0 to 1) of ``ordered`` (sorted, not empty) lies, to three digits."""
    rank = fraction * (len(ordered) - 1)
    below = int(rank)
    above = min(below + 1, len(ordered) - 1)
    return round(ordered[below] + (ordered[above] - ordered[below]) * (rank - below), 3)
