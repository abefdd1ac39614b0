"""The rules of Docker 26. Source: moby v26.1.5, libnetwork/drivers/bridge/setup_ip_tables_linux.go and iptables.go."""

from __future__ import annotations

from collections.abc import Iterable

from bridgework.firewall.docker.chains import (
    DRIVER,
    ESTABLISHED,
    ICC,
    STAGE_1,
    STAGE_2,
    Chains,
    because_of,
    internal_drops,
    nat_jumps,
    outgoing,
    skip_translation,
    to_container,
    to_itself,
    translation,
)
from bridgework.firewall.docker.values import Because, Bridge, Port


def write(chains: Chains, bridges: Iterable[Bridge], ports: Iterable[Port]) -> None:
    """Write the rules of the bridges, in the order in which they were made, and of the ports."""
    for chain in (STAGE_1, STAGE_2, "DOCKER-USER"):
        chains.append("filter", chain, "-j RETURN", chains.base)
    # What calls the chains comes with the first network of the IP version, and stays when that is deleted.
    chains.insert("filter", "FORWARD", f"-j {STAGE_1}", chains.base, unknown=True)
    chains.insert("filter", "FORWARD", "-j DOCKER-USER", chains.base)
    for bridge in bridges:
        if bridge.subnet is not None:
            _of_bridge(chains, bridge)
        # Docker 26 isolates each bridge for both IP versions, also one that has no IPv6 subnet.
        if not bridge.internal:
            _isolation(chains, bridge)
        # Both jumps move to the front of FORWARD with each network that is made.
        if bridge.subnet is not None:
            chains.move_first("filter", "FORWARD", f"-j {STAGE_1}", chains.base, bridge.name)
        chains.move_first("filter", "FORWARD", "-j DOCKER-USER", chains.base, bridge.name)
    # As with the jumps of FORWARD, these come with the first network of the IP version.
    nat_jumps(chains, unknown=True)
    for port in ports:
        _of_port(chains, port)


def _of_bridge(chains: Chains, bridge: Bridge) -> None:
    name, of_every = bridge.name, Because(DRIVER, bridge.name)
    if bridge.internal:
        internal_drops(chains, bridge, STAGE_1)
        _icc(chains, bridge)
        return
    outgoing(chains, bridge)
    skip_translation(chains, bridge)
    _icc(chains, bridge)
    chains.insert("filter", "FORWARD", f"-i {name} ! -o {name} -j ACCEPT", of_every)
    nat_jumps(chains)
    chains.insert("filter", "FORWARD", f"-o {name} -j DOCKER", of_every)
    chains.insert("filter", "FORWARD", f"-o {name} {ESTABLISHED}", of_every)


def _icc(chains: Chains, bridge: Bridge) -> None:
    within, because = f"-i {bridge.name} -o {bridge.name} -j", Because(ICC, bridge.name)
    if bridge.icc:
        chains.insert("filter", "FORWARD", f"{within} ACCEPT", because)
    else:
        chains.append("filter", "FORWARD", f"{within} DROP", because)


def _isolation(chains: Chains, bridge: Bridge) -> None:
    name, because = bridge.name, Because(DRIVER, bridge.name)
    chains.insert("filter", STAGE_1, f"-i {name} ! -o {name} -j {STAGE_2}", because)
    chains.insert("filter", STAGE_2, f"-o {name} -j DROP", because)


def _of_port(chains: Chains, port: Port) -> None:
    if port.host_port:
        translation(chains, port, spare_link_local=False)
    chains.append("filter", "DOCKER", to_container(chains, port), because_of(port))
    to_itself(chains, port, because_of(port))
    if port.protocol == "sctp":
        # Kernels up to 4.9 left the checksum of SCTP to network cards that cannot compute it.
        match = f"-p sctp -m sctp --sport {port.container_port} -j CHECKSUM --checksum-fill"
        chains.append("mangle", "POSTROUTING", match, because_of(port))
