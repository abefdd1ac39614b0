"""The ICMP echo probe: one request, and one answer or one reason. It never falls back to another protocol."""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from dataclasses import replace

from bridgework.model.checks import ProbeRequest, Reason
from bridgework.probes.kinds import echo, raw_icmp
from bridgework.probes.kinds.attempts import Attempt, failure
from bridgework.probes.kinds.reasons import IPV4
from bridgework.probes.kinds.sockaddr import Destination, destination_of, known_mtu

_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _IPV6_DONTFRAG = 10, 23, 62
_PMTUDISC_DONT, _PMTUDISC_PROBE = 0, 3
_SEQUENCE = 1
_RECEIVE_BYTES = 65_536


def probe(request: ProbeRequest, address: str, ends: float) -> Attempt:
    """Send one echo request of ``payload_bytes`` and wait until ``ends``.

    ``message-too-long`` (only with ``dont_fragment``) carries the path MTU where a router or the kernel named it.
    """
    destination = destination_of(address, 0)
    version = destination.version
    identifier = int.from_bytes(os.urandom(2)) if request.flow_id is None else request.flow_id
    payload = echo.payload_of(os.urandom(echo.TOKEN_BYTES), request.payload_bytes)
    try:
        sock = raw_icmp.open_echo_socket(version, identifier)
    except PermissionError:
        return Attempt(reason=Reason.NAMESPACE_OUT_OF_REACH, detail="a raw socket for ICMP needs CAP_NET_RAW")
    with sock:
        _set_fragmentation(sock, version, allowed=not request.dont_fragment)
        started = time.perf_counter()
        try:
            sock.sendto(echo.request(version, identifier, _SEQUENCE, payload), destination.sockaddr)
        except OSError as error:
            mtu = known_mtu(address) if error.errno == errno.EMSGSIZE else None
            return replace(failure(error), path_mtu_bytes=mtu)
        return _wait(sock, destination, (identifier, payload), started, ends)


def _set_fragmentation(sock: socket.socket, version: int, *, allowed: bool) -> None:
    discover = _PMTUDISC_DONT if allowed else _PMTUDISC_PROBE
    if version == IPV4:
        sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, discover)
        return
    sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, discover)
    sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_DONTFRAG, int(not allowed))


def _wait(
    sock: socket.socket, destination: Destination, sent: tuple[int, bytes], started: float, ends: float
) -> Attempt:
    identifier, payload = sent
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    while (left_s := ends - time.monotonic()) > 0 and poll.poll(left_s * 1000):
        datagram, sender = sock.recvfrom(_RECEIVE_BYTES)
        elapsed_ms = (time.perf_counter() - started) * 1000
        message = echo.parse(destination.version, datagram)
        if message is None or (message.identifier, message.sequence) != (identifier, _SEQUENCE):
            continue
        source = echo.source_of(destination.version, datagram, sender[0])
        if echo.is_about(message, destination.packed, payload, source):
            return _answered(message, elapsed_ms, sender[0])
    return Attempt(reason=Reason.TIMED_OUT)


def _answered(message: echo.EchoMessage, elapsed_ms: float, sender: str) -> Attempt:
    if message.reason is None:
        return Attempt(rtt_ms=elapsed_ms)
    return Attempt(reason=message.reason, detail=f"reported by {sender}", path_mtu_bytes=message.mtu_bytes)
