"""How the addresses of networks are used, and which subnets are free."""

from __future__ import annotations

from bridgework.ipam.usage import DEFAULT_BASES, PoolUsage, available_subnets, usage_of
from bridgework.model.errors import Conflict
from bridgework.model.snapshot import Network, Snapshot
from bridgework.use_cases.preflight.network import taken_subnets
from bridgework.use_cases.services import Services


def addresses(snapshot: Snapshot, network: Network) -> tuple[PoolUsage, ...]:
    """Return how each pool of the network is used, and what holds each address."""
    return usage_of(network, snapshot.endpoints_of(network))


def free_subnets(services: Services, snapshot: Snapshot, prefix_len: int, count: int) -> list[str]:
    """Return subnets that the policy allows and that overlap no network and no route of the host.

    Raises ``Conflict`` (``address-space-exhausted``) when there is none.
    """
    bases = services.policy.allowed_subnets or DEFAULT_BASES
    subnets = available_subnets(prefix_len, count, taken_subnets(services, snapshot), bases)
    if not subnets:
        raise Conflict(code="address-space-exhausted", detail=f"No subnet with the prefix length {prefix_len} is free.")
    return subnets
