"""The links behind an endpoint, where they were seen: its interface inside, the veth outside, the bridge.

A veth's two ends name each other by index (rtnetlink(7), ``IFLA_LINK``); a container's interface is told by its
address. ``None`` always means: not seen.
"""

from __future__ import annotations

from bridgework.analysis.attachment import Attachment, Condition
from bridgework.model.observations import Interface, InterfaceAddress, Observation, Observations
from bridgework.model.snapshot import Endpoint


def observed(observations: Observations, attachment: Attachment) -> Observation | None:
    """What was seen in the namespace: the host's, or a container's by whoever shares it."""
    if attachment.is_host and observations.host is not None:
        return observations.host.observation
    owner = None if attachment.condition is Condition.STALE else attachment.owner
    for container in (attachment.container, owner):
        if container is not None and container.id in observations.inside:
            return observations.inside[container.id]
    return None


def unsettled(*observations: Observation | None) -> dict[str, InterfaceAddress]:
    """The addresses that are not used yet, or not at all, since a duplicate of them is looked for or was found.

    Link-local ones are left out: every new veth has one, and the engine names none of them.
    """
    return {
        address.address: address
        for seen in observations
        for interface in (seen.interfaces if seen is not None else None) or ()
        for address in interface.addresses
        if address.is_unsettled and address.scope == "global"
    }


def endpoint_on(attachment: Attachment, network_id: str) -> Endpoint | None:
    """The place of the namespace in that network."""
    return next((endpoint for endpoint in attachment.endpoints if endpoint.network_id == network_id), None)


def interface_on(observations: Observations, attachment: Attachment, network_id: str) -> Interface | None:
    """The interface inside that carries the endpoint's address."""
    seen, endpoint = observed(observations, attachment), endpoint_on(attachment, network_id)
    if seen is None or endpoint is None:
        return None
    for interface in seen.interfaces or ():
        if any(address.address in endpoint.addresses for address in interface.addresses):
            return interface
    return None


def host_end_of(observations: Observations, inside: Interface) -> Interface | None:
    """The host's end of a veth."""
    for interface in _host_interfaces(observations):
        if interface.kind == "veth" and interface.index == inside.peer_index and interface.peer_index == inside.index:
            return interface
    return None


def host_interface(observations: Observations, index: int | None) -> Interface | None:
    """The host's interface with that index."""
    return next((interface for interface in _host_interfaces(observations) if interface.index == index), None)


def _host_interfaces(observations: Observations) -> tuple[Interface, ...]:
    return (observations.host.observation.interfaces or ()) if observations.host is not None else ()
