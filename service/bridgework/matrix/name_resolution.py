"""Resolves the names of a matrix in each source's namespace, by the same steps as a single check."""

from __future__ import annotations

import secrets
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import dns.exception

from bridgework.ipam.intervals import forbidden
from bridgework.matrix.neighbour_budget import Reservation
from bridgework.matrix.probe_loop import ActiveSource, ProbeLoop
from bridgework.model.checks import Reason
from bridgework.model.observations import ResolverConfiguration
from bridgework.probes.kinds.sockaddr import Destination, destination_of
from bridgework.probes.resolver.exchange import read_answer
from bridgework.probes.resolver.steps import Answer, Answers, Queries, Query, Resolution, Steps, resolve

# In flight at once. The engine's embedded DNS server is one process that serves all containers.
MAX_QUERIES = 1024
MAX_QUERIES_OF_SOURCE = 64
# Datagrams with the number of a query that are no answer to it. Reading a hostile one costs milliseconds.
MAX_MISREAD = 4
# A query's time-out is noticed 5 ms late at most.
TURN_S = 0.005
_RECEIVE_BYTES = 65_536


@dataclass(slots=True)
class _Round:
    """Queries that were sent to a server at the same time; ``ends`` is the end of the whole resolution of the name."""

    position: int
    steps: Steps
    ends: float
    answers: list[Answer]
    waiting: int


@dataclass(slots=True)
class _Question:
    """A query in flight, the ``number``-th of its round; ``expires`` ends the wait for its answer."""

    round: _Round
    number: int
    query: Query
    expires: float
    misread: int = 0


@dataclass(eq=False, slots=True)
class SourceResolver:
    """One source's resolver. ``sockets`` are connected to its servers; ``waiting`` are positions with a name."""

    source: ActiveSource
    configuration: ResolverConfiguration
    sockets: dict[str, socket.socket]
    waiting: deque[int]
    in_flight: dict[tuple[str, int], _Question] = field(default_factory=dict)
    reservations: list[Reservation] | None = None


class NameResolution:
    """Gives the loop a destination for each position whose name was resolved."""

    def __init__(
        self,
        loop: ProbeLoop,
        destination: Callable[[str], Destination | None],
        timeout_s: float,
        allowed_subnets: tuple[str, ...] | None,
    ) -> None:
        self._loop, self._destination, self._timeout_s = loop, destination, timeout_s
        self._allowed_subnets = allowed_subnets
        self._allowed: dict[tuple[str, ...], bool] = {}
        self._waiting: deque[SourceResolver] = deque()
        self._active: set[SourceResolver] = set()
        loop.before_send = self.turn

    def add(self, resolver: SourceResolver) -> None:
        """Resolve the waiting positions of this source."""
        self._waiting.append(resolver)
        # The sockets stay registered until the matrix closes them; late answers are read and dropped.
        for server, sock in resolver.sockets.items():
            self._loop.dispatcher.register(sock.fileno(), partial(self._receive, resolver, server))

    def turn(self, now: float) -> float:
        """End overdue queries and start new ones; return when to call this again."""
        for resolver in list(self._active):
            self._expire(resolver, now)
            if not resolver.in_flight and not resolver.waiting:
                self._release(resolver.reservations or [])
                self._active.discard(resolver)
        free = MAX_QUERIES - sum(len(resolver.in_flight) for resolver in self._active)
        while self._waiting and free > 0:
            resolver = self._waiting[0]
            started = self._start(resolver, now, min(free, MAX_QUERIES_OF_SOURCE - len(resolver.in_flight)))
            free -= started
            if not resolver.waiting:
                self._waiting.popleft()
            elif not started:
                # This source has its share in flight, or the neighbour table is full: another one is first next time.
                self._waiting.rotate(-1)
                break
        return now + (TURN_S if self._waiting or self._active else self._timeout_s)

    def _start(self, resolver: SourceResolver, now: float, most: int) -> int:
        """Start to resolve up to ``most`` names of a source and return how many."""
        if resolver.reservations is None:
            resolver.reservations = self._reserve(resolver)
        if resolver.reservations is None:
            return 0
        # The reservation lasts from the first query to the last answer: a source asks the same servers all the time.
        self._active.add(resolver)
        started = 0
        while resolver.waiting and started < most and self._loop.rate_limiter.take(1):
            position = resolver.waiting.popleft()
            steps = resolve(resolver.configuration, resolver.source.row.source.targets[position].name or "", None)
            self._step(resolver, position, steps, now + self._timeout_s)
            started += 1
        return started

    def _reserve(self, resolver: SourceResolver) -> list[Reservation] | None:
        """Reserve neighbour entries towards all servers, or none."""
        reservations: list[Reservation] = []
        for server in resolver.sockets:
            # Docker's embedded server (127.0.0.11) is in the namespace itself, and needs no entry.
            reservation = self._loop.budget.reserve(resolver.source.namespace, destination_of(server, 0).packed)
            if reservation is None:
                self._release(reservations)
                return None
            reservations.append(reservation)
        return reservations

    def _step(
        self, resolver: SourceResolver, position: int, steps: Steps, ends: float, answers: Answers | None = None
    ) -> None:
        """Continue a resolution until it waits for an answer or is over."""
        try:
            queries = next(steps) if answers is None else steps.send(answers)
            while not self._ask(resolver, _Round(position, steps, ends, [None] * len(queries), 0), queries):
                queries = steps.send((None,) * len(queries))
        except StopIteration as stop:
            self._resolved(resolver.source, position, stop.value)

    def _ask(self, resolver: SourceResolver, asked: _Round, queries: Queries) -> bool:
        """Send the queries of a round and return whether an answer can come."""
        now = time.monotonic()
        sock = resolver.sockets.get(queries[0].server)
        if sock is None or now >= asked.ends:
            return False
        for number, query in enumerate(queries):
            # All queries of a source share one socket for each server, so their 16-bit numbers must differ.
            while (query.server, query.message.id) in resolver.in_flight:
                query.message.id = secrets.randbelow(0x10000)
            try:
                sock.send(query.message.to_wire())
            except OSError:
                continue
            question = _Question(asked, number, query, min(now + query.timeout_s, asked.ends))
            resolver.in_flight[query.server, query.message.id] = question
            asked.waiting += 1
        return asked.waiting > 0

    def _close(self, resolver: SourceResolver, question: _Question, answer: Answer) -> None:
        """Note the answer or the silence, and continue the resolution after the last one of the round."""
        asked = question.round
        asked.answers[question.number] = answer
        asked.waiting -= 1
        if not asked.waiting:
            self._step(resolver, asked.position, asked.steps, asked.ends, tuple(asked.answers))

    def _receive(self, resolver: SourceResolver, server: str) -> None:
        # A truncated answer (RFC 1035, TC) is used as far as it goes: a matrix never asks over TCP.
        for _ in range(MAX_QUERIES_OF_SOURCE):
            try:
                data = resolver.sockets[server].recv(_RECEIVE_BYTES)
            except BlockingIOError:
                break
            except OSError:
                # An ICMP error. It does not tell which query caused it, so the query waits for its time-out.
                continue
            self._answered(resolver, server, data)

    def _answered(self, resolver: SourceResolver, server: str, data: bytes) -> None:
        key = server, int.from_bytes(data[:2], "big")
        question = resolver.in_flight.get(key)
        if question is None or question.misread >= MAX_MISREAD:
            return
        try:
            answer = read_answer(data)
        except dns.exception.DNSException:
            answer = None
        # A datagram with the right number and another question may be forged: the true answer can still come.
        if answer is None or not question.query.message.is_response(answer):
            question.misread += 1
            return
        del resolver.in_flight[key]
        self._close(resolver, question, answer)

    def _expire(self, resolver: SourceResolver, now: float) -> None:
        overdue = [(key, question) for key, question in resolver.in_flight.items() if question.expires <= now]
        for key, question in overdue:
            del resolver.in_flight[key]
            self._close(resolver, question, None)

    def _resolved(self, source: ActiveSource, position: int, resolution: Resolution) -> None:
        """Probe the first address that the source has a route to (RFC 6724, section 6, rule 1)."""
        if resolution.reason is not None:
            self._loop.finish(source, position, resolution.reason)
            return
        addresses = resolution.addresses
        chosen = next((address for address in addresses if self._reaches(source, address)), addresses[0])
        source.row.addresses[position] = chosen
        destination = self._destination(chosen)
        # All addresses are judged, not only the chosen one: a name that leads outside at all is refused, as in a check.
        if not self._is_allowed(addresses):
            self._loop.finish(source, position, Reason.NOT_ALLOWED)
        elif destination is None:
            self._loop.finish(source, position, Reason.NO_ADDRESS)
        else:
            self._loop.set_destination(source, position, destination)

    def _is_allowed(self, addresses: tuple[str, ...]) -> bool:
        # All sources usually get the same answer for a name, and a plan can allow hundreds of subnets.
        if addresses not in self._allowed:
            self._allowed[addresses] = forbidden(addresses, self._allowed_subnets) is None
        return self._allowed[addresses]

    def _reaches(self, source: ActiveSource, address: str) -> bool:
        destination = self._destination(address)
        return destination is not None and source.namespace.reaches(destination.packed)

    def _release(self, reservations: list[Reservation]) -> None:
        for reservation in reservations:
            self._loop.budget.release(reservation)
