"""A capture file in the format pcapng (draft-ietf-opsawg-pcapng): one section, its interfaces, its packets."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from bridgework.model.trace import CapturedPacket

MEDIA_TYPE = "application/x-pcapng"
_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_BYTE_ORDER, _UNKNOWN_LENGTH = 0x1A2B3C4D, 0xFFFFFFFFFFFFFFFF
# Packets begin with their IP header (LINKTYPE_RAW).
_LINK_TYPE_RAW, _SNAP_LENGTH = 101, 0
_IPV4, _IPV6_BYTES = 4, 40
_END, _COMMENT, _NAME, _RESOLUTION, _NANOSECONDS = 0, 1, 2, 9, 9


def to_pcapng(packets: Sequence[CapturedPacket]) -> bytes:
    """Write the packets, each with its comment, in the order of their times."""
    names = list(dict.fromkeys(packet.interface for packet in packets))
    blocks = [_block(_SECTION, struct.pack("<IHHQ", _BYTE_ORDER, 1, 0, _UNKNOWN_LENGTH))]
    for name in names:
        options = _option(_NAME, name.encode()) + _option(_RESOLUTION, bytes((_NANOSECONDS,))) + _option(_END, b"")
        blocks.append(_block(_INTERFACE, struct.pack("<HHI", _LINK_TYPE_RAW, 0, _SNAP_LENGTH) + options))
    blocks += [_block(_PACKET, _packet(packet, names.index(packet.interface))) for packet in packets]
    return b"".join(blocks)


def _packet(packet: CapturedPacket, interface: int) -> bytes:
    high, low = packet.time_ns >> 32, packet.time_ns & 0xFFFFFFFF
    head = struct.pack("<IIIII", interface, high, low, len(packet.data), _length_of(packet.data))
    return head + _padded(packet.data) + _option(_COMMENT, packet.comment.encode()) + _option(_END, b"")


def _length_of(data: bytes) -> int:
    """Return the length of the packet on the wire, by its IP header: only its beginning is kept."""
    is_ipv4 = data[0] >> 4 == _IPV4
    total = struct.unpack_from("!H", data, 2)[0] if is_ipv4 else _IPV6_BYTES + struct.unpack_from("!H", data, 4)[0]
    return max(len(data), int(total))


def _block(kind: int, body: bytes) -> bytes:
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
