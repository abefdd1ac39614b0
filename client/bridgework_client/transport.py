"""Requests and answers: connections, retries, problem documents, lines as they arrive."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import socket
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from bridgework_client.errors import NotBridgework, Problem, ServiceUnreachable

DEFAULT_URL = "http://127.0.0.1:8080"
DEFAULT_PORTS = {"http": 80, "https": 443}
JSON = "application/json"
PROBLEM = "application/problem+json"
CONNECT_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 30.0
SILENCE_SECONDS = 15.0
"""An event stream sends a comment every few seconds, and a stream of lines a heartbeat each second."""
KEPT = 4
"""Connections that wait for a next request."""
UNFINISHED = {"start", "row", "progress", "heartbeat"}
"""The types of lines that another line follows."""

Query = Mapping[str, str | float | bool | Sequence[str] | Sequence[int] | None]


@dataclass(frozen=True)
class Request:
    """A request to the service. ``repeatable`` means that the client may send it again when no answer came."""

    method: str
    path: str
    query: Query = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    accept: str = JSON
    idempotency_key: str | None = None
    repeatable: bool = True
    expected: Sequence[int] = ()
    """Statuses of 400 and more that come with a document of the operation, such as the 503 of ``/readyz``."""

    def with_query(self, **more: str | None) -> Request:
        """Return the same request with more parameters in its query."""
        return replace(self, query={**self.query, **more})

    def target(self, prefix: str) -> str:
        """Write the path and the query as they stand in the request line."""
        pairs = [(name, _text(each)) for name, value in self.query.items() for each in _values(value)]
        return f"{prefix}{self.path}" + (f"?{urlencode(pairs)}" if pairs else "")


def _values(value: Any) -> list[Any]:
    if value is None:
        return []
    return [value] if isinstance(value, (str, int, float, bool)) else list(value)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def new_key() -> str:
    """Return an idempotency key that no other request uses."""
    return str(uuid.uuid4())


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _NotSent(Exception):
    """The connection could not be made, so the service has seen nothing of the request."""


class _Lost(Exception):
    """The connection ended before the answer was complete. The service may have done what was asked."""


class Transport:
    """Sends requests to one service. Several threads may share it: each takes a connection of its own.

    Args:
        url: ``http://host:port``, ``https://host`` or ``unix:/path``, with a path if the service is below one.
        token: The bearer token.
        ca_file: Certificates to trust for ``https``, instead of those of the system.
        timeout_s: Longest wait for an answer. The service itself answers within 60 s by default.
        retries: How often a request is sent again after a lost connection, a 429 or a 503.

    Raises:
        ValueError: The URL has another scheme, or no host.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        token: str | None = None,
        *,
        ca_file: str | None = None,
        timeout_s: float = 75.0,
        retries: int = 2,
    ) -> None:
        self.url, self.token, self.timeout_s, self.retries = url, token, timeout_s, retries
        self._ca_file = ca_file
        self._idle: list[http.client.HTTPConnection] = []
        parts = urlsplit(url)
        if parts.scheme == "unix":
            if not parts.path:
                raise ValueError(f"{url!r} names no socket: write unix:/path/to/socket")
            self._prefix = ""
            return
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
            raise ValueError(f"{url!r} is not the URL of a service: write http://host:port, https://host or unix:/path")
        self._prefix = parts.path.rstrip("/")

    @staticmethod
    def path(template: str, *names: str) -> str:
        """Fill names into a path. A name may contain any character."""
        return template.format(*(quote(name, safe="") for name in names))

    def close(self) -> None:
        """Close the connections that wait for a next request."""
        while self._idle:
            self._idle.pop().close()

    def document(self, request: Request) -> Any:
        """Return the JSON document of an answer, or None when the answer has no body."""
        answer = self._answered(request)
        if not answer.body:
            return None
        try:
            return json.loads(answer.body)
        except ValueError as error:
            raise NotBridgework(f"{self.url} answered with something that is not JSON.") from error

    def document_and_tag(self, request: Request) -> tuple[Any, str | None]:
        """Return the JSON document of an answer and its ``ETag``."""
        answer = self._answered(request)
        return json.loads(answer.body), answer.etag

    def content(self, request: Request) -> bytes:
        """Return the body of an answer as it is."""
        return self._answered(request).body

    def text(self, request: Request) -> str:
        """Return the body of an answer as text."""
        return self.content(request).decode()

    def lines(self, request: Request) -> Iterator[Any]:
        """Yield the document of each line of an NDJSON stream as it arrives.

        Raises:
            Problem: A line says that the request could not be done.
            ServiceUnreachable: The stream ended early. It is not sent again: what it measured would begin from zero.
        """
        kind: str | None = "start"
        for line in self.raw_lines(request):
            if line.strip():
                document = json.loads(line)
                kind = document.get("type")
                if kind == "problem":
                    raise Problem(document["problem"])
                yield document
        # http.client reads a chunked body that was cut off as one that has ended.
        if kind in UNFINISHED:
            raise ServiceUnreachable(f"{self.url} stopped sending before the last line.")

    def raw_lines(self, request: Request) -> Iterator[str]:
        """Yield each line of a stream as it arrives. Raises like ``lines``."""
        try:
            connection = self._connect()
            sock = connection.sock  # http.client forgets it when the answer says that the connection will close
            response = self._send(connection, request)
        except (_NotSent, _Lost) as error:
            raise ServiceUnreachable(str(error)) from error
        try:
            if response.status >= http.client.BAD_REQUEST:
                raise _Answer(response.status, response.read(), response.headers.get_content_type()).refusal(self)
            sock.settimeout(SILENCE_SECONDS)
            while line := response.readline():
                yield line.decode()
        except (OSError, http.client.HTTPException) as error:
            raise ServiceUnreachable(f"{self.url} stopped sending: {_reason(error)}.") from error
        finally:
            response.close()
            connection.close()

    # -- one request ------------------------------------------------------------------------------------------------

    def _answered(self, request: Request) -> _Answer:
        """Send the request, and again where that helps; return an answer that is no failure."""
        attempt = 0
        lost = False
        while True:
            pause = FIRST_PAUSE_SECONDS * 2**attempt * random.uniform(0.5, 1)  # noqa: S311 - spreads retries
            try:
                answer = self._once(request)
            except _NotSent as error:
                failure: Exception = ServiceUnreachable(str(error))
                again = True
            except _Lost as error:
                failure = ServiceUnreachable(str(error))
                again, lost = request.repeatable, True
            else:
                if answer.status < http.client.BAD_REQUEST:
                    return answer
                if answer.status in request.expected and answer.media_type == JSON:
                    return answer
                if lost and request.method == "DELETE" and answer.status == http.client.NOT_FOUND:
                    return _Answer(http.client.NO_CONTENT, b"")  # the request whose answer was lost has deleted it
                failure = answer.refusal(self)
                again = answer.retry_after is not None and (answer.status == _TOO_MANY or request.repeatable)
                pause = max(pause, answer.retry_after or 0.0)
            if not again or attempt >= self.retries or pause > LONGEST_PAUSE_SECONDS:
                raise failure
            attempt += 1
            time.sleep(pause)

    def _once(self, request: Request) -> _Answer:
        # The service may close a kept connection at any moment (RFC 9112, section 9.3.1). What must not be sent twice
        # gets a new connection, so that a lost one never has to be told apart from a lost answer.
        if self._idle and request.repeatable:
            connection = self._idle.pop()
            try:
                return self._exchange(connection, request)
            except _Lost:
                connection.close()
        return self._exchange(self._connect(), request)

    def _exchange(self, connection: http.client.HTTPConnection, request: Request) -> _Answer:
        try:
            response = self._send(connection, request)
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _Lost(f"{self.url} gave no complete answer: {_reason(error)}.") from error
        if response.will_close or len(self._idle) >= KEPT:
            connection.close()
        else:
            self._idle.append(connection)
        return _Answer(
            response.status, body, response.headers.get_content_type(), _seconds(response), response.headers.get("ETag")
        )

    def _send(self, connection: http.client.HTTPConnection, request: Request) -> http.client.HTTPResponse:
        headers = {"Accept": request.accept, "User-Agent": "bridgework-client"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if request.idempotency_key:
            headers["Idempotency-Key"] = request.idempotency_key
        content = None
        if request.body is not None:
            content = json.dumps(request.body).encode()
            headers["Content-Type"] = JSON
        headers |= {name: value for name, value in request.headers.items() if value is not None}
        try:
            connection.request(request.method, request.target(self._prefix), content, headers)
            return connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _Lost(f"{self.url} gave no answer: {_reason(error)}.") from error

    def _connect(self) -> http.client.HTTPConnection:
        connection = self._connection()
        try:
            connection.connect()
        except OSError as error:
            connection.close()
            raise _NotSent(f"No Bridgework answers at {self.url}: {_reason(error)}.") from error
        connection.sock.settimeout(self.timeout_s)
        return connection

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        if parts.scheme == "unix":
            return _UnixConnection(parts.path, CONNECT_SECONDS)
        host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=CONNECT_SECONDS)
        import ssl  # noqa: PLC0415 - 10 ms that only https needs

        context = ssl.create_default_context(cafile=self._ca_file)
        return http.client.HTTPSConnection(host, port, timeout=CONNECT_SECONDS, context=context)


_TOO_MANY = 429


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes
    media_type: str = JSON
    retry_after: float | None = None
    etag: str | None = None

    def refusal(self, transport: Transport) -> Exception:
        if self.media_type == PROBLEM:
            with contextlib.suppress(ValueError):
                return Problem(json.loads(self.body))
        return NotBridgework(f"{transport.url} answered {self.status}, without a problem document of Bridgework.")


def _seconds(response: http.client.HTTPResponse) -> float | None:
    """Read ``Retry-After``, which Bridgework sends in seconds."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else None


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "the time is over"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
