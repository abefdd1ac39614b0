"""What a matrix sends over a connected socket, and how it judges the answer: TCP, UDP, HTTP and DNS as a table.

A pair gets the plainest form of each protocol: no path, no expected status and no question of the caller's.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import dns.exception
import dns.message
import dns.rdatatype

from bridgework.matrix.rows import Destination
from bridgework.model.checks import Protocol, Reason
from bridgework.probes.kinds.dns import ROOT, judge
from bridgework.probes.kinds.http import DEFAULT_PORT
from bridgework.probes.resolver.exchange import DNS_PORT, read_answer


@dataclass(frozen=True, slots=True)
class ConnectProtocol:
    """One protocol. ``request`` is sent once connected; without one, a connection is the whole answer.

    ``judge`` returns ``None`` when an answer is a success. ``silence`` is the reason when no answer comes.
    """

    kind: socket.SocketKind
    port: int
    request: Callable[[Destination], bytes] | None = None
    judge: Callable[[bytes], Reason | None] = lambda _: None
    silence: Reason = Reason.TIMED_OUT


def _http_request(destination: Destination) -> bytes:
    host = destination.sockaddr[0].partition("%")[0]
    host = f"[{host}]" if ":" in host else host
    return f"GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: bridgework\r\nConnection: close\r\n\r\n".encode()


def _judge_http(data: bytes) -> Reason | None:
    # The first bytes decide: any status line is an answer, and no later bytes are read.
    if not data:
        return Reason.CONNECTION_RESET
    return None if data.startswith(b"HTTP/") else Reason.UNEXPECTED_ANSWER


def _dns_request(_: Destination) -> bytes:
    return dns.message.make_query(ROOT, dns.rdatatype.NS).to_wire()


def _judge_dns(data: bytes) -> Reason | None:
    try:
        return judge(read_answer(data), 0.0).reason
    except dns.exception.DNSException:
        return Reason.UNEXPECTED_ANSWER


CONNECT_PROTOCOLS: Mapping[Protocol, ConnectProtocol] = {
    Protocol.TCP: ConnectProtocol(socket.SOCK_STREAM, 0),
    Protocol.HTTP: ConnectProtocol(socket.SOCK_STREAM, DEFAULT_PORT, _http_request, _judge_http),
    # UDP: silence proves nothing, an open port may have nothing to say to one byte.
    Protocol.UDP: ConnectProtocol(socket.SOCK_DGRAM, 0, lambda _: b"\0", silence=Reason.NO_ANSWER),
    Protocol.DNS: ConnectProtocol(socket.SOCK_DGRAM, DNS_PORT, _dns_request, _judge_dns),
}
