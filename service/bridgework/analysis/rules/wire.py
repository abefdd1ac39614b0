"""Rules of the wire's layer: what stops a packet on a network that both ends are on, and broken or small links."""

from __future__ import annotations

from functools import partial

from bridgework.analysis import link_layer
from bridgework.analysis.address_choice import talks_inside, vlan_mode
from bridgework.analysis.attachment import IPV4, IPV6, Attachment, Condition, gateway_of
from bridgework.analysis.endpoint_links import endpoint_on, host_end_of, host_interface, interface_on
from bridgework.analysis.routing import Candidate, Way, is_vlan
from bridgework.analysis.rules.base import (
    HOST,
    Findings,
    Situation,
    component_of,
    finding,
    members,
    of_container,
    of_network,
)
from bridgework.analysis.rules.ends import ends_of, source_of
from bridgework.analysis.rules.host_firewall import icc_is_not_enforced
from bridgework.analysis.rules.simulated import Fate, cause_of, fate_of
from bridgework.explanations import remedies
from bridgework.explanations.links import LINK_DOWN, MTU_MISMATCH, STALE_NEIGHBOUR, VETH_DETACHED, VLAN_MODE_PRIVATE
from bridgework.explanations.networks import INTER_CONTAINER_OFF
from bridgework.firewall.docker.chains import ICC
from bridgework.model.checks import Finding, Protocol
from bridgework.model.errors import Remedy
from bridgework.model.observations import Observations
from bridgework.model.snapshot import Network, Snapshot

# Bytes of IP and ICMP headers before a ping's payload (RFC 791, 792, 8200, 4443).
_HEADERS = {IPV4: 28, IPV6: 48}
_DEFAULT_MTU, _MTU_DIGITS = 1500, 5


def _between(situation: Situation) -> tuple[Candidate, Network] | None:
    """Return the candidate and its network, where two containers are on one network."""
    candidate = situation.candidate
    if (
        candidate is None
        or candidate.way is not Way.DIRECT
        or candidate.network is None
        or situation.source.is_host
        or candidate.is_host
    ):
        return None
    return candidate, candidate.network


def network_forbids(situation: Situation) -> Findings:
    """Find a network whose options keep its endpoints apart."""
    met = _between(situation)
    if met is None or talks_inside(met[1]):
        return
    candidate, network = met
    remedy = remedies.share_network(situation.snapshot, members(situation.source, candidate.attachment))
    # The kernel itself keeps endpoints apart in the modes private and vepa (ip-link(8)); vepa needs a switch that sends
    # frames back. No firewall rule is involved.
    if is_vlan(network):
        message = f"{network.name} is in mode {vlan_mode(network)}: its endpoints cannot reach each other."
        yield finding(VLAN_MODE_PRIVATE, of_network(network), message, remedy=remedy)
        return
    # Measured on Docker 26.1: enable_icc=false drops every protocol between the containers of the bridge, where the
    # engine writes rules for the family. It does not drop traffic with the host, or through published ports.
    if fate_of(situation) is Fate.PASSES:
        yield from icc_is_not_enforced(situation, network, candidate.version)
    cause = cause_of(situation)
    if cause is not None and cause.option == ICC:
        message = f"{network.name} has enable_icc=false: its containers cannot reach each other."
        yield finding(INTER_CONTAINER_OFF, of_network(network), message, remedy=remedy)


def bridge_lacks_its_address(situation: Situation) -> Findings:
    """Find a bridge that lost the address which the packet is sent to, or through."""
    candidate = situation.candidate
    if candidate is None or situation.source.is_host:
        return
    # The source asks on its own bridge for the gateway, or for the host itself.
    through = candidate.way is Way.FORWARDED or candidate.is_host
    if through and candidate.exit is not None and candidate.exit.bridge_name is not None:
        host = situation.observations.host
        yield from link_layer.missing_addresses(situation.snapshot, host, candidate.exit, candidate.version)


def host_lacks_its_bridge_address(situation: Situation) -> Findings:
    """Find a bridge that lost its address, so that the host has no route to the network."""
    candidate = situation.candidate
    if candidate is None or not situation.source.is_host or candidate.network is None:
        return
    if candidate.network.bridge_name is not None:
        host = situation.observations.host
        yield from link_layer.missing_addresses(situation.snapshot, host, candidate.network, candidate.version)


def neighbour_is_wrong(situation: Situation) -> Findings:
    """Find a neighbour entry of the source, or of the host, that leads to another station than the address's holder."""
    candidate = situation.candidate
    if candidate is None or candidate.network is None or candidate.network.bridge_name is None:
        return
    for attachment in (situation.source, situation.state.attachment_of(None)):
        seen = situation.observed(attachment)
        inside = interface_on(situation.observations, attachment, candidate.network.id)
        name = candidate.network.bridge_name if attachment.is_host else inside.name if inside else None
        if seen is None or name is None:
            continue
        # Between two containers of one bridge, the host's entries do not matter.
        if attachment is not situation.source and candidate.way is Way.DIRECT:
            continue
        for wrong in link_layer.wrong_neighbours(
            situation.snapshot, situation.observations, candidate.network, seen, name
        ):
            if wrong.entry.address == candidate.address:
                yield link_layer.neighbour_finding(wrong, component_of(attachment), attachment.owner)
    yield from _wrong_at_the_destination(situation)
    yield from _wrong_gateway(situation)


def _wrong_at_the_destination(situation: Situation) -> Findings:
    """Find a neighbour entry of the destination by which its answer goes to another station than the source."""
    candidate, source = situation.candidate, source_of(situation)
    end = next((end for end in ends_of(situation) if not end.is_source), None)
    if candidate is None or source is None or end is None or end.link is None or candidate.way is not Way.DIRECT:
        return
    seen, observations = end.seen, situation.observations
    for wrong in link_layer.wrong_neighbours(situation.snapshot, observations, end.network, seen, end.link.name):
        if wrong.entry.address == source:
            yield link_layer.neighbour_finding(wrong, of_container(end.container), end.container)


def _wrong_gateway(situation: Situation) -> Findings:
    """Find an entry of the source for its gateway that is written by hand and has not the MAC address of the bridge."""
    candidate = situation.candidate
    end = next((end for end in ends_of(situation) if end.is_source), None)
    if candidate is None or end is None or (candidate.way is Way.DIRECT and not candidate.is_host):
        return
    host = situation.observations.host
    links = (host.observation.interfaces if host is not None else None) or ()
    bridge = next((link for link in links if link.name == end.network.bridge_name), None)
    gateway = gateway_of(end.endpoint, candidate.version)
    for entry in end.seen.neighbours or ():
        if bridge is None or (entry.address, entry.state) != (gateway, "permanent"):
            continue
        if entry.mac_address in {None, bridge.mac_address}:
            continue
        message = (
            f"{end.container.name} has the neighbour entry {entry.address} with {entry.mac_address}, but its gateway "
            f"has {bridge.mac_address}."
        )
        evidence = {"address": entry.address, "state": entry.state, "mac_address": entry.mac_address}
        remedy = end.new_namespace
        yield finding(STALE_NEIGHBOUR, of_container(end.container), message, remedy=remedy, evidence=evidence)


def address_is_taken_twice(situation: Situation) -> Findings:
    """Find another container, or the host, that has the destination's address as well."""
    candidate = situation.candidate
    if candidate is not None and candidate.network is not None:
        for found in situation.state.once(_duplicates):
            if found.evidence["address"] == candidate.address:
                yield found


def own_link_is_broken(situation: Situation) -> Findings:
    """Find a broken link through which the packet leaves."""
    candidate = situation.candidate
    if candidate is not None and candidate.way is not Way.LOCAL:
        yield from _broken_end(situation, situation.source, candidate.exit)


def their_link_is_broken(situation: Situation) -> Findings:
    """Find a broken link through which the packet would arrive."""
    candidate = situation.candidate
    if candidate is not None and candidate.way is not Way.LOCAL and candidate.attachment is not None:
        yield from _broken_end(situation, candidate.attachment, candidate.network)


def _broken_end(situation: Situation, attachment: Attachment, network: Network | None) -> Findings:
    # The host's end of a path is a bridge, which has no veth of its own.
    if network is not None and attachment.condition is Condition.NETWORKED:
        yield from broken_link(situation, attachment, network)


def broken_link(situation: Situation, attachment: Attachment, network: Network) -> Findings:
    """Find an interface that is down, or whose other end is no port of the network's bridge."""
    inside = interface_on(situation.observations, attachment, network.id)
    endpoint = endpoint_on(attachment, network.id)
    if inside is None or endpoint is None or attachment.owner is None:
        return
    reconnect = partial(remedies.reconnect, situation.snapshot, network, attachment.owner, endpoint)
    # A macvlan or ipvlan that is up shows the state of the host's link below it. It is not the container's fault.
    if is_vlan(network) and inside.state == "down" and "up" in inside.flags:
        yield _parent_is_down(network)
        return
    outside = host_end_of(situation.observations, inside)
    if outside is not None and outside.is_set_down:
        message = f"{outside.name}, the host's end of {inside.name} of {attachment.owner.name}, is down."
        remedy = Remedy("Set the link up.", commands=(f"ip link set {outside.name} up",))
        facts = {"interface": outside.name, "state": outside.state}
        yield finding(LINK_DOWN, of_container(attachment.owner), message, remedy=remedy, evidence=facts)
    # ``ip link set down`` inside, or a link that lost its other end.
    elif inside.state == "down":
        message = f"{inside.name} of {attachment.owner.name}, on {network.name}, is down."
        evidence = {"interface": inside.name, "state": inside.state}
        yield finding(LINK_DOWN, of_container(attachment.owner), message, remedy=reconnect(), evidence=evidence)
    # A macvlan or ipvlan interface has no veth, and an overlay network's bridge is in a namespace of its own.
    if outside is None or network.bridge_name is None:
        return
    bridge = host_interface(situation.observations, outside.master_index)
    # ``ip link set nomaster``, or another program took the veth for a bridge of its own.
    if bridge is None or bridge.name != network.bridge_name:
        message = (
            f"{outside.name}, the host's end of {inside.name} of {attachment.owner.name}, "
            f"is not a port of {network.bridge_name}."
        )
        master = bridge.name if bridge else None
        found = {"veth": outside.name, "bridge": master}
        yield finding(VETH_DETACHED, of_container(attachment.owner), message, remedy=reconnect(), evidence=found)


def _parent_is_down(network: Network) -> Finding:
    name = network.options.get("parent", "").partition(":")[0]  # an ipvlan option may end in its mode
    what = f"{name}, the host's link below {network.name}," if name else f"The host's link below {network.name}"
    remedy = Remedy(
        "Set the link up. If it is up, look at what is below it: a cable, a switch port, or another interface.",
        commands=(f"ip link set {name} up",) if name else (),
    )
    evidence = {"interface": name or None, "network": network.name}
    return finding(LINK_DOWN, HOST, f"{what} is down or has no carrier.", remedy=remedy, evidence=evidence)


def own_link_is_too_small(situation: Situation) -> Findings:
    """Find a ping that may not be fragmented and is too large for the link through which it leaves."""
    yield from _too_small(situation, own=True)


def their_link_is_too_small(situation: Situation) -> Findings:
    """Find the same where the link through which the ping arrives is the smaller one."""
    yield from _too_small(situation, own=False)


def _too_small(situation: Situation, *, own: bool) -> Findings:
    """Compare the ping with the smaller of the two links, where that is the source's (``own``) or the other one."""
    candidate, question = situation.candidate, situation.question
    if candidate is None or candidate.way is Way.LOCAL or question.probe.protocol is not Protocol.ICMP:
        return
    # A packet that may be fragmented passes every link in parts.
    if not question.probe.dont_fragment:
        return
    ends = ((situation.source, candidate.exit), (candidate.attachment, candidate.network))
    links = [
        (mtu_of(situation, end, on), at, end, on)
        for at, (end, on) in enumerate(ends)
        if end is not None and on is not None
    ]
    if not links:
        return
    mtu, at, attachment, network = min(links, key=lambda link: link[:2])
    size = question.probe.payload_bytes + _HEADERS[candidate.version]
    # Two rules call this function, one for each link, since the packet stops at another step. The smaller link reports.
    if own is (at == 0) and size > mtu:
        yield _too_large(situation, candidate, attachment, network, mtu)


def _too_large(
    situation: Situation, candidate: Candidate, attachment: Attachment, network: Network, mtu: int
) -> Finding:
    payload = situation.question.probe.payload_bytes
    size, fits = payload + _HEADERS[candidate.version], mtu - _HEADERS[candidate.version]
    message = (
        f"{size} bytes ({payload} and headers) do not fit through the link of {attachment.name} "
        f"to {network.name}, whose MTU is {mtu}."
    )
    remedy = Remedy(f"Send at most {fits} bytes of payload, or create {network.name} again with a larger MTU.")
    endpoint = endpoint_on(attachment, network.id)
    # The network allows the size, so an interface was changed by hand: connecting it again restores the MTU.
    if mtu < size <= _mtu_given(network) and endpoint is not None and attachment.owner is not None:
        remedy = remedies.reconnect(situation.snapshot, network, attachment.owner, endpoint)
    evidence = {"mtu_bytes": mtu, "packet_bytes": size, "largest_payload_bytes": fits}
    return finding(MTU_MISMATCH, of_network(network), message, remedy=remedy, evidence=evidence)


def mtu_of(situation: Situation, attachment: Attachment, network: Network) -> int:
    """Return the link's MTU in bytes: the smaller of a veth's ends as observed, else the network's."""
    inside = interface_on(situation.observations, attachment, network.id)
    if inside is None:
        return _mtu_given(network)
    outside = host_end_of(situation.observations, inside)
    # Either end may have been changed, and the smaller one limits the link.
    return min(end.mtu_bytes for end in (inside, outside) if end is not None)


def _mtu_given(network: Network) -> int:
    """Return the MTU in bytes that the engine sets: the network's option, else 1500 as for Ethernet."""
    option = network.options.get("com.docker.network.driver.mtu", "")
    # Options are free text for the engine: str.isdigit() alone also accepts digits that int() rejects, such as ².
    plain = option.isascii() and option.isdigit() and len(option) <= _MTU_DIGITS
    return int(option) if plain else _DEFAULT_MTU


def _duplicates(snapshot: Snapshot, observations: Observations) -> tuple[Finding, ...]:
    return tuple(link_layer.duplicates(snapshot, observations))
