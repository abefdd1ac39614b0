"""The way a packet takes, hop by hop, by names that a person can look up on the host.

Interfaces and veths are named where they were seen; else the first interface is called ``eth0`` only when the
container has a single network, and the bridge stands alone. The way ends where the rules stop it.
"""

from __future__ import annotations

from collections.abc import Iterator

from service.core.checks import Hop
from service.core.reachability.links import host_end_of, interface_on
from service.core.reachability.standing import Standing
from service.core.reachability.target import Goal, Way, is_vlan
from service.core.rules.base import Situation
from service.core.rules.host import publication
from service.core.rules.listener import bound, listener
from service.core.rules.overlay import tunnel
from service.core.snapshot import Network


def path_of(situation: Situation) -> tuple[Hop, ...]:
    """Every hop from the source to the destination's program, as far as it leads."""
    goal = situation.goal
    if goal is None or goal.way is Way.NO_ROUTE:
        return ()
    return tuple(_hops(situation, goal))


def _hops(situation: Situation, goal: Goal) -> Iterator[Hop]:
    source = situation.source
    if goal.way is Way.LOCAL:
        yield Hop("interface", "lo", source.name)
    elif goal.exit is not None:
        yield from _outward(situation, source, goal.exit)
    if goal.way is Way.FORWARDED or (goal.is_host and goal.way is Way.DIRECT):
        yield Hop("routing", goal.address, "the host")
    yield from _published(situation)
    if goal.network is not None and not goal.is_host and goal.way is not Way.LOCAL:
        yield from _inward(situation, goal, goal.network)
    waiting = listener(situation) if situation.transport and not goal.is_host else None
    if waiting is not None and goal.standing is not None:
        yield Hop("listener", f"{waiting.protocol} {bound(waiting)}", goal.standing.name)


def _outward(situation: Situation, standing: Standing, network: Network) -> Iterator[Hop]:
    """The interface inside, the veth outside, the bridge."""
    inside = interface_on(situation.evidence, standing, network.id)
    if inside is not None:
        yield Hop("interface", inside.name, standing.name)
        outside = host_end_of(situation.evidence, inside)
        if outside is not None:
            yield Hop("veth", outside.name, "the host")
    elif len(standing.endpoints) == 1:
        yield Hop("interface", "eth0", standing.name)
    yield _carrier(network)


def _carrier(network: Network) -> Hop:
    """The bridge, or the link of the host that the endpoints hang on, or the network as such."""
    if network.bridge_name is not None:
        return Hop("bridge", network.bridge_name, network.name)
    if is_vlan(network):
        return Hop("parent", network.options.get("parent", network.driver), network.name)
    return Hop(network.driver, network.name, network.name)


def _inward(situation: Situation, goal: Goal, network: Network) -> Iterator[Hop]:
    """From the destination's bridge to its interface; the bridge is named once when both are on it."""
    if goal.exit is None or goal.exit.id != network.id:
        yield _carrier(network)
    if goal.standing is not None:
        yield from tunnel(goal.standing, network)
        yield from list(_outward(situation, goal.standing, network))[::-1][1:]


def _published(situation: Situation) -> Iterator[Hop]:
    """The published port, the proxy where it answers, and the container behind."""
    found = publication(situation)
    if found is None:
        return
    host_ip = found.port.host_ip or "0.0.0.0"
    yield Hop("published-port", f"{host_ip}:{found.port.host_port}", found.container.name)
    if found.by_proxy:
        yield Hop("proxy", "docker-proxy", "the host")
    for endpoint in found.standing.endpoints[:1]:
        network = situation.network_of(endpoint.network_id)
        if network is not None:
            yield from list(_outward(situation, found.standing, network))[::-1]
    yield Hop("port", f"{found.port.protocol} {found.port.container_port}", found.container.name)
