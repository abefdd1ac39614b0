"""What a project's caller may not take from others: names, addresses, ports, networks in use.

``access.require_ownership`` guards the thing that a request names. A change can also harm what it does not name: an
alias that another's container answers to, the fixed address or host port of one that is merely stopped. Pure decisions
on a snapshot; callers that are bound to no project pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from service.core.access import PROJECT_LABEL, Caller
from service.core.errors import Refused, Remedy
from service.core.host_ports import claims_of, clash
from service.core.snapshot import Container, Endpoint, Network, PublishedPort, Snapshot


def is_foreign(caller: Caller, thing: Container | Network) -> bool:
    """Whether the thing is another's, in the eyes of a project's caller."""
    return caller.project is not None and thing.labels.get(PROJECT_LABEL) != caller.project


def require_place(
    caller: Caller, snapshot: Snapshot, network: Network, names: Iterable[str], addresses: Iterable[str | None]
) -> None:
    """Raise ``Refused`` when another's container in this network has one of the names or fixed addresses."""
    wanted_names = {name.lower() for name in names if name}
    wanted_addresses = {ip_address(address) for address in addresses if address}
    for endpoint in snapshot.endpoints_of(network):
        holder = snapshot.containers_by_id[endpoint.container_id]
        if not is_foreign(caller, holder):
            continue
        for name in sorted(wanted_names & _names_of(endpoint)):
            raise _refused(caller, f"the name {name} in {network.name} belongs to {holder.name}")
        for address in sorted(map(str, wanted_addresses & _addresses_of(endpoint))):
            raise _refused(caller, f"the address {address} in {network.name} belongs to {holder.name}")


def require_ports(caller: Caller, snapshot: Snapshot, wanted: Iterable[PublishedPort]) -> None:
    """Raise ``Refused`` when another's container, though stopped, was made with one of these host ports."""
    ports = [port for port in wanted if port.host_port is not None]
    for holder in snapshot.containers:
        if not is_foreign(caller, holder):
            continue
        for port in ports:
            if any(clash(port, other) for other in claims_of(snapshot, holder)):
                raise _refused(caller, f"the host port {port.host_port}/{port.protocol} belongs to {holder.name}")


def require_no_guests(caller: Caller, snapshot: Snapshot, network: Network) -> None:
    """Raise ``Refused`` when another's container is in the network: to disconnect it is to change it."""
    for endpoint in snapshot.endpoints_of(network):
        holder = snapshot.containers_by_id[endpoint.container_id]
        if is_foreign(caller, holder):
            raise _refused(caller, f"{holder.name}, which is in {network.name}, does not")


def _names_of(endpoint: Endpoint) -> set[str]:
    return {name.lower() for name in (*endpoint.aliases, *endpoint.dns_names, endpoint.container_name) if name}


def _addresses_of(endpoint: Endpoint) -> set[object]:
    held = (endpoint.ipv4_address, endpoint.ipv6_address, endpoint.configured_ipv4, endpoint.configured_ipv6)
    return {ip_address(address) for address in held if address}


def _refused(caller: Caller, why: str) -> Refused:
    return Refused(
        code="project-mismatch",
        detail=f"{caller.name} may change only what belongs to the project {caller.project}; {why}.",
        remedy=Remedy("Choose another, or use a token bound to no project."),
    )
