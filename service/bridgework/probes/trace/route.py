"""The kernel's own choice of a route for one packet (RTM_GETROUTE of rtnetlink(7)), with all rules and tables."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Mapping

from bridgework.model.trace import Place, RouteSeen
from bridgework.probes.kernel import netlink
from bridgework.probes.kernel.printable import printable
from bridgework.probes.trace.heads import FAMILY

_GET = 26
_MESSAGE = struct.Struct("=BBBBBBBBI")
_DST, _SRC, _IIF, _OIF, _GATEWAY = 1, 2, 3, 4, 5
_LOCAL = 2
_BITS = {4: 32, 6: 128}
# What the kernel means by its errors here (fib_props of net/ipv4/fib_semantics.c, and the check of the source address).
_MEANINGS = {
    errno.EINVAL: "a blackhole route, or a source address that is not valid here",
    errno.EXDEV: "the reverse path filter rejects the source address",
    errno.EACCES: "a prohibit route",
    errno.EHOSTUNREACH: "an unreachable route, or no route to the source address",
    errno.ENETUNREACH: "no route to the address",
}


def route_of(
    sock: socket.socket,
    place: Place,
    version: int,
    destination: str,
    source: str | None,
    incoming: int | None,
    names: Mapping[int, str],
) -> RouteSeen:
    """Ask for the route of a packet that comes in by ``incoming``, or that the host sends (``None``).

    ``sock`` is a netlink socket of the family NETLINK_ROUTE. Where the kernel has no route, ``error`` has its words.
    """
    family = FAMILY[version]
    bits = _BITS[version]
    body = _MESSAGE.pack(family, bits, bits if source else 0, 0, 0, 0, 0, 0, 0)
    body += netlink.attribute(_DST, socket.inet_pton(family, destination))
    body += netlink.attribute(_SRC, socket.inet_pton(family, source)) if source else b""
    body += netlink.attribute(_IIF, incoming.to_bytes(4, "little")) if incoming else b""
    sock.send(netlink.message(_GET, netlink.NLM_F_REQUEST, body))
    for kind, _, payload in netlink.split(sock.recv(netlink.RECEIVE_BYTES)):
        if kind == netlink.NLMSG_ERROR:
            try:
                netlink.raise_error(payload)
            except OSError as error:
                return RouteSeen(place, destination, error=_MEANINGS.get(error.errno or 0, error.strerror))
            continue
        return _read(payload, place, destination, family, names)
    return RouteSeen(place, destination, error="no answer")


def _read(body: bytes, place: Place, destination: str, family: int, names: Mapping[int, str]) -> RouteSeen:
    found = netlink.attributes(body, _MESSAGE.size)
    local = body[7] == _LOCAL
    gateway = socket.inet_ntop(family, found[_GATEWAY]) if _GATEWAY in found else None
    index = int.from_bytes(found.get(_OIF, b""), "little")
    return RouteSeen(
        place, destination, interface=printable(names.get(index, str(index))), gateway=gateway, local=local
    )
