"""Probe by HTTP: one GET over one new connection, its status, and nothing more.

No redirect is followed, no proxy asked, no body read. One moment ends the whole attempt and one number bounds what is
read, also against a server that trickles its answer byte by byte or sends ``100 Continue`` without end.
"""

from __future__ import annotations

import http.client
import socket
import time
from urllib.parse import quote

from bridgework.model.checks import Phases, ProbeRequest, Reason
from bridgework.probes.kinds.attempts import Attempt
from bridgework.probes.kinds.reasons import failure
from bridgework.probes.kinds.sockaddr import family_of, numeric
from bridgework.probes.kinds.stream import BoundedSocket, TooMuchSaidError
from bridgework.probes.kinds.tcp import connect

DEFAULT_PORT = 80
MAX_HEAD_BYTES = 65_536
"""Everything before the body. ``http.client`` bounds one head, but reads any number of ``100 Continue`` before it."""
_PATH_CHARACTERS = "/%?&=;:@!$'()*+,~"


def probe(request: ProbeRequest, address: str, ends: float) -> Attempt:
    """Ask for ``http_path`` of ``http_host`` (else the name, else the address).

    Without an ``expected_status`` any HTTP answer is a success. Raises ``ValueError`` for a host with line breaks.
    """
    port = request.port or DEFAULT_PORT
    try:
        version, sockaddr = numeric(address, port)
    except OSError as error:
        return Attempt(reason=Reason.NO_ADDRESS, detail=error.strerror)
    started = time.perf_counter()
    try:
        sock = BoundedSocket(family_of(version), socket.SOCK_STREAM)
        sock.ends, sock.may_read = ends, MAX_HEAD_BYTES
        connect(sock, sockaddr, ends)
    except OSError as error:
        return failure(error)
    with sock:
        return _ask(sock, request, host_header(request, address, port), started)


def _ask(sock: BoundedSocket, request: ProbeRequest, host: str, started: float) -> Attempt:
    connected = time.perf_counter()
    connect_ms = round((connected - started) * 1000, 3)
    connection = http.client.HTTPConnection("already-connected.invalid")
    connection.sock = sock
    path = quote(request.http_path, safe=_PATH_CHARACTERS)
    try:
        sock.bound()
        connection.request("GET", path, headers={"Host": host, "User-Agent": "bridgework", "Connection": "close"})
        response = connection.getresponse()
    except OSError as error:
        return failure(error)
    except TooMuchSaidError:
        detail = f"no HTTP answer in the first {MAX_HEAD_BYTES} bytes"
        return Attempt(reason=Reason.UNEXPECTED_ANSWER, detail=detail)
    except http.client.HTTPException as error:
        return Attempt(reason=Reason.UNEXPECTED_ANSWER, detail=f"no HTTP answer: {type(error).__name__}")
    ended = time.perf_counter()
    phases = Phases(connect=connect_ms, first_byte=round((ended - connected) * 1000, 3))
    return _judge(response.status, request.expected_status, phases, (ended - started) * 1000)


def _judge(status: int, expected: int | None, phases: Phases, elapsed_ms: float) -> Attempt:
    if expected is not None and status != expected:
        detail = f"answered {status}, not {expected}"
        return Attempt(reason=Reason.UNEXPECTED_ANSWER, detail=detail, status=status, phases_ms=phases)
    return Attempt(rtt_ms=elapsed_ms, status=status, phases_ms=phases)


def host_header(request: ProbeRequest, address: str, port: int) -> str:
    """The ``Host`` of RFC 9110, 7.2: a given one as it stands, else the name or address, the port unless it is 80."""
    if request.http_host is not None:
        return request.http_host
    host = request.name or address.partition("%")[0]
    host = f"[{host}]" if ":" in host else host
    return host if port == DEFAULT_PORT else f"{host}:{port}"
