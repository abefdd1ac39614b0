"""How a connection ends without cutting its client short: it says that nothing more comes, and waits a little.

Closing a socket that holds something unread resets it, and the client may never see the answer (RFC 9112, 9.6). So what
still arrives is read and dropped, within a time and a size; in the event loop, since it takes no thread to wait.
"""

from __future__ import annotations

import selectors
import socket
import time
from functools import partial

from gunicorn.workers.gthread import TConn

LINGER_S = 2.0
MAX_DRAINED_BYTES = 1_048_576
PIECE_BYTES = 65_536


class Lingering:
    """Connections that wait for their clients' end, the oldest first; only the loop's thread touches it."""

    def __init__(self, poller: selectors.BaseSelector) -> None:
        self._poller = poller
        self._ends_at_s: dict[TConn, float] = {}

    def begin(self, conn: TConn) -> None:
        """Say that nothing more comes, and wait."""
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            conn.close()
            return
        self._ends_at_s[conn] = time.monotonic() + LINGER_S
        self._poller.register(conn.sock, selectors.EVENT_READ, partial(self._drain, conn, [0]))

    def end_late(self, now_s: float) -> None:
        """Close those that have waited long enough."""
        while self._ends_at_s:
            conn, ends_at_s = next(iter(self._ends_at_s.items()))
            if ends_at_s > now_s:
                return
            self._end(conn)

    def _drain(self, conn: TConn, drained_bytes: list[int], client: socket.socket) -> None:
        try:
            piece = client.recv(PIECE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        drained_bytes[0] += len(piece)
        if not piece or drained_bytes[0] > MAX_DRAINED_BYTES:
            self._end(conn)

    def _end(self, conn: TConn) -> None:
        del self._ends_at_s[conn]
        self._poller.unregister(conn.sock)
        conn.close()
