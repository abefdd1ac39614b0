"""Rules about free addresses: the pools of networks, and the pools from which the engine takes new subnets."""

from __future__ import annotations

from collections.abc import Iterator

from bridgework.diagnosis.view import View, enumerate_names, length_like
from bridgework.explanations import HOST, finding, of_network
from bridgework.explanations.addresses import ADDRESS_SPACE_EXHAUSTED, POOL_EXHAUSTED, POOL_NEARLY_FULL
from bridgework.explanations.explanation import Explanation
from bridgework.explanations.remedies import network_reference, new_name
from bridgework.ipam.intervals import bits_of, count_free_blocks, parse
from bridgework.ipam.usage import DOCKER_POOLS, PoolUsage, usage_of
from bridgework.model.actions import CreateNetwork, DeleteNetwork
from bridgework.model.checks import Finding, Severity
from bridgework.model.create_specs import NetworkSpec
from bridgework.model.errors import Remedy
from bridgework.model.snapshot import Network, Pool

_NEARLY = 10
_FEW_SUBNETS = 3
_WIDER_BY = 2


def pools_run_out(view: View) -> Iterator[Finding]:
    """Find pools of networks in use that are full, or have a tenth or less left."""
    for network in view.snapshot.networks:
        endpoints = view.snapshot.endpoints_of(network)
        if network.config_only or not endpoints:
            continue
        for usage in usage_of(network, endpoints):
            cause = _cause_of(usage)
            if cause:
                yield finding(
                    cause,
                    of_network(network),
                    f"{usage.subnet} of {network.name} has {usage.free or 'none'} of {usage.size} addresses left.",
                    remedy=_widen(view, network, usage),
                    evidence={
                        "subnet": usage.subnet,
                        "ip_range": usage.ip_range,
                        "size": usage.size,
                        "used": usage.used,
                        "free": usage.free,
                        "affected": len(endpoints),
                    },
                )


def _cause_of(usage: PoolUsage) -> Explanation | None:
    if usage.free == 0:
        return POOL_EXHAUSTED
    return POOL_NEARLY_FULL if usage.used > 1 and usage.free <= max(1, usage.size // _NEARLY) else None


def _widen(view: View, network: Network, usage: PoolUsage) -> Remedy:
    free = view.free_subnet(length_like(usage.subnet, wider_by=_WIDER_BY))
    if free is None:
        return Remedy(f"Disconnect containers that do not need {network.name}.")
    spec = NetworkSpec(f"{network.name}-wide", network.driver, pools=(Pool(free),))
    return Remedy(
        f"Disconnect containers that do not need {network.name}, or place new containers on a larger network.",
        (CreateNetwork(spec),),
    )


def default_pools_run_out(view: View) -> Iterator[Finding]:
    """Find default address pools that have few subnets left, counted as the engine divides them."""
    known = view.engine.default_pools
    bases = [(interval, size) for base, size in known or DOCKER_POOLS if (interval := parse(base)) is not None]
    cut = [(i, size) for i, size in bases if 0 < size <= bits_of(i.version) and i.size >> (bits_of(i.version) - size)]
    total = sum(i.size >> (bits_of(i.version) - size) for i, size in cut)
    free = sum(count_free_blocks(interval, size, view.occupied) for interval, size in cut)
    if not total or free > _FEW_SUBNETS:
        return
    unused = sorted(view.unused(), key=lambda network: (network.created_at, network.name, network.id))
    yield finding(
        ADDRESS_SPACE_EXHAUSTED,
        HOST,
        f"{free or 'None'} of the {total} subnets of the default pools {'is' if free <= 1 else 'are'} left.",
        severity=None if free == 0 else Severity.WARNING,
        remedy=_make_room(view, unused),
        evidence={
            "total": total,
            "free": free,
            "pools": [base for base, _ in known or DOCKER_POOLS],
            "pools_known": bool(known),
            "unused_networks": [network.name for network in unused],
        },
    )


def _make_room(view: View, unused: list[Network]) -> Remedy:
    if unused:
        oldest = unused[0]
        action = DeleteNetwork(network_reference(view.snapshot, oldest))
        return Remedy(f"Remove networks that nothing uses: {enumerate_names(n.name for n in unused)}.", (action,))
    free = view.free_subnet(24)
    create = (CreateNetwork(NetworkSpec(new_name(view.snapshot, ()), pools=(Pool(free),))),) if free else ()
    return Remedy(
        "Name a free subnet when creating a network, or give the engine larger default-address-pools.", create
    )
