"""The rules of Docker 29 with iptables. Source: moby docker-v29.7.2, daemon/libnetwork/.../internal/iptabler.

They are those of Docker 28 without the stages of isolation (the drop at the end of the chain DOCKER does their work),
and without the rule that leaves translated ports to docker-proxy.
"""

from __future__ import annotations

from collections.abc import Iterable

from bridgework.firewall.docker.chains import ACCEPT_MARK, Chains, outgoing
from bridgework.firewall.docker.docker_28 import forwarding, internal, jumps, of_endpoints_and_ports
from bridgework.firewall.docker.values import Because, Bridge, Port

_ISOLATION = "DOCKER-INTERNAL"


def write(chains: Chains, bridges: Iterable[Bridge], ports: Iterable[Port]) -> None:
    """Write the rules of the bridges, in the order in which they were made, and of the ports."""
    made = tuple(bridge for bridge in bridges if bridge.subnet is not None)
    jumps(chains, _ISOLATION)
    for bridge in made:
        if bridge.internal:
            internal(chains, bridge, _ISOLATION)
            continue
        if chains.engine.accept_mark is not None:
            match = f"-m mark --mark {chains.engine.accept_mark} -j ACCEPT"
            chains.insert("filter", "DOCKER-FORWARD", match, Because(ACCEPT_MARK))
        outgoing(chains, bridge)
        forwarding(chains, bridge)
    of_endpoints_and_ports(chains, made, ports)
