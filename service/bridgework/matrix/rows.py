"""One source of a matrix while it is measured: what waits to be sent, what is in flight, and the outcomes."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from bridgework.matrix.neighbour_budget import Reservation
from bridgework.model.checks import Reason, Verdict
from bridgework.model.probe_port import SweepOutcome, SweepRow, SweepSource
from bridgework.probes.kinds.attempts import verdict_of
from bridgework.probes.kinds.sockaddr import Destination


# Tuples, not dataclasses: one of each is made for every pair.
class InFlight(NamedTuple):
    """A packet without an answer so far; ``sent_at`` is ``time.monotonic``."""

    reservation: Reservation
    sent_at: float


class ProbeResult(NamedTuple):
    """The result of the try at a position; ``reason`` is ``None`` for a success.

    ``waited_s`` is how long the answer was here before it was read, where the kernel tells that.
    """

    position: int
    reason: Reason | None
    waited_s: float = 0.0


class RowProgress:
    """The outcomes of one source so far. A position is the index of a target in ``source.targets``."""

    def __init__(self, source: SweepSource) -> None:
        self.source = source
        self.open_count = len(source.targets)
        # Positions to send, in the order of the targets. A retried one goes to the front, so that rows stay in order.
        self.ready: deque[int] = deque()
        # By position: where to send it. Every position that is ready has one.
        self.destinations: dict[int, Destination] = {}
        # By position. A dictionary, since only few of a thousand positions are in flight at once.
        self.in_flight: dict[int, InFlight] = {}
        self.addresses: list[str | None] = [target.address for target in source.targets]
        self._outcomes: list[SweepOutcome | None] = [None] * len(source.targets)

    def make_ready(self, position: int, destination: Destination) -> None:
        """Let the position be sent after those that are ready."""
        self.destinations[position] = destination
        self.ready.append(position)

    def finish(self, position: int, reason: Reason | None, rtt_ms: float | None = None) -> None:
        """Record the first outcome of a position; without a ``reason`` it is a success."""
        # An answer and a time-out can meet in one turn of the loop.
        if self._outcomes[position] is not None:
            return
        verdict = Verdict.REACHABLE if reason is None else verdict_of(reason)
        index = self.source.targets[position].index
        self._outcomes[position] = SweepOutcome(index, verdict, rtt_ms, reason, self.addresses[position])
        self.open_count -= 1

    def fail_open(self, reason: Reason) -> None:
        """Finish every position without an outcome, with this reason."""
        for position, outcome in enumerate(self._outcomes):
            if outcome is None:
                self.finish(position, reason)

    def result(self) -> SweepRow:
        """Return the row. Call it when ``open_count`` is 0."""
        return SweepRow(self.source.index, tuple(outcome for outcome in self._outcomes if outcome is not None))
