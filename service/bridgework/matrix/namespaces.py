"""The state of one network namespace: its addresses, its routes, and the neighbour entries that it holds."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Collection
from dataclasses import dataclass

from bridgework.probes.kernel import netlink, rtnetlink

_USED_TYPES = frozenset({rtnetlink.RTN_UNICAST}) | rtnetlink.DEAD_ENDS
_LOOPBACK_PREFIX = b"\x7f"
READ_ENTRIES_S = 1.0
# Addresses of one interface that are compared to predict a packet's source. A container can have thousands.
MAX_OWN_ADDRESSES = 64
# A neighbour entry: interface index and packed address.
Entry = tuple[int, bytes]
# Routes by the number of bits after the prefix, fewest first (so the longest prefix first), then by the prefix.
Routes = dict[int, dict[int, "Route"]]


# Compared by identity: a route belongs to one namespace, and each pair of a matrix looks something up by it.
@dataclass(eq=False, frozen=True, slots=True)
class Route:
    """Where a packet leaves: an interface, to the gateway if there is one, with a preferred source address."""

    interface: int
    gateway: bytes | None
    source: bytes | None


class Namespace:
    """One namespace, identified by its inode. Several threads may ask for routes; only one at a time may do the rest.

    ``foreign_entries`` are the neighbour entries that were not made by the matrix, as seen at ``foreign_read_at``.
    """

    def __init__(self, inode: int, sock: socket.socket) -> None:
        # The socket was opened in the namespace and reads there, whichever namespace the thread is in later.
        self.inode = inode
        self.addresses: dict[bytes, int] = {}
        self.foreign_entries: set[Entry] = set()
        self.foreign_read_at = -math.inf
        self._sock = sock
        self._routes: dict[int, Routes] = {}
        self._own_addresses: dict[tuple[int, int], list[bytes]] = {}
        self._may_delete = True
        self._overfull = False

    def read(self, limit: netlink.Limit) -> None:
        """Read addresses, routes and entries, up to the limit. Raises ``OSError``, ``TimeoutError`` at its end."""
        # Read once. Addresses and routes only predict which neighbour entries a packet makes, and never decide a
        # verdict. So policy routing, other tables and later changes make the prediction less exact, and nothing else.
        for address in rtnetlink.addresses(self._sock, limit):
            self.addresses[address.packed] = address.interface
            own = self._own_addresses.setdefault((address.interface, len(address.packed)), [])
            if len(own) < MAX_OWN_ADDRESSES:
                own.append(address.packed)
        for length, family in rtnetlink.FAMILY_OF_LENGTH.items():
            self._routes[length] = self._read_routes(family, length * 8, limit)
        self.foreign_entries = self.entries()

    def _read_routes(self, family: int, bits: int, limit: netlink.Limit) -> Routes:
        # By prefix length, then by prefix: a container may have thousands of routes, and each packet looks for one.
        routes: Routes = {}
        for route in rtnetlink.routes(self._sock, family, limit):
            if route.kind in _USED_TYPES and route.next_hops:
                shift = bits - route.prefix_len
                hop = route.next_hops[0]
                # A dead end has no interface: it hides wider routes, and packets to it make no neighbour entry.
                interface = 0 if route.kind in rtnetlink.DEAD_ENDS else hop.interface or 0
                prefix = int.from_bytes(route.destination or b"", "big") >> shift
                # The kernel lists routes to one prefix by their metric: the first one is used.
                routes.setdefault(shift, {}).setdefault(prefix, Route(interface, hop.gateway, route.preferred_source))
        return dict(sorted(routes.items()))

    def route(self, address: bytes) -> Route | None:
        """Return the route with the longest prefix; ``None`` without one, or when it is a dead end."""
        # At most 33 or 129 look-ups, usually two or three: as many as there are prefix lengths.
        number = int.from_bytes(address, "big")
        for shift, by_prefix in self._routes[len(address)].items():
            route = by_prefix.get(number >> shift)
            if route is not None:
                return route if route.interface else None
        return None

    def is_local(self, address: bytes) -> bool:
        """Return whether packets to the address stay in the namespace."""
        # 127.0.0.0/8 is routed in the local table, which is not read; Docker's DNS server is 127.0.0.11.
        return address in self.addresses or address.startswith(_LOOPBACK_PREFIX)

    def reaches(self, address: bytes) -> bool:
        """Return whether the address is local or behind a route."""
        return self.is_local(address) or self.route(address) is not None

    def source_towards(self, route: Route, address: bytes) -> bytes | None:
        """Predict the source address of packets to ``address`` on this route (RFC 6724, section 5, rules 2 and 8)."""
        # The kernel prefers the source that the route names (``ip route … src``). IPv4 routes to a link have one.
        if route.source is not None:
            return route.source
        own_addresses = self._own_addresses.get((route.interface, len(address)), ())
        return max(own_addresses, key=lambda own: _common_bits(own, address), default=None)

    def entries(self) -> set[Entry]:
        """Return the present neighbour entries of both versions, in every state; none of an overfull namespace."""
        if self._overfull:
            return set()
        limit = netlink.Limit(time.monotonic() + READ_ENTRIES_S)
        try:
            entries = {(entry.interface, entry.packed) for entry in rtnetlink.neighbours(self._sock, limit=limit)}
        except TimeoutError:
            entries = set()
        # Where one dump does not hold all entries, foreign ones cannot be told from ours: never delete any again.
        self._overfull = limit.reached
        return entries

    def delete(self, entries: Collection[Entry]) -> bool:
        """Delete these neighbour entries, and return whether they are gone.

        They are not where the kernel refuses that (without CAP_NET_ADMIN), nor in an overfull namespace.
        """
        if entries and self._may_delete and not self._overfull:
            self._may_delete = rtnetlink.delete_neighbours(self._sock, entries)
        return self._may_delete and not self._overfull

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()


def _common_bits(address: bytes, other: bytes) -> int:
    return len(address) * 8 - (int.from_bytes(address, "big") ^ int.from_bytes(other, "big")).bit_length()


def read_namespace(inode: int, ends: float = math.inf) -> Namespace:
    """Read the calling thread's namespace before ``ends`` (``time.monotonic``).

    Raises:
        OSError: its addresses or routes cannot be read.
        TimeoutError: they were not read in time.
    """
    namespace = Namespace(inode, netlink.open_socket())
    try:
        namespace.read(netlink.Limit(ends))
    except OSError:
        namespace.close()
        raise
    return namespace
