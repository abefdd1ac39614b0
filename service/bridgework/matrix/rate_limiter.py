"""How fast a matrix sends, in packets a second: a token bucket, so that no burst fills the queue of a link."""

from __future__ import annotations

import time
from threading import Lock

# More than two threads send on two cores, which is about 60,000. During a matrix of 159,600 pairs, two containers that
# exchanged datagrams lost none (tests/scale).
DEFAULT_PER_SECOND = 75_000
# Packets sent at once. The loop reads answers between two chunks, so that round trips are measured in time.
CHUNK = 64
# After a pause, no more than the packets of this time are sent at once.
BURST_S = 0.005


class RateLimiter:
    """A token bucket that holds the packets of ``BURST_S`` at most. Several threads may use it."""

    def __init__(self, per_second: int | None) -> None:
        self._per_second = per_second or DEFAULT_PER_SECOND
        self._tokens = 1.0
        self._filled_at = time.monotonic()
        self._lock = Lock()

    def take(self, most: int = CHUNK) -> int:
        """Return how many packets may be sent now, up to ``most``, and count them as sent."""
        with self._lock:
            now = time.monotonic()
            # At least 1.0: at fewer than 200 packets a second, 5 ms are less than one packet and none would ever be
            # sent.
            room = max(1.0, self._per_second * BURST_S)
            self._tokens = min(room, self._tokens + (now - self._filled_at) * self._per_second)
            self._filled_at = now
            taken = min(most, int(self._tokens))
            self._tokens -= taken
            return taken

    def give_back(self, count: int) -> None:
        """Count packets as not sent."""
        with self._lock:
            self._tokens += count

    # The loop sleeps for this time, so that a slow rate costs no processor time.
    def wait_s(self) -> float:
        """Return the seconds until the next packet may be sent."""
        return max(0.0, (1.0 - self._tokens) / self._per_second)
