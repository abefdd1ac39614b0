"""The one loop of a matrix: send at a pace and within the budget, hear, give up in time, hand out whole rows.

One thread, one epoll. Time-outs overlap: what bounds the whole is the pace, plus one time-out. It never counts as
unreachable what it could not send.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bridgework.matrix.epoll_dispatcher import CHANGES, EpollDispatcher
from bridgework.matrix.namespaces import Namespace
from bridgework.matrix.neighbour_entries import Held, NeighbourBudgets
from bridgework.matrix.rate_limiter import RateLimiter
from bridgework.matrix.rows import Destination, RowProgress
from bridgework.matrix.transports import Transport
from bridgework.model.checks import Reason
from bridgework.model.probe_port import SweepRow
from bridgework.probes.kinds import reasons

RETRY_S = 0.001
MAX_WAIT_S = 0.5
DRAIN = 256


@dataclass(eq=False, slots=True)
class ActiveSource:
    """A row with where it stands: ``enter`` moves the calling thread into its namespace."""

    row: RowProgress
    space: Namespace
    line: Transport
    enter: Callable[[], None]


class ProbeLoop:
    """Measures lanes until all rows are whole or the deadline passes. Times are those of ``time.monotonic``."""

    def __init__(
        self,
        holdings: NeighbourBudgets,
        watcher: EpollDispatcher,
        emit: Callable[[SweepRow], None],
        pace: RateLimiter,
        timeout_s: float,
    ) -> None:
        self.holdings, self.watcher, self.pace = holdings, watcher, pace
        self.tick: Callable[[float], float] = lambda now: now + MAX_WAIT_S
        self._emit, self._timeout_s = emit, timeout_s
        self._open: set[ActiveSource] = set()
        self._sending: deque[ActiveSource] = deque()
        self._queued: set[ActiveSource] = set()
        self._flights: deque[tuple[float, ActiveSource, list[int]]] = deque()
        self._starved_since: float | None = None
        self._retry_at = 0.0

    def add(self, lane: ActiveSource) -> None:
        """Measure this one too; without any target it is whole at once."""
        self._open.add(lane)
        for descriptor in lane.line.descriptors():
            self.watcher.watch(descriptor, partial(self._hear, lane, descriptor, DRAIN))
        self._queue(lane)
        if not lane.row.left:
            self._whole(lane)

    def ready(self, lane: ActiveSource, position: int) -> None:
        """This position of the lane has a destination now."""
        lane.row.ready.append(position)
        self._queue(lane)

    def _queue(self, lane: ActiveSource) -> None:
        if lane not in self._queued:
            self._queued.add(lane)
            self._sending.append(lane)

    def run(self, stopped: Callable[[], bool], ends: float) -> None:
        """Until everything is whole; what is open at ``ends`` becomes ``deadline``. Returns early when stopped."""
        while self._open and not stopped():
            now = time.monotonic()
            if now >= ends:
                self._give_up()
                return
            wake_at = min(self.tick(now), ends)
            self._send(now)
            self.watcher.listen(self._wait_s(wake_at))
            self._expire(now)
            self.holdings.tidy()

    def close(self) -> None:
        """Close the lines that are still open."""
        for lane in self._open:
            lane.line.close()
        self._open.clear()

    def _send(self, now: float) -> None:
        room = self.pace.allowed()
        while room > 0 and self._sending and now >= self._retry_at:
            lane = self._sending[0]
            if not lane.row.ready:
                self._queued.discard(self._sending.popleft())
                continue
            sent = self._send_from(lane, room)
            self.pace.spent(sent)
            room -= sent

    def _send_from(self, lane: ActiveSource, room: int) -> int:
        if lane.line.inside:
            lane.enter()
        self._retry_at = 0.0
        flight: list[int] = []
        while len(flight) < room and lane.row.ready and not self._retry_at:
            position = lane.row.ready.popleft()
            if self._try(lane, position, lane.row.destination(position)):
                flight.append(position)
        if flight:
            self._flights.append((time.monotonic() + self._timeout_s, lane, flight))
        return len(flight)

    def _try(self, lane: ActiveSource, position: int, destination: Destination) -> bool:
        """Whether a packet went out. A position that must wait goes back to the head of its row."""
        held, near = self.holdings.hold(lane.space, destination.packed)
        now = time.monotonic()
        if held is None:
            self._starve(lane, position, now)
            return False
        if held[1]:
            self._starved_since = None
        lane.row.under_way[position] = held
        lane.row.sent[position] = now
        try:
            descriptor = lane.line.send(position, destination)
        except BlockingIOError:
            self._later(lane, position, now)
            return False
        except OSError as error:
            self.finish(lane, position, reasons.of_errno(error.errno))
            return True
        self._sent(lane, descriptor, destination.version, near=near)
        return True

    def _sent(self, lane: ActiveSource, descriptor: int | None, version: int, *, near: bool) -> None:
        """What is on the same link has often answered already: hearing it at once keeps its time true."""
        if descriptor is not None:
            self.watcher.watch(descriptor, partial(self._hear, lane, descriptor, DRAIN), CHANGES)
            self._hear(lane, descriptor, 1)
        elif near:
            self._hear(lane, lane.line.descriptors()[0 if version == reasons.IPV4 else -1], 1)

    def _later(self, lane: ActiveSource, position: int, now: float) -> None:
        self._let_go(lane.row.under_way.pop(position, None))
        lane.row.ready.appendleft(position)
        self._retry_at = now + RETRY_S

    def _starve(self, lane: ActiveSource, position: int, now: float) -> None:
        """No room in the table. What we hold comes back; if others hold it all, wait for one time-out, then say so."""
        if not self.holdings.idle:
            self._starved_since = None
        elif self._starved_since is None:
            self._starved_since = now
        elif now - self._starved_since >= self._timeout_s:
            self.finish(lane, position, Reason.BUDGET_EXHAUSTED)
            return
        self._later(lane, position, now)

    def _wait_s(self, wake_at: float) -> float:
        now = time.monotonic()
        if self._flights:
            wake_at = min(wake_at, self._flights[0][0])
        if self._sending:
            wake_at = min(wake_at, max(self._retry_at, now + self.pace.wait_s()))
        return max(0.0, min(wake_at - now, MAX_WAIT_S))

    def _hear(self, lane: ActiveSource, descriptor: int, at_most: int) -> None:
        for heard in lane.line.receive(descriptor, at_most):
            elapsed_ms = round((time.monotonic() - lane.row.sent[heard.position]) * 1000, 3)
            self.finish(lane, heard.position, heard.reason, None if heard.reason else elapsed_ms)

    def _expire(self, heard_until: float) -> None:
        """Only tries whose time was up before we last listened: an answer that lay waiting is no time-out."""
        while self._flights and self._flights[0][0] <= heard_until:
            _, lane, positions = self._flights.popleft()
            for position in positions:
                if position in lane.row.under_way:
                    self.finish(lane, position, lane.line.silence)

    def finish(self, lane: ActiveSource, position: int, reason: Reason | None, rtt_ms: float | None = None) -> None:
        """This position has come to its end; without a reason it is a success."""
        lane.row.finish(position, reason, rtt_ms)
        self._let_go(lane.row.under_way.pop(position, None))
        closed = lane.line.forget(position)
        if closed is not None:
            self.watcher.closed(closed)
        if not lane.row.left:
            self._whole(lane)

    def _let_go(self, held: Held | None) -> None:
        if held is not None and held[1]:
            self.holdings.let_go((held,))

    def _whole(self, lane: ActiveSource) -> None:
        if lane in self._open:
            self._open.remove(lane)
            for descriptor in lane.line.descriptors():
                self.watcher.unwatch(descriptor)
            lane.line.close()
            self._emit(lane.row.whole())

    def _give_up(self) -> None:
        for lane in sorted(self._open, key=lambda lane: lane.row.source.index):
            lane.row.give_up(Reason.DEADLINE)
            self._whole(lane)
