"""The event loop of gunicorn's ASGI worker: its servers put a ``Connection`` around each object of gunicorn's.

gunicorn itself is not changed: it asks asyncio for an event loop and for a server.
"""

from __future__ import annotations

import asyncio
import ctypes
import socket
from collections.abc import Callable
from typing import Any

from bridgework.server.connections import LAST_S, Connection, Connections

BACKLOG = 2048
# PyDLL keeps Python's lock during a call. The calls of the module socket release it, so between the last accept and the
# close other threads ran for some milliseconds: one of 2,000 connections came then, and the kernel reset it.
_LIBC = ctypes.PyDLL(None)


class Policy(asyncio.DefaultEventLoopPolicy):
    """Has gunicorn's worker make a ``Loop`` when it makes its event loop."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """Make one."""
        return Loop()


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose servers put a ``Connection`` around each of their protocol objects."""

    def __init__(self) -> None:
        super().__init__()
        self.connections = Connections()

    def end_connections_when(self, ending: Callable[[], bool]) -> None:
        """Close idle connections as soon as ``ending`` returns true."""
        self._end = self.create_task(self.connections.end_when(ending))  # asyncio keeps only a weak reference

    async def create_server(self, protocol_factory: Any, *args: Any, **options: Any) -> Any:
        """Create the server as asyncio does. gunicorn passes its listening socket as ``sock``."""

        def connection() -> Connection:
            return Connection(protocol_factory(), self.connections)

        # asyncio accepts as many connections in one turn as its backlog is long: with one, several workers share those
        # that come at once. The kernel's queue still has the length that gunicorn would give it.
        server = await super().create_server(connection, *args, **{**options, "backlog": 1})
        options["sock"].listen(BACKLOG)
        return Listener(self, server, options["sock"], connection)


class Listener:
    """A server of asyncio's that loses no connection when it closes.

    Python 3.11 to 3.13 drop a connection that was accepted in the turn in which ``asyncio.Server.close`` is called, and
    the kernel resets those that were not accepted yet.
    """

    def __init__(
        self, loop: Loop, server: asyncio.Server, sock: socket.socket, connection: Callable[[], Connection]
    ) -> None:
        self._loop = loop
        self._server = server
        self._sock = sock
        self._connection = connection
        self._last: list[asyncio.Task[Any]] = []

    def close(self) -> None:
        """Accept the connections in the queue, then stop listening."""
        # The kernel listens until the last descriptor of the socket is closed.
        self._kept = self._sock.dup()
        self._loop.remove_reader(self._sock)
        self._loop.call_soon(self._close)  # behind the connections of this turn

    async def wait_closed(self) -> None:
        """Give the last connections the time to begin: gunicorn counts them next."""
        await asyncio.sleep(LAST_S)

    def _close(self) -> None:
        self._server.close()
        for descriptor in _drained(self._kept.detach()):
            client = socket.socket(fileno=descriptor)
            self._last.append(self._loop.create_task(self._loop.connect_accepted_socket(self._connection, client)))


def _drained(listening: int) -> list[int]:
    """Accept what is in the queue of a listening socket, close it, and return the descriptors of the connections."""
    accepted: list[int] = []
    while (client := _LIBC.accept4(listening, None, None, socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)) >= 0:
        accepted.append(client)
    _LIBC.close(listening)
    return accepted
