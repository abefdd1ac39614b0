"""The rules of Docker 28.2 and later. Source: moby v28.5.2, libnetwork/drivers/bridge/internal/iptabler."""

from __future__ import annotations

from collections.abc import Iterable

from bridgework.firewall.docker.chains import (
    DIRECT_ROUTING,
    DRIVER,
    ESTABLISHED,
    ICC,
    PROXY,
    STAGE_1,
    STAGE_2,
    TRUSTED,
    Chains,
    because_of,
    gateway_mode_option,
    internal_drops,
    loopback_drop,
    nat_jumps,
    outgoing,
    skip_translation,
    to_container,
    to_itself,
    translation,
)
from bridgework.firewall.docker.values import NAT, ROUTED, UNPROTECTED, Because, Bridge, Port

_ICMP = {4: "icmp", 6: "ipv6-icmp"}


def write(chains: Chains, bridges: Iterable[Bridge], ports: Iterable[Port]) -> None:
    """Write the rules of the bridges, in the order in which they were made, and of the ports."""
    made = tuple(bridge for bridge in bridges if bridge.subnet is not None)
    jumps(chains, STAGE_1)
    for bridge in made:
        if bridge.internal:
            internal(chains, bridge, STAGE_1)
            continue
        outgoing(chains, bridge)
        skip_translation(chains, bridge)
        forwarding(chains, bridge)
        _isolation(chains, bridge)
    of_endpoints_and_ports(chains, made, ports)


def jumps(chains: Chains, isolation: str) -> None:
    """Write the jumps between the engine's chains; ``isolation`` is the one that separates networks."""
    nat_jumps(chains)
    # The engine puts them before the rules of other programs each time that it starts (iptables.go, EnsureJumpRule).
    for chain in ("DOCKER-FORWARD", "DOCKER-USER"):
        chains.insert("filter", "FORWARD", f"-j {chain}", chains.base)
    for chain in ("DOCKER-CT", isolation, "DOCKER-BRIDGE"):
        chains.append("filter", "DOCKER-FORWARD", f"-j {chain}", chains.base)


def internal(chains: Chains, bridge: Bridge, isolation: str) -> None:
    """Write the rules of an internal network."""
    internal_drops(chains, bridge, isolation)
    verdict = "ACCEPT" if bridge.icc else "DROP"
    match = f"-i {bridge.name} -o {bridge.name} -j {verdict}"
    chains.append("filter", "DOCKER-FORWARD", match, Because(ICC, bridge.name))


def forwarding(chains: Chains, bridge: Bridge) -> None:
    """Write what a bridge with a way out lets pass, in the chains below FORWARD."""
    name, of_every = bridge.name, Because(DRIVER, bridge.name)
    mode = Because(gateway_mode_option(chains.version), name)
    if bridge.icc:
        chains.append("filter", "DOCKER-FORWARD", f"-i {name} -j ACCEPT", Because(ICC, name))
    else:
        chains.append("filter", "DOCKER-FORWARD", f"-i {name} -o {name} -j DROP", Because(ICC, name))
        chains.append("filter", "DOCKER-FORWARD", f"-i {name} ! -o {name} -j ACCEPT", of_every)
    # Others reach the containers of a routed network by their addresses: path MTU discovery and ping must work.
    if bridge.mode == ROUTED:
        chains.append("filter", "DOCKER", f"-o {name} -p {_ICMP[chains.version]} -j ACCEPT", mode)
    verdict = "ACCEPT" if bridge.mode == UNPROTECTED else "DROP"
    chains.append("filter", "DOCKER", f"! -i {name} -o {name} -j {verdict}", mode)
    chains.append("filter", "DOCKER-CT", f"-o {name} {ESTABLISHED}", of_every)
    chains.append("filter", "DOCKER-BRIDGE", f"-o {name} -j DOCKER", of_every)


def _isolation(chains: Chains, bridge: Bridge) -> None:
    name, because = bridge.name, Because(DRIVER, bridge.name)
    if bridge.mode == ROUTED:
        mode = Because(gateway_mode_option(chains.version), name)
        chains.insert("filter", STAGE_1, f"-o {name} -j RETURN", mode)
        chains.insert("filter", STAGE_1, f"-i {name} {ESTABLISHED}", mode)
    chains.append("filter", STAGE_1, f"-i {name} ! -o {name} -j {STAGE_2}", because)
    chains.insert("filter", STAGE_2, f"-o {name} -j DROP", because)


def of_endpoints_and_ports(chains: Chains, bridges: Iterable[Bridge], ports: Iterable[Port]) -> None:
    """Write the rules that hide the addresses of containers, and those that open published ports."""
    by_name = {bridge.name: bridge for bridge in bridges}
    for bridge in by_name.values():
        if not bridge.internal and bridge.mode == NAT:
            for address in bridge.addresses:
                _direct_access(chains, bridge, address)
    for port in ports:
        loopback_drop(chains, port)
        if port.host_port:
            translation(chains, port, spare_link_local=True)
            if not chains.engine.userland_proxy:
                to_itself(chains, port, Because(PROXY, port.bridge, port))
        if by_name[port.bridge].mode != UNPROTECTED:
            accept = to_container(chains, port)
            chains.insert("filter", "DOCKER", accept, because_of(port), unknown=not port.certain)


def _direct_access(chains: Chains, bridge: Bridge, address: str) -> None:
    engine = chains.engine
    if engine.allow_direct_routing or engine.raw_rules is False:
        return
    unknown = engine.allow_direct_routing is None or engine.raw_rules is None
    to = f"-d {chains.exact(address)}"
    for interface in bridge.trusted:
        match = f"{to} -i {interface} -j ACCEPT"
        chains.append("raw", "PREROUTING", match, Because(TRUSTED, bridge.name), unknown=unknown)
    match = f"{to} ! -i {bridge.name} -j DROP"
    chains.append("raw", "PREROUTING", match, Because(DIRECT_ROUTING, bridge.name), unknown=unknown)
