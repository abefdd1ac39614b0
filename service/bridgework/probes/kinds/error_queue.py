"""The ICMP message that caused a socket's error, read from the error queue (``IP_RECVERR`` of ip(7)).

An errno alone is too coarse: "administratively prohibited" and "host unreachable" are both EHOSTUNREACH.
"""

from __future__ import annotations

import socket
import struct

from bridgework.probes.kinds.reasons import IPV4, IPV6, IcmpError, of_icmp

_IP_RECVERR, _IPV6_RECVERR = 11, 25
_QUOTED_BYTES, _CONTROL_BYTES = 512, 256
_EXTENDED_ERROR = struct.Struct("=IBBBxII")
_ORIGIN_VERSIONS = {2: IPV4, 3: IPV6}


def enable(sock: socket.socket) -> None:
    """Make the kernel queue ICMP errors for this socket, with type and code."""
    if sock.family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)


def precise(sock: socket.socket, error: OSError) -> OSError:
    """Return an ``IcmpError`` if an ICMP message caused the error, else the error itself."""
    try:
        _, ancillary, _, _ = sock.recvmsg(_QUOTED_BYTES, _CONTROL_BYTES, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
    except OSError:
        return error
    for _, _, data in ancillary:
        if len(data) < _EXTENDED_ERROR.size:
            continue
        number, origin, kind, code, info, _ = _EXTENDED_ERROR.unpack_from(data)
        reason = of_icmp(_ORIGIN_VERSIONS[origin], kind, code) if origin in _ORIGIN_VERSIONS else None
        if reason is not None:
            return IcmpError(number, reason, info or None)
    return error
