"""Timing in pairs: ours and the rival's in turn, in one run, so that what disturbs the machine disturbs both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """Times of one way, in milliseconds."""

    name: str
    times_ms: tuple[float, ...]

    @property
    def median(self) -> float:
        """The p50."""
        return statistics.median(self.times_ms)

    @property
    def spread(self) -> str:
        """The 10th and 90th percentile."""
        ordered = sorted(self.times_ms)
        return f"{ordered[len(ordered) // 10]:.3g}-{ordered[(len(ordered) * 9) // 10]:.3g}"


@dataclass(frozen=True)
class Line:
    """A row of the results. ``ratio`` is how many times better than the rival; ``goal`` what was asked for."""

    measure: str
    ours: str
    rival: str
    ratio: float | None
    candidate: str
    met: bool | None


def in_turn(rounds: int, **ways: Callable[[], object]) -> dict[str, Sample]:
    """Call each way once a round, ``rounds`` times."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            times[name].append((time.perf_counter() - began) * 1000)
    return {name: Sample(name, tuple(found)) for name, found in times.items()}


def timed(way: Callable[[], object]) -> float:
    """Seconds for one call."""
    began = time.perf_counter()
    way()
    return time.perf_counter() - began


def shown(sample: Sample) -> str:
    """``p50 (p10-p90) ms``."""
    return f"{sample.median:.3g} ms ({sample.spread})"
