"""Sees the packets of one flow at every interface of a namespace (packet(7)).

One socket for each namespace sees all interfaces: a veth, a bridge, the host's own link. A filter in the kernel passes
the packets and cuts them (``packet_filter``). Timestamps are the kernel's own.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections.abc import Sequence

from bridgework.model.trace import Flow, PacketSeen, Place
from bridgework.printable import printable
from bridgework.probes.trace.heads import head_of
from bridgework.probes.trace.packet_filter import program_of

_LIBC = ctypes.CDLL(None, use_errno=True)
_SOCKADDR_LL = struct.Struct("=HHiHBB8s")
_SO_ATTACH_FILTER = 26
# The kernel switches its timestamps on in the background. SO_TIMESTAMPNS fills in the time of the read until then;
# SO_TIMESTAMPING gives no time.
_SO_TIMESTAMPING, _RX_SOFTWARE, _SOFTWARE = 37, 1 << 3, 1 << 4
_ETH_P_ALL, _PACKET_OUTGOING = 3, 4
_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS = 263, 6, struct.Struct("=II")
MAX_PACKETS = 512
_RECEIVE_BYTES, _CONTROL_BYTES = 2048, 128
_TIMESPEC = struct.Struct("@qq")


def open_sightings(flow: Flow, *, with_proxy: bool) -> socket.socket:
    """Open the socket in the calling thread's namespace. Raises ``PermissionError`` without CAP_NET_RAW."""
    # Without a protocol the socket gets nothing until it is bound, so no packet comes before the filter.
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, 0)
    try:
        attach_filter(sock, flow, with_proxy=with_proxy)
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _RX_SOFTWARE | _SOFTWARE)
        _bind_everywhere(sock)
    except OSError:
        sock.close()
        raise
    return sock


def attach_filter(sock: socket.socket, flow: Flow, *, with_proxy: bool) -> None:
    """Pass only packets that can be the flow's, without their payload. Raises ``OSError``."""
    program, length = program_of(flow, with_proxy=with_proxy)
    code = ctypes.create_string_buffer(program)
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", length, ctypes.addressof(code)))


def _bind_everywhere(sock: socket.socket) -> None:
    """Bind to all interfaces, for which Python's ``bind`` has no form: it wants the name of one."""
    address = _SOCKADDR_LL.pack(socket.AF_PACKET, socket.htons(_ETH_P_ALL), 0, 0, 0, 0, bytes(8))
    if _LIBC.bind(sock.fileno(), address, len(address)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def received(sock: socket.socket, place: Place) -> tuple[list[PacketSeen], bool]:
    """Return the packets that came so far, and whether there were more than are kept."""
    packets: list[PacketSeen] = []
    while True:
        try:
            data, control, _, address = sock.recvmsg(_RECEIVE_BYTES, _CONTROL_BYTES)
        except BlockingIOError:
            return packets, False
        except OSError:  # an interface went down (ENETDOWN); what came before is still there
            continue
        if len(packets) >= MAX_PACKETS:
            return packets, True
        head = head_of(data)
        if head is not None:
            leaving = address[2] == _PACKET_OUTGOING
            name = printable(address[0])
            packets.append(PacketSeen(place, name, leaving, _time_of(control), head, data))


def dropped_by(sock: socket.socket) -> int:
    """Return how many packets the kernel dropped since the last call, because the socket's buffer was full."""
    _, dropped = _STATISTICS.unpack(sock.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size))
    return int(dropped)


def _time_of(control: Sequence[tuple[int, int, bytes]]) -> int:
    for level, kind, data in control:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPING) and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            return int(seconds * 1_000_000_000 + nanoseconds)
    return 0
