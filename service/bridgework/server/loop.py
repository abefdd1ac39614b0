"""The event loop of gunicorn's ASGI worker: its servers put a ``Connection`` around each object of gunicorn's.

gunicorn itself is not changed: it asks asyncio for an event loop and for a server.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

from bridgework.server.connections import LAST_S, Connection, Connections

BACKLOG = 2048


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
        self._loop.remove_reader(self._sock)
        self._loop.call_soon(self._close)  # behind the connections of this turn

    async def wait_closed(self) -> None:
        """Give the last connections the time to begin: gunicorn counts them next."""
        await asyncio.sleep(LAST_S)

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._sock.accept()
                self._last.append(self._loop.create_task(self._loop.connect_accepted_socket(self._connection, client)))
        self._server.close()
