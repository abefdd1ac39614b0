"""The one loop of a matrix: send at a pace and within the budget, hear, give up in time, hand out whole rows.

One thread, one epoll. Time-outs overlap: what bounds the whole is the pace, plus one time-out. It never counts as
unreachable what it could not send.
"""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from service.core.checks import Reason
from service.core.ports import SweepRow
from service.probes import reasons
from service.probes.ledger import Key, Ledger
from service.probes.lines import Line
from service.probes.pace import Pace
from service.probes.routing import Routing
from service.probes.spaces import Space
from service.probes.sweep_row import Row

RETRY_S = 0.001
MAX_WAIT_S = 0.5
DRAIN = 256
EVENTS = 512
_ONCE_EACH = select.EPOLLIN | select.EPOLLOUT | select.EPOLLET


@dataclass(eq=False, slots=True)
class Lane:
    """A row with where it stands: ``enter`` moves the calling thread into its namespace."""

    row: Row
    space: Space
    line: Line
    enter: Callable[[], None]


class Loop:
    """Measures lanes until all rows are whole or the deadline (``ends``, of ``time.perf_counter``) passes."""

    def __init__(
        self,
        routing: Routing,
        ledgers: dict[int, Ledger],
        emit: Callable[[SweepRow], None],
        pace: Pace,
        timeout_s: float,
    ) -> None:
        self._sending: deque[Lane] = deque()
        self.tick: Callable[[float], float] = lambda now: now + MAX_WAIT_S
        self._routing, self._ledgers, self._emit = routing, ledgers, emit
        self._pace, self._timeout_s = pace, timeout_s
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._open: set[Lane] = set()
        self._queued: set[Lane] = set()
        self._flights: deque[tuple[float, Lane, list[int]]] = deque()
        self._starved_since: float | None = None
        self._retry_at = 0.0

    def watch(self, descriptor: int, handler: Callable[[], None], events: int = select.EPOLLIN) -> None:
        """Call the handler whenever the descriptor has something."""
        self._handlers[descriptor] = handler
        self._epoll.register(descriptor, events)

    def unwatch(self, descriptor: int) -> None:
        """Forget a descriptor that is still open."""
        if self._handlers.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def add(self, lane: Lane) -> None:
        """Measure this one too; without any target it is whole at once."""
        self._open.add(lane)
        for descriptor in lane.line.descriptors():
            self.watch(descriptor, partial(self._hear, lane, descriptor, DRAIN))
        self._queue(lane)
        if not lane.row.left:
            self._whole(lane)

    def _queue(self, lane: Lane) -> None:
        self._queued.add(lane)
        self._sending.append(lane)

    def ready(self, lane: Lane, position: int) -> None:
        """This position of the lane has a destination now."""
        lane.row.ready.append(position)
        if lane not in self._queued:
            self._queue(lane)

    def finish(self, lane: Lane, position: int, reason: Reason) -> None:
        """This position came to its end before anything was sent."""
        self._finish(lane, position, reason, None)

    def may_send(self) -> bool:
        """Take one packet from the allowance, for something else than a probe."""
        if self._pace.allowed() < 1:
            return False
        self._pace.spent(1)
        return True

    def hold(self, space: Space, addresses: Iterable[bytes]) -> list[tuple[int, tuple[Key, ...]]] | None:
        """Hold the neighbour entries that packets to these addresses make; ``None`` when they do not fit now."""
        held: list[tuple[int, tuple[Key, ...]]] = []
        for address in addresses:
            version = reasons.VERSION_OF_LENGTH[len(address)]
            keys = self._ledgers[version].admit(self._routing.entries_made(space, address)[0])
            if keys is None:
                self.let_go(held)
                return None
            held.append((version, keys))
        return held

    def let_go(self, held: Iterable[tuple[int, tuple[Key, ...]]]) -> None:
        """Give back what ``hold`` returned."""
        for version, keys in held:
            self._ledgers[version].release(keys)

    def run(self, stopped: Callable[[], bool], ends: float) -> None:
        """Until everything is whole; what is open at ``ends`` becomes ``deadline``. Returns early when stopped."""
        while self._open and not stopped():
            now = time.perf_counter()
            if now >= ends:
                self._give_up()
                return
            wake_at = min(self.tick(now), ends)
            self._send(now)
            self._listen(self._wait_s(wake_at))
            self._expire(now)
            for ledger in self._ledgers.values():
                ledger.tidy()

    def close(self) -> None:
        """Close the lines that are still open, and the epoll."""
        for lane in self._open:
            lane.line.close()
        self._open.clear()
        self._epoll.close()

    def _send(self, now: float) -> None:
        room = self._pace.allowed()
        while room > 0 and self._sending and now >= self._retry_at:
            lane = self._sending[0]
            if not lane.row.ready:
                self._queued.discard(self._sending.popleft())
                continue
            sent = self._send_from(lane, room)
            self._pace.spent(sent)
            room -= sent

    def _send_from(self, lane: Lane, room: int) -> int:
        if lane.line.inside:
            lane.enter()
        self._retry_at = 0.0
        flight: list[int] = []
        while len(flight) < room and lane.row.ready and not self._retry_at:
            position = lane.row.ready.popleft()
            if self._try(lane, position):
                flight.append(position)
        if flight:
            self._flights.append((time.perf_counter() + self._timeout_s, lane, flight))
        return len(flight)

    def _try(self, lane: Lane, position: int) -> bool:
        """Whether a packet went out. A position that must wait goes back to the head of its row."""
        row, destination = lane.row, lane.row.destinations[position]
        if destination is None:
            return False
        made, near = self._routing.entries_made(lane.space, destination.packed)
        held = self._ledgers[destination.version].admit(made)
        now = time.perf_counter()
        if held is None:
            self._starve(lane, position, now)
            return False
        if held:
            self._starved_since = None
        row.under_way[position] = held
        row.sent[position] = now
        try:
            descriptor = lane.line.send(position, destination)
        except BlockingIOError:
            self._ledgers[destination.version].release(row.under_way.pop(position))
            self._later(lane, position, now)
            return False
        except OSError as error:
            self._finish(lane, position, reasons.of_errno(error.errno), None)
            return True
        if descriptor is not None:
            self.watch(descriptor, partial(self._hear, lane, descriptor, DRAIN), _ONCE_EACH)
            self._hear(lane, descriptor, 1)
        elif near:
            self._hear(lane, lane.line.descriptors()[0 if destination.version == reasons.IPV4 else -1], 1)
        return True

    def _later(self, lane: Lane, position: int, now: float) -> None:
        lane.row.ready.appendleft(position)
        self._retry_at = now + RETRY_S

    def _starve(self, lane: Lane, position: int, now: float) -> None:
        """No room in the table. What we hold comes back; if others hold it all, wait for one time-out, then say so."""
        if any(not ledger.idle for ledger in self._ledgers.values()):
            self._starved_since = None
        elif self._starved_since is None:
            self._starved_since = now
        elif now - self._starved_since >= self._timeout_s:
            self._finish(lane, position, Reason.BUDGET_EXHAUSTED, None)
            return
        self._later(lane, position, now)

    def _wait_s(self, wake_at: float) -> float:
        now = time.perf_counter()
        if self._flights:
            wake_at = min(wake_at, self._flights[0][0])
        if self._sending:
            wake_at = min(wake_at, max(self._retry_at, now + self._pace.wait_s()))
        return max(0.0, min(wake_at - now, MAX_WAIT_S))

    def _listen(self, wait_s: float) -> None:
        for descriptor, _ in self._epoll.poll(wait_s, EVENTS):
            handler = self._handlers.get(descriptor)
            if handler is not None:
                handler()

    def _hear(self, lane: Lane, descriptor: int, at_most: int) -> None:
        for heard in lane.line.receive(descriptor, at_most):
            elapsed_ms = round((time.perf_counter() - lane.row.sent[heard.position]) * 1000, 3)
            self._finish(lane, heard.position, heard.reason, None if heard.reason else elapsed_ms)

    def _expire(self, heard_until: float) -> None:
        """Only tries whose time was up before we last listened: an answer that lay waiting is no time-out."""
        while self._flights and self._flights[0][0] <= heard_until:
            _, lane, positions = self._flights.popleft()
            for position in positions:
                if position in lane.row.under_way:
                    self._finish(lane, position, lane.line.silence, None)

    def _finish(self, lane: Lane, position: int, reason: Reason | None, rtt_ms: float | None) -> None:
        lane.row.finish(position, reason, rtt_ms)
        held = lane.row.under_way.pop(position, None)
        destination = lane.row.destinations[position]
        if held and destination:
            self._ledgers[destination.version].release(held)
        closed = lane.line.forget(position)
        if closed is not None:
            self._handlers.pop(closed, None)
        if not lane.row.left:
            self._whole(lane)

    def _whole(self, lane: Lane) -> None:
        if lane in self._open:
            self._open.remove(lane)
            for descriptor in lane.line.descriptors():
                self.unwatch(descriptor)
            lane.line.close()
            self._emit(lane.row.whole())

    def _give_up(self) -> None:
        for lane in sorted(self._open, key=lambda lane: lane.row.source.index):
            lane.row.give_up(Reason.DEADLINE)
            self._whole(lane)
