"""Asks the kernel of the engine's host for routes, from any thread and without entering the host's namespace again.

A netlink socket stays in the namespace in which it was opened. A question takes about 10 µs (Linux 6.18), so a check
asks each time, and nothing is kept that could be old.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from threading import Lock

from bridgework.analysis.route_lookup import RouteLookup
from bridgework.model.observations import RouteAnswer, RouteQuestion
from bridgework.model.observations.routes import PROTOCOL_NUMBERS
from bridgework.probes.kernel import netlink
from bridgework.probes.routes.lookup import Asked, route_to
from bridgework.probes.routes.tables import routing

# The kernel drops the packet: by a blackhole (EINVAL), prohibit or unreachable route, by its filter of the reverse path
# (EXDEV, or EINVAL since Linux 6.18), or since it does not forward.
_DROPS = frozenset({errno.EINVAL, errno.EXDEV, errno.EACCES, errno.EHOSTUNREACH, errno.ENETUNREACH})


class HostRoutes:
    """A handle on the kernel's routing in the namespace of the thread that opens it."""

    def __init__(self) -> None:
        """Open the handle. Raises ``OSError``."""
        self._lock = Lock()
        self._socket = netlink.open_socket()

    def close(self) -> None:
        """Close the handle, so that the namespace can go. Later questions have no answer."""
        with self._lock:
            self._socket.close()

    def answers(self, questions: Sequence[RouteQuestion]) -> Mapping[RouteQuestion, RouteAnswer] | None:
        """Return the packets that the kernel routes otherwise than expected, each with what it does instead.

        ``None`` where the kernel refuses, or after ``close``.
        """
        with self._lock:
            # Without this, the closed socket would look like an interface that is gone.
            if self._socket.fileno() < 0:
                return None
            try:
                return dict(self._answers(questions))
            except OSError:
                return None

    def _answers(self, questions: Sequence[RouteQuestion]) -> Iterator[tuple[RouteQuestion, RouteAnswer]]:
        for question in questions:
            try:
                answer = self._answer(question)
            except ValueError:
                continue  # an interface is gone
            if answer is not None:
                yield question, answer

    def _answer(self, question: RouteQuestion) -> RouteAnswer | None:
        expected = None if question.expected is None else self._index(question.expected)
        try:
            lookup = route_to(self._socket, self._asked(question))
        except OSError as error:
            # Another error says nothing about the route.
            return self._why(question) if error.errno in _DROPS else None
        # Whether an address is the host's own is not for the routes to say: the engine's state may be newer.
        if expected is None or lookup.is_local or lookup.interface == expected:
            return None
        return self._why(question)

    def _why(self, question: RouteQuestion) -> RouteAnswer | None:
        """Name the rule, route or setting that decides; ``None`` where only a route is missing, or nothing is known."""
        return RouteLookup(routing(self._socket)).answer(question)

    def _asked(self, question: RouteQuestion) -> Asked:
        return Asked(
            ip_address(question.destination).packed,
            ip_address(question.source).packed if question.source else None,
            self._index(question.incoming) if question.incoming else None,
            question.mark,
            PROTOCOL_NUMBERS.get(question.protocol or ""),
            question.source_port,
            question.destination_port,
        )

    def _index(self, name: str) -> int:
        """Return the index of an interface. Raises ``ValueError`` where there is none with that name."""
        index = netlink.index_of(self._socket, name)
        if index is None:
            raise ValueError(name)
        return index
