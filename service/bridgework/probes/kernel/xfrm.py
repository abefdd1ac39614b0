"""Policies of XFRM (IPsec) that block packets, by the kernel's dump (linux/xfrm.h)."""

from __future__ import annotations

import errno
import socket
import struct

from bridgework.model.observations import XfrmPolicy
from bridgework.probes.kernel import netlink
from bridgework.probes.kernel.netlink import Limit

_NETLINK_XFRM, _XFRM_MSG_GETPOLICY = 6, 21
# struct xfrm_userpolicy_id, which is not filled in to ask for all policies.
_ASKED = bytes(64)
# struct xfrm_userpolicy_info: the selector's addresses, family and prefix lengths; behind the life times the direction
# and the action.
_POLICY = struct.Struct("=16s16s8xHBB116xBB")
_DIRECTIONS, _BLOCK = ("in", "out", "fwd"), 1
_BYTES = {int(socket.AF_INET): 4, int(socket.AF_INET6): 16}


def blocking_policies(limit: Limit | None = None) -> tuple[XfrmPolicy, ...] | None:
    """Return the policies whose action is to block: none where the kernel has no XFRM, ``None`` where it refuses."""
    try:
        with netlink.open_socket(_NETLINK_XFRM) as sock:
            bodies = tuple(netlink.dump(sock, _XFRM_MSG_GETPOLICY, _ASKED, limit))
    except OSError as error:
        return () if error.errno in {errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT} else None
    return tuple(policy for body in bodies if (policy := _policy(body)) is not None)


def _policy(body: bytes) -> XfrmPolicy | None:
    destination, source, family, to_len, from_len, direction, action = _POLICY.unpack_from(body)
    if action != _BLOCK or family not in _BYTES or direction >= len(_DIRECTIONS):
        return None
    ends = (
        f"{socket.inet_ntop(family, packed[: _BYTES[family]])}/{length}"
        for packed, length in ((source, from_len), (destination, to_len))
    )
    return XfrmPolicy(_DIRECTIONS[direction], *ends)
