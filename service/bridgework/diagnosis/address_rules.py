"""Rules about addresses: overlapping subnets, and addresses that a container lost or never got."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bridgework.diagnosis.container_findings import fixed_addresses
from bridgework.diagnosis.view import VLAN_DRIVERS, View, length_like
from bridgework.explanations import finding, of_container, of_network
from bridgework.explanations.addresses import (
    STALE_ADDRESS,
    SUBNET_HIDES_PUBLIC_ADDRESSES,
    SUBNET_OVERLAPS_HOST_ROUTE,
    SUBNET_OVERLAPS_NETWORK,
)
from bridgework.explanations.remedies import container_reference
from bridgework.ipam.input import why_refused
from bridgework.ipam.intervals import enclosures, first_meetings
from bridgework.model.actions import FindFreeSubnets, RestartContainer
from bridgework.model.checks import Finding, Severity
from bridgework.model.endpoint_names import SHORT_ID
from bridgework.model.errors import Remedy
from bridgework.model.snapshot import Container, Network


def subnets_of_networks_overlap(view: View) -> Iterator[Finding]:
    """Find subnets of two networks that overlap; the engine checks that only within a driver and scope."""
    for (outer, around), (inner, pool) in enclosures(view.pools):
        if outer.id == inner.id:
            continue
        yield finding(
            SUBNET_OVERLAPS_NETWORK,
            of_network(inner),
            f"{inner.name} {pool.subnet} overlaps {outer.name} {around.subnet}.",
            remedy=_move(view, inner, pool.subnet),
            evidence={
                "subnet": pool.subnet,
                "overlaps": {"id": outer.id, "name": outer.name, "subnet": around.subnet},
                "affected": len(view.active(inner)) + len(view.active(outer)),
            },
        )


def subnets_overlap_host_routes(view: View) -> Iterator[Finding]:
    """Find subnets that overlap a route of the host."""
    # A macvlan shares its parent's subnet on purpose, and the routes of an overlay network are not the host's.
    pools = ((i, (n, p)) for i, (n, p) in view.pools if n.driver not in VLAN_DRIVERS and n.scope == "local")
    for (network, pool), route in first_meetings(pools, view.foreign_routes):
        yield finding(
            SUBNET_OVERLAPS_HOST_ROUTE,
            of_network(network),
            f"{network.name} {pool.subnet} overlaps the route {route.destination} by {route.interface or 'no link'}.",
            remedy=_move(view, network, pool.subnet),
            evidence={
                "subnet": pool.subnet,
                "route": {"destination": route.destination, "interface": route.interface, "gateway": route.gateway},
                "affected": len(view.active(network)),
            },
        )


def _move(view: View, network: Network, subnet: str) -> Remedy:
    length = length_like(subnet)
    free = view.free_subnet(length)
    hint = f", such as {free}" if free else ""
    return Remedy(f"Create {network.name} again with a free subnet{hint}.", (FindFreeSubnets(length),))


def subnets_hide_public_addresses(view: View) -> Iterator[Finding]:
    """Find subnets that are public or special: the engine accepts any."""
    for interval, (network, pool) in view.pools:
        refused = why_refused(interval)
        if refused and network.driver not in VLAN_DRIVERS:
            yield finding(
                SUBNET_HIDES_PUBLIC_ADDRESSES,
                of_network(network),
                f"{pool.subnet} of {network.name} {refused}.",
                remedy=_move(view, network, pool.subnet),
                evidence={"subnet": pool.subnet, "affected": len(view.active(network))},
            )


def fixed_addresses_are_not_had(view: View) -> Iterator[Finding]:
    """Find fixed addresses that a running container did not get, or that another holds while it is stopped."""
    for container in view.snapshot.containers:
        yield from fixed_addresses(view.snapshot, container)


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    address: str
    where: str


def hosts_entries_lead_nowhere(view: View) -> Iterator[Finding]:
    """Find addresses of Docker's subnets in a container's hosts entries that no container holds."""
    gateways = _gateways(view)
    for container in view.snapshot.containers:
        for entry in _entries(view, container):
            held = entry.address in view.snapshot.holders_by_address or entry.address in gateways
            if view.in_docker_space(entry.address) and not held:
                yield finding(
                    STALE_ADDRESS,
                    of_container(container),
                    f"{container.name} maps {entry.name} to {entry.address} ({entry.where}), which no container holds.",
                    severity=Severity.WARNING,
                    remedy=_without_entry(container, entry),
                    evidence={"address": entry.address, "name": entry.name, "written_in": entry.where},
                )


def _without_entry(container: Container, entry: _Entry) -> Remedy:
    """Return the remedy for a hosts entry whose address no container holds."""
    # The engine writes the line of the container's own name at every start. After a disconnect, 26.1.5 leaves the line
    # there; 28.5.2 and 29.7.2 remove it (measured).
    if entry.where == "/etc/hosts" and entry.name in {container.hostname, container.id[:SHORT_ID]}:
        summary = f"Restart {container.name}: the engine then writes its hosts file for the networks that it is in now."
        return Remedy(summary, (RestartContainer(container_reference(container)),))
    return Remedy(f"Use the name of the container that you mean, on a network that it shares with {container.name}.")


def _entries(view: View, container: Container) -> Iterable[_Entry]:
    found = dict.fromkeys(container.extra_hosts.items(), "extra_hosts")
    seen = view.observation(container)
    for address, names in (seen.resolver.hosts if seen and seen.resolver else ()) if not container.host_mode else ():
        for name in names:
            found.setdefault((name, address), "/etc/hosts")
    return [_Entry(name, address, where) for (name, address), where in sorted(found.items())]


def _gateways(view: View) -> set[str]:
    of_pools = {pool.gateway for _, (_, pool) in view.pools if pool.gateway}
    endpoints = (e for c in view.snapshot.containers for e in c.endpoints)
    return of_pools | {address for e in endpoints for address in (e.gateway, e.ipv6_gateway) if address}
