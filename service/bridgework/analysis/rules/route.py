"""Rules of the route's layer: whether a route leads from the source to the address."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

from bridgework.analysis import link_layer
from bridgework.analysis.attachment import IPV4, IPV6, Attachment, version_of
from bridgework.analysis.docker_rules.in_effect import in_effect
from bridgework.analysis.host_rules import FORWARDING, forwards
from bridgework.analysis.routing import (
    Candidate,
    Way,
    chosen_exit,
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
from bridgework.analysis.rules.simulated import cause_of, is_forwarded, stops_the_answer, walk_of
from bridgework.explanations import remedies
from bridgework.explanations.links import VLAN_WITHOUT_PARENT
from bridgework.explanations.networks import (
    BRIDGES_ISOLATED,
    GATEWAY_MODE_ROUTED,
    INTERNAL_NO_EGRESS,
    NO_SHARED_NETWORK,
)
from bridgework.explanations.routes import (
    HOST_NO_ROUTE,
    IP_FORWARD_OFF,
    MASQUERADE_OFF,
    REPLY_PATH_LOST,
    WRONG_DEFAULT_GATEWAY,
)
from bridgework.firewall.docker.chains import gateway_mode_option
from bridgework.firewall.docker.values import ROUTED
from bridgework.model.actions import RestartContainer
from bridgework.model.checks import ContainerDestination, Finding, Severity
from bridgework.model.errors import Remedy
from bridgework.model.observations import Route
from bridgework.model.snapshot import Network

_MODES = frozenset(map(gateway_mode_option, (IPV4, IPV6)))


def no_route(situation: Situation) -> Findings:
    """Find an address that is on no network of a source without a default route."""
    candidate, source = situation.candidate, situation.source
    # Without endpoints the layer source has explained it already.
    if candidate is None or candidate.way is not Way.NO_ROUTE or not source.endpoints:
        return
    other = _other_default_route(situation, candidate)
    if other is not None:
        yield from _leads_elsewhere(situation, candidate, other)
        return
    # A container of the engine has the address: a common network helps more than a way out.
    if candidate.network is not None and candidate.attachment is not None and not candidate.is_host:
        yield _apart(situation, candidate, candidate.network)
        return
    networks = [n for e in source.endpoints if (n := situation.network_of(e.network_id)) is not None]
    names = ", ".join(network.name for network in networks)
    # The engine gives an internal network no gateway, so the container has no default route.
    if all(network.internal for network in networks):
        message = f"{source.name} is only on internal networks ({names}): {candidate.address} is out of reach."
        remedy = remedies.way_out(situation.snapshot, members(source)[0])
        yield finding(INTERNAL_NO_EGRESS, component_of(source), message, remedy=remedy, evidence={"networks": names})
        return
    message = f"{source.name} has no default route to {candidate.address}: none of its networks ({names}) gives it one."
    remedy = remedies.way_out(situation.snapshot, members(source)[0])
    yield finding(
        WRONG_DEFAULT_GATEWAY,
        component_of(source),
        message,
        remedy=remedy,
        severity=Severity.BLOCKING,
        evidence={"networks": names},
    )


def _other_default_route(situation: Situation, candidate: Candidate) -> Route | None:
    """Return the observed default route, which leads to none of the gateways that the engine set."""
    seen, default = situation.observed(situation.source), "0.0.0.0/0" if candidate.version == IPV4 else "::/0"
    routes = (seen.routes if seen is not None else None) or ()
    return next((route for route in routes if route.destination == default), None)


def _leads_elsewhere(situation: Situation, candidate: Candidate, route: Route) -> Findings:
    """Find a default route that a program changed. Another container may forward, as a VPN client does."""
    source, component = situation.source, component_of(situation.source)
    names = ", ".join(endpoint.network_name for endpoint in source.endpoints)
    to = route.gateway or route.interface or "an unknown interface"
    message = (
        f"The default route of {source.name} leads to {to}, which is the gateway of none of its networks ({names})."
    )
    remedy, evidence = _original_route(situation, candidate), {"gateway": to, "interface": route.interface}
    yield finding(WRONG_DEFAULT_GATEWAY, component, message, remedy=remedy, evidence=evidence)
    unknown = unseen(component, f"It is not known whether {candidate.address} is reached by {to}.", gateway=to)
    yield replace(unknown, remedy=None)


def _original_route(situation: Situation, candidate: Candidate) -> Remedy:
    """Make the remedy: the engine writes the routes of a container when it starts it."""
    source, snapshot = situation.source, situation.snapshot
    owner = members(source)[0]
    again = RestartContainer(remedies.container_reference(owner))
    holder = candidate.attachment if candidate.network is not None else None
    version, release = candidate.version, situation.observations.engine_version
    if holder is not None:
        more = remedies.share_network(snapshot, members(source, holder), ipv6=version == IPV6)
    elif chosen_exit(snapshot, source.endpoints, version, release) is None:
        more = remedies.way_out(snapshot, owner)
    else:
        return Remedy(f"Restart {owner.name}: the engine then sets its default route again.", (again,))
    # The engine refuses to connect a container that has a default route already (measured on 26.1.5: file exists).
    return Remedy(f"Restart {owner.name}, which removes that route. {more.summary}", (again, *more.actions))


def _apart(situation: Situation, candidate: Candidate, network: Network) -> Finding:
    """Make the finding for two ends on different networks, between which nothing passes."""
    source, destination = situation.source, situation.destination
    ipv6 = candidate.version == IPV6
    remedy = remedies.join_or_share(situation.snapshot, members(source, destination), ipv6=ipv6)
    own = sorted(endpoint.network_name for endpoint in source.endpoints)
    evidence = {"address": candidate.address, "network": network.name, "source_networks": own}
    # For a container the finding compares the networks of both. For an address it names the address's network, and for
    # one more address of a container that is on a network of the source as well.
    asked = isinstance(situation.question.destination, ContainerDestination)
    if asked and destination is not None and not _meet(source, destination, candidate.version):
        theirs = sorted(endpoint.network_name for endpoint in destination.endpoints)
        wanted = "network with IPv6" if ipv6 else "network"
        message = (
            f"{source.name} ({', '.join(own)}) and {destination.name} ({', '.join(theirs)}) have no {wanted} in common."
        )
        return finding(NO_SHARED_NETWORK, component_of(source), message, remedy=remedy, evidence=evidence)
    message = f"{candidate.address} is on {network.name}, to which {source.name} is not connected."
    return finding(BRIDGES_ISOLATED, component_of(source), message, remedy=remedy, evidence=evidence)


def _meet(source: Attachment, destination: Attachment, version: int) -> bool:
    """Whether both have an address of the family on one network."""
    own, theirs = (
        {e.network_id for e in end.endpoints if any(version_of(address) == version for address in e.addresses)}
        for end in (source, destination)
    )
    return bool(own & theirs)


def gateway_is_absent(situation: Situation) -> Findings:
    """Find a default route to an address that no interface holds.

    With ``inhibit_ipv4`` the engine sets the route in the container, but not the address on the bridge.
    """
    candidate = situation.candidate
    if candidate is None or candidate.way is not Way.FORWARDED or candidate.exit is None or is_vlan(candidate.exit):
        return
    if candidate.exit.driver == "bridge" and not has_host_address(candidate.exit, candidate.version):
        message = (
            f"The default route of {situation.source.name} uses {candidate.exit.name}, which has inhibit_ipv4 set: "
            f"no interface has the gateway's address there."
        )
        remedy = _way_out_beside(situation, candidate.exit)
        component = component_of(situation.source)
        yield finding(WRONG_DEFAULT_GATEWAY, component, message, severity=Severity.BLOCKING, remedy=remedy)


def _way_out_beside(situation: Situation, wrong: Network) -> Remedy:
    release = situation.observations.engine_version
    return remedies.way_out_beside(situation.snapshot, members(situation.source)[0], wrong, release)


def across_networks(situation: Situation) -> Findings:
    """Find a packet that would have to pass from a network of the source to another network."""
    candidate = situation.candidate
    if candidate is None or candidate.way is not Way.FORWARDED or situation.source.is_host:
        return
    # The host's address on any bridge answers a container that has a default route (measured on Docker 26.1).
    if candidate.is_host:
        # A macvlan endpoint sends to its parent link, and the kernel delivers nothing from there to the host itself.
        if candidate.exit is not None and is_vlan(candidate.exit):
            yield vlan_host(situation, candidate.exit.name)
        return
    if candidate.network is None:
        return
    if candidate.network.driver == "bridge" and candidate.exit is not None and not is_vlan(candidate.exit):
        yield from _between_bridges(situation, candidate, candidate.network, candidate.exit)
    else:
        yield _apart(situation, candidate, candidate.network)


def _between_bridges(situation: Situation, candidate: Candidate, network: Network, leaves: Network) -> Findings:
    """Find the option for which the engine's rules drop a packet between two bridges."""
    cause, mode = cause_of(situation), gateway_mode(network, candidate.version)
    # Without an address on the destination's bridge the host has no route to the subnet.
    if candidate.attachment is not None and not has_host_address(network, candidate.version):
        yield without_host(situation, network, candidate.attachment)
    elif cause is None:
        # The packet passes, or what stops it is not the engine's (``in_force`` names the rule).
        yield from _unguarded(situation, candidate, network)
        if mode == ROUTED and _is_opened_by_mode(situation):
            yield _open_by_route(candidate, network)
    elif stops_the_answer(situation) and not _is_masqueraded(situation):
        yield _unanswered(situation, leaves)
    elif candidate.attachment is not None and mode == ROUTED and situation.port is not None:
        yield _refused_by_route(situation, candidate, network, candidate.attachment)
    else:
        yield _apart(situation, candidate, network)


def _is_masqueraded(situation: Situation) -> bool:
    """Return whether the packet arrives with the host's address on the destination's bridge as its source."""
    walked = walk_of(situation)
    return walked is not None and any(step.effect == "masquerade" for step in walked.there.steps)


def _is_opened_by_mode(situation: Situation) -> bool:
    """Return whether a rule for the gateway mode, or for a published port, accepts the packet."""
    walked, rules = walk_of(situation), in_effect(situation.state)
    accepted = (rules.because(s) for s in walked.there.steps if s.effect == "accept") if walked is not None else ()
    return any(why is not None and (why.port or why.option in _MODES) for why in accepted)


def _open_by_route(candidate: Candidate, network: Network) -> Finding:
    message = (
        f"{network.name} is routed: its containers' published ports are open at their own addresses, "
        f"such as {candidate.address}."
    )
    return finding(GATEWAY_MODE_ROUTED, of_network(network), message)


def _refused_by_route(situation: Situation, candidate: Candidate, network: Network, holder: Attachment) -> Finding:
    """Make the finding for a port that a routed network does not open: it accepts pings, and published ports."""
    message = (
        f"{network.name} is routed: from other networks only pings and published ports pass, "
        f"and {holder.name} does not publish {situation.transport} port {situation.port}."
    )
    remedy = remedies.share_network(situation.snapshot, members(situation.source, holder))
    evidence = {"port": situation.port, "address": candidate.address}
    component, blocking = of_network(network), Severity.BLOCKING
    return finding(GATEWAY_MODE_ROUTED, component, message, severity=blocking, remedy=remedy, evidence=evidence)


def _unanswered(situation: Situation, leaves: Network) -> Finding:
    """Make the finding for a packet that arrives, and whose answer is dropped on its way back."""
    message = (
        f"{leaves.name} does not masquerade: the reply goes to the address of {situation.source.name} itself, "
        f"and the engine drops packets to {leaves.name} from elsewhere."
    )
    remedy = _way_back(situation, leaves)
    return finding(MASQUERADE_OFF, of_network(leaves), message, severity=Severity.BLOCKING, remedy=remedy)


def _unguarded(situation: Situation, candidate: Candidate, network: Network) -> Findings:
    """Find a missing route for the answer: without firewall rules everything passes from bridge to bridge."""
    # Measured on Docker 26.1 for IPv6: a container on an internal network has no default route, so its answer is lost.
    if candidate.attachment is None:
        yield _apart(situation, candidate, network)
        return
    # The answer to the host's address on the destination's own bridge needs no route.
    if _is_masqueraded(situation):
        return
    # The source's subnet is not on the destination's networks, so its answer needs the default route.
    leaves = default_exit(situation.state, candidate.attachment, candidate.version)
    if leaves is None:
        why = f"has no IPv{candidate.version} route back to {situation.source.name}"
    # A macvlan or ipvlan leads to the LAN, past the host.
    elif is_vlan(leaves):
        why = f"answers {situation.source.name} by {leaves.name}, which leads past the host"
    else:
        return
    together = members(situation.source, candidate.attachment)
    remedy = remedies.share_network(situation.snapshot, together, ipv6=candidate.version == IPV6)
    message = f"{candidate.attachment.name} {why}: the reply is lost."
    yield finding(REPLY_PATH_LOST, component_of(candidate.attachment), message, remedy=remedy)


def host_is_not_there(situation: Situation) -> Findings:
    """Find a network on which the host, as the source, has no address."""
    candidate = situation.candidate
    if (
        candidate is None
        or not situation.source.is_host
        or candidate.way is not Way.FORWARDED
        or candidate.network is None
    ):
        return
    network = candidate.network
    # The host is on the parent link, not in the macvlan itself.
    if is_vlan(network):
        yield vlan_host(situation, network.name)
    elif (
        network.driver == "bridge"
        and not has_host_address(network, candidate.version)
        and candidate.attachment is not None
    ):
        yield without_host(situation, network, candidate.attachment)
    else:
        message = f"The host has no address on {network.name} ({network.driver})."
        remedy = remedies.share_network(situation.snapshot, members(candidate.attachment))
        yield finding(NO_SHARED_NETWORK, HOST, message, remedy=remedy)


def outside(situation: Situation) -> Findings:
    """Find what stops a packet to an address outside of the engine: there only the host's routes are known."""
    candidate = situation.candidate
    if candidate is None or not candidate.is_outside or candidate.way is Way.NO_ROUTE:
        return
    host = situation.observations.host
    if candidate.exit is not None and is_vlan(candidate.exit):
        yield from _by_vlan(situation, candidate, candidate.exit)
        return
    # Only observed routes can show that no route matches.
    routes = host.observation.routes if host is not None else None
    if routes is not None and not any(_covers(route.destination, candidate.address) for route in routes):
        message = f"The host has no route to {candidate.address}."
        remedy = Remedy("Use an address that the host reaches, or add a route on the host.")
        yield finding(HOST_NO_ROUTE, HOST, message, remedy=remedy, evidence={"address": candidate.address})
        return
    yield from _leaving(situation, candidate)
    # The verdict stays open: nothing of the engine says whether a host answers there.
    yield unseen(
        HOST,
        f"{candidate.address} is outside of the engine: whether it answers is not predicted.",
        address=candidate.address,
    )


def _by_vlan(situation: Situation, candidate: Candidate, leaves: Network) -> Findings:
    """Find what stops a packet that leaves by a macvlan or ipvlan: it goes to the parent link, past the host."""
    if not leaves.options.get("parent"):
        message = f"{leaves.name} has no parent link: nothing outside of it is reachable."
        remedy = _way_out_beside(situation, leaves)
        yield finding(VLAN_WITHOUT_PARENT, of_network(leaves), message, severity=Severity.BLOCKING, remedy=remedy)
        return
    others = [n for e in situation.source.endpoints if (n := situation.network_of(e.network_id)) is not None]
    # The default route leaves by the first network in the engine's order (``ordered_endpoints``), which a priority
    # changes. A bridge would lead to the host, which routes and masquerades.
    suited = [network.name for network in others if network.driver == "bridge" and not network.internal]
    if suited:
        message = (
            f"The default route of {situation.source.name} to {candidate.address} uses {leaves.name}; "
            f"it could use {suited[0]}."
        )
        remedy = Remedy(f"Give its endpoint on {suited[0]} a higher gateway_priority.")
        evidence = {"leaves_by": leaves.name, "could_leave_by": suited}
        yield finding(WRONG_DEFAULT_GATEWAY, component_of(situation.source), message, remedy=remedy, evidence=evidence)
    yield unseen(of_network(leaves), f"The service cannot see behind the gateway of {leaves.name}.")


def _covers(destination: str, address: str) -> bool:
    try:
        return ip_address(address) in ip_network(destination, strict=False)
    except ValueError:
        return False


def forwarding_is_off(situation: Situation) -> Findings:
    """Find a packet that the host would have to forward to a bridge, while it forwards nothing."""
    candidate = situation.candidate
    if candidate is None or candidate.is_outside or not is_forwarded(situation):
        return
    if forwards(situation.observations, candidate.version) is False:
        yield _forwarding_off(candidate)


def _forwarding_off(candidate: Candidate) -> Finding:
    # The engine sets this at its start. A sysctl file or another program may reset it later.
    switch = FORWARDING[candidate.version]
    remedy = Remedy("Switch forwarding on.", commands=(f"sysctl -w {switch}=1",))
    return finding(IP_FORWARD_OFF, HOST, f"{switch} is 0 on the host.", remedy=remedy, evidence={switch: 0})


def _leaving(situation: Situation, candidate: Candidate) -> Findings:
    """Find what the host does not do for a packet that leaves: forward it, and masquerade it."""
    if situation.source.is_host:
        return
    if forwards(situation.observations, candidate.version) is False:
        yield _forwarding_off(candidate)
    # Without masquerading the packet keeps the container's address, which other hosts have no route to.
    if candidate.exit is not None and (
        not masquerades(candidate.exit) or gateway_mode(candidate.exit, candidate.version) == "routed"
    ):
        message = f"{candidate.exit.name} does not masquerade: {candidate.address} needs a route back to its subnet."
        remedy = _way_back(situation, candidate.exit, to=candidate.address)
        yield finding(MASQUERADE_OFF, of_network(candidate.exit), message, remedy=remedy)
    if candidate.exit is not None and candidate.version == IPV6:
        yield from link_layer.missing_ndp_proxies(situation.snapshot, situation.observations, candidate.exit)


def _way_back(situation: Situation, network: Network, *, to: str | None = None) -> Remedy:
    """Make the remedy that lets an answer return to a network that does not masquerade."""
    # A route is enough only where the engine has no rule in the raw table: before Docker 28.2, and in the gateway modes
    # without such rules.
    if _is_hidden(situation, network):
        trusted = ", or with the host's interface for the replies in trusted_host_interfaces" if to else ""
        return Remedy(
            f"Create {network.name} again with masquerading, or with gateway mode routed or nat-unprotected{trusted}. "
            f"Now the engine's rules drop every reply that comes to it from elsewhere."
        )
    other = to or "the other side"
    return Remedy(f"Give {other} a route to the subnet of {network.name}, or use another network for this traffic.")


def _is_hidden(situation: Situation, network: Network) -> bool:
    """Whether the engine may drop what is addressed to the source and comes from outside of the network's bridge."""
    # The table raw is before connection tracking, so its rules drop replies as well.
    version = situation.candidate.version if situation.candidate is not None else IPV4
    own = next((e for e in situation.source.endpoints if e.network_id == network.id), None)
    address = None if own is None else own.ipv4_address if version == IPV4 else own.ipv6_address
    return address is not None and in_effect(situation.state).hides(version, address)
