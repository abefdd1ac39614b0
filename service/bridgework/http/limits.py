"""Limits on the requests of one caller and on heavy work at once. Each worker counts for itself."""

from __future__ import annotations

import threading
import time

from bridgework.model.errors import Remedy, TooBusy
from bridgework.policy.access import Caller

MAX_CALLERS = 10_000


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


class Slots:
    """A pool of ``count`` slots for one kind of heavy work."""

    def __init__(self, noun: str, count: int) -> None:
        self._noun = noun
        self._count = count
        self._free = threading.BoundedSemaphore(count)

    def acquire(self) -> None:
        """Take a slot. Raises ``TooBusy`` (``too-many-<noun>``)."""
        if not self._free.acquire(blocking=False):
            raise TooBusy(
                code=f"too-many-{self._noun}",
                detail=f"{self._count} {self._noun} already run.",
                remedy=Remedy("Try again after one has ended."),
                retry_after_s=2,
            )

    def release(self) -> None:
        """Return the slot."""
        self._free.release()
