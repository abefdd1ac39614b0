"""Rules about what carries frames between two ends: interfaces with their addresses, ports and stations of a bridge.

They read what was observed of the namespaces, not what the engine recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bridgework.analysis.attachment import IPV4, IPV6, parsed, version_of
from bridgework.analysis.endpoint_links import host_interface
from bridgework.analysis.routing import Way, subnet_of
from bridgework.analysis.rules.base import HOST, Findings, Situation, finding, of_container, of_network
from bridgework.analysis.rules.ends import End, ends_of, reconnection
from bridgework.explanations.addresses import CONTAINER_ADDRESS_MISSING, IPV6_DISABLED
from bridgework.explanations.answers import ECHO_IGNORED
from bridgework.explanations.links import (
    BRIDGE_PORT_BLOCKS,
    DUPLICATE_MAC_ADDRESS,
    LINK_DOWN,
    NEIGHBOUR_DISCOVERY_OFF,
    QUEUE_DISCIPLINE_DROPS,
    STALE_FORWARDING_ENTRY,
)
from bridgework.explanations.remedies import container_reference
from bridgework.model.actions import RestartContainer
from bridgework.model.checks import Component, Finding, Protocol, Severity
from bridgework.model.errors import Remedy
from bridgework.model.observations import BridgePort, Interface, Neighbour
from bridgework.model.snapshot import Network

# "Do not reply for all local addresses" (ip-sysctl, arp_ignore).
_NEVER = 8
_ECHO = "net.ipv4.icmp_echo_ignore_all"
_DROPS_ALL = frozenset({"blackhole"})
_UNRESOLVED = frozenset({"failed", "incomplete"})


def own_frames(situation: Situation) -> Findings:
    """Find what keeps the frames of the source from leaving, or those for it from coming."""
    yield from (one for end in ends_of(situation) if end.is_source for one in _of_end(situation, end))


def their_frames(situation: Situation) -> Findings:
    """Find the same at the destination."""
    yield from (one for end in ends_of(situation) if not end.is_source for one in _of_end(situation, end))


def _of_end(situation: Situation, end: End) -> Iterator[Finding]:
    # A link that is down has lost addresses and states because of that, and has a finding of its own.
    if end.link is None or "up" not in end.link.flags:
        return
    missing = [*_disabled(end, end.link)] or [*_addresses(situation, end, end.link)]
    # Without its address the kernel neither asks nor answers, whatever else is set.
    yield from missing or _discovery(situation, end, end.link)
    for link, whose in ((end.link, end.container.name), (end.port, "the host")):
        if link is not None and link.queue in _DROPS_ALL:
            yield _queue(end, link, whose)
    # A port whose link or bridge is down has the state disabled because of that.
    is_up = end.port is not None and "lower-up" in end.port.flags and _bridge_is_up(situation, end.port)
    if is_up and end.port is not None and end.port.bridge_port is not None and end.network.bridge_name is not None:
        yield from _port(situation, end, end.port, end.port.bridge_port)
        yield from _stations(situation, end, end.link, end.port)


def _bridge_is_up(situation: Situation, port: Interface) -> bool:
    bridge = host_interface(situation.observations, port.master_index)
    return bridge is None or not bridge.is_set_down


def _disabled(end: End, link: Interface) -> Iterator[Finding]:
    if end.candidate.version == IPV6 and link.ipv6_disabled:
        sysctl = f"net.ipv6.conf.{link.name}.disable_ipv6"
        message = f"IPv6 is off on {link.name} of {end.container.name}: {sysctl} is 1."
        evidence = {"interface": link.name, "sysctl": sysctl, "value": 1}
        remedy = end.new_namespace
        yield finding(IPV6_DISABLED, of_container(end.container), message, remedy=remedy, evidence=evidence)


def _addresses(situation: Situation, end: End, link: Interface) -> Iterator[Finding]:
    """Find an address that the engine gave the container, and that no interface has, or with another prefix length."""
    version = end.candidate.version
    given = end.address(version)
    if given is None or not version_of(given):
        return
    held = [address for one in end.seen.interfaces or () for address in one.addresses]
    own = next((one for one in held if parsed(one.address) == parsed(given)), None)
    has = [f"{a.address}/{a.prefix_len}" for a in link.addresses if version_of(a.address) == version]
    usable = [a for a in link.addresses if version_of(a.address) == version and a.scope == "global"]
    evidence = {"address": given, "interface": link.name, "addresses": has}
    component, remedy = of_container(end.container), reconnection(situation, end)
    if own is None:
        message = (
            f"{end.container.name} does not have its address {given} on {end.network.name}: {link.name} has "
            f"{' and '.join(has) or f'no IPv{version} address'}."
        )
        # A source that has another address sends from that one.
        severity = Severity.WARNING if end.is_source and usable else None
        yield finding(
            CONTAINER_ADDRESS_MISSING, component, message, severity=severity, remedy=remedy, evidence=evidence
        )
        return
    length = _prefix_length(end.network, given)
    if length is not None and own.prefix_len != length:
        message = (
            f"{link.name} of {end.container.name} has {given}/{own.prefix_len}, but the subnet of {end.network.name} "
            f"is a /{length}: neighbours outside of the shorter range are sent elsewhere."
        )
        severity = Severity.WARNING
        yield finding(
            CONTAINER_ADDRESS_MISSING, component, message, severity=severity, remedy=remedy, evidence=evidence
        )


def _prefix_length(network: Network, address: str) -> int | None:
    subnets = (subnet_of(pool) for pool in network.pools)
    return next((subnet.prefixlen for subnet in subnets if subnet is not None and parsed(address) in subnet), None)


def _discovery(situation: Situation, end: End, link: Interface) -> Iterator[Finding]:
    """Find an interface that takes no part in ARP or neighbour discovery."""
    # A macvlan or ipvlan in a mode of layer 3 has no ARP by design.
    if end.network.bridge_name is None:
        return
    whose = f"{link.name} of {end.container.name}"
    if "no-arp" in link.flags:
        message = f"ARP is off on {whose}: it asks for no neighbour, and it answers none."
        yield _silent(
            of_container(end.container), message, {"interface": link.name, "flag": "NOARP"}, end.new_namespace
        )
    elif end.candidate.version == IPV4 and link.arp_ignore == _NEVER and _is_unresolved(situation, end):
        sysctl = f"net.ipv4.conf.{link.name}.arp_ignore"
        evidence = {"interface": link.name, "sysctl": sysctl, "value": link.arp_ignore}
        message = f"{whose} answers no ARP question: {sysctl} is {link.arp_ignore}."
        yield _silent(of_container(end.container), message, evidence, end.new_namespace)


def _silent(component: Component, message: str, evidence: dict[str, object], remedy: Remedy) -> Finding:
    return finding(NEIGHBOUR_DISCOVERY_OFF, component, message, remedy=remedy, evidence=evidence)


def _is_unresolved(situation: Situation, end: End) -> bool:
    """Whether the station that sends to this end was seen without an answer to its question for the MAC address."""
    other = next((one for one in ends_of(situation) if one.is_source is not end.is_source), None)
    host = situation.observations.host
    direct = end.candidate.way is Way.DIRECT and other is not None
    seen = other.seen if other is not None and direct else host.observation if host is not None else None
    return _has_no_answer(seen.neighbours if seen is not None else None, end.address(end.candidate.version))


def _has_no_answer(neighbours: Sequence[Neighbour] | None, address: str | None) -> bool:
    return any(one.address == address and one.state in _UNRESOLVED for one in neighbours or ())


def _queue(end: End, link: Interface, whose: str) -> Finding:
    inside = whose == end.container.name
    message = f"The queueing discipline {link.queue} of {link.name} of {whose} drops what leaves there."
    remedy = end.new_namespace
    if not inside:
        remedy = Remedy("Delete the queueing discipline.", commands=(f"tc qdisc delete dev {link.name} root",))
    component = of_container(end.container) if inside else HOST
    evidence = {"interface": link.name, "queue": link.queue}
    return finding(QUEUE_DISCIPLINE_DROPS, component, message, remedy=remedy, evidence=evidence)


def _port(situation: Situation, end: End, link: Interface, port: BridgePort) -> Iterator[Finding]:
    """Find a setting of the port by which the bridge does not forward the frames of this way."""
    for setting, value, why in _settings(situation, end, link, port):
        message = (
            f"{link.name}, the port of {end.network.bridge_name} for {end.container.name}, {why} ({setting} {value})."
        )
        now = {"state": "3", "isolated": "off", "locked": "off"}.get(setting, "on")
        summary = f"Set {setting} of the port back."
        if value in {"listening", "learning"}:
            summary += (
                " If spanning tree runs on the bridge, the port forwards by itself after twice its forward_delay."
            )
        remedy = Remedy(summary, commands=(f"bridge link set dev {link.name} {setting} {now}",))
        evidence = {"port": link.name, "bridge": end.network.bridge_name, "setting": setting, "value": value}
        yield finding(BRIDGE_PORT_BLOCKS, of_network(end.network), message, remedy=remedy, evidence=evidence)


def _settings(situation: Situation, end: End, link: Interface, port: BridgePort) -> Iterator[tuple[str, str, str]]:
    candidate = end.candidate
    if port.state != "forwarding":
        yield "state", port.state, "forwards nothing"
        return
    other = next((one for one in ends_of(situation) if one.is_source is not end.is_source), None)
    behind = other.port.bridge_port if other is not None and other.port is not None else None
    if candidate.way is Way.DIRECT and port.is_isolated and behind is not None and behind.is_isolated:
        yield "isolated", "on", "exchanges no frames with other isolated ports, and that of the other end is one"
    if port.is_locked and not _is_known_at(situation, end, link):
        yield "locked", "on", "takes no frames from stations that the bridge does not know there"
    if not port.floods_broadcasts and candidate.version == IPV4 and _is_unresolved(situation, end):
        yield "bcast_flood", "off", "gets no ARP question"
    if not port.floods_multicasts and candidate.version == IPV6 and _is_unresolved(situation, end):
        yield "mcast_flood", "off", "gets no question of neighbour discovery"


def _is_known_at(situation: Situation, end: End, port: Interface) -> bool:
    host, mac_address = situation.observations.host, end.link.mac_address if end.link is not None else None
    entries = host.forwarding_entries if host is not None else ()
    return any(one.mac_address == mac_address and one.port == port.name for one in entries)


def _stations(situation: Situation, end: End, link: Interface, port: Interface) -> Iterator[Finding]:
    """Find an entry of the bridge that leads the frames for this end to another port."""
    host = situation.observations.host
    for entry in host.forwarding_entries if host is not None else ():
        if entry.bridge != end.network.bridge_name or entry.mac_address != link.mac_address or entry.port == port.name:
            continue
        evidence = {"mac_address": entry.mac_address, "port": entry.port, "expected_port": port.name}
        name = end.container.name
        if entry.is_fixed:
            ways = f"to {entry.port} instead of {port.name}"
            message = f"{entry.bridge} sends the frames for {name} ({entry.mac_address}) {ways}."
            command = f"bridge fdb delete {entry.mac_address} dev {entry.port} master"
            remedy = Remedy("Delete the entry: the bridge then learns where the station is.", commands=(command,))
            yield finding(STALE_FORWARDING_ENTRY, of_network(end.network), message, remedy=remedy, evidence=evidence)
            continue
        message = (
            f"Two stations on {end.network.name} have the MAC address {entry.mac_address}: {name}, and one behind "
            f"{entry.port}. The bridge sends frames to the one that sent last."
        )
        remedy = Remedy(f"Give the station behind {entry.port} a MAC address of its own.")
        yield finding(DUPLICATE_MAC_ADDRESS, of_container(end.container), message, remedy=remedy, evidence=evidence)


def loopback_is_down(situation: Situation) -> Findings:
    """Find a loopback that is down, where a container sends to itself."""
    candidate, owner = situation.candidate, situation.source.owner
    seen = situation.observed(situation.source)
    lo = next((link for link in (seen.interfaces if seen is not None else None) or () if link.name == "lo"), None)
    if candidate is None or owner is None or candidate.way is not Way.LOCAL or lo is None or not lo.is_set_down:
        return
    message = f"lo of {owner.name} is down, and what it sends to itself passes there."
    remedy = Remedy(
        f"Restart {owner.name}: its new namespace is as Docker makes it.",
        (RestartContainer(container_reference(owner)),),
    )
    yield finding(
        LINK_DOWN, of_container(owner), message, remedy=remedy, evidence={"interface": "lo", "state": lo.state}
    )


def echo_is_ignored(situation: Situation) -> Findings:
    """Find a destination whose kernel answers no pings."""
    candidate = situation.candidate
    if candidate is None or candidate.version != IPV4 or situation.question.probe.protocol is not Protocol.ICMP:
        return
    for end in ends_of(situation):
        if not end.is_source and dict(end.seen.sysctls).get(_ECHO, "0") != "0":
            message = f"{end.container.name} answers no pings: {_ECHO} is 1."
            component, evidence = of_container(end.container), {"sysctl": _ECHO, "value": 1}
            yield finding(ECHO_IGNORED, component, message, remedy=end.new_namespace, evidence=evidence)


def bridge_is_silent(situation: Situation) -> Findings:
    """Find a bridge that is down, or whose host takes no part in ARP there."""
    candidate, host = situation.candidate, situation.observations.host
    networks = (candidate.exit, candidate.network) if candidate is not None else ()
    named = {n.bridge_name: n for n in networks if n is not None and n.bridge_name is not None}
    for link in (host.observation.interfaces if host is not None else None) or ():
        if candidate is None or link.name not in named or candidate.way is Way.LOCAL:
            continue
        if link.is_set_down:
            message = f"{link.name}, the bridge of {named[link.name].name}, is down."
            remedy = Remedy("Set the link up.", commands=(f"ip link set {link.name} up",))
            yield finding(
                LINK_DOWN, HOST, message, remedy=remedy, evidence={"interface": link.name, "state": link.state}
            )
        elif candidate.way is not Way.DIRECT or candidate.is_host or situation.source.is_host:
            yield from _host_discovery(situation, link, candidate.version)


def _host_discovery(situation: Situation, link: Interface, version: int) -> Iterator[Finding]:
    if "no-arp" in link.flags:
        remedy = Remedy("Switch ARP on.", commands=(f"ip link set {link.name} arp on",))
        message = f"ARP is off on {link.name} of the host: it asks for no neighbour, and it answers none."
        yield _silent(HOST, message, {"interface": link.name, "flag": "NOARP"}, remedy)
    elif version == IPV4 and link.arp_ignore == _NEVER:
        source = next((end for end in ends_of(situation) if end.is_source), None)
        own = [address.address for address in link.addresses]
        if source is not None and any(_has_no_answer(source.seen.neighbours, address) for address in own):
            sysctl = f"net.ipv4.conf.{link.name}.arp_ignore"
            command = f"sysctl -w net.ipv4.conf.{link.name.replace('.', '/')}.arp_ignore=0"
            message = f"The host answers no ARP question on {link.name}: {sysctl} is {link.arp_ignore}."
            evidence = {"interface": link.name, "sysctl": sysctl, "value": link.arp_ignore}
            yield _silent(HOST, message, evidence, Remedy("Let the host answer.", commands=(command,)))
