"""The route of a traced packet, as the kernel chooses it."""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping

from bridgework.model.trace import Place, RouteSeen
from bridgework.printable import printable
from bridgework.probes.kinds.reasons import IPV4
from bridgework.probes.routes.lookup import Asked, forwards, route_to
from bridgework.probes.trace.heads import FAMILY

# What the kernel means by its errors here (fib_props of net/ipv4/fib_semantics.c, and the check of the source address).
_MEANINGS = {
    errno.EINVAL: "a blackhole route, or a source address that is not valid here (rp_filter, for example)",
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
    asked = Asked(socket.inet_pton(family, destination), socket.inet_pton(family, source) if source else None, incoming)
    try:
        lookup = route_to(sock, asked)
    except OSError as error:
        # ip_route_input_slow of net/ipv4/route.c answers so before it looks for a route, where the interface by which
        # the packet came in does not forward.
        if error.errno == errno.EHOSTUNREACH and version == IPV4 and incoming and not forwards(sock, incoming):
            name = printable(names.get(incoming, str(incoming)))
            reason = f"{name} does not forward (net.ipv4.conf.{name}.forwarding is 0)"
            return RouteSeen(place, destination, error=reason)
        return RouteSeen(place, destination, error=_MEANINGS.get(error.errno or 0, error.strerror))
    gateway = socket.inet_ntop(family, lookup.gateway) if lookup.gateway else None
    name = printable(names.get(lookup.interface, str(lookup.interface)))
    return RouteSeen(place, destination, interface=name, gateway=gateway, local=lookup.is_local)
