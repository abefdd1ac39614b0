"""The HTTP client for peers: it resolves their names, and every request has a timeout.

A name such as ``tasks.bridgework`` is resolved for each look, because the swarm's DNS then answers with every instance
that runs. The token file is read for each request, so the token can be replaced while the service runs.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bridgework.model.peers import FORWARDED_HEADER
from bridgework.telemetry import trace_context

DEFAULT_PORT = 8080
LOOK_S = 3.0
"""Timeout for reading a peer's lists. A healthy instance answers in milliseconds."""

MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_LINE_BYTES = 4 * 1024 * 1024


class PeerSilent(Exception):
    """A peer did not answer, or its answer cannot be read; the message is a sentence that says why."""


class PeerProblem(Exception):
    """A peer answered with a problem document (RFC 9457)."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        super().__init__(str(document.get("detail") or status))
        self.status = status
        self.document = document


@dataclass(frozen=True, slots=True)
class PeerClient:
    """Sends requests to peers; ``names`` are ``host:port``, each for one instance or many."""

    names: tuple[str, ...]
    token_file: Path | None = None

    def instances(self) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
        """Resolve the names: ``address:port`` of each instance, and each unknown name with the reason."""
        addresses: dict[str, None] = {}
        lost: list[tuple[str, str]] = []
        for name in self.names:
            host, port = split(name)
            try:
                answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except OSError as error:
                lost.append((name, f"The name is not known: {error.strerror or error}."))
                continue
            addresses |= dict.fromkeys(host_and_port(answer[4][0], port) for answer in answers)
        return tuple(addresses), tuple(lost)

    def ask(
        self, instance: str, method: str, path: str, body: Mapping[str, Any] | None = None, seconds: float = LOOK_S
    ) -> Any:
        """Send a request and return its JSON answer. Raises ``PeerSilent`` or ``PeerProblem``."""
        with closing(self._connection(instance, seconds)) as connection:
            response = self._sent(connection, method, path, body, "application/json")
            return _document(instance, response, _read(instance, response))

    def pages(self, instance: str, path: str) -> Sequence[Mapping[str, Any]]:
        """Return every item of a list, read page by page. Raises ``PeerSilent`` or ``PeerProblem``."""
        items: list[Mapping[str, Any]] = []
        cursor = ""
        while True:
            page = self.ask(instance, "GET", f"{path}?limit=1000{cursor}")
            items.extend(page.get("items") or ())
            if not page.get("next_cursor"):
                return items
            cursor = f"&cursor={page['next_cursor']}"

    def stream(self, instance: str, path: str, body: Mapping[str, Any], seconds: float) -> Lines:
        """Send a request whose answer is NDJSON; each line must arrive within ``seconds`` of the one before.

        Raises ``PeerSilent`` or ``PeerProblem``.
        """
        connection = self._connection(instance, seconds)
        try:
            response = self._sent(connection, "POST", path, body, "application/x-ndjson")
            if response.status != HTTPStatus.OK:
                _document(instance, response, _read(instance, response))
        except BaseException:
            connection.close()
            raise
        return Lines(instance, connection, response)

    def _connection(self, instance: str, seconds: float) -> http.client.HTTPConnection:
        host, port = split(instance)
        return http.client.HTTPConnection(host, port, timeout=seconds)

    def _sent(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        accept: str,
    ) -> http.client.HTTPResponse:
        headers = {"Accept": f"{accept}, application/problem+json", FORWARDED_HEADER: "1", **trace_context.carried()}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            if self.token_file is not None:
                headers["Authorization"] = f"Bearer {self.token_file.read_text(encoding='ascii').strip()}"
            connection.request(method, path, None if body is None else json.dumps(body).encode(), headers)
            return connection.getresponse()
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise silent(error) from error


class Lines:
    """The objects of an NDJSON answer. Closing it closes the connection, and the peer then stops its work."""

    def __init__(
        self, instance: str, connection: http.client.HTTPConnection, response: http.client.HTTPResponse
    ) -> None:
        self._instance, self._connection, self._response = instance, connection, response

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> Mapping[str, Any]:
        try:
            line = self._response.readline(MAX_LINE_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise silent(error) from error
        if not line:
            raise StopIteration
        return _object(self._instance, line)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _read(instance: str, response: http.client.HTTPResponse) -> bytes:
    try:
        body = response.read(MAX_ANSWER_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        raise silent(error) from error
    if len(body) > MAX_ANSWER_BYTES:
        raise PeerSilent(f"The answer of {instance} is longer than {MAX_ANSWER_BYTES} bytes.")
    return body


def _document(instance: str, response: http.client.HTTPResponse, body: bytes) -> Mapping[str, Any]:
    document = _object(instance, body)
    if response.status != HTTPStatus.OK:
        raise PeerProblem(response.status, document)
    return document


def _object(instance: str, body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise PeerSilent(f"What answers at {instance} is no instance of Bridgework.")
    return document


def silent(error: BaseException) -> PeerSilent:
    """Return the error for a request that failed on the network."""
    if isinstance(error, TimeoutError):
        return PeerSilent("Its instance does not answer in time.")
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return PeerSilent(f"Its instance does not answer: {words}.")


def split(name: str) -> tuple[str, int]:
    """Split ``host:port``; the port is optional. Raises ``ValueError``."""
    parts = urlsplit(f"//{name}")
    return parts.hostname or "", parts.port or DEFAULT_PORT


def host_and_port(host: str | int, port: int) -> str:
    """Return ``host:port``, with an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
