"""Reads the fields of a packet that tell it apart (RFC 791, 8200, 9293, 768, 792, 4443). Opens no socket."""

from __future__ import annotations

import socket
import struct
from dataclasses import replace

from bridgework.model.trace import Head

_IPV4, _IPV6 = 4, 6
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
"""The address family of each IP version."""
_IPV4_BYTES, _IPV6_BYTES, _PORTS_BYTES, _ICMP_BYTES, _TCP_BYTES = 20, 40, 4, 8, 20
PROTOCOL_NUMBERS = {"tcp": 6, "udp": 17}
ICMP_NUMBER = {4: 1, 6: 58}
_PORTS, _TCP, _ECHO = struct.Struct("!HH"), struct.Struct("!4xIIxB"), struct.Struct("!BBxxHH")
_NAMES = {6: "tcp", 17: "udp", 1: "icmp", 58: "ipv6-icmp"}
ECHO_TYPES = {4: (8, 0), 6: (128, 129)}
"""The types of an echo request and of its reply."""
_ERRORS = {4: frozenset({3, 11, 12}), 6: frozenset({1, 2, 3, 4})}
_FLAGS = ((0x02, "SYN"), (0x10, "ACK"), (0x01, "FIN"), (0x04, "RST"), (0x08, "PSH"))
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10


def head_of(packet: bytes, *, is_quoted: bool = False) -> Head | None:
    """Read a packet from its IP header on; ``None`` for what is no IP or has no whole header."""
    if not packet:
        return None
    version = packet[0] >> 4
    if version == _IPV4 and len(packet) >= _IPV4_BYTES:
        length = (packet[0] & 0x0F) * 4
        return _read(_IPV4, packet[9], packet[12:16], packet[16:20], packet[4:6], packet[length:], is_quoted=is_quoted)
    if version == _IPV6 and len(packet) >= _IPV6_BYTES:
        label = bytes((packet[1] & 0x0F,)) + packet[2:4]
        return _read(_IPV6, packet[6], packet[8:24], packet[24:40], label, packet[40:], is_quoted=is_quoted)
    return None


def _read(
    version: int, number: int, source: bytes, destination: bytes, label: bytes, rest: bytes, *, is_quoted: bool
) -> Head:
    family = FAMILY[version]
    ends = socket.inet_ntop(family, source), socket.inet_ntop(family, destination)
    protocol = _NAMES.get(number, str(number))
    if number == ICMP_NUMBER[version]:
        return _icmp(version, protocol, ends, rest, is_quoted=is_quoted)
    if protocol not in PROTOCOL_NUMBERS or len(rest) < _PORTS_BYTES:
        return Head(version, protocol, *ends)
    source_port, destination_port = _PORTS.unpack_from(rest)
    bare = Head(version, protocol, *ends, source_port, destination_port)
    if protocol == "tcp":
        if len(rest) < _TCP_BYTES:
            return bare
        sequence, acknowledged, flags = _TCP.unpack_from(rest)
        note = "-".join(name for bit, name in _FLAGS if flags & bit)
        return replace(bare, identity=(sequence, acknowledged, flags), note=note)
    # UDP has no number of its own. A packet of IPv4 with the identification 0 has nothing that distinguishes it.
    tag, length = int.from_bytes(label), int.from_bytes(rest[4:6])
    return replace(bare, identity=(tag, length) if tag else None, datagram_bytes=length)


def _icmp(version: int, protocol: str, ends: tuple[str, str], rest: bytes, *, is_quoted: bool) -> Head:
    if len(rest) < _ICMP_BYTES:
        return Head(version, protocol, *ends)
    kind, code, identifier, sequence = _ECHO.unpack_from(rest)
    if kind in ECHO_TYPES[version]:
        asks = kind == ECHO_TYPES[version][0]
        note = "echo request" if asks else "echo reply"
        return Head(version, protocol, *ends, identifier, identifier, (kind, identifier, sequence), note=note)
    quoted = head_of(rest[_ICMP_BYTES:], is_quoted=True) if kind in _ERRORS[version] and not is_quoted else None
    return Head(version, protocol, *ends, quoted=quoted, note=f"ICMP type {kind} code {code}")
