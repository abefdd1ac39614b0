"""The budget of neighbour entries: what a matrix may make, what it holds, and what it has to clean up.

The kernel bounds the entries of all namespaces together (``gc_thresh3``), and a full table breaks the containers'
own traffic. So a packet is sent only when the entries it makes fit under a stated share, together with everybody
else's; entries that were there before are never counted, never deleted. An entry is deleted when the last packet
that needed it was answered or given up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from bridgework.matrix.namespaces import Entry, Namespace
from bridgework.probes.kernel.neighbour_table import TableUsage

SHARE_OF_HARD_LIMIT = 0.5
ASSUMED_USAGE = TableUsage(entries=0, collect_from=128, soft_limit=512, hard_limit=1024)
FRESH_S = 0.1
SOMEWHERE = 0
Key = tuple[int, int, bytes]
"""Namespace inode (``SOMEWHERE``: not ours to look into), interface index, address."""


def limit_of(usage: TableUsage) -> int:
    """Entries, everybody's together: half the hard limit, and never where the kernel begins to press."""
    return min(int(usage.hard_limit * SHARE_OF_HARD_LIMIT), usage.soft_limit)


class NeighbourBudget:
    """Of one table (ARP or NDP). ``read_usage`` is asked often; where it cannot tell, only our own entries count."""

    def __init__(
        self, spaces: Mapping[int, Namespace], read_usage: Callable[[], TableUsage | None], limit: int | None = None
    ) -> None:
        self._spaces = spaces
        self._read_usage = read_usage
        usage = read_usage() or ASSUMED_USAGE
        self.limit = limit_of(usage) if limit is None else limit
        self._others = self._counted = usage.entries
        self._since = 0
        self._held: dict[Key, int] = {}
        self._doomed: set[Key] = set()
        self._touched: set[bytes] = set()

    @property
    def idle(self) -> bool:
        """Whether it holds nothing, so that waiting frees nothing."""
        return not self._held and not self._doomed

    def admit(self, keys: Sequence[Key]) -> tuple[Key, ...] | None:
        """Hold the keys and return those to ``release`` later; ``None`` when they do not fit now."""
        mine: list[Key] = []
        new = 0
        for key in keys:
            if key in self._held:
                mine.append(key)
            elif not self._was_there(key):
                mine.append(key)
                new += 1
        if new:
            if not self._fits(new):
                self.flush()
                if not self._fits(new):
                    return None
            self._since += new
            self._touched.update(key[2] for key in mine)
        for key in mine:
            self._held[key] = self._held.get(key, 0) + 1
        return tuple(mine)

    def _fits(self, count: int) -> bool:
        in_use = max(self._counted + self._since, self._others + len(self._held) + len(self._doomed))
        return in_use + count <= self.limit

    def _was_there(self, key: Key) -> bool:
        inode, interface, address = key
        space = self._spaces.get(inode)
        if space is None or key in self._doomed:
            return False
        now = time.monotonic()
        if now - space.known_at > FRESH_S:
            space.known |= {entry for entry in space.entries() if not self._is_ours(inode, entry)}
            space.known_at = now
        return (interface, address) in space.known

    def _is_ours(self, inode: int, entry: Entry) -> bool:
        key = (inode, *entry)
        return key in self._held or key in self._doomed

    def release(self, keys: Iterable[Key]) -> None:
        """Give back what ``admit`` returned; entries that nobody holds any more go with the next ``flush``."""
        for key in keys:
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]
                self._doomed.add(key)

    def tidy(self) -> None:
        """Flush when there is something to delete."""
        if self._doomed:
            self.flush()

    def flush(self) -> None:
        """Delete the entries that are done with, and count anew."""
        by_space: dict[int, list[Entry]] = {}
        for key in self._doomed:
            if key not in self._held and key[0] in self._spaces:
                by_space.setdefault(key[0], []).append(key[1:])
        for inode, entries in by_space.items():
            self._spaces[inode].delete(entries)
        self._doomed.clear()
        usage = self._read_usage()
        self._counted = usage.entries if usage else 0
        self._since = 0

    def settle(self) -> None:
        """At the end: delete whatever is new towards the addresses in question, also where a prediction was wrong."""
        if not self._touched:
            return
        self._doomed.update(self._held)
        self._held.clear()
        self.flush()
        for space in self._spaces.values():
            space.delete({entry for entry in space.entries() - space.known if entry[1] in self._touched})
