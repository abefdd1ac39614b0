"""Addresses against a list of allowed subnets."""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache

_Number = tuple[int, int]


def forbidden(addresses: Iterable[str], allowed_subnets: tuple[str, ...] | None) -> str | None:
    """Return the first address outside of all subnets (CIDRs); ``None`` when there is none, or no list."""
    if allowed_subnets is None:
        return None
    lows, highs = _ranges(allowed_subnets)
    return next((address for address in addresses if not _inside(_number(address), lows, highs)), None)


@lru_cache(maxsize=8)
def _ranges(subnets: tuple[str, ...]) -> tuple[list[_Number], list[_Number]]:
    """Return the first and the last address of each subnet, sorted and merged, for a binary search."""
    # There may be thousands of subnets, and a matrix checks each name of each source: comparing with each subnet took
    # longer than the probe.
    lows: list[_Number] = []
    highs: list[_Number] = []
    networks = [ipaddress.ip_network(subnet, strict=False) for subnet in subnets]
    for low, high in sorted((_of(net.network_address), _of(net.broadcast_address)) for net in networks):
        if highs and low <= highs[-1]:
            highs[-1] = max(highs[-1], high)
        else:
            lows.append(low)
            highs.append(high)
    return lows, highs


def _inside(number: _Number, lows: list[_Number], highs: list[_Number]) -> bool:
    at = bisect_right(lows, number) - 1
    return at >= 0 and number <= highs[at]


def _number(address: str) -> _Number:
    """Return the address as a number, without its zone; an IPv4-mapped one (RFC 4291 §2.5.5.2) as IPv4."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return _of(mapped or parsed)


def _of(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> _Number:
    return address.version, int(address)
