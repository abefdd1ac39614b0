"""Probe by ICMP echo: one request, one answer or one reason.

It believes an answer only from the address asked, with our identifier, sequence number and token; it believes an
ICMP error only when that quotes our request. It never retries and never falls back to another protocol.
"""

from __future__ import annotations

import os
import select
import socket
import time
from dataclasses import dataclass

from bridgework.model.checks import ProbeRequest, Reason
from bridgework.probes.kinds import echo, raw_icmp
from bridgework.probes.kinds.attempts import Attempt
from bridgework.probes.kinds.reasons import IPV4, failure
from bridgework.probes.kinds.sockaddr import SocketAddress, known_mtu, numeric

_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _IPV6_DONTFRAG = 10, 23, 62
_PMTUDISC_DONT, _PMTUDISC_PROBE = 0, 3
_RECEIVE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class _Sent:
    version: int
    address: str
    packed: bytes
    identifier: int
    payload: bytes

    def concerns(self, heard: echo.Heard, sender: str) -> bool:
        if (heard.identifier, heard.sequence) != (self.identifier, 1):
            return False
        if heard.reason is None:
            return sender == self.address and heard.payload == self.payload
        return heard.destination == self.packed and self.payload.startswith(heard.payload[: len(self.payload)])


def probe(request: ProbeRequest, address: str, ends: float) -> Attempt:
    """Send one echo request of ``payload_bytes`` and wait until ``ends``.

    ``message-too-long`` (only with ``dont_fragment``) carries the path MTU where a router or the kernel named it.
    """
    identifier, token = int.from_bytes(os.urandom(2)), os.urandom(echo.TOKEN_BYTES)
    try:
        version, sockaddr = numeric(address, 0)
    except OSError as error:
        return Attempt(reason=Reason.NO_ADDRESS, detail=error.strerror)
    try:
        sock = raw_icmp.open_echo_socket(version, identifier)
    except PermissionError:
        return Attempt(reason=Reason.NAMESPACE_OUT_OF_REACH, detail="raw sockets need CAP_NET_RAW")
    except OSError as error:
        return failure(error)
    with sock:
        packed = socket.inet_pton(sock.family, sockaddr[0].partition("%")[0])
        payload = echo.payload_of(token, request.payload_bytes)
        sent = _Sent(version, sockaddr[0].partition("%")[0], packed, identifier, payload)
        return _exchange(sock, sent, sockaddr, ends, dont_fragment=request.dont_fragment)


def _exchange(
    sock: socket.socket, sent: _Sent, sockaddr: SocketAddress, ends: float, *, dont_fragment: bool
) -> Attempt:
    packet = echo.request(sent.version, sent.identifier, 1, sent.payload)
    try:
        _set_fragmentation(sock, sent.version, allowed=not dont_fragment)
        started = time.perf_counter()
        sock.sendto(packet, sockaddr)
    except OSError as error:
        attempt = failure(error)
        if attempt.reason is not Reason.MESSAGE_TOO_LONG:
            return attempt
        return Attempt(reason=attempt.reason, detail=attempt.detail, path_mtu_bytes=known_mtu(sent.version, sockaddr))
    return _wait(sock, sent, started, ends)


def _set_fragmentation(sock: socket.socket, version: int, *, allowed: bool) -> None:
    discover = _PMTUDISC_DONT if allowed else _PMTUDISC_PROBE
    if version == IPV4:
        sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, discover)
        return
    sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, discover)
    sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_DONTFRAG, int(not allowed))


def _wait(sock: socket.socket, sent: _Sent, started: float, ends: float) -> Attempt:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    while (left_s := ends - time.monotonic()) > 0:
        if not poll.poll(left_s * 1000):
            break
        try:
            datagram, sender = sock.recvfrom(_RECEIVE_BYTES)
        except OSError as error:
            return failure(error)
        elapsed_ms = (time.perf_counter() - started) * 1000
        heard = echo.parse(sent.version, datagram)
        if heard and sent.concerns(heard, str(sender[0]).partition("%")[0]):
            return _answered(heard, elapsed_ms, str(sender[0]))
    return Attempt(reason=Reason.TIMED_OUT)


def _answered(heard: echo.Heard, elapsed_ms: float, sender: str) -> Attempt:
    if heard.reason is None:
        return Attempt(rtt_ms=elapsed_ms)
    return Attempt(reason=heard.reason, detail=f"said by {sender}", path_mtu_bytes=heard.mtu_bytes)
