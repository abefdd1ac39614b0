"""One check, from the request to the measurement, in the calling thread's namespace.

It turns a name into addresses as the source would, refuses what the caller may not probe, probes the first address
and asks for its reverse name. It does not know how it came into the namespace.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from bridgework.core.checks import Measurement, ProbeRequest, Reason
from bridgework.core.observations import ResolverConfiguration
from bridgework.probes import probe_of
from bridgework.probes.attempts import failed, repeat
from bridgework.probes.sockaddr import family_of, numeric

if TYPE_CHECKING:
    from bridgework.probes.resolver import Resolution

_DISCARD_PORT = 9
_Number = tuple[int, int]
"""An address as its version and its number: those of one version are neighbours when sorted."""
BETWEEN_S = 1.0
"""For what a check does between its waits, on a busy machine too: to import a probe, to choose among 64 addresses."""


def longest_s(request: ProbeRequest) -> float:
    """How long a check may take: its attempts, the resolution of a name, the reverse look-up, and what lies between."""
    look_ups = (request.name is not None) + request.reverse_lookup
    return (
        request.count * (request.timeout_ms + request.interval_ms) + look_ups * request.timeout_ms
    ) / 1000 + BETWEEN_S


def check(request: ProbeRequest, configuration: ResolverConfiguration | None, ends: float | None = None) -> Measurement:
    """Carry out the request. ``configuration`` may be ``None`` when neither a name nor a reverse look-up is asked for.

    The time-out bounds each attempt, the resolution as a whole, and the reverse look-up, each by itself. ``ends``
    (``time.monotonic``; ``longest_s`` from now) bounds them all together.
    """
    probe_of(request.protocol)  # imported before the time runs: in a helper that takes as long as a short time-out
    ends = time.monotonic() + longest_s(request) if ends is None else ends
    if request.name is None:
        measurement = repeat(probe_of(request.protocol), request, request.address or "", ends)
        return _with_reverse_name(measurement, request, configuration, ends)
    if configuration is None:
        return failed(Reason.NAMESPACE_OUT_OF_REACH, "the source's resolver configuration cannot be read")
    from bridgework.probes import naming

    started = time.perf_counter()
    resolution = naming.addresses_of(request.name, configuration, request.ip_version, _within(request, ends))
    resolve_ms = round((time.perf_counter() - started) * 1000, 3)
    measurement = _probe_resolved(request, resolution, ends)
    phases = replace(measurement.phases_ms, resolve=resolve_ms)
    measurement = replace(measurement, phases_ms=phases, resolver=resolution.server)
    return _with_reverse_name(measurement, request, configuration, ends)


def _within(request: ProbeRequest, ends: float) -> float:
    return min(time.monotonic() + request.timeout_ms / 1000, ends)


def _probe_resolved(request: ProbeRequest, resolution: Resolution, ends: float) -> Measurement:
    if resolution.reason is not None:
        return failed(resolution.reason, resolution.detail)
    outside = forbidden(resolution.addresses, request.allowed_subnets)
    if outside is not None:
        refusal = failed(Reason.NOT_ALLOWED, f"{request.name} leads to {outside}, which may not be probed")
        return replace(refusal, address=outside, resolved_addresses=resolution.addresses)
    # The name is not asked for again: what was judged is what is probed, whatever a second answer would be.
    ordered = usable_first(resolution.addresses)
    measurement = repeat(probe_of(request.protocol), request, ordered[0], ends)
    details = "; ".join(detail for detail in (measurement.detail, resolution.detail) if detail)
    return replace(measurement, resolved_addresses=ordered, detail=details or None)


def forbidden(addresses: Iterable[str], allowed_subnets: tuple[str, ...] | None) -> str | None:
    """The first address outside of all the subnets (CIDRs); ``None`` when there is none or nothing is bounded."""
    if allowed_subnets is None:
        return None
    lows, highs = _ranges(allowed_subnets)
    return next((address for address in addresses if not _inside(_number(address), lows, highs)), None)


@lru_cache(maxsize=8)
def _ranges(subnets: tuple[str, ...]) -> tuple[list[_Number], list[_Number]]:
    """The first and the last address of each subnet, sorted and joined, to be searched by halves.

    The addresses are the container's choice, and there may be thousands of subnets: to compare each with each took
    longer than the probe, and a matrix does it for each name of each source.
    """
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
    """Without its zone; an IPv4 address in IPv6's clothes (RFC 4291, 2.5.5.2) is the IPv4 address that it reaches."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return _of(mapped or parsed)


def _of(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> _Number:
    return address.version, int(address)


def usable_first(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """Addresses for which the kernel has a route come first (RFC 6724, rule 1); the order is kept otherwise."""
    return tuple(sorted(addresses, key=lambda address: not _has_route(address)))


def _has_route(address: str) -> bool:
    try:
        version, sockaddr = numeric(address, _DISCARD_PORT)
        with socket.socket(family_of(version), socket.SOCK_DGRAM) as sock:
            sock.connect(sockaddr)
    except OSError:
        return False
    return True


def _with_reverse_name(
    measurement: Measurement, request: ProbeRequest, configuration: ResolverConfiguration | None, ends: float
) -> Measurement:
    if not request.reverse_lookup or measurement.address is None or configuration is None:
        return measurement
    from bridgework.probes import naming

    return replace(measurement, reverse_name=naming.name_of(measurement.address, configuration, _within(request, ends)))
