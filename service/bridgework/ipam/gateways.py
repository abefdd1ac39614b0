"""The gateway that the engine chose for a subnet where the caller named none.

Docker 26 and 28 give the host's bridge the address at once, and report it only after a restart of the engine. Docker 29
reports it at once. Measured on 26.1.5, 28.5.2 and 29.7.2 with 17 kinds of network (subnet, range, auxiliary addresses,
internal, IPv6, /31, existing bridge, macvlan): by the bridge, the containers' routes, and the engine's report after a
restart.
"""

from __future__ import annotations

from dataclasses import replace

from bridgework.ipam.usage import first_address
from bridgework.model.snapshot import Network, Pool

# Docker 29: a network without a reported gateway has none, such as a macvlan without a named gateway.
_TOLD = (1, 52)
# Docker 28 gives some networks no gateway (moby: GetSkipGwAlloc of each driver).
_SKIPS = (1, 48)
_BRIDGE = "com.docker.network.bridge."


def with_gateways(network: Network, engine_api: tuple[int, int]) -> Network:
    """Return the network with the gateway of each pool filled in, where the engine chose one.

    ``engine_api`` is the newest API version that the engine speaks, not the negotiated one.
    """
    if engine_api >= _TOLD or network.config_only or network.ipam_driver != "default":
        return network
    # The gateway of an overlay network is chosen, and reported, by a manager of the swarm.
    if network.driver not in {"bridge", "macvlan", "ipvlan"}:
        return network
    pools = tuple(
        pool if pool.gateway or not _has_one(network, pool, engine_api) else replace(pool, gateway=first_address(pool))
        for pool in network.pools
    )
    return replace(network, pools=pools)


def _has_one(network: Network, pool: Pool, engine_api: tuple[int, int]) -> bool:
    # A network whose family is switched off keeps the pool, without an address of the host in it.
    ipv6 = ":" in pool.subnet
    if not (network.ipv6_enabled if ipv6 else network.ipv4_enabled):
        return False
    if engine_api < _SKIPS:
        return True
    # macvlan and ipvlan: an internal network has no way out, and l3 routes without a gateway.
    if network.driver != "bridge":
        return not network.internal and network.options.get("ipvlan_mode") not in {"l3", "l3s"}
    isolated = network.options.get(f"{_BRIDGE}gateway_mode_ipv{6 if ipv6 else 4}") == "isolated"
    unused = not ipv6 and network.internal and network.options.get(f"{_BRIDGE}inhibit_ipv4") == "true"
    return not isolated and not unused
