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
from bridgework.matrix.loop import Lane, Loop
from bridgework.matrix.neighbour_entries import Held
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
class Desk:
    """One source's resolver: ``sockets`` maps each server to a connected socket in the source's namespace."""

    lane: Lane
    configuration: ResolverConfiguration
    sockets: dict[str, socket.socket]
    waiting_names: deque[int] = field(default_factory=deque)
    asked: dict[tuple[str, int], _Question] = field(default_factory=dict)
    held: list[Held] | None = None


class Names:
    """Feeds the loop's lanes with destinations as their names become known."""

    def __init__(
        self,
        loop: Loop,
        aim: Callable[[str], Destination | None],
        timeout_s: float,
        allowed_subnets: tuple[str, ...] | None,
    ) -> None:
        self._loop, self._aim, self._timeout_s, self._allowed = loop, aim, timeout_s, allowed_subnets
        self._desks: deque[Desk] = deque()
        self._at_work: set[Desk] = set()
        self._verdicts: dict[tuple[str, ...], bool] = {}
        loop.tick = self.tick

    def add(self, desk: Desk) -> None:
        """Resolve every named target of this lane."""
        targets = desk.lane.row.source.targets
        desk.waiting_names.extend(p for p, t in enumerate(targets) if t.address is None and t.name is not None)
        self._desks.append(desk)
        for server, sock in desk.sockets.items():
            self._loop.watcher.watch(sock.fileno(), partial(self._hear, desk, server))

    def tick(self, now: float) -> float:
        """Give up what is overdue, ask what there is room for; returns when to come back."""
        for desk in list(self._at_work):
            self._expire(desk, now)
        room = AT_ONCE - sum(len(desk.asked) for desk in self._at_work)
        while self._desks and room > 0:
            desk = self._desks[0]
            begun = self._serve(desk, now, min(room, AT_ONCE_EACH - len(desk.asked)))
            room -= begun
            if desk.waiting_names and not begun:
                self._desks.rotate(-1)
                break
            if not desk.waiting_names:
                self._desks.popleft()
        return now + (TICK_S if self._desks or self._at_work else self._timeout_s)

    def _serve(self, desk: Desk, now: float, room: int) -> int:
        if desk.held is None:
            desk.held = self._loop.holdings.hold_all(desk.lane.space, [_packed(server) for server in desk.sockets])
        if desk.held is None:
            return 0
        self._at_work.add(desk)
        begun = 0
        while desk.waiting_names and begun < room and self._loop.pace.take_one():
            position = desk.waiting_names.popleft()
            name = desk.lane.row.source.targets[position].name or ""
            self._step(desk, position, resolve(desk.configuration, name, None), now + self._timeout_s)
            begun += 1
        self._rest(desk)
        return begun

    def _step(self, desk: Desk, position: int, steps: Steps, ends: float, answer: Answer = None) -> None:
        """Go on with a resolution until it waits for an answer or is over."""
        try:
            query = steps.send(answer)
            while not self._ask(desk, position, steps, query, ends):
                query = steps.send(None)
        except StopIteration as stop:
            self._resolved(desk, position, stop.value)

    def _ask(self, desk: Desk, position: int, steps: Steps, query: Query, ends: float) -> bool:
        now = time.monotonic()
        sock = desk.sockets.get(query.server)
        if sock is None or now >= ends:
            return False
        while (query.server, query.message.id) in desk.asked:
            query.message.id = secrets.randbelow(0x10000)
        try:
            sock.send(query.message.to_wire())
        except OSError:
            return False
        question = _Question(position, steps, query, min(now + query.timeout_s, ends), ends)
        desk.asked[query.server, query.message.id] = question
        return True

    def _hear(self, desk: Desk, server: str) -> None:
        for _ in itertools.repeat(None, AT_ONCE_EACH):
            try:
                data = desk.sockets[server].recv(_RECEIVE_BYTES)
            except BlockingIOError:
                break
            except OSError:
                continue
            key = server, int.from_bytes(data[:2], "big")
            question = desk.asked.get(key)
            if question is None or question.misread >= MAX_MISREAD:
                continue
            try:
                answer = read_answer(data)
            except dns.exception.DNSException:
                answer = None
            if answer is None or not question.query.message.is_response(answer):
                question.misread += 1
                continue
            del desk.asked[key]
            self._step(desk, question.position, question.steps, question.ends, answer)
        self._rest(desk)

    def _expire(self, desk: Desk, now: float) -> None:
        overdue = [(key, question) for key, question in desk.asked.items() if question.expires <= now]
        for key, question in overdue:
            del desk.asked[key]
            self._step(desk, question.position, question.steps, question.ends)
        self._rest(desk)

    def _rest(self, desk: Desk) -> None:
        """A desk with nothing left gives its neighbour entries back."""
        if desk.held is not None and not desk.asked and not desk.waiting_names:
            self._loop.holdings.let_go(desk.held)
            desk.held = []
            self._at_work.discard(desk)

    def _resolved(self, desk: Desk, position: int, resolution: Resolution) -> None:
        lane = desk.lane
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

    def _goes(self, lane: Lane, address: str) -> bool:
        destination = self._aim(address)
        return destination is not None and lane.space.reaches(destination.packed)


def _packed(server: str) -> bytes:
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    return socket.inet_pton(family, server.partition("%")[0])
