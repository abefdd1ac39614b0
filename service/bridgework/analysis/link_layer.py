"""Faults of the link layer, for checks and for the diagnosis: bridge addresses, neighbour entries, duplicates, NDP.

All functions are pure. They read a snapshot and what was observed, and find nothing where something was not observed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Interface, IPv6Network, ip_address

from bridgework.analysis.attachment import IPV4, IPV6, parsed
from bridgework.analysis.routing import gateway_mode, host_address_on, masquerades, subnet_of
from bridgework.explanations import HOST, finding, of_container, of_network
from bridgework.explanations.addresses import DUPLICATE_ADDRESS
from bridgework.explanations.links import BRIDGE_ADDRESS_MISSING, LINK_DOWN, NDP_PROXY_MISSING, STALE_NEIGHBOUR
from bridgework.explanations.remedies import container_reference
from bridgework.model.actions import RestartContainer
from bridgework.model.checks import Component, Finding, Severity
from bridgework.model.errors import Remedy
from bridgework.model.observations import HostObservation, Interface, LinkManager, Neighbour, Observation, Observations
from bridgework.model.snapshot import Container, Endpoint, Network, Snapshot

_UNMANAGED = {
    "systemd-networkd": "Give the links of Docker a .network file with Unmanaged=yes, which systemd-networkd reads "
    "before {file}.",
    "NetworkManager": "List the bridge in unmanaged-devices of NetworkManager.conf.",
}


def missing_addresses(
    snapshot: Snapshot, host: HostObservation | None, network: Network, *versions: int
) -> Iterator[Finding]:
    """Find addresses that the engine gave the network's bridge and that the bridge no longer has.

    ``versions`` are the IP versions to compare; both where none is given.
    """
    bridge = _named(host, network.bridge_name)
    if host is None or bridge is None:
        return
    # The bridge's address is the containers' default gateway, so all of the network's running containers are affected.
    active = sum(1 for endpoint in snapshot.endpoints_of(network) if endpoint.state == "active")
    for version, enabled in ((IPV4, network.ipv4_enabled), (IPV6, network.ipv6_enabled)):
        asked = enabled and (not versions or version in versions)
        address = host_address_on(snapshot, network, version) if asked else None
        if address is None or any(parsed(one.address) == parsed(address) for one in bridge.addresses):
            continue
        manager = next((one for one in host.managers if one.interface == bridge.name), None)
        by = f" {manager.program} (process {manager.pid}) configures {bridge.name}." if manager else ""
        yield finding(
            BRIDGE_ADDRESS_MISSING,
            of_network(network),
            f"{bridge.name}, the bridge of {network.name}, does not have its address {address}.{by}",
            severity=None if active else Severity.WARNING,
            remedy=_give_back(network, bridge, address, version, manager),
            evidence={"bridge": bridge.name, "address": address, "affected": active, **_evidence_of(manager)},
        )


def link_down(host: HostObservation | None, name: str) -> Iterator[Finding]:
    """Find a link of the host that is down."""
    link = _named(host, name)
    if link is not None and link.is_set_down:
        yield finding(
            LINK_DOWN,
            HOST,
            f"{name}, a link of the host, is down.",
            remedy=Remedy("Set the link up on the host.", commands=(f"ip link set {name} up",)),
            evidence={"interface": name, "state": link.state},
        )


def _evidence_of(manager: LinkManager | None) -> dict[str, object]:
    return {"manager": {"program": manager.program, "pid": manager.pid, "file": manager.file}} if manager else {}


def _give_back(network: Network, bridge: Interface, address: str, version: int, manager: LinkManager | None) -> Remedy:
    subnets = (subnet_of(pool) for pool in network.pools)
    around = (one for one in subnets if one is not None and one.version == version and ip_address(address) in one)
    length = next((one.prefixlen for one in around), 32 if version == IPV4 else 128)
    keep = f" {_UNMANAGED[manager.program].format(file=manager.file or 'its own')}" if manager else ""
    # Without nodad the address is tentative for about a second, and containers get no answer from it meanwhile.
    nodad = " nodad" if version == IPV6 else ""
    summary = f"Give {bridge.name} its address again.{keep}"
    return Remedy(summary, commands=(f"ip address add {address}/{length} dev {bridge.name}{nodad}",))


@dataclass(frozen=True, slots=True)
class WrongNeighbour:
    """A neighbour entry that leads to another station than the endpoint that has the address.

    ``station`` says who has the MAC address, as far as that is known. ``port`` is the port of the bridge that leads to
    the station.
    """

    entry: Neighbour
    endpoint: Endpoint
    station: str | None
    port: str | None


def wrong_neighbours(
    snapshot: Snapshot, observations: Observations, network: Network, seen: Observation, interface: str
) -> Iterator[WrongNeighbour]:
    """Yield the wrong entries of one interface, which is in the network."""
    # An endpoint of a stopped container holds no address: its entry leads to the container that has it now.
    holders = {a: e for e in snapshot.endpoints_of(network) if e.state == "active" for a in e.addresses}
    for entry in seen.neighbours or ():
        holder = holders.get(entry.address)
        # The kernel repeats the question for a stale entry before it relies on it, so only these two states do harm:
        # one that was confirmed within the last 30 s or so, and one that the kernel never asks about.
        if entry.interface != interface or holder is None or entry.state not in {"permanent", "reachable"}:
            continue
        # What the interface has now counts, where it was seen.
        right = _macs_of(observations, holder) or {holder.mac_address}
        if entry.mac_address in {None, *right} or None in right:
            continue
        yield WrongNeighbour(
            entry,
            replace(holder, mac_address=min(map(str, right))),
            *_station(snapshot, observations, network, entry.mac_address),
        )


def _macs_of(observations: Observations, endpoint: Endpoint) -> set[str | None]:
    # A program may have given the interface another MAC address than the engine: then its neighbours are right.
    seen = observations.inside.get(endpoint.container_id)
    found = (seen.interfaces if seen is not None else None) or ()
    return {i.mac_address for i in found if any(a.address in endpoint.addresses for a in i.addresses)}


def _station(
    snapshot: Snapshot, observations: Observations, network: Network, mac_address: str | None
) -> tuple[str | None, str | None]:
    """Return who has the MAC address, and the port of the bridge behind which it is."""
    host = observations.host
    entries = host.forwarding_entries if host is not None else ()
    learnt = (e.port for e in entries if e.bridge == network.bridge_name and e.mac_address == mac_address)
    port = next(learnt, None)
    for endpoint in snapshot.endpoints_of(network):
        if endpoint.state == "active" and endpoint.mac_address == mac_address:
            return endpoint.container_name, port
    # A program that clones a MAC address, such as one for virtual machines, can be on the host itself.
    for link in _interfaces(host):
        if link.mac_address == mac_address:
            return f"the host's {link.name}", port
    return (f"a station behind {port}", port) if port else (None, None)


def neighbour_finding(wrong: WrongNeighbour, place: Component, container: Container | None) -> Finding:
    """Make the finding for a wrong entry in the namespace of ``container``, or of the host."""
    entry, endpoint = wrong.entry, wrong.endpoint
    facts = {
        "address": entry.address,
        "interface": entry.interface,
        "state": entry.state,
        "mac_address": entry.mac_address,
        "mac_address_of_endpoint": endpoint.mac_address,
        "station": wrong.station,
        "port": wrong.port,
    }
    # A permanent entry was written by hand, so the entry is at fault. A learnt one was believed from an answer, so the
    # station that answered is.
    if entry.state == "permanent" or wrong.station is None:
        whose = "The host" if container is None else place.name
        message = (
            f"{whose} has the neighbour entry {entry.address} with {entry.mac_address}, "
            f"but {endpoint.container_name} has {endpoint.mac_address}."
        )
        return finding(STALE_NEIGHBOUR, place, message, remedy=_forget(entry, container), evidence=facts)
    message = f"{wrong.station} answers for {entry.address}, the address of {endpoint.container_name}."
    component = Component("container", endpoint.container_id, endpoint.container_name)
    remedy = Remedy(f"Take {entry.address} away from {wrong.station}.")
    if wrong.port and wrong.station.endswith(wrong.port):
        commands = (f"ip link set {wrong.port} nomaster",)
        remedy = Remedy(
            f"Take {entry.address} away from {wrong.station}, or take the port off the bridge.", (), commands
        )
    return finding(DUPLICATE_ADDRESS, component, message, remedy=remedy, evidence=facts)


def _forget(entry: Neighbour, container: Container | None) -> Remedy:
    if container is not None:
        summary = f"Restart {container.name}: its new namespace has no such entry."
        return Remedy(summary, (RestartContainer(container_reference(container)),))
    command = f"ip neighbour delete {entry.address} dev {entry.interface}"
    return Remedy("Delete the entry on the host. The kernel asks for the address again.", commands=(command,))


def duplicates(snapshot: Snapshot, observations: Observations) -> Iterator[Finding]:
    """Find addresses of endpoints that another container on the network, or the host's end of it, has as well."""
    for container in snapshot.containers:
        seen = observations.inside.get(container.id)
        # Such a container has the addresses of the host or of another container, and they are no duplicates.
        if seen is None or container.host_mode or container.shares_with:
            continue
        own = {endpoint.network_id for endpoint in container.endpoints}
        for interface, address in _addresses(seen.interfaces):
            for holder in snapshot.holders_by_address.get(address, ()):
                if holder.container_id != container.id and holder.network_id in own and holder.state == "active":
                    restart = RestartContainer(container_reference(container))
                    remedy = Remedy(f"Restart {container.name}: it then has only its own addresses.", (restart,))
                    yield _duplicate(holder, address, of_container(container), interface, remedy)
    for interface, address in _addresses(_interfaces(observations.host)):
        for holder in snapshot.holders_by_address.get(address, ()):
            network = snapshot.networks_by_id.get(holder.network_id)
            if network is not None and network.bridge_name == interface and holder.state == "active":
                length = 32 if "." in address else 128
                command = f"ip address delete {address}/{length} dev {interface}"
                remedy = Remedy(f"Remove the address from {interface} on the host.", commands=(command,))
                yield _duplicate(holder, address, HOST, interface, remedy)


def _duplicate(holder: Endpoint, address: str, other: Component, interface: str, remedy: Remedy) -> Finding:
    whose = "the host" if other is HOST else other.name
    return finding(
        DUPLICATE_ADDRESS,
        Component("container", holder.container_id, holder.container_name),
        f"{interface} of {whose} has {address}, the address of {holder.container_name} on {holder.network_name}, as "
        f"well.",
        remedy=remedy,
        evidence={"address": address, "network": holder.network_name, "other": whose, "interface": interface},
    )


def _addresses(interfaces: tuple[Interface, ...] | None) -> Iterator[tuple[str, str]]:
    for interface in interfaces or ():
        for address in interface.addresses:
            # Link-local addresses repeat on every interface by design.
            if address.scope == "global":
                yield interface.name, address.address


# A remedy with more commands is hard to read. The next diagnosis names the rest.
_MAX_ENTRIES = 20


def missing_ndp_proxies(snapshot: Snapshot, observations: Observations, network: Network) -> Iterator[Finding]:
    """Find IPv6 addresses of containers that neighbours of the host ask for by NDP, and for which nothing answers.

    A machine on the host's LAN takes an address for its neighbour's if the LAN's prefix covers it (RFC 4861, 5.2). The
    container is behind the host, so the host has to answer instead (RFC 4389).
    """
    host, subnets = observations.host, [s for p in network.pools if (s := subnet_of(p)) and s.version == IPV6]
    proxies = host.ndp_proxies if host is not None else None
    # A program such as ndppd answers by rules of its own.
    if proxies is None or proxies.programs or not subnets or not _shows_its_addresses(observations, network):
        return
    active = [e.ipv6_address for e in snapshot.endpoints_of(network) if e.state == "active" and e.ipv6_address]
    bridges = {one.bridge_name for one in snapshot.networks}
    for link in _interfaces(host):
        # A tunnel has no neighbours to ask.
        if link.name in bridges or not {"no-arp", "point-to-point", "loopback"}.isdisjoint(link.flags):
            continue
        held = (
            IPv6Interface(f"{a.address}/{a.prefix_len}")
            for a in link.addresses
            if a.scope == "global" and ":" in a.address
        )
        prefix = next((own.network for own in held if any(_is_part(subnet, own.network) for subnet in subnets)), None)
        inside = [a for a in active if prefix is not None and ip_address(a) in prefix]
        enabled = proxies.is_enabled(link.name)
        missing = [a for a in inside if not proxies.has_entry(a, link.name)]
        if missing or (inside and not enabled):
            yield _unanswered(
                network, link.name, str(prefix), inside if not enabled else missing, missing, enabled=enabled
            )


def _shows_its_addresses(observations: Observations, network: Network) -> bool:
    """Return whether packets leave the host with the addresses of containers, and come to them."""
    mode = gateway_mode(network, IPV6)
    if network.bridge_name is None or network.internal or mode == "isolated":
        return False
    return mode == "routed" or not masquerades(network) or observations.guards(IPV6) is False


def _is_part(subnet: IPv4Network | IPv6Network, prefix: IPv6Network) -> bool:
    return isinstance(subnet, IPv6Network) and subnet != prefix and subnet.subnet_of(prefix)


def _unanswered(
    network: Network, link: str, prefix: str, silent: list[str], missing: list[str], *, enabled: bool
) -> Finding:
    setting = f"net.ipv6.conf.{link}.proxy_ndp"
    reasons = [] if enabled else [f"{setting} is 0"]
    reasons += [f"the host has no proxy entry on {link} for {len(missing)} of them"] if missing else []
    # In a name of sysctl, a dot of an interface's name is written as a slash.
    switch = [] if enabled else [f"sysctl -w net.ipv6.conf.{link.replace('.', '/')}.proxy_ndp=1"]
    return finding(
        NDP_PROXY_MISSING,
        of_network(network),
        f"Neighbours on {link} ({prefix}) ask by NDP for the addresses of containers on {network.name}, such as "
        f"{silent[0]}, and nothing answers: {' and '.join(reasons)}.",
        remedy=Remedy(
            "Let the host answer for these addresses. Each new address needs an entry too, and a file of /etc/sysctl.d "
            "keeps the sysctl. A network whose prefix the router routes to the host needs neither.",
            commands=(*switch, *(f"ip -6 neigh add proxy {a} dev {link}" for a in missing[:_MAX_ENTRIES])),
        ),
        evidence={
            "interface": link,
            "prefix": prefix,
            "proxy_ndp": enabled,
            "addresses": silent[:_MAX_ENTRIES],
            "affected": len(silent),
        },
    )


def _interfaces(host: HostObservation | None) -> tuple[Interface, ...]:
    return (host.observation.interfaces or ()) if host is not None else ()


def _named(host: HostObservation | None, name: str | None) -> Interface | None:
    return next((one for one in _interfaces(host) if one.name == name), None)
