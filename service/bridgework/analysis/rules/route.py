"""Rules of the route's layer: does anything lead from the source to the address.

What passes from one bridge to another is a table of its own (``passage``). An internal network has no default route;
the host's address on *any* bridge answers a container that has a default route. A family for which the engine writes
no rules passes from bridge to bridge, and internal networks lose the answer (measured on engine 26.1 for IPv6).
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from bridgework.analysis.attachment import IPV4, IPV6, Standing
from bridgework.analysis.routing import (
    Goal,
    Way,
    default_exit,
    gateway_mode,
    has_host_address,
    is_vlan,
    masquerades,
)
from bridgework.analysis.rules.address import vlan_host, without_host
from bridgework.analysis.rules.base import (
    HOST,
    Findings,
    Situation,
    component_of,
    finding,
    members,
    of_network,
    unseen,
)
from bridgework.analysis.rules.passage import bridges_are_open, reply_is_dropped, routed_is_open
from bridgework.explanations import remedies
from bridgework.model.checks import ContainerDestination, Finding, Severity
from bridgework.model.errors import Remedy
from bridgework.model.snapshot import Network


def no_route(situation: Situation) -> Findings:
    """The source has no network with the address and no way out."""
    goal, source = situation.goal, situation.source
    if goal is None or goal.way is not Way.NO_ROUTE or not source.endpoints:
        return
    if goal.network is not None and goal.standing is not None and not goal.is_host:
        yield _apart(situation, goal, goal.network)
        return
    networks = [n for e in source.endpoints if (n := situation.network_of(e.network_id)) is not None]
    names = ", ".join(network.name for network in networks)
    if all(network.internal for network in networks):
        message = f"{source.name} is only on internal networks ({names}): {goal.address} is out of reach."
        remedy = remedies.way_out(situation.snapshot, members(source)[0])
        yield finding("internal-no-egress", component_of(source), message, remedy=remedy, evidence={"networks": names})
        return
    message = f"No network of {source.name} ({names}) gives it a default route to {goal.address}."
    remedy = remedies.way_out(situation.snapshot, members(source)[0])
    yield finding(
        "wrong-default-gateway",
        component_of(source),
        message,
        remedy=remedy,
        severity=Severity.BLOCKING,
        evidence={"networks": names},
    )


def _apart(situation: Situation, goal: Goal, network: Network) -> Finding:
    """The two are on different networks, and nothing passes between those."""
    source, destination = situation.source, situation.destination
    ipv6 = goal.version == IPV6
    remedy = remedies.share_network(situation.snapshot, members(source, destination), ipv6=ipv6)
    own = sorted(endpoint.network_name for endpoint in source.endpoints)
    evidence = {"address": goal.address, "network": network.name, "source_networks": own}
    if isinstance(situation.question.destination, ContainerDestination) and destination is not None:
        theirs = sorted(endpoint.network_name for endpoint in destination.endpoints)
        wanted = "network with IPv6" if ipv6 else "network"
        message = (
            f"{source.name} ({', '.join(own)}) and {destination.name} ({', '.join(theirs)}) have no {wanted} in common."
        )
        return finding("no-shared-network", component_of(source), message, remedy=remedy, evidence=evidence)
    message = f"{goal.address} is on {network.name}, to which {source.name} is not connected."
    return finding("bridges-isolated", component_of(source), message, remedy=remedy, evidence=evidence)


def gateway_is_absent(situation: Situation) -> Findings:
    """The default route leads to an address that nobody holds: the engine sets it, and not the bridge's address."""
    goal = situation.goal
    if goal is None or goal.way is not Way.FORWARDED or goal.exit is None or is_vlan(goal.exit):
        return
    if goal.exit.driver == "bridge" and not has_host_address(goal.exit, goal.version):
        message = (
            f"{situation.source.name} leaves by {goal.exit.name}, which has inhibit_ipv4 set: "
            f"nobody holds the gateway's address there."
        )
        remedy = remedies.way_out(situation.snapshot, members(situation.source)[0])
        component = component_of(situation.source)
        yield finding("wrong-default-gateway", component, message, severity=Severity.BLOCKING, remedy=remedy)


def across_networks(situation: Situation) -> Findings:
    """The packet would have to pass from a network of the source to another one."""
    goal = situation.goal
    if goal is None or goal.way is not Way.FORWARDED or situation.source.is_host:
        return
    if goal.is_host:
        if goal.exit is not None and is_vlan(goal.exit):
            yield vlan_host(situation, goal.exit.name)
        return
    if goal.network is None:
        return
    if goal.network.driver == "bridge" and goal.exit is not None and not is_vlan(goal.exit):
        yield from _between_bridges(situation, goal, goal.network, goal.exit)
    else:
        yield _apart(situation, goal, goal.network)


def _between_bridges(situation: Situation, goal: Goal, network: Network, leaves: Network) -> Findings:
    """The engine's rules decide, where it writes any for the family."""
    guarded, mode = situation.evidence.guards(goal.version), gateway_mode(network, goal.version)
    if goal.standing is not None and not has_host_address(network, goal.version):
        yield without_host(situation, network, goal.standing)
    elif guarded is None:
        yield unseen(HOST, "Whether the engine keeps IPv6 networks apart (ip6tables) was not seen.")
    elif not guarded:
        yield from _unguarded(situation, goal, network)
    elif goal.standing is None or network.internal:
        yield _apart(situation, goal, network)
    elif mode == "routed" and routed_is_open(situation.evidence):
        yield from _into_routed(situation, goal, network, goal.standing)
        yield from _answered(situation, leaves)
    elif mode == "nat-unprotected" and bridges_are_open(situation.evidence):
        yield from _answered(situation, leaves)
    else:
        yield _apart(situation, goal, network)


def _into_routed(situation: Situation, goal: Goal, network: Network, holder: Standing) -> Findings:
    """A routed network takes pings, and the ports that its containers publish, at the containers' own addresses."""
    port = situation.port
    if situation.transport is None or (port is not None and _opens(situation, holder, network, port)):
        message = (
            f"{network.name} is routed: its containers' published ports are open at their own addresses, "
            f"such as {goal.address}."
        )
        yield finding("gateway-mode-routed", of_network(network), message)
    elif port is not None:
        message = (
            f"{network.name} is routed: from other networks only pings and published ports pass, "
            f"and {holder.name} does not publish {situation.transport} port {port}."
        )
        remedy = remedies.share_network(situation.snapshot, members(situation.source, holder))
        evidence = {"port": port, "address": goal.address}
        yield finding(
            "gateway-mode-routed",
            of_network(network),
            message,
            severity=Severity.BLOCKING,
            remedy=remedy,
            evidence=evidence,
        )


def _opens(situation: Situation, holder: Standing, network: Network, port: int) -> bool:
    """Whether the container's own port is published on that network.

    Docker 28 opens ports only on the network that gives the container its default route.
    """
    if holder.owner is None or situation.transport is None:
        return False
    exits = [default_exit(situation.snapshot, holder, version, situation.evidence) for version in (IPV4, IPV6)]
    here = bridges_are_open(situation.evidence) or network in exits
    return here and holder.owner.publishes(port, situation.transport)


def _answered(situation: Situation, leaves: Network) -> Findings:
    """The packet arrives; its answer has to come back."""
    if reply_is_dropped(situation, leaves):
        message = (
            f"{leaves.name} does not masquerade: the answer is addressed to {situation.source.name} itself, "
            f"and the engine drops what comes to {leaves.name} from elsewhere."
        )
        remedy = _way_back(situation, leaves)
        yield finding("masquerade-off", of_network(leaves), message, severity=Severity.BLOCKING, remedy=remedy)


def _unguarded(situation: Situation, goal: Goal, network: Network) -> Findings:
    """Without rules nothing stands between two bridges but the answer's way back."""
    if goal.standing is None:
        yield _apart(situation, goal, network)
    elif default_exit(situation.snapshot, goal.standing, goal.version, situation.evidence) is None:
        message = (
            f"{goal.standing.name} has no IPv{goal.version} route back to {situation.source.name}: the answer is lost."
        )
        together = members(situation.source, goal.standing)
        remedy = remedies.share_network(situation.snapshot, together, ipv6=goal.version == IPV6)
        yield finding("reply-path-lost", component_of(goal.standing), message, remedy=remedy)


def host_is_not_there(situation: Situation) -> Findings:
    """From the host: a network on which the host has no address."""
    goal = situation.goal
    if goal is None or not situation.source.is_host or goal.way is not Way.FORWARDED or goal.network is None:
        return
    network = goal.network
    if is_vlan(network):
        yield vlan_host(situation, network.name)
    elif network.driver == "bridge" and not has_host_address(network, goal.version) and goal.standing is not None:
        yield without_host(situation, network, goal.standing)
    else:
        message = f"The host has no address on {network.name} ({network.driver})."
        remedy = remedies.share_network(situation.snapshot, members(goal.standing))
        yield finding("no-shared-network", HOST, message, remedy=remedy)


def outside(situation: Situation) -> Findings:
    """Outside of the engine's networks only the host's own routes are known."""
    goal = situation.goal
    if goal is None or not goal.is_outside or goal.way is Way.NO_ROUTE:
        return
    host = situation.evidence.host
    if goal.exit is not None and is_vlan(goal.exit):
        yield from _by_vlan(situation, goal, goal.exit)
        return
    routes = host.observation.routes if host is not None else None
    if routes is not None and not any(_covers(route.destination, goal.address) for route in routes):
        message = f"The host has no route to {goal.address}."
        remedy = Remedy("Use an address that the host reaches, or add a route on the host.")
        yield finding("host-no-route", HOST, message, remedy=remedy, evidence={"address": goal.address})
        return
    yield from _leaving(situation, goal)
    yield unseen(
        HOST, f"{goal.address} lies outside of the engine: what is there is not predicted.", address=goal.address
    )


def _by_vlan(situation: Situation, goal: Goal, leaves: Network) -> Findings:
    """The way out is not the host's but the LAN's, if there is one behind the parent link."""
    if not leaves.options.get("parent"):
        message = f"{leaves.name} has no parent link: nothing outside of it is reachable."
        remedy = remedies.way_out(situation.snapshot, members(situation.source)[0])
        yield finding("vlan-without-parent", of_network(leaves), message, severity=Severity.BLOCKING, remedy=remedy)
        return
    others = [n for e in situation.source.endpoints if (n := situation.network_of(e.network_id)) is not None]
    suited = [network.name for network in others if network.driver == "bridge" and not network.internal]
    if suited:
        message = f"{situation.source.name} leaves for {goal.address} by {leaves.name}; it could by {suited[0]}."
        remedy = Remedy(f"Give its endpoint on {suited[0]} a higher gateway_priority.")
        evidence = {"leaves_by": leaves.name, "could_leave_by": suited}
        yield finding(
            "wrong-default-gateway", component_of(situation.source), message, remedy=remedy, evidence=evidence
        )
    yield unseen(of_network(leaves), f"What lies behind the gateway of {leaves.name} is not visible.")


def _covers(destination: str, address: str) -> bool:
    try:
        return ip_address(address) in ip_network(destination, strict=False)
    except ValueError:
        return False


def _leaving(situation: Situation, goal: Goal) -> Findings:
    """What the host must do for a packet that leaves: forward it, and put its own address on it."""
    if situation.source.is_host:
        return
    host = situation.evidence.host
    forwards = None if host is None else (host.ipv4_forwarding if goal.version == IPV4 else host.ipv6_forwarding)
    if forwards is False:
        switch = "net.ipv4.ip_forward" if goal.version == IPV4 else "net.ipv6.conf.all.forwarding"
        remedy = Remedy("Switch forwarding on.", commands=(f"sysctl -w {switch}=1",))
        yield finding("ip-forward-off", HOST, f"{switch} is 0 on the host.", remedy=remedy, evidence={switch: 0})
    if goal.exit is not None and (not masquerades(goal.exit) or gateway_mode(goal.exit, goal.version) == "routed"):
        message = f"{goal.exit.name} does not masquerade: {goal.address} must know the way back to its subnet."
        remedy = _way_back(situation, goal.exit, to=goal.address)
        yield finding("masquerade-off", of_network(goal.exit), message, remedy=remedy)


def _way_back(situation: Situation, network: Network, *, to: str | None = None) -> Remedy:
    """What lets an answer return to a network that does not masquerade.

    A route alone does where the engine drops nothing by its raw rules: before Docker 28.2, and in the modes that the
    rules leave out.
    """
    if reply_is_dropped(situation, network):
        trusted = ", or with the link of the host by which the answer comes in trusted_host_interfaces" if to else ""
        return Remedy(
            f"Create {network.name} again with masquerading, or with gateway mode routed or nat-unprotected{trusted}: "
            f"as it is, the engine's rules drop every answer that comes to it from elsewhere."
        )
    other = to or "the other side"
    return Remedy(f"Give {other} a route to the subnet of {network.name}, or leave by another network.")
