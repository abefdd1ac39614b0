"""ICMP echo on the wire (RFC 792, RFC 4443), as bytes: what is sent, and what an incoming datagram says about it.

An answer counts only when its identifier, its sequence number and a random token in its payload are those that were
sent: every raw socket in a namespace sees every reply, also those to other programs. Nothing here opens a socket.
"""

from __future__ import annotations

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


class Heard(NamedTuple):
    """An echo reply (``reason`` is ``None``), or an error that quotes an echo request.

    ``destination`` (packed) is whom the quoted request was for; ``None`` for a reply. ``payload`` may be cut short
    in a quotation.
    """

    identifier: int
    sequence: int
    payload: bytes
    reason: Reason | None = None
    destination: bytes | None = None
    mtu_bytes: int | None = None


def request(version: int, identifier: int, sequence: int, payload: bytes) -> bytes:
    """An echo request. The kernel fills in ICMPv6's checksum, which covers addresses that it chooses."""
    kind = REQUEST_TYPE[version]
    bare = _HEADER.pack(kind, 0, 0, identifier, sequence) + payload
    if version != IPV4:
        return bare
    return _HEADER.pack(kind, 0, checksum(bare), identifier, sequence) + payload


def payload_of(token: bytes, size: int) -> bytes:
    """``size`` bytes that begin with as much of the token as fits."""
    return token[:size].ljust(size, b"\x2a")


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    return fold(sum(struct.unpack(f"!{len(data) // 2}H", data)))


def fold(total: int) -> int:
    """The one's complement of a sum of 16-bit words."""
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def parse(version: int, datagram: bytes) -> Heard | None:
    """What a datagram from a raw socket says (with its IP header for version 4); ``None`` when it is not about echo."""
    message = datagram[(datagram[0] & 0x0F) * 4 :] if version == IPV4 and datagram else datagram
    if len(message) < HEADER_BYTES:
        return None
    kind, code, _, identifier, sequence = _HEADER.unpack_from(message)
    if kind == REPLY_TYPE[version]:
        return Heard(identifier, sequence, message[HEADER_BYTES:])
    reason = of_icmp(version, kind, code)
    if reason is None:
        return None
    mtu = (_MTU4 if version == IPV4 else _MTU6).unpack_from(message)[0] if reason is Reason.MESSAGE_TOO_LONG else None
    return _quoted(version, message[HEADER_BYTES:], reason, mtu or None)


def _quoted(version: int, packet: bytes, reason: Reason, mtu: int | None) -> Heard | None:
    if version == IPV4:
        if len(packet) < _IPV4_MIN_BYTES or packet[9] != _PROTOCOL_ICMP:
            return None
        destination, inner = packet[16:20], packet[(packet[0] & 0x0F) * 4 :]
    else:
        destination, inner = packet[24:40], _inner_of_ipv6(packet)
    if len(inner) < HEADER_BYTES or inner[0] != REQUEST_TYPE[version]:
        return None
    identifier, sequence = struct.unpack_from("!4xHH", inner)
    return Heard(identifier, sequence, inner[HEADER_BYTES:], reason, destination, mtu)


def _inner_of_ipv6(packet: bytes) -> bytes:
    """The ICMPv6 message of a packet, or of the first fragment of one (RFC 8200, 4.5); empty for anything else."""
    if len(packet) < _IPV6_HEADER_BYTES + _FRAGMENT_HEADER_BYTES:
        return b""
    following, inner = packet[6], packet[_IPV6_HEADER_BYTES:]
    if following == _FRAGMENT and not _FRAGMENT_OFFSET.unpack_from(inner)[0] >> 3:
        following, inner = inner[0], inner[_FRAGMENT_HEADER_BYTES:]
    return inner if following == _PROTOCOL_ICMP6 else b""
