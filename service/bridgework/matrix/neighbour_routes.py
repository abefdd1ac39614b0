"""Which neighbour entries one packet and its answer make, in whichever namespaces: a prediction for the ledger.

The sender's kernel needs an entry for the next hop; the next hop's kernel, when it is asked, makes one for the
sender. IPv6 adds one for the solicited-node multicast group (RFC 4861, 7.2.2).
"""

from __future__ import annotations

from collections.abc import Iterable

from bridgework.matrix.namespaces import Namespace
from bridgework.matrix.neighbour_budget import SOMEWHERE, Key

_IPV6_BYTES = 16
_SOLICITED_NODE = bytes.fromhex("ff0200000000000000000001ff")


class EntryPrediction:
    """Over a fixed set of namespaces. An address that several of them have belongs to none of them for sure."""

    def __init__(self, spaces: Iterable[Namespace]) -> None:
        self._owners: dict[bytes, Namespace | None] = {}
        self._made: dict[tuple[int, int, bytes], tuple[Key, ...]] = {}
        for space in spaces:
            for address in space.addresses:
                self._owners[address] = None if address in self._owners else space

    def entries_made(self, space: Namespace, address: bytes) -> tuple[tuple[Key, ...], bool]:
        """The entries that a packet to this address may make, and whether the address is on the sender's own link."""
        if address in space.addresses:
            return (), False
        route = space.route(address)
        if route is None:
            return (), False
        hop = route.gateway or address
        made = self._made.get((space.inode, route.interface, hop))
        if made is None:
            made = self._predict(space, route.interface, hop, space.source_towards(route, hop))
            self._made[space.inode, route.interface, hop] = made
        return made, route.gateway is None

    def _predict(self, space: Namespace, interface: int, hop: bytes, source: bytes | None) -> tuple[Key, ...]:
        keys: list[Key] = [(space.inode, interface, hop)]
        if len(hop) == _IPV6_BYTES:
            keys.append((space.inode, interface, _SOLICITED_NODE + hop[-3:]))
        owner = self._owners.get(hop)
        if source is None:
            return tuple(keys)
        back = owner.route(source) if owner else None
        if owner is None or back is None:
            keys.append((SOMEWHERE, 0, hop + source))
        elif back.gateway is None:
            keys.append((owner.inode, back.interface, source))
        return tuple(keys)
