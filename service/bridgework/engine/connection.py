"""One kept-alive HTTP connection to the engine, for reads on a request's path.

Beside the SDK, and only for reads: the freshness question must cost 0.13 ms (through the SDK it is 0.6), and must know
when its connection broke, because a broken connection may hide a restarted engine, whose event log is empty.
Finds the engine as Docker's clients do: ``DOCKER_HOST``, else the standard socket; TLS by ``DOCKER_TLS_VERIFY`` and
``DOCKER_CERT_PATH``.
"""

from __future__ import annotations

import http.client
import re
import select
import socket
import ssl
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from bridgework.engine.http_answer import Answers
from bridgework.model.errors import EngineMisbehaved, EngineTooSlow, EngineUnreachable, Remedy
from bridgework.telemetry import deadline

PIECE_BYTES = 1024 * 1024
STILL_FRESH = 0.9
"""Between two pieces of an answer the timeout is shortened only once less than this share of its time is left."""

PIPELINED = 32
"""Requests sent before the first of their answers is read (RFC 9112, 9.3.2).

400 inspections took 33 to 49 ms one after another and 16 to 27 ms in such batches (Docker 26, 28 and 29). A batch is
some 3 kB, which fits into the buffers of every connection: so sending never waits for an engine that waits for us.
"""

_TARGET = re.compile(r"/[!-~]*")
SHAPE_ERRORS = (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError, OverflowError)
STANDARD_HOST = "unix:///var/run/docker.sock"


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """Where the engine listens. ``certificates`` is a folder with ``ca.pem``, ``cert.pem`` and ``key.pem``, or None."""

    url: str
    certificates: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> EngineAddress:
        """Read ``DOCKER_HOST``, ``DOCKER_TLS_VERIFY`` and ``DOCKER_CERT_PATH``. Raises ``ValueError`` on ssh.

        As for Docker's own clients, any value of ``DOCKER_TLS_VERIFY`` means TLS with both sides verified, ``0`` too.
        """
        url = environment.get("DOCKER_HOST") or STANDARD_HOST
        if urlsplit(url).scheme not in {"unix", "tcp", "http", "https"}:
            message = f"DOCKER_HOST is {url!r}; Bridgework speaks unix:// and tcp:// (forward ssh to a local socket)."
            raise ValueError(message)
        tls = bool(environment.get("DOCKER_TLS_VERIFY")) or urlsplit(url).scheme == "https"
        folder = Path(environment.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
        return cls(url, folder if tls else None)

    @property
    def socket_path(self) -> str | None:
        """The path of a unix socket, else ``None``."""
        parts = urlsplit(self.url)
        return parts.path if parts.scheme == "unix" else None


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("engine", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class EngineConnection:
    """A connection that one thread uses at a time; ``generation`` grows whenever it had to be made anew."""

    def __init__(self, address: EngineAddress, timeout_s: float) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._host = urlsplit(address.url).netloc if address.socket_path is None else "engine"
        self._socket: socket.socket | None = None
        self.generation = 0

    def get(self, path: str, query: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """Status and body. Raises ``EngineUnreachable``, ``EngineTooSlow`` or ``EngineMisbehaved``."""
        return self._asked([path + ("?" + urlencode(query) if query else "")])[0]

    def get_each(self, paths: Sequence[str]) -> list[tuple[int, bytes]]:
        """Status and body of each path, in their order. Raises as ``get``."""
        found: list[tuple[int, bytes]] = []
        together = PIPELINED
        while len(found) < len(paths):
            batch = paths[len(found) : len(found) + together]
            answers = self._asked(batch)
            found += answers
            if len(answers) < len(batch):  # it closes after some answers, as proxies may
                together = 1
        return found

    def _asked(self, targets: Sequence[str]) -> list[tuple[int, bytes]]:
        """The answers to some of the targets, from the first on: to all, or as many as came before it closed."""
        reused = self._socket is not None
        try:
            return self._exchange(targets)
        except (TimeoutError, BlockingIOError) as error:  # the latter: its queue of connections is full
            self.close()
            raise too_slow(self._timeout_s) from error
        except (http.client.HTTPException, OSError) as error:
            self.close()
            if (
                reused or len(targets) > 1
            ):  # an idle connection closed, or the engine restarted: once more, on a new one
                return self._asked(targets[:1])
            if is_gibberish(error):
                raise gibberish(targets[0].partition("?")[0], error) from error
            raise unreachable(self._address, getattr(error, "strerror", None) or str(error)) from error
        except BaseException:
            self.close()
            raise

    def peer_pid(self) -> int | None:
        """The process at the other end of an open unix socket; ``None`` where there is no such end any more."""
        sock = self._socket
        if sock is None or sock.family is not socket.AF_UNIX or _has_ended(sock):
            return None
        return _peer_pid(sock)

    def close(self) -> None:
        """Forget the connection; the next call opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, targets: Sequence[str]) -> list[tuple[int, bytes]]:
        """Some requests and their answers, within the time and size that one answer may take."""
        end = time.monotonic() + self._timeout_s
        if self._socket is None:
            self.generation += 1
            self._socket = _connected(self._address, patience(self._timeout_s))
        sock = self._socket
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


def _wait_at_most(sock: socket.socket, seconds: float) -> None:
    """Set the socket's timeout; each setting is a system call, and most ask for what is set."""
    if sock.gettimeout() != seconds:
        sock.settimeout(seconds)


def _get_request(target: str, host: str) -> bytes:
    """The bytes of a request. Raises ``ValueError`` on what would be more than one."""
    if not _TARGET.fullmatch(target):
        message = f"no target of a request: {target!r}"
        raise ValueError(message)
    return f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def _connected(address: EngineAddress, timeout_s: float) -> socket.socket:
    connection = open_http(address, timeout_s)
    connection.connect()
    made: socket.socket = connection.sock
    return made


def open_http(address: EngineAddress, timeout_s: float) -> http.client.HTTPConnection:
    """An unopened HTTP connection to the engine; it connects at its first request."""
    if address.socket_path is not None:
        return _UnixConnection(address.socket_path, timeout_s)
    parts = urlsplit(address.url)
    if address.certificates is None:
        return http.client.HTTPConnection(parts.hostname or "", parts.port or 2375, timeout=timeout_s)
    context = ssl.create_default_context(cafile=str(address.certificates / "ca.pem"))
    context.load_cert_chain(address.certificates / "cert.pem", address.certificates / "key.pem")
    return http.client.HTTPSConnection(parts.hostname or "", parts.port or 2376, timeout=timeout_s, context=context)


def engine_pid(address: EngineAddress) -> int | None:
    """The process behind the engine's unix socket (``SO_PEERCRED``, unix(7)); ``None`` when it cannot be seen."""
    if address.socket_path is None:
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(address.socket_path)
        except OSError:
            return None
        return _peer_pid(probe)


def _peer_pid(sock: socket.socket) -> int | None:
    try:
        pid, _, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    except OSError:
        return None
    return int(pid) or None


def _has_ended(sock: socket.socket) -> bool:
    asked = select.poll()
    try:
        asked.register(sock, select.POLLRDHUP)
        return bool(asked.poll(0))
    except (OSError, ValueError):  # another thread has closed it
        return True


def patience(limit_s: float, left_s: float | None = None) -> float:
    """How long to wait now, of ``limit_s`` seconds of which ``left_s`` are left.

    Raises ``EngineTooSlow`` when they are over, or the request's own time is.
    """
    wait_s = deadline.left(limit_s if left_s is None else left_s)
    if wait_s <= 0:
        raise too_slow(limit_s)
    return wait_s


def is_gibberish(error: BaseException | None) -> bool:
    """Whether an answer came and was no HTTP; a connection that closed early says nothing of the kind."""
    return isinstance(error, http.client.HTTPException) and not isinstance(
        error, (http.client.RemoteDisconnected, http.client.IncompleteRead, http.client.NotConnected)
    )


@contextmanager
def sensible(asked: str) -> Iterator[None]:
    """An answer of another shape than the engine's API promises shows where it is read: it is the engine's fault."""
    try:
        yield
    except SHAPE_ERRORS as error:
        raise gibberish(asked, type(error).__name__) from error


def gibberish(asked: str, why: object) -> EngineMisbehaved:
    """The error for an answer that is no HTTP, has no end, or says something else than was asked."""
    return EngineMisbehaved(
        code="engine-answered-strangely", detail=f"The engine's answer to {asked} makes no sense: {why}."
    )


def unreachable(address: EngineAddress, why: str) -> EngineUnreachable:
    """The error for an engine that does not answer, with how to bring it back."""
    return EngineUnreachable(
        code="engine-unreachable",
        detail=f"No Docker engine answers at {address.url}: {why}.",
        remedy=Remedy(
            "Start the engine, or set DOCKER_HOST to where it listens.", commands=("systemctl start docker",)
        ),
    )


def too_slow(after_s: float) -> EngineTooSlow:
    """The error for an engine that did not answer in time."""
    return EngineTooSlow(
        code="engine-too-slow",
        detail=f"The Docker engine did not answer within {after_s:g} s; a change asked for may still happen.",
        remedy=Remedy("Look at the thing before trying again; an Idempotency-Key makes the retry safe."),
    )
