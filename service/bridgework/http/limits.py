"""Limits on the requests of one caller and on long requests at once. Each worker counts for itself."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping

from bridgework.model.errors import Remedy, TooBusy
from bridgework.policy.access import Caller

MAX_CALLERS = 10_000
RETRY_AFTER_S = 2


class RateLimit:
    """A token bucket for each caller: ``per_minute`` requests, a tenth of them at once."""

    def __init__(self, per_minute: int) -> None:
        self._rate_per_s = per_minute / 60
        self._burst = max(10.0, per_minute / 10)
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, caller: Caller) -> None:
        """Count one request. Raises ``TooBusy`` (``rate-limited``)."""
        now = time.monotonic()
        with self._lock:
            if len(self._buckets) > MAX_CALLERS:
                self._buckets.clear()
            level, moment = self._buckets.get(caller.name, (self._burst, now))
            level = min(self._burst, level + (now - moment) * self._rate_per_s)
            self._buckets[caller.name] = (max(level - 1, 0.0), now)
        if level < 1:
            wait_s = max(1, round((1 - level) / self._rate_per_s))
            raise TooBusy(
                code="rate-limited",
                detail=f"{caller.name} sent more than {self._rate_per_s * 60:.0f} requests a minute.",
                remedy=Remedy(f"Wait {wait_s} s."),
                retry_after_s=wait_s,
            )


class Pools:
    """Limits on long requests: how many of each kind run at once, of one caller, and of all together.

    A long request holds one of the worker's threads. One caller may hold half of a pool (rounded up), and all long
    requests together hold three quarters of the threads, so short requests always find a thread.
    """

    def __init__(self, sizes: Mapping[str, int], threads: int) -> None:
        """Set the size of each pool, by the noun of its requests (``checks``), and the worker's number of threads."""
        self._sizes = dict(sizes)
        self._threads = threads
        self._most = max(1, threads * 3 // 4)
        self._held: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def require(self, noun: str) -> None:
        """Raise ``KeyError`` for an unknown pool: an operation that names one must fail at the start."""
        self._sizes[noun]

    def acquire(self, noun: str, caller: Caller) -> None:
        """Take a place in a pool. Raises ``TooBusy`` (``too-many-<noun>``), whose detail has the number."""
        size = self._sizes[noun]
        share = -(-size // 2)
        with self._lock:
            if self._held[noun, caller.name] >= share:
                why = f"{caller.name} already runs {share} {noun}, its share of the {size} that a worker runs at once."
            elif sum(count for (held, _), count in self._held.items() if held == noun) >= size:
                why = f"{size} {noun} already run, and a worker runs no more at once."
            elif self._held.total() >= self._most:
                why = f"{self._most} long requests already run, and a worker with {self._threads} threads runs no more."
            else:
                self._held[noun, caller.name] += 1
                return
        raise TooBusy(
            code=f"too-many-{noun}",
            detail=why,
            remedy=Remedy("Try again after one has ended."),
            retry_after_s=RETRY_AFTER_S,
        )

    def release(self, noun: str, caller: Caller) -> None:
        """Return the place."""
        with self._lock:
            self._held[noun, caller.name] -= 1
            if not self._held[noun, caller.name]:
                del self._held[noun, caller.name]
