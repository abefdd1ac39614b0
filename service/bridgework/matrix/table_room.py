"""How many entries of the kernel's neighbour table a matrix may have at one moment.

Usually the entries of the whole machine stay below ``limit_of`` the table. Where others hold more than that, the matrix
still gets a few at a time (``TableRoom._share``), so that it decides its pairs more slowly instead of not at all.
"""

from __future__ import annotations

import math

from bridgework.probes.kernel.neighbour_table import COLLECTION_EVERY_S, TableUsage

# The other half is for the containers, also those that start meanwhile.
SHARE_OF_HARD_LIMIT = 0.5
# The kernel's defaults (ip-sysctl), used where it does not tell its limits.
ASSUMED_USAGE = TableUsage(entries=0, soft_limit=512, hard_limit=1024)
# Beyond the limit we take this part of the free entries: three times as many stay free for others.
PART_OF_FREE = 4
# One packet over IPv6 makes three entries.
FEWEST = 4
# A table with more collectable entries than gc_thresh2 is collected at the next new entry, so on a machine in use it is
# not without a collection for so long.
CALM_S = 60.0


def limit_of(usage: TableUsage, share: float = 1.0) -> int:
    """Return the entries that a machine may have while a matrix runs: min(gc_thresh3 / 2, gc_thresh2)."""
    # A table stays above gc_thresh2 for 5 s at most, then the kernel collects entries (arp(7)): also the containers'.
    return int(min(int(usage.hard_limit * SHARE_OF_HARD_LIMIT), usage.soft_limit) * share)


class TableRoom:
    """The room in one table, as of the last count. With a ``limit``, others' entries leave no more than that."""

    def __init__(self, usage: TableUsage | None, limit: int | None, share: float, now: float) -> None:
        usage = usage or ASSUMED_USAGE
        self.limit = limit_of(usage, share) if limit is None else limit
        self.counted_at = now
        # When the kernel was last seen to have refused an entry: a packet that waited then may be lost by that.
        self.refused_at = -math.inf
        self._strict = limit is not None
        self._hard = usage.hard_limit
        self._before = self._counted = usage.entries
        self._refused = usage.refused
        # Entries that we may have although others seem to hold all: what the kernel was seen to bear.
        self._borne = FEWEST if usage.since_collection_s >= CALM_S else self._least()

    def _least(self) -> int:
        # More entries than the hard limit prove that some do not count. Whether the others fill the table is not known,
        # and the kernel's answer to a few entries tells it.
        return FEWEST if self._counted > self._hard else 0

    def count(self, usage: TableUsage | None, used: int, now: float) -> None:
        """Take a new count. ``used`` is how many entries of ours existed since the last one."""
        interval, self.counted_at = now - self.counted_at, now
        if usage is None:
            self._counted = 0
            return
        self._counted = usage.entries
        if usage.refused > self._refused:
            self._refused, self.refused_at, self._borne = usage.refused, now, 0
        elif usage.since_collection_s < COLLECTION_EVERY_S:
            self._borne = self._least()
        elif used and usage.since_collection_s > COLLECTION_EVERY_S + interval:
            # Above gc_thresh2, each of these entries would have started a collection. None did, so the kernel counts
            # fewer, whatever the number of all entries is: permanent ones do not count. Twice as many are tried next.
            self._borne = min(self.limit, max(self._borne, 2 * used))

    def fits(self, count: int, ours: int, kept: int, reserved_since_count: int) -> bool:
        """Return whether ``count`` more entries fit beside ours.

        ``kept`` are released entries that cannot be deleted. ``reserved_since_count`` are not in the last count yet.
        """
        # A reserved entry appears in the kernel's count only once its packet is sent. So add what was reserved since
        # the last count; and never assume less than what was there before together with all of ours.
        in_use = max(self._counted + reserved_since_count, self._before + ours)
        if in_use + count <= self.limit:
            return True
        return not self._strict and ours + kept + count <= self._share(in_use - ours - kept)

    def _share(self, others: int) -> int:
        """Return how many entries we may have beside so many of others, which use up the limit."""
        # Others above gc_thresh2 have their unused entries collected with the next entry of any program, and the owner
        # asks again. Only a full table (gc_thresh3) loses packets, so we keep far away from that.
        return max((self._hard - others) // PART_OF_FREE, self._borne)
