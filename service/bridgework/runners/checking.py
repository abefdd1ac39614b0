"""One check in the calling thread's namespace, from the request to the measurement.

It resolves a name as the source would, refuses addresses that the caller may not probe, probes one address and asks for
its reverse name.
"""

from __future__ import annotations

import time
from dataclasses import replace

from bridgework.ipam.intervals import forbidden
from bridgework.model.checks import Measurement, ProbeRequest, Reason
from bridgework.model.observations import ResolverConfiguration
from bridgework.probes.kinds.attempts import failed, repeat
from bridgework.probes.kinds.kind import kind_of
from bridgework.probes.kinds.sockaddr import route_socket

OVERHEAD_S = 1.0
"""For what a check does between its waits, also on a busy machine: import a probe, choose among 64 addresses."""


def longest_s(request: ProbeRequest) -> float:
    """Return how long a check may take: its attempts, the resolution of a name and the reverse look-up."""
    look_ups = (request.name is not None) + request.reverse_lookup
    waits_ms = request.count * (request.timeout_ms + request.interval_ms) + look_ups * request.timeout_ms
    return waits_ms / 1000 + OVERHEAD_S


def check(request: ProbeRequest, configuration: ResolverConfiguration | None, ends: float | None = None) -> Measurement:
    """Carry out the request before ``ends`` (``time.monotonic``; default: ``longest_s`` from now).

    ``configuration`` is needed for a name and for a reverse look-up. The request's time-out bounds each attempt, the
    resolution as a whole and the reverse look-up.
    """
    kind_of(request.protocol)  # before the time runs: in a helper the import takes as long as a short time-out
    ends = time.monotonic() + longest_s(request) if ends is None else ends
    if request.name is None:
        measurement = repeat(kind_of(request.protocol).probe, request, request.address or "", ends)
    elif configuration is None:
        return failed(Reason.NAMESPACE_OUT_OF_REACH, "the source's resolver configuration cannot be read")
    else:
        measurement = _check_name(request, request.name, configuration, ends)
    if not request.reverse_lookup or measurement.address is None or configuration is None:
        return measurement
    from bridgework.probes.resolver import exchange, steps

    reverse = exchange.drive(steps.reverse(configuration, measurement.address), _within(request, ends))
    return replace(measurement, reverse_name=reverse.name, detail=_joined(measurement.detail, reverse.detail))


def _joined(*details: str | None) -> str | None:
    return "; ".join(detail for detail in details if detail) or None


def _within(request: ProbeRequest, ends: float) -> float:
    return min(time.monotonic() + request.timeout_ms / 1000, ends)


def _check_name(request: ProbeRequest, name: str, configuration: ResolverConfiguration, ends: float) -> Measurement:
    from bridgework.probes.resolver import exchange, steps

    started = time.perf_counter()
    resolution = exchange.drive(steps.resolve(configuration, name, request.ip_version), _within(request, ends))
    resolve_ms = round((time.perf_counter() - started) * 1000, 3)
    if resolution.reason is not None:
        measurement = failed(resolution.reason, resolution.detail)
    else:
        measurement = _probe_first(request, resolution.addresses, resolution.detail, ends)
    phases = replace(measurement.phases_ms, resolve=resolve_ms)
    return replace(measurement, phases_ms=phases, resolver=resolution.server)


def _probe_first(
    request: ProbeRequest, addresses: tuple[str, ...], resolver_detail: str | None, ends: float
) -> Measurement:
    """Probe the first address that has a route (RFC 6724, section 6, rule 1), if all of them may be probed."""
    outside = forbidden(addresses, request.allowed_subnets)
    if outside is not None:
        refusal = failed(Reason.NOT_ALLOWED, f"{request.name} leads to {outside}, which may not be probed")
        return replace(refusal, address=outside, resolved_addresses=addresses)
    ordered = tuple(sorted(addresses, key=lambda address: not _has_route(address)))
    # Probe the address that was judged. A second answer for the name could be another one (DNS rebinding).
    measurement = repeat(kind_of(request.protocol).probe, request, ordered[0], ends)
    return replace(measurement, resolved_addresses=ordered, detail=_joined(measurement.detail, resolver_detail))


def _has_route(address: str) -> bool:
    try:
        route_socket(address).close()
    except OSError:
        return False
    return True
