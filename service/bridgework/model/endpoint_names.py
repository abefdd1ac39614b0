"""Under which names an endpoint is found on its network, and how DNS compares names."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridgework.model.snapshot import Endpoint

SHORT_ID = 12


@lru_cache(maxsize=65_536)
def normal(name: str) -> str:
    """As DNS compares names: lower case, without the final dot."""
    return name.strip().rstrip(".").lower()


def names_of(endpoint: Endpoint) -> frozenset[str]:
    """The names it answers to on its network; engines before 25 do not list them, so they are put together."""
    listed = endpoint.dns_names or (endpoint.container_name, endpoint.container_id[:SHORT_ID], *endpoint.aliases)
    return _normalised(listed)


@lru_cache(maxsize=16_384)
def _normalised(names: tuple[str, ...]) -> frozenset[str]:
    """Kept, since an endpoint's names are asked for in every snapshot that it is in."""
    return frozenset(normal(name) for name in names if name)
