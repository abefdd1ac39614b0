"""ICMP echo messages (RFC 792, RFC 4443) as bytes. Nothing here opens a socket."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from bridgework.model.checks import Reason
from bridgework.probes.kinds.reasons import IPV4, of_icmp

HEADER_BYTES = 8
TOKEN_BYTES = 16
REQUEST_TYPE = {4: 8, 6: 128}
REPLY_TYPE = {4: 0, 6: 129}
_HEADER = struct.Struct("!BBHHH")
_IPV4_MIN_BYTES, _IPV6_HEADER_BYTES = 20, 40
_PROTOCOL_ICMP, _PROTOCOL_ICMP6 = 1, 58
_FRAGMENT, _FRAGMENT_HEADER_BYTES, _FRAGMENT_OFFSET = 44, 8, struct.Struct("!2xH")
_MTU4, _MTU6 = struct.Struct("!6xH"), struct.Struct("!4xI")


class EchoMessage(NamedTuple):
    """An echo reply, or an ICMP error that quotes an echo request; a reply has no ``reason`` and no ``destination``.

    ``destination`` is the packed address to which the quoted request was sent. A quoted ``payload`` may be cut short.
    """

    identifier: int
    sequence: int
    payload: bytes
    reason: Reason | None = None
    destination: bytes | None = None
    mtu_bytes: int | None = None


def request(version: int, identifier: int, sequence: int, payload: bytes) -> bytes:
    """Build an echo request. The kernel fills in ICMPv6's checksum, which covers addresses that it chooses."""
    kind = REQUEST_TYPE[version]
    bare = _HEADER.pack(kind, 0, 0, identifier, sequence) + payload
    if version != IPV4:
        return bare
    return _HEADER.pack(kind, 0, checksum(bare), identifier, sequence) + payload


def payload_of(token: bytes, size: int) -> bytes:
    """Return ``size`` bytes that begin with as much of the token as fits."""
    return token[:size].ljust(size, b"\x2a")


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    return fold(sum(struct.unpack(f"!{len(data) // 2}H", data)))


def fold(total: int) -> int:
    """Return the one's complement of a sum of 16-bit words."""
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def parse(version: int, datagram: bytes) -> EchoMessage | None:
    """Parse a datagram of a raw socket; ``None`` when it is not about echo."""
    # A raw IPv4 socket delivers the IP header too, a raw IPv6 socket does not (raw(7), RFC 3542 section 3).
    message = datagram[(datagram[0] & 0x0F) * 4 :] if version == IPV4 and datagram else datagram
    if len(message) < HEADER_BYTES:
        return None
    kind, code, _, identifier, sequence = _HEADER.unpack_from(message)
    if kind == REPLY_TYPE[version]:
        return EchoMessage(identifier, sequence, message[HEADER_BYTES:])
    reason = of_icmp(version, kind, code)
    if reason is None:
        return None
    mtu = (_MTU4 if version == IPV4 else _MTU6).unpack_from(message)[0] if reason is Reason.MESSAGE_TOO_LONG else None
    return _quoted(version, message[HEADER_BYTES:], reason, mtu or None)


def _quoted(version: int, packet: bytes, reason: Reason, mtu: int | None) -> EchoMessage | None:
    if version == IPV4:
        if len(packet) < _IPV4_MIN_BYTES or packet[9] != _PROTOCOL_ICMP:
            return None
        destination, inner = packet[16:20], packet[(packet[0] & 0x0F) * 4 :]
    else:
        destination, inner = packet[24:40], _inner_of_ipv6(packet)
    if len(inner) < HEADER_BYTES or inner[0] != REQUEST_TYPE[version]:
        return None
    identifier, sequence = struct.unpack_from("!4xHH", inner)
    return EchoMessage(identifier, sequence, inner[HEADER_BYTES:], reason, destination, mtu)


def _inner_of_ipv6(packet: bytes) -> bytes:
    """Return the ICMPv6 message of a packet or of its first fragment (RFC 8200, section 4.5), else nothing."""
    if len(packet) < _IPV6_HEADER_BYTES + _FRAGMENT_HEADER_BYTES:
        return b""
    following, inner = packet[6], packet[_IPV6_HEADER_BYTES:]
    if following == _FRAGMENT and not _FRAGMENT_OFFSET.unpack_from(inner)[0] >> 3:
        following, inner = inner[0], inner[_FRAGMENT_HEADER_BYTES:]
    return inner if following == _PROTOCOL_ICMP6 else b""


def source_of(version: int, datagram: bytes, sender: str) -> bytes:
    """Return the packed source address of a datagram of a raw socket; ``sender`` is what recvfrom(2) named."""
    return datagram[12:16] if version == IPV4 else socket.inet_pton(socket.AF_INET6, sender.partition("%")[0])


def is_about(message: EchoMessage, destination: bytes, payload: bytes, source: bytes) -> bool:
    """Return whether the message, whose identifier and sequence number fit, is about our request.

    ``destination`` and ``payload`` are those of the request. Anyone in the namespace can see its numbers, so a reply
    must also come from the destination and carry our random token, and an error must quote our request.
    """
    if message.reason is None:
        return source == destination and message.payload == payload
    return message.destination == destination and payload.startswith(message.payload[: len(payload)])
