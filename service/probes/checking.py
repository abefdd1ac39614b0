"""One check, from the request to the measurement, in the calling thread's namespace.

It turns a name into addresses as the source would, refuses what the caller may not probe, probes the first address
and asks for its reverse name. It does not know how it came into the namespace.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from service.core.checks import Measurement, ProbeRequest, Reason
from service.core.observations import ResolverConfiguration
from service.probes import probe_of
from service.probes.attempts import failed, repeat
from service.probes.sockaddr import family_of, numeric

if TYPE_CHECKING:
    from service.probes.resolver import Resolution

_DISCARD_PORT = 9


def check(request: ProbeRequest, configuration: ResolverConfiguration | None) -> Measurement:
    """Carry out the request. ``configuration`` may be ``None`` when neither a name nor a reverse look-up is asked for.

    The time-out bounds each attempt, the resolution as a whole, and the reverse look-up, each by itself.
    """
    if request.name is None:
        measurement = repeat(probe_of(request.protocol), request, request.address or "")
        return _with_reverse_name(measurement, request, configuration)
    if configuration is None:
        return failed(Reason.NAMESPACE_OUT_OF_REACH, "the source's resolver configuration cannot be read")
    from service.probes import naming

    started = time.perf_counter()
    resolution = naming.addresses_of(request.name, configuration, request)
    resolve_ms = round((time.perf_counter() - started) * 1000, 3)
    measurement = _probe_resolved(request, resolution)
    phases = replace(measurement.phases_ms, resolve=resolve_ms)
    measurement = replace(measurement, phases_ms=phases, resolver=resolution.server)
    return _with_reverse_name(measurement, request, configuration)


def _probe_resolved(request: ProbeRequest, resolution: Resolution) -> Measurement:
    if resolution.reason is not None:
        return failed(resolution.reason, resolution.detail)
    outside = forbidden(resolution.addresses, request.allowed_subnets)
    if outside is not None:
        refusal = failed(Reason.NOT_ALLOWED, f"{request.name} leads to {outside}, which may not be probed")
        return replace(refusal, address=outside, resolved_addresses=resolution.addresses)
    ordered = usable_first(resolution.addresses)
    measurement = repeat(probe_of(request.protocol), request, ordered[0])
    return replace(measurement, resolved_addresses=ordered)


def forbidden(addresses: Iterable[str], allowed_subnets: tuple[str, ...] | None) -> str | None:
    """The first address outside of all the subnets (CIDRs); ``None`` when there is none or nothing is bounded."""
    if allowed_subnets is None:
        return None
    subnets = [ipaddress.ip_network(subnet, strict=False) for subnet in allowed_subnets]
    return next((a for a in addresses if not any(_plain(a) in subnet for subnet in subnets)), None)


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Without its zone; an IPv4 address in IPv6's clothes (RFC 4291, 2.5.5.2) is the IPv4 address that it reaches."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return (isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped) or parsed


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
    measurement: Measurement, request: ProbeRequest, configuration: ResolverConfiguration | None
) -> Measurement:
    if not request.reverse_lookup or measurement.address is None or configuration is None:
        return measurement
    from service.probes import naming

    return replace(measurement, reverse_name=naming.name_of(measurement.address, configuration, request))
