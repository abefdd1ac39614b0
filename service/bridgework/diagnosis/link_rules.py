"""Rules about links: addresses of bridges, neighbour entries, duplicate addresses, MTU, IPv6 of the host's links."""

from __future__ import annotations

from collections.abc import Iterator

from bridgework.analysis import link_layer
from bridgework.analysis.routing import gateway_mode
from bridgework.diagnosis.view import View
from bridgework.explanations import HOST, finding, of_container, of_network
from bridgework.explanations.links import MTU_EXCEEDS_EGRESS
from bridgework.explanations.remedies import with_mtu
from bridgework.explanations.routes import ROUTER_ADVERTISEMENTS_REFUSED
from bridgework.model.checks import Finding
from bridgework.model.errors import Remedy
from bridgework.model.observations import Interface, Route
from bridgework.topology.host_links import interface_of

_DEFAULT_ROUTES = {"0.0.0.0/0": 4, "::/0": 6}


def bridges_lost_their_address(view: View) -> Iterator[Finding]:
    """Find bridges that no longer have the address which the engine gave them."""
    for network in view.bridge_names.values():
        yield from link_layer.missing_addresses(view.snapshot, view.engine.observations.host, network)


def neighbour_entries_are_wrong(view: View) -> Iterator[Finding]:
    """Find neighbour entries of the host and of containers that lead to another station than the address's holder."""
    observations = view.engine.observations
    for name, network in view.bridge_names.items():
        if observations.host is not None:
            seen = observations.host.observation
            for wrong in link_layer.wrong_neighbours(view.snapshot, observations, network, seen, name):
                yield link_layer.neighbour_finding(wrong, HOST, None)
    for container in view.snapshot.containers:
        inside = view.observation(container)
        for endpoint in container.endpoints if inside is not None else ():
            found = view.snapshot.networks_by_id.get(endpoint.network_id)
            link = interface_of(endpoint, inside)
            if inside is not None and link is not None and found is not None and found.bridge_name:
                for wrong in link_layer.wrong_neighbours(view.snapshot, observations, found, inside, link.name):
                    yield link_layer.neighbour_finding(wrong, of_container(container), container)


def addresses_are_taken_twice(view: View) -> Iterator[Finding]:
    """Find addresses of endpoints that another container or the host has as well."""
    yield from link_layer.duplicates(view.snapshot, view.engine.observations)


def neighbours_get_no_answer(view: View) -> Iterator[Finding]:
    """Find IPv6 networks inside the prefix of the host's LAN, for whose addresses nothing answers there."""
    for network in view.bridge_names.values():
        yield from link_layer.missing_ndp_proxies(view.snapshot, view.engine.observations, network)


def networks_exceed_the_way_out(view: View) -> Iterator[Finding]:
    """Find networks with containers whose MTU is larger than that of the host's link to the outside."""
    egress = _egress(view)
    for name, network in view.bridge_names.items():
        bridge = view.links.by_name.get(name) if view.links else None
        endpoints = view.active(network)
        if bridge is None or not endpoints or network.internal:
            continue
        families = [4] * network.ipv4_enabled + [6] * network.ipv6_enabled
        exits = [egress[v] for v in families if v in egress and gateway_mode(network, v) != "isolated"]
        smaller = [link for link in exits if link.mtu_bytes < bridge.mtu_bytes]
        if smaller:
            link = min(smaller, key=lambda one: one.mtu_bytes)
            yield finding(
                MTU_EXCEEDS_EGRESS,
                of_network(network),
                f"The bridge of {network.name} has an MTU of {bridge.mtu_bytes} bytes, but {link.name}, "
                f"the host's link to the outside, has {link.mtu_bytes}.",
                remedy=with_mtu(view.snapshot, network, link.mtu_bytes),
                evidence={
                    "bridge": name,
                    "bridge_mtu_bytes": bridge.mtu_bytes,
                    "interface": link.name,
                    "interface_mtu_bytes": link.mtu_bytes,
                    "affected": len(endpoints),
                },
            )


def _egress(view: View) -> dict[int, Interface]:
    """Map each IP version to the link of the host's default route with the lowest metric."""
    found: dict[int, tuple[int, Interface]] = {}
    for route in _default_routes(view):
        version = _DEFAULT_ROUTES[route.destination]
        link = view.links.by_name.get(route.interface or "") if view.links else None
        metric = route.metric or 0
        if link is not None and link.name not in view.bridge_names and metric < found.get(version, (1 << 32, link))[0]:
            found[version] = (metric, link)
    return {version: link for version, (_, link) in found.items()}


def _default_routes(view: View) -> list[Route]:
    host = view.engine.observations.host
    routes = (host.observation.routes if host else None) or ()
    return [route for route in routes if route.destination in _DEFAULT_ROUTES]


def router_advertisements_are_refused(view: View) -> Iterator[Finding]:
    """Find links of the host that depend on router advertisements and ignore them, since the host forwards IPv6."""
    # Docker switches forwarding on for IPv6 networks. The kernel then ignores advertisements where accept_ra is 1, and
    # removes the default routes that came from them (ip-sysctl, accept_ra).
    host = view.engine.observations.host
    kept = {
        route.interface for route in _default_routes(view) if route.destination == "::/0" and route.protocol != "ra"
    }
    for link in host.advertised_links if host else ():
        if link.accept_ra == 1 and link.forwarding and link.interface not in kept:
            setting = f"net.ipv6.conf.{link.interface}.accept_ra"
            yield finding(
                ROUTER_ADVERTISEMENTS_REFUSED,
                HOST,
                f"{link.interface} of the host ignores router advertisements: it forwards IPv6, and accept_ra is 1.",
                remedy=Remedy(
                    f"Set {setting} to 2, also in a file of /etc/sysctl.d. "
                    f"The default route comes back with the router's next advertisement.",
                    commands=(f"sysctl -w {setting.replace(link.interface, link.interface.replace('.', '/'))}=2",),
                ),
                evidence={"interface": link.interface, "sysctl": setting, "value": link.accept_ra},
            )
