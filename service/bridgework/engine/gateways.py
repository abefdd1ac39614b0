"""The gateway that the engine chose for a subnet where the caller named none.

Docker 26 and 28 give the host's bridge the address at once and do not tell it until the engine restarts; 29 tells it.
Measured on 26.1.5, 28.5.2 and 29.7.2 with 17 kinds of network (subnet, range, auxiliary addresses, internal, IPv6,
/31, existing bridge, macvlan), by the bridge, the containers' routes and the engine's own word after a restart.
"""

from __future__ import annotations

from dataclasses import replace

from bridgework.ipam.usage import first_address
from bridgework.model.snapshot import Network, Pool

_TOLD = (1, 52)  # Docker 29: what it does not tell it does not have, such as a macvlan without a named gateway
_SKIPS = (1, 48)  # Docker 28 gives none to some networks (moby: GetSkipGwAlloc of each driver)
_BRIDGE = "com.docker.network.bridge."


def with_gateways(network: Network, engine_api: tuple[int, int]) -> Network:
    """Return the network with the gateway in force of each pool; ``None`` only where there is none.

    ``engine_api`` is the newest API version that the engine speaks, whatever was negotiated.
    """
    if engine_api >= _TOLD or network.config_only or network.ipam_driver != "default":
        return network
    if network.driver not in {"bridge", "macvlan", "ipvlan"}:  # a swarm's manager tells an overlay's
        return network
    pools = tuple(
        pool if pool.gateway or not _has_one(network, pool, engine_api) else replace(pool, gateway=first_address(pool))
        for pool in network.pools
    )
    return replace(network, pools=pools)


def _has_one(network: Network, pool: Pool, engine_api: tuple[int, int]) -> bool:
    ipv6 = ":" in pool.subnet
    if not (network.ipv6_enabled if ipv6 else network.ipv4_enabled):
        return False
    if engine_api < _SKIPS:
        return True
    if network.driver != "bridge":
        return not network.internal and network.options.get("ipvlan_mode") not in {"l3", "l3s"}
    isolated = network.options.get(f"{_BRIDGE}gateway_mode_ipv{6 if ipv6 else 4}") == "isolated"
    unused = not ipv6 and network.internal and network.options.get(f"{_BRIDGE}inhibit_ipv4") == "true"
    return not isolated and not unused
