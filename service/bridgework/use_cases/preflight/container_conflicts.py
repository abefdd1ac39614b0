"""Find what conflicts with a container: a holder of its name, host port or address, or a missing network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bridgework.model.actions import Disconnect, Read, StartContainer
from bridgework.model.errors import Conflict, Remedy
from bridgework.model.snapshot import Container, PublishedPort, Snapshot
from bridgework.policy.host_ports import claims_of, clash, held_by, publisher_of
from bridgework.use_cases.preflight.endpoint import address_conflict, mode_conflict
from bridgework.use_cases.services import Services


def name_taken(holder: Container) -> Conflict:
    """Return the conflict for a name that ``holder`` has."""
    return Conflict(
        code="container-name-taken",
        detail=f"A container named {holder.name} already exists ({holder.id[:12]}, {holder.state}).",
        remedy=Remedy("Use that container, choose another name, or remove it.", (Read("container", holder.id),)),
        facts={"container": {"id": holder.id, "name": holder.name, "state": holder.state}},
    )


def port_conflict(snapshot: Snapshot, ports: Sequence[PublishedPort]) -> Conflict | None:
    """Return the conflict for the first of the ports that another container publishes now."""
    for port in ports:
        publisher = publisher_of(snapshot, port)
        if publisher is not None:
            return _port_taken(port, f"is published by {publisher.name}", publisher)
    return None


def _port_taken(port: PublishedPort, how: str, holder: Container | None) -> Conflict:
    known = {"holder": {"id": holder.id, "name": holder.name}} if holder else {}
    look = (Read("container", holder.id),) if holder else ()
    return Conflict(
        code="port-taken",
        detail=f"Port {port.host_port}/{port.protocol} of the host {how}.",
        remedy=Remedy("Publish on another port, or set host_port to null to let the engine choose a port.", look),
        facts={"host_port": port.host_port, "protocol": port.protocol, **known},
    )


def explained(services: Services, container: Container, conflict: Conflict) -> Conflict:
    """Add to the engine's refusal of a start or a rename what is in the way, if that can be found."""
    detailed = _explanation(services, services.engine.snapshot(), container, conflict)
    return replace(detailed, facts={**conflict.facts, **detailed.facts}) if detailed is not None else conflict


def _explanation(services: Services, snapshot: Snapshot, container: Container, conflict: Conflict) -> Conflict | None:
    match conflict.code:
        case "container-name-taken":
            holder = next(iter(snapshot.containers_by_name.get(str(conflict.facts.get("name")), ())), None)
            return name_taken(holder) if holder else None
        case "port-taken":
            # Docker 29 removes the networks of a container whose start fails: then it claims the ports that it was
            # created with.
            ports = claims_of(snapshot, container) or container.configured_ports
            return port_conflict(snapshot, ports) or held_by_a_program(services, snapshot, ports)
        case "shared-network-owner-down" | "shared-network-owner-gone":
            return owner_conflict(snapshot, container.name, container.shares_with)
        case "static-address-taken":
            return _address_conflict(snapshot, container)
        case "network-gone":
            return network_gone(snapshot, container)
        case _:
            return None


def obstacle(services: Services, snapshot: Snapshot, container: Container) -> Conflict | None:
    """Return what would make the container's start fail, as far as that can be seen before.

    For a running container it is what would make the next start fail.
    """
    conflict = owner_conflict(snapshot, container.name, container.shares_with) or network_gone(snapshot, container)
    if conflict is not None or container.running:
        return conflict
    ports = claims_of(snapshot, container)
    return (
        _address_conflict(snapshot, container)
        or port_conflict(snapshot, ports)
        or held_by_a_program(services, snapshot, ports)
    )


def held_by_a_program(services: Services, snapshot: Snapshot, ports: Sequence[PublishedPort]) -> Conflict | None:
    """Return the conflict for a port on which a program of the host, or a container in host mode, listens."""
    if not ports:
        return None
    observation = services.runner.observe(services.engine.host_place(snapshot), ("sockets", "processes"))
    for socket in (observation.sockets or ()) if observation else ():
        port = next((published for published in ports if clash(published, held_by(socket))), None)
        if port is not None:
            holder = next((c for c in snapshot.containers if c.host_mode and c.pid == socket.pid and c.pid), None)
            if holder is not None:
                return _port_taken(port, f"is taken by {holder.name}, which is in host mode", holder)
            return _port_taken(port, f"is taken by {socket.process or 'a program'} on the host", None)
    return None


def owner_conflict(snapshot: Snapshot, name: str, owner_id: str | None) -> Conflict | None:
    """Return why the container with ``owner_id`` cannot share its network with the container called ``name``."""
    if owner_id is None:
        return None
    owner = snapshot.containers_by_id.get(owner_id)
    if owner is None:
        return Conflict(
            code="shared-network-owner-gone",
            detail=f"{name} shares the network of {owner_id[:12]}, which no longer exists.",
            remedy=Remedy(
                f"Remove {name}, and create it again with the network of a container that exists, or on a network."
            ),
            facts={"owner": {"id": owner_id, "name": ""}},
        )
    if owner.running:
        return None
    return Conflict(
        code="shared-network-owner-down",
        detail=f"{name} shares the network of {owner.name}, which is {owner.state}.",
        remedy=Remedy("Start the owner of the network first.", (StartContainer(owner.id),)),
        facts={"owner": {"id": owner.id, "name": owner.name, "state": owner.state}},
    )


def _address_conflict(snapshot: Snapshot, container: Container) -> Conflict | None:
    conflicts = (
        address_conflict(snapshot, network, (endpoint.configured_ipv4, endpoint.configured_ipv6))
        for endpoint in container.endpoints
        if (network := snapshot.networks_by_id.get(endpoint.network_id)) is not None
    )
    return next((conflict for conflict in conflicts if conflict is not None), None)


def network_gone(snapshot: Snapshot, container: Container) -> Conflict | None:
    """Return why the container cannot start: a network of its endpoints, or of its mode, does not exist."""
    gone = [endpoint for endpoint in container.endpoints if endpoint.network_id not in snapshot.networks_by_id]
    if not gone:
        return mode_conflict(snapshot, container)
    forget = (Disconnect(endpoint.network_id, container.id) for endpoint in gone)
    names = ", ".join(endpoint.network_name for endpoint in gone)
    return Conflict(
        code="network-gone",
        detail=f"{container.name} is configured with {names}, which {'do' if len(gone) > 1 else 'does'} not exist.",
        remedy=Remedy(
            "Disconnect the container from what no longer exists, and start it.",
            (*forget, StartContainer(container.id)),
        ),
        facts={"networks": [{"id": endpoint.network_id, "name": endpoint.network_name} for endpoint in gone]},
    )
