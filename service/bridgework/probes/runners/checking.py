"""One check, from the request to the measurement, in the calling thread's namespace.

It turns a name into addresses as the source would, refuses what the caller may not probe, probes the first address
and asks for its reverse name. It does not know how it came into the namespace.
"""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from bridgework.ipam.allowed import forbidden
from bridgework.model.checks import Measurement, ProbeRequest, Reason
from bridgework.model.observations import ResolverConfiguration
from bridgework.probes import probe_of
from bridgework.probes.kinds.attempts import failed, repeat
from bridgework.probes.kinds.sockaddr import family_of, numeric

if TYPE_CHECKING:
    from bridgework.probes.resolver.steps import Resolution

_DISCARD_PORT = 9
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
    from bridgework.probes.resolver import lookup

    started = time.perf_counter()
    resolution = lookup.addresses_of(request.name, configuration, request.ip_version, _within(request, ends))
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
    from bridgework.probes.resolver import lookup

    return replace(measurement, reverse_name=lookup.name_of(measurement.address, configuration, _within(request, ends)))
