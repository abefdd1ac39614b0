"""The HTTP probe: one GET over one new connection, and its status.

It follows no redirect, uses no proxy and reads no body. ``BoundedSocket`` ends the attempt in time and in size, also
against a server that sends its answer byte by byte, or ``100 Continue`` without end.
"""

from __future__ import annotations

import http.client
import socket
import time
from urllib.parse import quote

from bridgework.model.checks import Phases, ProbeRequest, Protocol, Reason
from bridgework.probes.kinds.attempts import Attempt
from bridgework.probes.kinds.kind import Connection
from bridgework.probes.kinds.sockaddr import Destination, destination_of
from bridgework.probes.kinds.stream import AnswerTooLongError, BoundedSocket
from bridgework.probes.kinds.tcp import connect

DEFAULT_PORT = Protocol.HTTP.traits.default_port or 0
MAX_HEAD_BYTES = 65_536
"""Everything before the body. ``http.client`` bounds one head, but reads any number of ``100 Continue`` before it."""
_PATH_CHARACTERS = "/%?&=;:@!$'()*+,~"


def probe(request: ProbeRequest, address: str, ends: float) -> Attempt:
    """Get ``http_path`` of ``http_host`` (default: the name, else the address).

    Without an ``expected_status`` any HTTP answer is a success. Raises ``ValueError`` for a host with line breaks.
    """
    port = request.port or DEFAULT_PORT
    destination = destination_of(address, port)
    started = time.perf_counter()
    sock = BoundedSocket(destination.socket(socket.SOCK_STREAM, request.flow_id), ends, MAX_HEAD_BYTES)
    with connect(sock, destination.sockaddr, ends):
        connected = time.perf_counter()
        try:
            status = _status(sock, request, host_header(request, address, port))
        except AnswerTooLongError:
            detail = f"no HTTP answer in the first {MAX_HEAD_BYTES} bytes"
            return Attempt(reason=Reason.UNEXPECTED_ANSWER, detail=detail)
        except ConnectionResetError:
            raise  # http.client.RemoteDisconnected is both this and an HTTPException
        except TimeoutError:
            # The connection opened: that the answer is lost may be a matter of the size of its packets.
            opened_ms = round((connected - started) * 1000, 3)
            return Attempt(reason=Reason.TIMED_OUT, phases_ms=Phases(connect=opened_ms))
        except http.client.HTTPException as error:
            return Attempt(reason=Reason.UNEXPECTED_ANSWER, detail=f"no HTTP answer: {type(error).__name__}")
    ended = time.perf_counter()
    connect_ms, first_byte_ms = (connected - started) * 1000, (ended - connected) * 1000
    phases = Phases(connect=round(connect_ms, 3), first_byte=round(first_byte_ms, 3))
    if request.expected_status not in {None, status}:
        detail = f"answered {status}, not {request.expected_status}"
        return Attempt(reason=Reason.UNEXPECTED_ANSWER, detail=detail, status=status, phases_ms=phases)
    return Attempt(rtt_ms=connect_ms + first_byte_ms, status=status, phases_ms=phases)


def _status(sock: BoundedSocket, request: ProbeRequest, host: str) -> int:
    connection = http.client.HTTPConnection("already-connected.invalid")
    connection.sock = sock
    sock.bound()
    path = quote(request.http_path, safe=_PATH_CHARACTERS)
    connection.request("GET", path, headers={"Host": host, "User-Agent": "bridgework", "Connection": "close"})
    return connection.getresponse().status


def host_header(request: ProbeRequest, address: str, port: int) -> str:
    """Return the ``Host`` (RFC 9110, section 7.2): a given one unchanged, else name or address, with a port but 80."""
    if request.http_host is not None:
        return request.http_host
    host = request.name or address.partition("%")[0]
    host = f"[{host}]" if ":" in host else host
    return host if port == DEFAULT_PORT else f"{host}:{port}"


def _plain_request(destination: Destination) -> bytes:
    host = destination.sockaddr[0].partition("%")[0]
    host = f"[{host}]" if ":" in host else host
    return f"GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: bridgework\r\nConnection: close\r\n\r\n".encode()


def _judge_start(data: bytes) -> Reason | None:
    # The first bytes decide: any status line is an answer, and no later bytes are read.
    if not data:
        return Reason.CONNECTION_RESET
    return None if data.startswith(b"HTTP/") else Reason.UNEXPECTED_ANSWER


CONNECTION = Connection(socket.SOCK_STREAM, _plain_request, _judge_start)
