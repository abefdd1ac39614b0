"""What a matrix says over a connected socket, and how it takes the answer: TCP, UDP, HTTP and DNS in a table.

A pair gets the plainest form of each protocol: no path, no expected status, no question of the caller's.
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

_HTTP_BEGINS = b"HTTP/"


@dataclass(frozen=True, slots=True)
class ConnectProtocol:
    """``opening`` is what is sent once connected, ``None`` when being connected is all; silence means ``silence``."""

    kind: socket.SocketKind
    port: int
    opening: Callable[[Destination], bytes] | None = None
    take: Callable[[bytes], Reason | None] = lambda _: None
    silence: Reason = Reason.TIMED_OUT


def _http_opening(destination: Destination) -> bytes:
    host = destination.sockaddr[0].partition("%")[0]
    named = f"[{host}]" if ":" in host else host
    return f"GET / HTTP/1.1\r\nHost: {named}\r\nUser-Agent: bridgework\r\nConnection: close\r\n\r\n".encode()


def _take_http(data: bytes) -> Reason | None:
    if not data:
        return Reason.CONNECTION_RESET
    return None if data.startswith(_HTTP_BEGINS) else Reason.UNEXPECTED_ANSWER


def _dns_opening(_: Destination) -> bytes:
    return dns.message.make_query(ROOT, dns.rdatatype.NS).to_wire()


def _take_dns(data: bytes) -> Reason | None:
    try:
        return judge(read_answer(data), 0.0).reason
    except dns.exception.DNSException:
        return Reason.UNEXPECTED_ANSWER


CONNECT_PROTOCOLS: Mapping[Protocol, ConnectProtocol] = {
    Protocol.TCP: ConnectProtocol(socket.SOCK_STREAM, 0),
    Protocol.HTTP: ConnectProtocol(socket.SOCK_STREAM, DEFAULT_PORT, _http_opening, _take_http),
    Protocol.UDP: ConnectProtocol(socket.SOCK_DGRAM, 0, lambda _: b"\0", silence=Reason.NO_ANSWER),
    Protocol.DNS: ConnectProtocol(socket.SOCK_DGRAM, DNS_PORT, _dns_opening, _take_dns),
}


def default_port(protocol: Protocol) -> int:
    """The protocol's own port; 0 where it has none."""
    conversation = CONNECT_PROTOCOLS.get(protocol)
    return conversation.port if conversation else 0
