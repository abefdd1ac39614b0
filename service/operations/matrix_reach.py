"""At which address a source of a matrix would try another container: on a network they share, else any of its own."""

from __future__ import annotations

from service.core.snapshot import Container, Endpoint

LOOPBACK = "127.0.0.1"


class Reach:
    """From one source: at which address it would try another container."""

    def __init__(self, source: Container) -> None:
        self._source = source
        self._own: dict[str, Endpoint] = {endpoint.network_id: endpoint for endpoint in source.endpoints}

    def address_of(self, other: Container, *, shares: bool) -> str | None:
        """The address, or ``None`` where the other has none."""
        if shares:
            return next((a for endpoint in other.endpoints for a in endpoint.addresses), LOOPBACK)
        if other.host_mode:
            return next((e.gateway for e in self._source.endpoints if e.gateway), None)
        fallback = None
        for endpoint in other.endpoints:
            own = self._own.get(endpoint.network_id)
            if own is not None:
                if endpoint.ipv4_address and own.ipv4_address:
                    return endpoint.ipv4_address
                if endpoint.ipv6_address and own.ipv6_address:
                    return endpoint.ipv6_address
            fallback = fallback or endpoint.ipv4_address or endpoint.ipv6_address
        return fallback
