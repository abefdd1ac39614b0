"""The links of an endpoint as they were observed: the interface inside, the veth on the host, the bridge.

``None`` always means that the link was not observed.
"""

from __future__ import annotations

from bridgework.analysis.attachment import Attachment, Condition
from bridgework.model.observations import Interface, InterfaceAddress, Observation, Observations
from bridgework.model.snapshot import Endpoint


def observed(observations: Observations, attachment: Attachment) -> Observation | None:
    """Return the observation of the namespace, made in the container itself or in the owner of its namespace."""
    if attachment.is_host and observations.host is not None:
        return observations.host.observation
    # A stale sharer is not in the owner's namespace, so what was observed there says nothing about the sharer.
    owner = None if attachment.condition is Condition.STALE else attachment.owner
    for container in (attachment.container, owner):
        if container is not None and container.id in observations.inside:
            return observations.inside[container.id]
    return None


def unsettled(*observations: Observation | None) -> dict[str, InterfaceAddress]:
    """Map the IPv6 addresses that their kernel does not use: duplicate address detection runs, or found a duplicate."""
    # Link-local addresses are left out: every new veth has a tentative one, and the engine lists none of them.
    return {
        address.address: address
        for seen in observations
        for interface in (seen.interfaces if seen is not None else None) or ()
        for address in interface.addresses
        # An optimistic address (RFC 4429) is tentative as well, but the kernel uses it.
        if address.is_unsettled and address.scope == "global"
    }


def endpoint_on(attachment: Attachment, network_id: str) -> Endpoint | None:
    """Return the endpoint of the namespace in that network."""
    return next((endpoint for endpoint in attachment.endpoints if endpoint.network_id == network_id), None)


def interface_on(observations: Observations, attachment: Attachment, network_id: str) -> Interface | None:
    """Return the interface inside that has an address of the endpoint."""
    seen, endpoint = observed(observations, attachment), endpoint_on(attachment, network_id)
    if seen is None or endpoint is None:
        return None
    return interface_of_endpoint(seen, endpoint)


def interface_of_endpoint(seen: Observation, endpoint: Endpoint) -> Interface | None:
    """Return the interface of a namespace that has an address of the endpoint, else the one with its MAC address."""
    # The engine does not list which interface belongs to which network. A program may have changed either fact.
    interfaces = seen.interfaces or ()
    by_address = (i for i in interfaces if any(address.address in endpoint.addresses for address in i.addresses))
    by_station = (i for i in interfaces if endpoint.mac_address and i.mac_address == endpoint.mac_address)
    return next(by_address, None) or next(by_station, None)


def host_end_of(observations: Observations, inside: Interface) -> Interface | None:
    """Return the host's end of a veth."""
    # Each end gives the index of the other one (rtnetlink(7), ``IFLA_LINK``). One index alone is not enough: another
    # container's interface may have the same index.
    for interface in _host_interfaces(observations):
        if interface.kind == "veth" and interface.index == inside.peer_index and interface.peer_index == inside.index:
            return interface
    return None


def host_interface(observations: Observations, index: int | None) -> Interface | None:
    """Return the host's interface with that index."""
    return next((interface for interface in _host_interfaces(observations) if interface.index == index), None)


def _host_interfaces(observations: Observations) -> tuple[Interface, ...]:
    return (observations.host.observation.interfaces or ()) if observations.host is not None else ()
