"""The addresses of a name and the name of an address, as the source finds them, in the calling thread's namespace."""

from __future__ import annotations

from service.core.checks import ProbeRequest
from service.core.observations import ResolverConfiguration
from service.probes.exchange import drive
from service.probes.resolver import Resolution, resolve, reverse


def addresses_of(name: str, configuration: ResolverConfiguration, request: ProbeRequest) -> Resolution:
    """What the name means, in the IP version asked for; the request's time-out bounds it as a whole."""
    return drive(resolve(configuration, name, request.ip_version), request.timeout_ms / 1000)


def name_of(address: str, configuration: ResolverConfiguration, request: ProbeRequest) -> str | None:
    """The address's reverse name, if the source's servers know one within the request's time-out."""
    return drive(reverse(configuration, address), request.timeout_ms / 1000)
