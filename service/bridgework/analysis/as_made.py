"""Whether a namespace is as the engine made it: its links, addresses, routes, policy rules and firewall rules.

Alike containers share a class in a matrix, so what was observed inside one of them would make it a class of its own.
Where the inside is as the engine makes it, the engine's record says all of it, and the observation is left out.
"""

from __future__ import annotations

from ipaddress import ip_address

from bridgework.analysis.attachment import IPV4, IPV6, Attachment, EngineState, gateway_of, interface_of
from bridgework.analysis.endpoint_links import host_end_of, host_interface, interface_of_endpoint
from bridgework.analysis.routing import default_exit, host_address_on, is_vlan
from bridgework.model.observations import (
    MAIN_TABLE,
    BridgePort,
    Interface,
    Observation,
    Observations,
    PolicyRule,
    Routing,
    TableRoute,
)
from bridgework.model.snapshot import Endpoint, Network, Snapshot

_DEFAULT = {IPV4: "0.0.0.0/0", IPV6: "::/0"}
_LINK_LOCAL = "fe80::/64"
_PORT = BridgePort("forwarding")
_USABLE = frozenset({"up", "unknown"})


def is_as_made(state: EngineState, attachment: Attachment, seen: Observation) -> bool:
    """Return whether nothing inside, nor at the host's ends of its links, differs from what the engine makes.

    What was not observed counts as made by the engine. ``state`` has the host's interfaces where they were observed.
    """
    # An overlay network has a second interface that the engine does not list.
    if any(_driver(state, endpoint) == "overlay" for endpoint in attachment.endpoints):
        return True
    return (
        not seen.own_rules
        and not seen.xfrm
        and (seen.interfaces is None or _has_its_links(state, attachment, seen, seen.interfaces))
        and (seen.routing is None or _has_its_routes(state, attachment, seen, seen.routing))
    )


def _driver(state: EngineState, endpoint: Endpoint) -> str:
    network = state.snapshot.networks_by_id.get(endpoint.network_id)
    return network.driver if network is not None else ""


def _has_its_links(
    state: EngineState, attachment: Attachment, seen: Observation, interfaces: tuple[Interface, ...]
) -> bool:
    loopback = next((one for one in interfaces if one.kind == "loopback"), None)
    if loopback is None or "up" not in loopback.flags:
        return False
    return all(_has_its_link(state, endpoint, seen) for endpoint in attachment.endpoints)


def _has_its_link(state: EngineState, endpoint: Endpoint, seen: Observation) -> bool:
    link = interface_of_endpoint(seen, endpoint)
    if link is None or "up" not in link.flags or "no-arp" in link.flags or link.state not in _USABLE:
        return False
    if link.arp_ignore:
        return False
    if endpoint.mac_address and link.mac_address != endpoint.mac_address.lower():
        return False
    own = {(ip_address(address.address), address.prefix_len) for address in link.addresses}
    given = (interface_of(endpoint, version) for version in (IPV4, IPV6))
    if any(one is not None and (one.ip, one.network.prefixlen) not in own for one in given):
        return False
    return _is_plugged_in(state, endpoint, link)


def _is_plugged_in(state: EngineState, endpoint: Endpoint, link: Interface) -> bool:
    """Whether the host's end of a veth, if it was seen, is up and a port of the network's bridge."""
    outside = host_end_of(state.observations, link)
    network = state.snapshot.networks_by_id.get(endpoint.network_id)
    if outside is None or network is None or network.bridge_name is None:
        return True
    bridge = host_interface(state.observations, outside.master_index)
    if "up" not in outside.flags or bridge is None or bridge.name != network.bridge_name:
        return False
    return outside.bridge_port in {None, _PORT} and not _is_below_rules(state, outside)


def _is_below_rules(state: EngineState, outside: Interface) -> bool:
    """Whether rules below IP may concern the port: they name it, or are about frames of all ports."""
    host = state.observations.host
    text = (host.observation.frame_rules if host is not None else None) or ""
    return bool(text) and (f'"{outside.name}"' in text or '"family": "bridge"' in text or '"family": "arp"' in text)


def _has_its_routes(state: EngineState, attachment: Attachment, seen: Observation, routing: Routing) -> bool:
    if not all(map(_is_plain, routing.rules)):
        return False
    given = {route for endpoint in attachment.endpoints for route in _connected(endpoint, seen)}
    for version in (IPV4, IPV6):
        leaves = default_exit(state, attachment, version)
        endpoint = next((e for e in attachment.endpoints if leaves is not None and e.network_id == leaves.id), None)
        link = interface_of_endpoint(seen, endpoint) if endpoint is not None else None
        if endpoint is not None and link is not None and leaves is not None:
            # An ipvlan of mode l3 has a default route without a gateway.
            gateway = None if is_vlan(leaves) and not _gateway(routing, version) else gateway_of(endpoint, version)
            given.add((_DEFAULT[version], "unicast", link.name, gateway))
    return given == {_described(route) for route in routing.routes if _counts(route)}


def _is_plain(rule: PolicyRule) -> bool:
    return rule.is_default and rule.source is None and rule.destination is None


def _counts(route: TableRoute) -> bool:
    """Whether the engine decides about the route: the kernel makes those for the own addresses by itself."""
    return route.kind not in {"local", "broadcast"} and route.destination != _LINK_LOCAL


def _described(route: TableRoute) -> tuple[str, str, str, str | None]:
    table = "" if route.table == MAIN_TABLE else f" of table {route.table}"
    return route.destination, f"{route.kind}{table}", next(iter(route.interfaces), ""), route.gateway


def _gateway(routing: Routing, version: int) -> str | None:
    return next((route.gateway for route in routing.routes if route.destination == _DEFAULT[version]), None)


def _connected(endpoint: Endpoint, seen: Observation) -> list[tuple[str, str, str, str | None]]:
    link = interface_of_endpoint(seen, endpoint)
    owned = [interface_of(endpoint, version) for version in (IPV4, IPV6)]
    return [(str(one.network), "unicast", link.name if link else "", None) for one in owned if one is not None]


def changed_networks(snapshot: Snapshot, observations: Observations) -> frozenset[str]:
    """Return the ids of the networks whose bridge on the host is not as the engine made it, as far as that was seen."""
    host = observations.host.observation.interfaces if observations.host is not None else None
    if host is None:
        return frozenset()
    bridges = {one.name: one for one in host if one.kind == "bridge"}
    named = ((network, bridges.get(network.bridge_name)) for network in snapshot.networks if network.bridge_name)
    return frozenset(n.id for n, bridge in named if bridge is None or not _is_bridge_as_made(snapshot, n, bridge))


def _is_bridge_as_made(snapshot: Snapshot, network: Network, bridge: Interface) -> bool:
    enabled = [version for version, on in ((IPV4, network.ipv4_enabled), (IPV6, network.ipv6_enabled)) if on]
    given = {address for version in enabled if (address := host_address_on(snapshot, network, version)) is not None}
    own = {ip_address(address.address) for address in bridge.addresses}
    return "up" in bridge.flags and {ip_address(address) for address in given} <= own
