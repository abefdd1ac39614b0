"""The addresses of a name and the name of an address, as the source finds them, in the calling thread's namespace."""

from __future__ import annotations

from bridgework.model.observations import ResolverConfiguration
from bridgework.probes.resolver.exchange import drive
from bridgework.probes.resolver.steps import Resolution, resolve, reverse


def addresses_of(name: str, configuration: ResolverConfiguration, ip_version: int | None, ends: float) -> Resolution:
    """What the name means, in the IP version wanted; ``ends`` (``time.monotonic``) bounds it as a whole."""
    return drive(resolve(configuration, name, ip_version), ends)


def name_of(address: str, configuration: ResolverConfiguration, ends: float) -> str | None:
    """The address's reverse name, if the source's servers know one before ``ends``."""
    return drive(reverse(configuration, address), ends)
