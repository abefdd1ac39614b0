"""Limits on the requests of one caller and on long requests at once. Each worker counts for itself."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridgework.model.errors import Remedy, TooBusy
from bridgework.policy.access import Caller

MAX_CALLERS = 10_000
RETRY_AFTER_S = 2

WAITING_FOR_EACH: Mapping[str, int] = {"probes": 7, "diagnoses": 3}
"""How many requests may wait for each place of these pools, by the noun. A request of another pool does not wait."""
WITH_OWN_THREADS = frozenset({"probes"})
"""The pools whose requests have threads of their own, also while they wait (``asgi.py``)."""


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


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A request that waits for its place. ``turn`` is set when it has got the place."""

    noun: str
    caller: str
    turn: threading.Event = field(default_factory=threading.Event)


class Pools:
    """Limits on long requests: how many of each kind run at once, of one caller, and of all together.

    A long request holds one of the worker's threads. One caller may hold half of a pool (rounded up), and all long
    requests together hold three quarters of the threads, so short requests always find a thread. In some pools a
    request waits for its place: a place that is returned goes to the first one whose caller has a share left.
    """

    def __init__(self, sizes: Mapping[str, int], threads: int) -> None:
        """Set the size of each pool, by the noun of its requests (``checks``), and the worker's number of threads."""
        self._sizes = dict(sizes)
        self._threads = threads
        self._most = max(1, threads * 3 // 4)
        self._held: Counter[tuple[str, str]] = Counter()
        self._queue: list[_Waiting] = []
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """How many requests wait for a place."""
        return len(self._queue)

    def require(self, noun: str) -> None:
        """Raise ``KeyError`` for an unknown pool: an operation that names one must fail at the start."""
        self._sizes[noun]

    def acquire(self, noun: str, caller: Caller, wait_s: float = 0.0) -> None:
        """Take a place in a pool. In a pool with a queue, wait ``wait_s`` seconds at most for it.

        Raises ``TooBusy`` (``too-many-<noun>``), whose detail has the number.
        """
        with self._lock:
            why = self._no_place(noun, caller.name)
            refused = self._no_thread(noun)
            if not why and not refused:
                self._held[noun, caller.name] += 1
                return
            refused = refused or self._no_queue(noun, caller.name)
            if refused or wait_s <= 0:
                raise _too_busy(noun, " ".join(filter(None, (why, refused))))
            waiting = _Waiting(noun, caller.name)
            self._queue.append(waiting)
        waiting.turn.wait(wait_s)
        with self._lock:
            if waiting.turn.is_set():
                return
            self._queue.remove(waiting)
        raise _too_busy(noun, f"{why} The request waited {wait_s:.1f} s for its turn.")

    def release(self, noun: str, caller: Caller) -> None:
        """Return the place."""
        with self._lock:
            self._held[noun, caller.name] -= 1
            if not self._held[noun, caller.name]:
                del self._held[noun, caller.name]
            for waiting in tuple(self._queue):
                if not self._no_place(waiting.noun, waiting.caller):
                    self._queue.remove(waiting)
                    self._held[waiting.noun, waiting.caller] += 1
                    waiting.turn.set()

    def _no_place(self, noun: str, caller: str) -> str:
        """Say why the pool has no place for the caller; empty if it has one."""
        size = self._sizes[noun]
        share = _half(size)
        if self._held[noun, caller] >= share:
            return f"{caller} already runs {share} {noun}, its share of the {size} that a worker runs at once."
        if sum(count for (held, _), count in self._held.items() if held == noun) >= size:
            return f"{size} {noun} already run, and a worker runs no more at once."
        return ""

    def _no_thread(self, noun: str) -> str:
        """Say why no thread is left for a long request, running or waiting; empty if there is one."""
        nouns = [*(held for held, _ in self._held.elements()), *(waiting.noun for waiting in self._queue)]
        if noun in WITH_OWN_THREADS or sum(other not in WITH_OWN_THREADS for other in nouns) < self._most:
            return ""
        return f"{self._most} long requests already run, and a worker with {self._threads} threads runs no more."

    def _no_queue(self, noun: str, caller: str) -> str:
        """Say why the caller may not wait; empty if it may, or if the pool has no queue."""
        most = _half(self._sizes[noun] * WAITING_FOR_EACH.get(noun, 0))
        if sum((waiting.noun, waiting.caller) == (noun, caller) for waiting in self._queue) < most or not most:
            return ""
        return f"{most} more wait for their turn, its share of the queue."


def _half(number: int) -> int:
    return -(-number // 2)


def _too_busy(noun: str, why: str) -> TooBusy:
    return TooBusy(
        code=f"too-many-{noun}",
        detail=why,
        remedy=Remedy("Try again after one has ended."),
        retry_after_s=RETRY_AFTER_S,
    )
