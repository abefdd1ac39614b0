"""Subnets as intervals of whole numbers: enclosing and overlapping blocks, and free ones.

Two CIDR blocks are either nested or disjoint, so sorting them is enough. Nothing here compares all pairs, or walks
through all addresses. Text that cannot be parsed is ``None``, never an exception.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeVar

_Owner = TypeVar("_Owner")
_Other = TypeVar("_Other")
_IPV4 = 4
_BITS = {4: 32, 6: 128}


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """The addresses ``first`` to ``last``, both included, of IP version 4 or 6."""

    version: int
    first: int
    last: int

    @property
    def size(self) -> int:
        """How many addresses there are, network and broadcast addresses included."""
        return self.last - self.first + 1

    def overlaps(self, other: Interval) -> bool:
        """Return whether the two have an address in common."""
        return self.version == other.version and self.first <= other.last and other.first <= self.last


def parse(cidr: str | None) -> Interval | None:
    """Return the interval of a CIDR (host bits are ignored); ``None`` where it is none."""
    if not cidr:
        return None
    try:
        block = ip_network(cidr, strict=False)
    except ValueError:
        return None
    return Interval(block.version, int(block.network_address), int(block.broadcast_address))


def text_of(version: int, number: int) -> str:
    """Return an address as text."""
    return str(IPv4Address(number) if version == _IPV4 else IPv6Address(number))


def bits_of(version: int) -> int:
    """Return the length of an address in bits."""
    return _BITS[version]


def enclosures(owned: Iterable[tuple[Interval, _Owner]]) -> Iterator[tuple[_Owner, _Owner]]:
    """Yield pairs ``(outer, inner)``: each block with the nearest one that holds it; equal blocks in the order given.

    One pair a block at most, so a thousand equal subnets make 999 pairs, not half a million.
    """
    around: list[tuple[Interval, _Owner]] = []
    for interval, owner in sorted(owned, key=lambda pair: (pair[0].version, pair[0].first, -pair[0].last)):
        while around and not around[-1][0].overlaps(interval):
            around.pop()
        if around:
            yield around[-1][1], owner
        around.append((interval, owner))


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the same addresses as disjoint intervals, in order."""
    result: list[Interval] = []
    for interval in sorted(intervals):
        previous = result[-1] if result else None
        if previous and previous.version == interval.version and interval.first <= previous.last + 1:
            result[-1] = Interval(previous.version, previous.first, max(previous.last, interval.last))
        else:
            result.append(interval)
    return result


def free_blocks(base: Interval, prefix_len: int, taken: list[Interval]) -> Iterator[int]:
    """Yield the first addresses of the free aligned blocks within ``base``, ascending; ``taken`` is merged."""
    ours = [interval for interval in taken if interval.version == base.version]
    lasts = [interval.last for interval in ours]
    size = 1 << (bits_of(base.version) - prefix_len)
    start = base.first
    while start + size - 1 <= base.last:
        position = bisect_right(lasts, start - 1)
        if position < len(ours) and ours[position].first <= start + size - 1:
            start = (ours[position].last // size + 1) * size
        else:
            yield start
            start += size


def count_free_blocks(base: Interval, prefix_len: int, taken: list[Interval]) -> int:
    """Return how many blocks ``free_blocks`` would yield, without yielding them."""
    size = 1 << (bits_of(base.version) - prefix_len)
    free = base.size // size
    counted_to = base.first // size - 1
    for interval in taken:
        if interval.overlaps(base):
            lowest = max(max(interval.first, base.first) // size, counted_to + 1)
            counted_to = max(min(interval.last, base.last) // size, counted_to)
            free -= max(0, counted_to - lowest + 1)
    return max(0, free)


def first_meetings(
    owned: Iterable[tuple[Interval, _Owner]], others: Iterable[tuple[Interval, _Other]]
) -> Iterator[tuple[_Owner, _Other]]:
    """Yield each block of ``owned`` that overlaps any of ``others``, with one that it overlaps."""
    rows = sorted(others, key=lambda pair: (pair[0].version, pair[0].first, -pair[0].last))
    starts = [(interval.version, interval.first) for interval, _ in rows]
    lasts = _reaches(rows)
    for interval, owner in owned:
        position = bisect_right(starts, (interval.version, interval.last))
        if position and lasts[position - 1][0] == interval.version and lasts[position - 1][1] >= interval.first:
            yield owner, rows[lasts[position - 1][2]][1]


def _reaches(rows: list[tuple[Interval, _Other]]) -> list[tuple[int, int, int]]:
    """Return for each row its version, the last address of any row up to it, and the index of that row."""
    reaches: list[tuple[int, int, int]] = []
    for index, (interval, _) in enumerate(rows):
        here = (interval.version, interval.last, index)
        reaches.append(max(reaches[-1], here, key=lambda reach: reach[:2]) if reaches else here)
    return reaches


def is_within(address: int, version: int, blocks: list[Interval]) -> bool:
    """Return whether the address lies in one of the blocks (merged)."""
    position = bisect_right(blocks, Interval(version, address, 1 << bits_of(version)))
    return position > 0 and blocks[position - 1].overlaps(Interval(version, address, address))


def forbidden(addresses: Iterable[str], allowed_subnets: tuple[str, ...] | None) -> str | None:
    """Return the first address outside of all subnets (CIDRs); ``None`` when there is none, or no list."""
    if allowed_subnets is None:
        return None
    blocks = _merged_subnets(allowed_subnets)
    return next((address for address in addresses if not is_within(*_number_of(address), blocks)), None)


# Cached: there may be thousands of subnets, and a matrix checks each name of each source against them. Comparing an
# address with each subnet took longer than the probe.
@lru_cache(maxsize=8)
def _merged_subnets(subnets: tuple[str, ...]) -> list[Interval]:
    return merged(interval for interval in map(parse, subnets) if interval is not None)


def _number_of(address: str) -> tuple[int, int]:
    """Return number and version of an address without its zone; an IPv4-mapped one (RFC 4291 §2.5.5.2) as IPv4."""
    parsed = ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return int(mapped or parsed), (mapped or parsed).version
