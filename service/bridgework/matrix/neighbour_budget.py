"""The budget of neighbour entries: a matrix never fills the kernel's ARP and NDP tables.

The kernel bounds the entries of all namespaces together (``gc_thresh3``, ip-sysctl), and a full table breaks the
containers' own traffic. So a packet is sent only when the entries that it makes fit into a share of that limit
(``table_room``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from threading import Lock

from bridgework.matrix.namespaces import Entry, Namespace, Route
from bridgework.matrix.table_room import TableRoom
from bridgework.probes.kernel.neighbour_table import TableUsage
from bridgework.probes.kinds.reasons import VERSION_OF_LENGTH

# How long a namespace's entries are used before they are read again.
FRESH_S = 0.1
# A released entry may be of use again: the pair in the other direction needs the same two. And a count of the table
# takes 0.4 ms on a host with 420 links, whose parameters the kernel lists too.
FLUSH_EVERY_S = 0.05
UNKNOWN_NAMESPACE = 0
# Namespace inode (UNKNOWN_NAMESPACE: one that the matrix cannot read), interface index, packed address.
EntryKey = tuple[int, int, bytes]
_IPV6_BYTES = 16
_SOLICITED_NODE = bytes.fromhex("ff0200000000000000000001ff")


class TableBudget:
    """The budget of one table (ARP or NDP). Without a ``read_usage`` result only our own entries count.

    ``limit`` replaces the entries that the machine may have, and ``share`` is the part of the usual number.
    """

    def __init__(
        self,
        namespaces: Mapping[int, Namespace],
        read_usage: Callable[[], TableUsage | None],
        limit: int | None = None,
        share: float = 1.0,
    ) -> None:
        self._namespaces = namespaces
        self._read_usage = read_usage
        self._room = TableRoom(read_usage(), limit, share, time.monotonic())
        self._reserved_since_count = 0
        self._reserved: dict[EntryKey, int] = {}
        self._to_delete: set[EntryKey] = set()
        # Released entries that nothing can delete: in a namespace out of reach, or without CAP_NET_ADMIN.
        self._kept: set[EntryKey] = set()
        self._touched: set[bytes] = set()

    @property
    def refused_at(self) -> float:
        """When the kernel was last seen to have refused an entry, of any program, since this budget began."""
        return self._room.refused_at

    @property
    def idle(self) -> bool:
        """Whether nothing is reserved, so that waiting frees nothing."""
        return not self._reserved and not self._to_delete

    def reserve(self, keys: tuple[EntryKey, ...]) -> tuple[EntryKey, ...] | None:
        """Reserve the entries and return those to ``release`` later; ``None`` when they do not fit now."""
        # Foreign entries cost nothing: they exist anyway, so they are neither counted nor deleted.
        ours = tuple([key for key in keys if key in self._reserved or not self._is_foreign(key)])
        new = len([key for key in ours if key not in self._reserved and key not in self._kept])
        if new and not self._fits(new):
            # Other programs' entries may have gone since the last count, and released ones of ours can go now.
            if not self._to_delete and self._counted_lately():
                return None
            self.flush()
            if not self._fits(new):
                return None
        if new:
            self._reserved_since_count += new
            self._touched.update(address for _, _, address in ours)
        self._kept.difference_update(ours)
        for key in ours:
            self._reserved[key] = self._reserved.get(key, 0) + 1
        return ours

    def _fits(self, count: int) -> bool:
        ours = len(self._reserved) + len(self._to_delete)
        return self._room.fits(count, ours, len(self._kept), self._reserved_since_count)

    def _counted_lately(self) -> bool:
        return time.monotonic() - self._room.counted_at <= FLUSH_EVERY_S

    def _is_foreign(self, key: EntryKey) -> bool:
        """Return whether the container or the host made this entry; ours and unknown ones are not foreign."""
        inode, interface, address = key
        namespace = self._namespaces.get(inode)
        if namespace is None or key in self._to_delete:
            return False
        # Containers make entries all the time. One that appears while ours exist is foreign unless we predicted it.
        now = time.monotonic()
        if now - namespace.foreign_read_at > FRESH_S:
            namespace.foreign_entries |= {entry for entry in namespace.entries() if not self._is_ours((inode, *entry))}
            namespace.foreign_read_at = now
        return (interface, address) in namespace.foreign_entries

    def _is_ours(self, key: EntryKey) -> bool:
        return key in self._reserved or key in self._to_delete

    def release(self, keys: Iterable[EntryKey]) -> None:
        """Give back what ``reserve`` returned. The next ``flush`` deletes entries that no packet needs any more."""
        for key in keys:
            # An entry may serve many packets: the one for a gateway serves every pair that leaves the network.
            self._reserved[key] -= 1
            if not self._reserved[key]:
                del self._reserved[key]
                self._to_delete.add(key)

    def delete_released(self) -> None:
        """Delete the released entries, if there are any, and count the table again, every ``FLUSH_EVERY_S`` at most."""
        if self._to_delete:
            self.count()

    def count(self) -> None:
        """Count the table again unless that was done lately, and delete the released entries."""
        if not self._counted_lately():
            self.flush()

    def flush(self) -> None:
        """Delete the released entries and count the table again."""
        by_namespace: dict[int, list[Entry]] = {}
        for key in self._to_delete:
            # Between release and flush another packet may have reserved the entry again.
            if key not in self._reserved:
                by_namespace.setdefault(key[0], []).append(key[1:])
        for inode, entries in by_namespace.items():
            namespace = self._namespaces.get(inode)
            if namespace is None or not namespace.delete(entries):
                self._kept.update((inode, *entry) for entry in entries)
        # Before the first release, no packet of ours was answered, so perhaps none has made its entries.
        used = len(self._to_delete) + len(self._reserved) if self._to_delete else 0
        self._to_delete.clear()
        self._room.count(self._read_usage(), used, time.monotonic())
        self._reserved_since_count = 0

    def clean_up(self) -> None:
        """Delete all new entries at the end, also those that the prediction missed."""
        if not self._touched:
            return
        # A stopped matrix still has packets in flight.
        self._to_delete.update(self._reserved)
        self._reserved.clear()
        self.flush()
        for namespace in self._namespaces.values():
            new = namespace.entries() - namespace.foreign_entries
            # Only towards addresses that the matrix used: a container made the others meanwhile.
            namespace.delete([entry for entry in new if entry[1] in self._touched])


@dataclass(eq=False, slots=True)
class Reservation:
    """The entries that packets to one next hop need, for as long as one of them waits for its answer.

    ``on_link``: the destination is on the sender's own link. ``held`` are the entries that are reserved now.
    """

    table: TableBudget
    keys: tuple[EntryKey, ...]
    on_link: bool
    held: tuple[EntryKey, ...] = ()
    packets: int = 0

    def take(self) -> bool:
        """Reserve what one more packet needs; return whether it fits now. The caller holds the budget's lock."""
        # Most pairs leave by a gateway whose entries another packet holds already.
        if not self.packets:
            held = self.table.reserve(self.keys)
            if held is None:
                return False
            self.held = held
        self.packets += 1
        return True

    def release(self) -> None:
        """Give back what one packet needed. The caller holds the budget's lock."""
        self.packets -= 1
        if not self.packets:
            self.table.release(self.held)


class NeighbourBudget:
    """The budgets of both tables by IP version, and a prediction of what each packet needs of them.

    Several threads may use it.
    """

    # The prediction may be wrong (policy routing, a changed table). Then an entry is not counted, and ``clean_up``
    # finds it at the end.

    def __init__(self, namespaces: Iterable[Namespace], tables: Mapping[int, TableBudget]) -> None:
        self._tables = tables
        # It guards the tables, the counts of the reservations, and the namespaces' sockets.
        self._lock = Lock()
        # For each next hop and not for each address: all pairs that leave a network by its gateway share one.
        self._reservations: dict[tuple[Route, bytes], Reservation] = {}
        self._nothing = {
            length: Reservation(tables[version], (), on_link=False) for length, version in VERSION_OF_LENGTH.items()
        }
        # An address that several namespaces have (as fe80::1) does not tell which of them answers.
        self._owners: dict[bytes, Namespace | None] = {}
        for namespace in namespaces:
            for address in namespace.addresses:
                self._owners[address] = None if address in self._owners else namespace

    def reserve(self, namespace: Namespace, address: bytes) -> Reservation | None:
        """Reserve what a packet from the namespace to the address needs; ``None`` when it does not fit now."""
        reservation = self._reservation(namespace, address)
        with self._lock:
            return reservation if reservation.take() else None

    def release(self, reservation: Reservation) -> None:
        """Give back what one packet needed."""
        with self._lock:
            reservation.release()

    def _reservation(self, namespace: Namespace, address: bytes) -> Reservation:
        route = None if namespace.is_local(address) else namespace.route(address)
        if route is None:
            return self._nothing[len(address)]
        next_hop = route.gateway or address
        reservation = self._reservations.get((route, next_hop))
        if reservation is None:
            table = self._tables[VERSION_OF_LENGTH[len(address)]]
            keys = tuple(self._keys(namespace, route, next_hop))
            made = Reservation(table, keys, on_link=route.gateway is None)
            # Two sources of one namespace can be measured by two threads.
            reservation = self._reservations.setdefault((route, next_hop), made)
        return reservation

    def _keys(self, namespace: Namespace, route: Route, next_hop: bytes) -> Iterable[EntryKey]:
        # The sender's kernel needs an entry for the next hop.
        yield namespace.inode, route.interface, next_hop
        if len(next_hop) == _IPV6_BYTES:
            # NDP asks the solicited-node group of the next hop (RFC 4861, section 7.2.2): one more entry.
            yield namespace.inode, route.interface, _SOLICITED_NODE + next_hop[-3:]
        source = namespace.source_towards(route, next_hop)
        if source is None:
            return
        # The next hop's kernel makes an entry for the sender when it is asked, if the sender is on its link.
        owner = self._owners.get(next_hop)
        back = owner.route(source) if owner else None
        if owner is None or back is None:
            yield UNKNOWN_NAMESPACE, 0, next_hop + source
        elif back.gateway is None:
            # Where the answer takes another gateway, the next hop makes no entry for the sender.
            yield owner.inode, back.interface, source

    @property
    def idle(self) -> bool:
        """Whether nothing is reserved, so that waiting frees nothing."""
        return all(table.idle for table in self._tables.values())

    def count(self) -> None:
        """Count the tables again unless that was done lately, so that ``refused_at`` is true."""
        with self._lock:
            for table in self._tables.values():
                table.count()

    def delete_released(self) -> None:
        """Delete the entries that no packet needs any more."""
        with self._lock:
            for table in self._tables.values():
                table.delete_released()
