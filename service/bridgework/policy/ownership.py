"""What a caller of a project may not take from other projects: names, addresses, ports and networks in use.

``access.require_ownership`` guards the thing that a request names. A change can also harm things that it does not name:
the alias of another container, the fixed address or the host port of a stopped container. A caller without a project
may do all of this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from bridgework.model.endpoint_names import normal
from bridgework.model.errors import Refused, Remedy
from bridgework.model.snapshot import Container, Endpoint, Network, PublishedPort, Snapshot
from bridgework.policy.access import PROJECT_LABEL, Caller
from bridgework.policy.host_ports import claims_of, clash


def is_foreign(caller: Caller, thing: Container | Network) -> bool:
    """Return whether the caller has a project and the thing is not of it."""
    return caller.project is not None and thing.labels.get(PROJECT_LABEL) != caller.project


def require_place(
    caller: Caller, snapshot: Snapshot, network: Network, names: Iterable[str], addresses: Iterable[str | None]
) -> None:
    """Raise ``Refused`` when one of the names or fixed addresses in this network belongs to another project.

    A container of another project may have it in this network. Or such a container in this network (a guest) resolves
    the name to a third container, in another network of the guest.
    """
    if caller.project is None:
        return
    wanted_names = {normal(name) for name in names if name}
    wanted_addresses = {ip_address(address) for address in addresses if address}
    guests = {}
    for endpoint in snapshot.endpoints_of(network):
        holder = snapshot.containers_by_id[endpoint.container_id]
        if not is_foreign(caller, holder):
            continue
        guests[holder.id] = holder
        for name in sorted(wanted_names & _names_of(endpoint)):
            raise _refused(caller, f"the name {name} in {network.name} belongs to {holder.name}")
        for address in sorted(map(str, wanted_addresses & _addresses_of(endpoint))):
            raise _refused(caller, f"the address {address} in {network.name} belongs to {holder.name}")
    _require_unresolved(caller, snapshot, network, wanted_names, guests)


def _require_unresolved(
    caller: Caller, snapshot: Snapshot, network: Network, names: set[str], guests: Mapping[str, Container]
) -> None:
    """Raise ``Refused`` when a guest would find the caller's container by a name that it resolves to another one."""
    # Docker's resolver asks each network of a container for a name, then each for name.network, and takes the first
    # answer (Sandbox.ResolveName, 26.1.5). It asks servers outside only for a name that no network has, so a name with
    # a dot would hide one of theirs.
    dotted = min((name for name in names if "." in name), default=None)
    if dotted is not None and guests:
        guest = next(iter(guests.values()))
        why = f"{guest.name}, which is in {network.name}, may ask an outside DNS server for the name {dotted}"
        raise _refused(caller, why)
    spelled = names | {f"{name}.{normal(network.name)}" for name in names}
    visited_ids = {network.id}
    for guest in guests.values():
        for place in guest.endpoints:
            other = snapshot.networks_by_id.get(place.network_id)
            if other is None or other.id in visited_ids or other.is_default_bridge:
                continue
            visited_ids.add(other.id)
            for endpoint in snapshot.endpoints_of(other):
                holder = snapshot.containers_by_id[endpoint.container_id]
                held = _names_of(endpoint)
                taken = spelled & (held | {f"{name}.{normal(other.name)}" for name in held})
                if taken and is_foreign(caller, holder):
                    raise _refused(
                        caller,
                        f"{guest.name}, which is in {network.name}, resolves the name {min(taken)} to {holder.name} "
                        f"in {other.name}",
                    )


def require_ports(caller: Caller, snapshot: Snapshot, asked_ports: Iterable[PublishedPort]) -> None:
    """Raise ``Refused`` when a container of another project, even a stopped one, has one of these host ports."""
    ports = [port for port in asked_ports if port.host_port is not None]
    for holder in snapshot.containers:
        if not is_foreign(caller, holder):
            continue
        for port in ports:
            if any(clash(port, other) for other in claims_of(snapshot, holder)):
                raise _refused(caller, f"the host port {port.host_port}/{port.protocol} belongs to {holder.name}")


def require_no_guests(caller: Caller, snapshot: Snapshot, network: Network) -> None:
    """Raise ``Refused`` when a container of another project is in the network: a change would disconnect it."""
    for endpoint in snapshot.endpoints_of(network):
        holder = snapshot.containers_by_id[endpoint.container_id]
        if is_foreign(caller, holder):
            raise _refused(caller, f"{holder.name}, which is in {network.name}, belongs to another")


def _names_of(endpoint: Endpoint) -> set[str]:
    return {normal(name) for name in (*endpoint.aliases, *endpoint.dns_names, endpoint.container_name) if name}


def _addresses_of(endpoint: Endpoint) -> set[object]:
    held = (endpoint.ipv4_address, endpoint.ipv6_address, endpoint.configured_ipv4, endpoint.configured_ipv6)
    return {ip_address(address) for address in held if address}


def _refused(caller: Caller, why: str) -> Refused:
    return Refused(
        code="project-mismatch",
        detail=f"{caller.name} may change only what belongs to the project {caller.project}; {why}.",
        remedy=Remedy("Use another name, or a token that is bound to no project."),
    )
