"""Sees the packets of one flow at every interface of a namespace (packet(7)).

One socket for each namespace sees all interfaces: a veth, a bridge, the host's own link. A filter in the kernel
(classic BPF, socket(7)) passes only what has the flow's source port or echo identifier; the exact choice is made
afterwards (``analysis.trace``). Timestamps are the kernel's own.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections.abc import Sequence

from bridgework.model.trace import Flow, PacketSeen, Place
from bridgework.printable import printable
from bridgework.probes.kinds.reasons import IPV4
from bridgework.probes.trace.heads import ICMP_NUMBER, PROTOCOL_NUMBERS, head_of

_LIBC = ctypes.CDLL(None, use_errno=True)
_SOCKADDR_LL = struct.Struct("=HHiHBB8s")
_SO_ATTACH_FILTER = 26
# The kernel switches its timestamps on in the background. SO_TIMESTAMPNS fills in the time of the read until then;
# SO_TIMESTAMPING gives no time.
_SO_TIMESTAMPING, _RX_SOFTWARE, _SOFTWARE = 37, 1 << 3, 1 << 4
_ETH_P_ALL, _PACKET_OUTGOING = 3, 4
_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS = 263, 6, struct.Struct("=II")
MAX_PACKETS = 512
KEPT_BYTES = 256
_RECEIVE_BYTES, _CONTROL_BYTES = 1024, 128
_TIMESPEC = struct.Struct("@qq")
# Classic BPF (linux/bpf_common.h).
_LD_BYTE, _LD_HALF_X = 0x30, 0x48
_LDX_IP_HEADER_LENGTH, _LDX_IMMEDIATE, _SHIFT_RIGHT = 0xB1, 0x01, 0x74
_EQUAL, _RETURN = 0x15, 0x06
_PROTOCOL_AT, _HEADER_BYTES = {4: 9, 6: 6}, {4: 20, 6: 40}
_Step = tuple[int, int, int, int]


def open_sightings(flow: Flow) -> socket.socket:
    """Open the socket in the calling thread's namespace. Raises ``PermissionError`` without CAP_NET_RAW."""
    # Without a protocol the socket gets nothing until it is bound, so no packet comes before the filter.
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, 0)
    try:
        attach_filter(sock, flow)
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _RX_SOFTWARE | _SOFTWARE)
        _bind_everywhere(sock)
    except OSError:
        sock.close()
        raise
    return sock


def attach_filter(sock: socket.socket, flow: Flow) -> None:
    """Pass only packets that can be the flow's. Raises ``OSError``."""
    program = _program_of(flow)
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(code)))


def _bind_everywhere(sock: socket.socket) -> None:
    """Bind to all interfaces, for which Python's ``bind`` has no form: it wants the name of one."""
    address = _SOCKADDR_LL.pack(socket.AF_PACKET, socket.htons(_ETH_P_ALL), 0, 0, 0, 0, bytes(8))
    if _LIBC.bind(sock.fileno(), address, len(address)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _program_of(flow: Flow) -> Sequence[_Step]:
    """Build the program: it passes packets with the flow's number, and ICMP errors that quote such a packet.

    Where a destination may lead the flow on over a connection of its own (docker-proxy), the first packets of TCP and
    all of UDP to the ports behind it pass too.
    """
    version, header = flow.version, _HEADER_BYTES[flow.version]
    number, icmp = PROTOCOL_NUMBERS.get(flow.protocol, ICMP_NUMBER[version]), ICMP_NUMBER[version]
    quoted = 8 + header
    tests: list[tuple[int, int]] = []  # the offset of a half word behind the IP header, and the value that it must have
    if flow.protocol in PROTOCOL_NUMBERS:
        tests += [(0, flow.identifier), (2, flow.identifier)]
        ports = {port for _, port in flow.behind if port is not None}
        tests += [(at, port) for port in sorted(ports) for at in (0, 2)]
        of_error = [(quoted, flow.identifier), (quoted + 2, flow.identifier)]
    else:
        tests += [(4, flow.identifier)]
        of_error = [(quoted + 4, flow.identifier)]
    own, errors = _halves(tests), _halves(of_error)
    if number == icmp:
        own, errors = own + errors, []
    at_rest = (_LDX_IP_HEADER_LENGTH, 0, 0, 0) if version == IPV4 else (_LDX_IMMEDIATE, 0, 0, header)
    body: list[_Step] = [at_rest, (_LD_BYTE, 0, 0, _PROTOCOL_AT[version])]
    reject: _Step = (_RETURN, 0, 0, 0)
    body += [(_EQUAL, 0, len(own) + 1, number), *own, reject]
    body += [(_EQUAL, 0, len(errors), icmp), *errors]
    start: list[_Step] = [(_LD_BYTE, 0, 0, 0), (_SHIFT_RIGHT, 0, 0, 4), (_EQUAL, 0, len(body), version)]
    return [*start, *body, reject]


def _halves(tests: Sequence[tuple[int, int]]) -> list[_Step]:
    """Pass a packet for which one of the tests holds."""
    steps: list[_Step] = []
    for at, value in tests:
        steps += [(_LD_HALF_X, 0, 0, at), (_EQUAL, 0, 1, value), (_RETURN, 0, 0, 0xFFFF)]
    return steps


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
            packets.append(PacketSeen(place, name, leaving, _time_of(control), head, data[:KEPT_BYTES]))


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
