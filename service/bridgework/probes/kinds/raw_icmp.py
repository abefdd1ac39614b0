"""Raw ICMP sockets with two filters in the kernel.

One is by type (``ICMP_FILTER`` of raw(7), ``ICMP6_FILTER`` of RFC 3542). The other drops replies with another
identifier (classic BPF of socket(7)), so that another program's flood of replies cannot fill our buffer.
"""

from __future__ import annotations

import ctypes
import socket
import struct

from bridgework.probes.kinds.reasons import IPV4

_SOL_RAW, _ICMP_FILTER, _ICMP6_FILTER = 255, 1, 1
_SO_ATTACH_FILTER = 26
_WANTED_ICMP4 = (0, 3, 11)
_WANTED_ICMP6 = (129, 1, 2, 3)
# Classic BPF (linux/bpf_common.h). The program drops replies with another identifier and passes everything else.
_LDX_IP_HEADER_LENGTH, _LD_BYTE, _LD_HALF = 0xB1, 0x50, 0x48
_LDX_IMMEDIATE, _JUMP_IF_EQUAL, _RETURN = 0x01, 0x15, 0x06
_WHOLE_PACKET = 0x40000


def open_echo_socket(version: int, identifier: int) -> socket.socket:
    """Open a raw socket in the calling thread's namespace. Raises ``PermissionError`` without CAP_NET_RAW."""
    if version == IPV4:
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        sock.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", 0xFFFFFFFF & ~sum(1 << t for t in _WANTED_ICMP4)))
    else:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        mask = (1 << 256) - 1 & ~sum(1 << t for t in _WANTED_ICMP6)
        words = [mask >> 32 * n & 0xFFFFFFFF for n in range(8)]
        sock.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, struct.pack("=8I", *words))
    _attach_filter(sock, version, identifier)
    sock.setblocking(False)
    return sock


def _attach_filter(sock: socket.socket, version: int, identifier: int) -> None:
    at_message = (_LDX_IP_HEADER_LENGTH, 0, 0, 0) if version == IPV4 else (_LDX_IMMEDIATE, 0, 0, 0)
    program = (
        at_message,
        (_LD_BYTE, 0, 0, 0),
        (_JUMP_IF_EQUAL, 0, 2, 0 if version == IPV4 else 129),
        (_LD_HALF, 0, 0, 4),
        (_JUMP_IF_EQUAL, 0, 1, identifier),
        (_RETURN, 0, 0, _WHOLE_PACKET),
        (_RETURN, 0, 0, 0),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(code)))
