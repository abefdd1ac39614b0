"""A network namespace as a matrix sees it: its addresses, its ways, and the neighbour entries it holds.

Everything goes over one netlink socket that was opened inside and stays there, whichever thread uses it. Ways are
read once from the main table; they only predict which neighbour entries a packet makes, never a verdict.
"""

from __future__ import annotations

import math
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bridgework.probes.kernel import netlink
from bridgework.probes.kinds.reasons import IPV4, IPV6, VERSION_OF_LENGTH

_FAMILIES = {IPV4: socket.AF_INET, IPV6: socket.AF_INET6}
_RTM_GETADDR, _RTM_GETROUTE, _RTM_DELNEIGH, _RTM_GETNEIGH = 22, 26, 29, 30
_ADDRESS, _ROUTE, _NEIGHBOUR = struct.Struct("=BBBBI"), struct.Struct("=BBBBBBBBI"), struct.Struct("=BxxxiHBB")
_IFA_ADDRESS, _IFA_LOCAL, _NDA_DST = 1, 2, 1
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PREFSRC, _RTA_TABLE = 1, 4, 5, 7, 15
_MAIN_TABLE = 254
_KINDS = frozenset({1, 6, 7, 8})
"""Unicast, and those that lead nowhere on purpose: blackhole, unreachable, prohibit. They have no use for an entry."""
_NOWHERE = frozenset({6, 7, 8})
_LOOPBACK_BEGINS = b"\x7f"
ENTRIES_S = 1.0
MAX_OWN = 64
"""Of the addresses of an interface so many are compared to predict which one a packet comes from."""
Entry = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class Route:
    """A route: whatever ``begins`` with this leaves by the interface (0: by none), to the gateway if there is one."""

    begins: int
    shift: int
    interface: int
    gateway: bytes | None
    source: bytes | None


class Namespace:
    """One namespace, named by its inode. Made and used by one thread."""

    def __init__(self, inode: int, netlink: socket.socket) -> None:
        self.inode = inode
        self.netlink = netlink
        self.addresses: dict[bytes, int] = {}
        self.known: set[Entry] = set()
        self.known_at = float("-inf")
        self._ways: dict[int, dict[int, dict[int, Route]]] = {}
        self._own: dict[tuple[int, int], list[bytes]] = {}
        self._too_many = False
        self.may_delete = True

    def learn(self, limit: netlink.Limit) -> None:
        """Read the addresses and ways, up to the limit: beyond it a prediction is less good, never a verdict."""
        self.addresses = dict(self._read_addresses(limit))
        for address, interface in self.addresses.items():
            self._own.setdefault((interface, len(address)), []).append(address)
        for version in _FAMILIES:
            # By length and then by beginning: a container may have thousands of routes, and each packet asks for one.
            routes: dict[int, dict[int, Route]] = {}
            for route in self._read_ways(version, limit):
                routes.setdefault(route.shift, {}).setdefault(route.begins, route)
            self._ways[version] = dict(sorted(routes.items()))

    def route(self, address: bytes) -> Route | None:
        """The most specific way to an address; ``None`` without one."""
        number = int.from_bytes(address, "big")
        routes = self._ways[VERSION_OF_LENGTH[len(address)]]
        fitting = (of_length.get(number >> shift) for shift, of_length in routes.items())
        best = next((route for route in fitting if route is not None), None)
        return best if best and best.interface else None

    def reaches(self, address: bytes) -> bool:
        """Whether there is any way: its own addresses, the loopback's, or a route."""
        return address in self.addresses or address[:1] == _LOOPBACK_BEGINS or self.route(address) is not None

    def source_towards(self, route: Route, address: bytes) -> bytes | None:
        """The address that packets on this way to that address probably come from (RFC 6724, rules 2 and 8)."""
        if route.source is not None:
            return route.source
        same_kind = self._own.get((route.interface, len(address)), ())
        return max(same_kind[:MAX_OWN], key=lambda own: _common_bits(own, address), default=None)

    def entries(self) -> set[Entry]:
        """The neighbour entries as they are now, of both versions, in every state.

        A namespace with more of them than a dump keeps is left as it is from then on: what was there before us and
        what we made cannot be told apart.
        """
        if self._too_many:
            return set()
        found: set[Entry] = set()
        limit = netlink.Limit(time.monotonic() + ENTRIES_S)
        try:
            bodies = netlink.dump(self.netlink, _RTM_GETNEIGH, _NEIGHBOUR.pack(socket.AF_UNSPEC, 0, 0, 0, 0), limit)
        except TimeoutError:
            bodies = []
        if limit.reached:
            self._too_many, self.may_delete = True, False
        for body in bodies:
            address = netlink.attributes(body, _NEIGHBOUR.size).get(_NDA_DST)
            if address and len(address) in VERSION_OF_LENGTH:
                found.add((_NEIGHBOUR.unpack_from(body)[1], address))
        return found

    def delete(self, entries: Iterable[Entry]) -> None:
        """Delete these neighbour entries; one that is gone already does not matter, a refusal is remembered."""
        messages = [_deletion(interface, address) for interface, address in entries]
        if not messages or not self.may_delete:
            return
        self.netlink.send(b"".join(messages))
        while True:
            try:
                answers = self.netlink.recv(netlink.RECEIVE_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            for kind, _, payload in netlink.split(answers):
                if kind == netlink.NLMSG_ERROR:
                    self._note(payload)

    def _note(self, payload: bytes) -> None:
        try:
            netlink.raise_error(payload)
        except PermissionError:
            self.may_delete = False
        except OSError:
            return

    def _read_addresses(self, limit: netlink.Limit) -> Iterator[tuple[bytes, int]]:
        for body in netlink.dump(self.netlink, _RTM_GETADDR, _ADDRESS.pack(0, 0, 0, 0, 0), limit):
            interface = _ADDRESS.unpack_from(body)[4]
            found = netlink.attributes(body, _ADDRESS.size)
            address = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS)
            if address:
                yield address, interface

    def _read_ways(self, version: int, limit: netlink.Limit) -> Iterator[Route]:
        bits = 32 if version == IPV4 else 128
        request = _ROUTE.pack(_FAMILIES[version], 0, 0, 0, 0, 0, 0, 0, 0)
        for body in netlink.dump(self.netlink, _RTM_GETROUTE, request, limit):
            _, length, _, _, table, _, _, kind, _ = _ROUTE.unpack_from(body)
            found = netlink.attributes(body, _ROUTE.size)
            if kind not in _KINDS or (_number(found.get(_RTA_TABLE)) or table) != _MAIN_TABLE:
                continue
            begins = int.from_bytes(found.get(_RTA_DST, b""), "big") >> (bits - length)
            gateway, source = found.get(_RTA_GATEWAY), found.get(_RTA_PREFSRC)
            interface = 0 if kind in _NOWHERE else _number(found.get(_RTA_OIF))
            yield Route(begins, bits - length, interface, gateway, source)

    def close(self) -> None:
        """Close the socket."""
        self.netlink.close()


def _common_bits(one: bytes, other: bytes) -> int:
    """How many leading bits two addresses of one version share."""
    return len(one) * 8 - (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_length()


def _number(data: bytes | None) -> int:
    return int(struct.unpack("=I", data)[0]) if data else 0


def _deletion(interface: int, address: bytes) -> bytes:
    family = _FAMILIES[VERSION_OF_LENGTH[len(address)]]
    body = _NEIGHBOUR.pack(family, interface, 0, 0, 0) + netlink.attribute(_NDA_DST, address)
    return netlink.message(_RTM_DELNEIGH, netlink.NLM_F_REQUEST, body)


def read_namespace(inode: int, ends: float = math.inf) -> Namespace:
    """The calling thread's namespace. Raises ``OSError`` when its addresses or ways cannot be read.

    It is a ``TimeoutError`` when they are not read before ``ends`` (``time.monotonic``).
    """
    space = Namespace(inode, netlink.open_socket())
    try:
        space.learn(netlink.Limit(ends))
        space.known = space.entries()
    except OSError:
        space.close()
        raise
    return space
