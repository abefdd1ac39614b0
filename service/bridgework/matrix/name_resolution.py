"""The names of a matrix, resolved in each source's namespace by the same steps as for a single check.

Many at a time, but bounded, for a source and in all: the engine's embedded server is one process for all containers.
An answer that does not fit into a datagram counts as far as it goes.
"""

from __future__ import annotations

import itertools
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import dns.exception

from bridgework.ipam.allowed import forbidden
from bridgework.matrix.neighbour_entries import Held
from bridgework.matrix.probe_loop import ActiveSource, ProbeLoop
from bridgework.matrix.rows import Destination
from bridgework.model.checks import Reason
from bridgework.model.observations import ResolverConfiguration
from bridgework.probes.resolver.exchange import read_answer
from bridgework.probes.resolver.steps import Answer, Query, Resolution, Steps, resolve

AT_ONCE = 1024
AT_ONCE_EACH = 64
MAX_MISREAD = 4
"""What bears a question's number and is no answer to it is read so often and no more: reading costs milliseconds."""
TICK_S = 0.005
_RECEIVE_BYTES = 65_536


@dataclass(slots=True)
class _Question:
    position: int
    steps: Steps
    query: Query
    expires: float
    ends: float
    misread: int = 0


@dataclass(eq=False, slots=True)
class SourceResolver:
    """One source's resolver: ``sockets`` maps each server to a connected socket in the source's namespace."""

    lane: ActiveSource
    configuration: ResolverConfiguration
    sockets: dict[str, socket.socket]
    waiting_names: deque[int] = field(default_factory=deque)
    asked: dict[tuple[str, int], _Question] = field(default_factory=dict)
    held: list[Held] | None = None


class NameResolution:
    """Feeds the loop's lanes with destinations as their names become known."""

    def __init__(
        self,
        loop: ProbeLoop,
        candidate_addresses: Callable[[str], Destination | None],
        timeout_s: float,
        allowed_subnets: tuple[str, ...] | None,
    ) -> None:
        self._loop, self._aim, self._timeout_s, self._allowed = loop, candidate_addresses, timeout_s, allowed_subnets
        self._waiting: deque[SourceResolver] = deque()
        self._at_work: set[SourceResolver] = set()
        self._verdicts: dict[tuple[str, ...], bool] = {}
        loop.tick = self.tick

    def add(self, resolver: SourceResolver) -> None:
        """Resolve every named target of this lane."""
        targets = resolver.lane.row.source.targets
        resolver.waiting_names.extend(p for p, t in enumerate(targets) if t.address is None and t.name is not None)
        self._waiting.append(resolver)
        for server, sock in resolver.sockets.items():
            self._loop.watcher.watch(sock.fileno(), partial(self._hear, resolver, server))

    def tick(self, now: float) -> float:
        """Give up what is overdue, ask what there is room for; returns when to come back."""
        for resolver in list(self._at_work):
            self._expire(resolver, now)
        room = AT_ONCE - sum(len(resolver.asked) for resolver in self._at_work)
        while self._waiting and room > 0:
            resolver = self._waiting[0]
            begun = self._serve(resolver, now, min(room, AT_ONCE_EACH - len(resolver.asked)))
            room -= begun
            if resolver.waiting_names and not begun:
                self._waiting.rotate(-1)
                break
            if not resolver.waiting_names:
                self._waiting.popleft()
        return now + (TICK_S if self._waiting or self._at_work else self._timeout_s)

    def _serve(self, resolver: SourceResolver, now: float, room: int) -> int:
        if resolver.held is None:
            resolver.held = self._loop.holdings.hold_all(
                resolver.lane.space, [_packed(server) for server in resolver.sockets]
            )
        if resolver.held is None:
            return 0
        self._at_work.add(resolver)
        begun = 0
        while resolver.waiting_names and begun < room and self._loop.pace.take_one():
            position = resolver.waiting_names.popleft()
            name = resolver.lane.row.source.targets[position].name or ""
            self._step(resolver, position, resolve(resolver.configuration, name, None), now + self._timeout_s)
            begun += 1
        self._rest(resolver)
        return begun

    def _step(self, resolver: SourceResolver, position: int, steps: Steps, ends: float, answer: Answer = None) -> None:
        """Go on with a resolution until it waits for an answer or is over."""
        try:
            query = steps.send(answer)
            while not self._ask(resolver, position, steps, query, ends):
                query = steps.send(None)
        except StopIteration as stop:
            self._resolved(resolver, position, stop.value)

    def _ask(self, resolver: SourceResolver, position: int, steps: Steps, query: Query, ends: float) -> bool:
        now = time.monotonic()
        sock = resolver.sockets.get(query.server)
        if sock is None or now >= ends:
            return False
        while (query.server, query.message.id) in resolver.asked:
            query.message.id = secrets.randbelow(0x10000)
        try:
            sock.send(query.message.to_wire())
        except OSError:
            return False
        question = _Question(position, steps, query, min(now + query.timeout_s, ends), ends)
        resolver.asked[query.server, query.message.id] = question
        return True

    def _hear(self, resolver: SourceResolver, server: str) -> None:
        for _ in itertools.repeat(None, AT_ONCE_EACH):
            try:
                data = resolver.sockets[server].recv(_RECEIVE_BYTES)
            except BlockingIOError:
                break
            except OSError:
                continue
            key = server, int.from_bytes(data[:2], "big")
            question = resolver.asked.get(key)
            if question is None or question.misread >= MAX_MISREAD:
                continue
            try:
                answer = read_answer(data)
            except dns.exception.DNSException:
                answer = None
            if answer is None or not question.query.message.is_response(answer):
                question.misread += 1
                continue
            del resolver.asked[key]
            self._step(resolver, question.position, question.steps, question.ends, answer)
        self._rest(resolver)

    def _expire(self, resolver: SourceResolver, now: float) -> None:
        overdue = [(key, question) for key, question in resolver.asked.items() if question.expires <= now]
        for key, question in overdue:
            del resolver.asked[key]
            self._step(resolver, question.position, question.steps, question.ends)
        self._rest(resolver)

    def _rest(self, resolver: SourceResolver) -> None:
        """A desk with nothing left gives its neighbour entries back."""
        if resolver.held is not None and not resolver.asked and not resolver.waiting_names:
            self._loop.holdings.let_go(resolver.held)
            resolver.held = []
            self._at_work.discard(resolver)

    def _resolved(self, resolver: SourceResolver, position: int, resolution: Resolution) -> None:
        lane = resolver.lane
        if resolution.reason is not None:
            self._loop.finish(lane, position, resolution.reason)
            return
        addresses = resolution.addresses
        if addresses not in self._verdicts:
            self._verdicts[addresses] = forbidden(addresses, self._allowed) is None
        chosen = min(addresses, key=lambda address: not self._goes(lane, address))
        lane.row.addresses[position] = chosen
        destination = self._aim(chosen)
        if not self._verdicts[addresses] or destination is None:
            reason = Reason.NO_ADDRESS if self._verdicts[addresses] else Reason.NOT_ALLOWED
            self._loop.finish(lane, position, reason)
            return
        lane.row.destinations[position] = destination
        self._loop.ready(lane, position)

    def _goes(self, lane: ActiveSource, address: str) -> bool:
        destination = self._aim(address)
        return destination is not None and lane.space.reaches(destination.packed)


def _packed(server: str) -> bytes:
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    return socket.inet_pton(family, server.partition("%")[0])
