"""The names of an endpoint on its network, and the comparison of names in DNS."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridgework.model.snapshot import Endpoint

SHORT_ID = 12


@lru_cache(maxsize=65_536)
def normal(name: str) -> str:
    """Return the name as DNS compares it: in lower case, without the final dot."""
    return name.strip().rstrip(".").lower()


def names_of(endpoint: Endpoint) -> frozenset[str]:
    """Return the names that it has on its network."""
    # Engines before Docker 25 do not list them.
    listed = endpoint.dns_names or (endpoint.container_name, endpoint.container_id[:SHORT_ID], *endpoint.aliases)
    return _normalised(listed)


@lru_cache(maxsize=16_384)
def _normalised(names: tuple[str, ...]) -> frozenset[str]:
    # Cached, because every snapshot asks for the names of all its endpoints.
    return frozenset(normal(name) for name in names if name)
