"""Reads over one kept-alive HTTP connection to the engine.

The SDK makes every change, but not the reads on a request's path. The question whether a snapshot is still fresh costs
0.11 ms here, 0.22 ms through ``http.client`` (it parses headers as e-mail) and 0.6 ms through the SDK. And the reader
must know when the connection broke, because a restarted engine has an empty event log (see ``snapshot_source``).
"""

from __future__ import annotations

import http.client
import re
import select
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode, urlsplit

from bridgework.engine.client import EngineAddress, open_http
from bridgework.engine.faults import is_malformed, malformed, patience, too_slow, unreachable
from bridgework.engine.http_answer import Answers

# Large enough that most answers take one system call.
PIECE_BYTES = 1024 * 1024

# Setting a socket's timeout is a system call. Between two pieces of an answer it is set again only once less than this
# share of the time is left, so an answer can take 10 % longer than its limit at most.
STILL_FRESH = 0.9

# Requests that are sent before the first of their answers is read (pipelining, RFC 9112 §9.3.2). 400 inspections took
# 33 to 49 ms one after another, and 16 to 27 ms in batches of 32 (Docker 26, 28 and 29). A batch is about 3 kB, which
# fits into the buffers of every connection; so sending never waits for an engine that waits until we read.
PIPELINED = 32

_TARGET = re.compile(r"/[!-~]*")


class EngineConnection:
    """A connection that one thread uses at a time; ``generation`` counts how often it was opened."""

    def __init__(self, address: EngineAddress, timeout_s: float) -> None:
        self._address = address
        self._timeout_s = timeout_s
        # HTTP/1.1 requires a Host; on a unix socket the engine ignores its value.
        self._host = urlsplit(address.url).netloc if address.socket_path is None else "engine"
        self._socket: socket.socket | None = None
        self.generation = 0

    def get(self, path: str, query: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """Return status and body. Raises ``EngineUnreachable``, ``EngineTooSlow`` or ``EngineMisbehaved``."""
        return self._answers_to([_target(path, query)])[0]

    def get_each(self, paths: Sequence[str]) -> list[tuple[int, bytes]]:
        """Return status and body of each path, in their order. Raises as ``get``."""
        received: list[tuple[int, bytes]] = []
        together = PIPELINED
        while len(received) < len(paths):
            batch = paths[len(received) : len(received) + together]
            answers = self._answers_to(batch)
            received += answers
            if len(answers) < len(batch):  # some proxies close a connection after a number of answers
                together = 1
        return received

    def peer_pid(self) -> int | None:
        """Return the process at the other end of an open unix socket; ``None`` when it cannot be known."""
        # The process of a connection that has ended may be gone, and its number may belong to another.
        sock = self._socket
        if sock is None or sock.family is not socket.AF_UNIX or _has_ended(sock):
            return None
        return _peer_pid(sock)

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _answers_to(self, targets: Sequence[str]) -> list[tuple[int, bytes]]:
        """Return the answers to the targets, or to the first of them where the connection closed after some answers."""
        reused = self._socket is not None  # only a connection that was idle can have been closed meanwhile
        try:
            return self._exchange(targets)
        # A full backlog of the engine's unix socket is BlockingIOError (EAGAIN) instead of a timeout: unix(7).
        except (TimeoutError, BlockingIOError) as error:
            self.close()
            raise too_slow(self._timeout_s) from error
        except (http.client.HTTPException, OSError) as error:
            self.close()
            # The engine may have closed an idle connection, or restarted. Reads are safe to send once more.
            if reused or len(targets) > 1:
                return self._answers_to(targets[:1])
            if is_malformed(error):
                raise malformed(targets[0].partition("?")[0], error) from error
            raise unreachable(self._address.url, getattr(error, "strerror", None) or str(error)) from error
        except BaseException:
            # The answer on its way would be taken for the answer to the next request.
            self.close()
            raise

    def _exchange(self, targets: Sequence[str]) -> list[tuple[int, bytes]]:
        """Send the requests and read their answers, within the time and the size that one answer may have."""
        # The socket's timeout bounds each wait for a piece; this bounds their sum.
        end = time.monotonic() + self._timeout_s
        sock = self._opened()
        _wait_at_most(sock, patience(self._timeout_s))
        sock.sendall(b"".join(_get_request(target, self._host) for target in targets))
        answers = Answers(len(targets))
        while not answers.whole:
            piece = sock.recv(PIECE_BYTES)
            if not piece:
                answers.end()
                break
            answers.take(piece)
            if not answers.whole:
                left_s = patience(self._timeout_s, end - time.monotonic())
                if left_s < self._timeout_s * STILL_FRESH:
                    _wait_at_most(sock, left_s)
        if not answers.connection_stays:
            self.close()
        return answers.hand_over()

    def _opened(self) -> socket.socket:
        if self._socket is None:
            self.generation += 1
            # The address and TLS come from the standard library's client; from then on its socket is used directly.
            connection = open_http(self._address, patience(self._timeout_s))
            connection.connect()
            self._socket = connection.sock
        return self._socket


def get_once(
    address: EngineAddress, timeout_s: float, path: str, query: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """Return status and body of a ``GET`` over a connection of its own. Raises as ``EngineConnection.get``."""
    connection = EngineConnection(address, timeout_s)
    try:
        return connection.get(path, query)
    finally:
        connection.close()


def engine_pid(address: EngineAddress) -> int | None:
    """Return the process behind the engine's unix socket (``SO_PEERCRED``, unix(7)); ``None`` when it is not seen."""
    if address.socket_path is None:
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)  # an engine whose queue of connections is full would block here
        try:
            probe.connect(address.socket_path)
        except OSError:
            return None
        return _peer_pid(probe)


def _target(path: str, query: Mapping[str, str] | None) -> str:
    return path + ("?" + urlencode(query) if query else "")


def _wait_at_most(sock: socket.socket, seconds: float) -> None:
    if sock.gettimeout() != seconds:
        sock.settimeout(seconds)


def _get_request(target: str, host: str) -> bytes:
    """Return the bytes of one request. Raises ``ValueError`` on a target that could hold a second request."""
    if not _TARGET.fullmatch(target):
        message = f"not a request target: {target!r}"
        raise ValueError(message)
    return f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def _peer_pid(sock: socket.socket) -> int | None:
    try:
        pid, _, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    except OSError:
        return None
    # The kernel answers 0 for a process of another pid namespace that this one does not see.
    return int(pid) or None


def _has_ended(sock: socket.socket) -> bool:
    asked = select.poll()
    try:
        asked.register(sock, select.POLLRDHUP)
        return bool(asked.poll(0))
    except (OSError, ValueError):  # another thread has closed it
        return True
