"""The loop of a matrix: send within rate and budget, receive, time out, and emit each row when it is complete."""

from __future__ import annotations

import errno
import select
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bridgework.matrix.connect_transport import ConnectTransport
from bridgework.matrix.datagram_batch import DatagramBatch
from bridgework.matrix.echo_transport import EchoTransport
from bridgework.matrix.epoll_dispatcher import CONNECT_EVENTS, EpollDispatcher
from bridgework.matrix.namespaces import Namespace
from bridgework.matrix.neighbour_budget import NeighbourBudget, Reservation
from bridgework.matrix.rate_limiter import CHUNK, RateLimiter
from bridgework.matrix.rows import InFlight, RowProgress
from bridgework.model.checks import Reason
from bridgework.model.probe_port import SweepRow
from bridgework.probes.kinds import echo, reasons
from bridgework.probes.kinds.sockaddr import Destination

RETRY_S = 0.001
# The loop asks at least this often whether it is stopped.
MAX_WAIT_S = 0.5
# Datagrams read of one socket before the next one: a flood towards one source must not delay the others' answers.
RECEIVE_AT_ONCE = 256
# A transport belongs to one source and never waits. ``send`` tries once and returns the descriptor on which the answer
# comes; it raises BlockingIOError to be called again later, and another OSError as the result of the try. ``receive``
# yields results when epoll reports an event. With ``opens_sockets``, ``send`` opens a socket for each try, so it must
# be called inside the namespace. ``forget`` ends a try and returns the descriptor that was closed with it, if there is
# one.
Transport = EchoTransport | ConnectTransport


# Compared by identity: sources are members of sets.
@dataclass(eq=False, slots=True)
class ActiveSource:
    """A source that is measured; ``enter`` moves the calling thread into its namespace."""

    row: RowProgress
    namespace: Namespace
    transport: Transport
    enter: Callable[[], None]


class ProbeLoop:
    """Measures sources until all rows are complete or the deadline passes. Times are ``time.monotonic``.

    ``before_send`` is called with the present time on every turn and returns when it must be called again.
    """

    # One thread and one epoll serve all sources of a loop. Time-outs overlap, so a matrix takes about its number of
    # packets divided by the rate, plus one time-out: 159,600 pairs at 75,000 packets a second take 2.1 s and the
    # time-out.
    # What could not be sent is never reported as unreachable.

    def __init__(
        self,
        budget: NeighbourBudget,
        dispatcher: EpollDispatcher,
        rate_limiter: RateLimiter,
        emit: Callable[[SweepRow], None],
        timeout_s: float,
    ) -> None:
        self.budget, self.dispatcher, self.rate_limiter = budget, dispatcher, rate_limiter
        self.before_send: Callable[[float], float] = lambda now: now + MAX_WAIT_S
        self._emit, self._timeout_s = emit, timeout_s
        self._open: set[ActiveSource] = set()
        self._sending: deque[ActiveSource] = deque()
        self._queued: set[ActiveSource] = set()
        # Every packet has the same time-out, so those sent first time out first: no heap is needed.
        self._timeouts: deque[tuple[float, ActiveSource, list[int]]] = deque()
        self._starved_since: float | None = None
        # Whether the last packet that needed entries did not get them.
        self._starving = False
        self._retry_at = 0.0
        # Most pings of a large matrix leave their link, and each would be a system call of its own.
        self._batch = DatagramBatch(CHUNK, echo.HEADER_BYTES + echo.TOKEN_BYTES)

    def add(self, source: ActiveSource) -> None:
        """Measure this source too. A source without open targets is complete at once."""
        self._open.add(source)
        for descriptor in source.transport.descriptors():
            self._watch(source, descriptor)
        self._queue(source)
        if not source.row.open_count:
            self._complete(source)

    def set_destination(self, source: ActiveSource, position: int, destination: Destination) -> None:
        """Probe the position, whose destination is known now."""
        source.row.make_ready(position, destination)
        self._queue(source)

    def _queue(self, source: ActiveSource) -> None:
        if source not in self._queued:
            self._queued.add(source)
            self._sending.append(source)

    def run(self, stopped: Callable[[], bool], ends: float) -> None:
        """Run until every row is complete or ``stopped``. Positions open at ``ends`` get ``deadline``."""
        while self._open and not stopped():
            now = time.monotonic()
            if now >= ends:
                self._fail_open()
                return
            wake_at = min(self.before_send(now), ends)
            self._send(now)
            self.dispatcher.dispatch(self._wait_s(wake_at))
            # With the time from before the dispatch: an answer that was waiting to be read is no time-out.
            self._expire(now)
            self.budget.delete_released()

    def close(self) -> None:
        """Close the transports that are still open."""
        for source in self._open:
            source.transport.close()
        self._open.clear()

    def _send(self, now: float) -> None:
        if not self._sending or now < self._retry_at:
            return
        allowed = self.rate_limiter.take()
        while allowed > 0 and self._sending and now >= self._retry_at:
            # One source after another, not in turns: rows are complete early, and a namespace is entered seldom.
            source = self._sending[0]
            if not source.row.ready:
                self._queued.discard(self._sending.popleft())
                continue
            allowed -= self._send_from(source, allowed)
        self.rate_limiter.give_back(allowed)

    def _send_from(self, source: ActiveSource, allowed: int) -> int:
        row, transport = source.row, source.transport
        if transport.opens_sockets:
            # setns(2) takes 14 µs, so a whole chunk of one source is sent before the next source's turn.
            source.enter()
        self._retry_at = 0.0
        sent: list[int] = []
        batched: list[tuple[int, Reservation]] = []
        while len(sent) < allowed and row.ready and not self._retry_at:
            position = row.ready.popleft()
            destination = row.destinations[position]
            reservation = self.budget.reserve(source.namespace, destination.packed)
            if reservation is None:
                self._starve(source, position)
                continue
            if reservation.held:
                self._starved_since, self._starving = None, False
            if not reservation.on_link and transport.add_to(self._batch, position, destination):
                batched.append((position, reservation))
                sent.append(position)
            elif self._send_alone(source, position, destination, reservation):
                sent.append(position)
        again = self._send_batch(source, batched)
        if again:
            sent = [position for position in sent if position not in again]
        if sent:
            self._timeouts.append((time.monotonic() + self._timeout_s, source, sent))
        return len(sent)

    def _send_batch(self, source: ActiveSource, batched: list[tuple[int, Reservation]]) -> set[int]:
        """Send the batch and finish what the kernel refused. Return the positions that are tried again later."""
        in_flight, again, now = source.row.in_flight, set[int](), time.monotonic()
        for position, reservation in batched:
            in_flight[position] = InFlight(reservation, now)
        for place, number in sorted(self._batch.send().items(), reverse=True):
            position, reservation = batched[place]
            if number == errno.EAGAIN:
                again.add(position)
                del in_flight[position]
                self.budget.release(reservation)
                self._retry(source, position, now)
            else:
                self.finish(source, position, reasons.of_errno(number))
        return again

    def _send_alone(
        self, source: ActiveSource, position: int, destination: Destination, reservation: Reservation
    ) -> bool:
        """Return whether the kernel took the packet or refused it; otherwise the position is tried again later."""
        # Before the send: over the loopback the answer can be there when sendto returns.
        now = time.monotonic()
        source.row.in_flight[position] = InFlight(reservation, now)
        opens_sockets = source.transport.opens_sockets
        try:
            descriptor = source.transport.send(position, destination)
        except BlockingIOError:
            del source.row.in_flight[position]
            self.budget.release(reservation)
            self._retry(source, position, now)
            return False
        except OSError as error:
            self.finish(source, position, reasons.of_errno(error.errno))
            return True
        if opens_sockets:
            self._watch(source, descriptor, CONNECT_EVENTS)
        # A neighbour on the same bridge has often answered before sendto returns: reading its answer now, and not after
        # the other 63 packets of the chunk, keeps the round trip true.
        if opens_sockets or reservation.on_link:
            self._receive(source, descriptor, 1)
        return True

    def _watch(self, source: ActiveSource, descriptor: int, events: int = select.EPOLLIN) -> None:
        self.dispatcher.register(descriptor, partial(self._receive, source, descriptor, RECEIVE_AT_ONCE), events)

    def _retry(self, source: ActiveSource, position: int, now: float) -> None:
        source.row.ready.appendleft(position)
        # The whole loop pauses: usually the budget or the descriptors are used up, which all sources share.
        self._retry_at = now + RETRY_S

    def _starve(self, source: ActiveSource, position: int) -> None:
        now = time.monotonic()
        self._starving = True
        # While we hold entries, waiting frees some. When others hold them all, wait for one time-out, then give up.
        if not self.budget.idle:
            self._starved_since = None
        elif self._starved_since is None:
            self._starved_since = now
        elif now - self._starved_since >= self._timeout_s:
            self.finish(source, position, Reason.BUDGET_EXHAUSTED)
            return
        self._retry(source, position, now)

    def _wait_s(self, wake_at: float) -> float:
        now = time.monotonic()
        if self._timeouts:
            wake_at = min(wake_at, self._timeouts[0][0])
        if self._sending:
            wake_at = min(wake_at, max(self._retry_at, now + self.rate_limiter.wait_s()))
        return max(0.0, min(wake_at - now, MAX_WAIT_S))

    def _receive(self, source: ActiveSource, descriptor: int, at_most: int) -> None:
        for position, reason, waited_s in source.transport.receive(descriptor, at_most):
            in_flight = source.row.in_flight.get(position)
            # A forged ICMP error can name a position that waits to be sent again.
            if in_flight is not None:
                elapsed_s = max(0.0, time.monotonic() - waited_s - in_flight.sent_at)
                elapsed_ms = round(elapsed_s * 1000, 3)
                self.finish(source, position, reason, None if reason else elapsed_ms)

    def _expire(self, received_until: float) -> None:
        if self._timeouts and self._timeouts[0][0] <= received_until:
            self.budget.count()
        while self._timeouts and self._timeouts[0][0] <= received_until:
            _, source, positions = self._timeouts.popleft()
            in_flight, silence = source.row.in_flight, source.transport.silence
            for position in [position for position in positions if position in in_flight]:
                waiting = in_flight[position]
                # The refused entry may have been the one that this packet or its answer needed, in any namespace.
                refused = waiting.reservation.table.refused_at >= waiting.sent_at
                self.finish(source, position, Reason.BUDGET_EXHAUSTED if refused else silence)

    def finish(self, source: ActiveSource, position: int, reason: Reason | None, rtt_ms: float | None = None) -> None:
        """End a position; without a ``reason`` it is a success."""
        source.row.finish(position, reason, rtt_ms)
        in_flight = source.row.in_flight.pop(position, None)
        if in_flight is not None:
            self.budget.release(in_flight.reservation)
        # A closed number is soon reused for the next try: its old handler must be gone by then.
        closed = source.transport.forget(position)
        if closed is not None:
            self.dispatcher.forget_closed(closed)
        if not source.row.open_count:
            self._complete(source)

    def _complete(self, source: ActiveSource) -> None:
        if source in self._open:
            self._open.remove(source)
            for descriptor in source.transport.descriptors():
                self.dispatcher.unregister(descriptor)
            source.transport.close()
            self._emit(source.row.result())

    def _fail_open(self) -> None:
        # A set has no order; the plan has one.
        for source in sorted(self._open, key=lambda source: source.row.source.index):
            if self._starving:
                # Raising the kernel's limits helps these, and more time would not.
                for position in source.row.ready:
                    source.row.finish(position, Reason.BUDGET_EXHAUSTED)
            source.row.fail_open(Reason.DEADLINE)
            self._complete(source)
