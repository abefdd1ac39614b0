"""At which address a source of a matrix would try another container.

On a network they share, one that lets its endpoints talk before one that does not; else any address of its own.
"""

from __future__ import annotations

from service.core.reachability.aim import talks_inside
from service.core.snapshot import Container, Endpoint, Snapshot

LOOPBACK = "127.0.0.1"


class Reach:
    """From one source: at which address it would try another container."""

    def __init__(self, snapshot: Snapshot, source: Container) -> None:
        self._source = source
        self._own: dict[str, Endpoint] = {endpoint.network_id: endpoint for endpoint in source.endpoints}
        known = snapshot.networks_by_id
        self._silent = {id_ for id_ in self._own if id_ in known and not talks_inside(known[id_])}

    def address_of(self, other: Container, *, shares: bool) -> str | None:
        """The address, or ``None`` where the other has none."""
        if shares:
            return next((a for endpoint in other.endpoints for a in endpoint.addresses), LOOPBACK)
        if other.host_mode:
            return next((e.gateway for e in self._source.endpoints if e.gateway), None)
        silent = fallback = None
        for endpoint in other.endpoints:
            shared = self._shared(endpoint)
            if shared and endpoint.network_id not in self._silent:
                return shared
            silent = silent or shared
            fallback = fallback or endpoint.ipv4_address or endpoint.ipv6_address
        return silent or fallback

    def _shared(self, endpoint: Endpoint) -> str | None:
        """Its address in a family that the source has there too."""
        own = self._own.get(endpoint.network_id)
        if own is None:
            return None
        if endpoint.ipv4_address and own.ipv4_address:
            return endpoint.ipv4_address
        return endpoint.ipv6_address if own.ipv6_address else None
