"""Check a new container before a call of the engine: faults of the request, the policy, names and ports in use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from itertools import combinations

from bridgework.ipam.input import validate_container_name
from bridgework.model import references
from bridgework.model.create_specs import ContainerRequest, ContainerSettings, ContainerSpec, EndpointSpec
from bridgework.model.errors import InputFault, Refused
from bridgework.model.snapshot import Network, PublishedPort, Snapshot
from bridgework.policy.access import Caller, Role, image_allowed, require_ownership, require_role
from bridgework.policy.host_ports import claims, clash
from bridgework.policy.ownership import require_place, require_ports
from bridgework.use_cases.preflight.container_conflicts import name_taken, owner_conflict, port_conflict
from bridgework.use_cases.preflight.endpoint import MODE_DRIVERS, endpoint_conflict, endpoint_faults
from bridgework.use_cases.preflight.network import require_valid
from bridgework.use_cases.services import Services

MODES = frozenset({"bridge", "host", "none"})


def resolved(services: Services, snapshot: Snapshot, request: ContainerRequest, name: str) -> ContainerSpec:
    """Return the container with full ids in place of references. Raises ``InvalidInput`` with every fault at once."""
    faults = validate_container_name(name) if request.name else []
    mode, chosen = _mode(snapshot, request)
    networks: dict[str, EndpointSpec] = {chosen.id: EndpointSpec()} if chosen else {}
    named = set()
    for index, place in enumerate(request.networks):
        network = references.network(snapshot, place.network)
        pointer = f"/networks/{index}"
        faults += endpoint_faults(services, network, place, pointer) + _faults_of_place(network, mode, pointer)
        if network.id in named:
            faults.append(InputFault(f"{pointer}/network", f"{network.name} is named twice."))
        named.add(network.id)
        networks[network.id] = place
    require_valid(faults + _faults_of_mode(request, mode) + _faults_of_ports(request.published_ports))
    settings = {field.name: getattr(request, field.name) for field in fields(ContainerSettings)}
    return ContainerSpec(**{**settings, "name": name}, network_mode=mode, networks=networks)


def _mode(snapshot: Snapshot, request: ContainerRequest) -> tuple[str, Network | None]:
    """Return the engine's ``NetworkMode``, and the network that it names, if it names one."""
    mode = request.network_mode
    if mode is None:
        mode = request.networks[0].network if request.networks else "bridge"
    if mode in {"default", "bridge"}:
        bridge = next((network for network in snapshot.networks if network.is_default_bridge), None)
        return "bridge", bridge if request.networks else None
    if mode in MODES:
        return mode, None
    if mode.startswith("container:"):
        return f"container:{references.container(snapshot, mode.partition(':')[2]).id}", None
    network = references.network(snapshot, mode)
    if network.driver in MODE_DRIVERS and not network.config_only:
        return network.name, None
    if network.is_default_bridge:
        return "bridge", network if request.networks else None
    return network.name, network


def _faults_of_place(network: Network, mode: str, pointer: str) -> list[InputFault]:
    if mode in {"host", "none"} or mode.startswith("container:"):
        return [InputFault(pointer, f"A container in mode {mode} has no networks of its own.")]
    if network.config_only:
        return [
            InputFault(
                f"{pointer}/network", f"{network.name} is only a configuration, so nothing can be connected to it."
            )
        ]
    if network.driver in MODE_DRIVERS:
        return [
            InputFault(
                f"{pointer}/network", f"No container can be connected to {network.name}. Use network_mode instead."
            )
        ]
    return []


def _faults_of_mode(spec: ContainerSettings, mode: str) -> list[InputFault]:
    sharing: Mapping[str, tuple[object, str]] = {
        "published_ports": (spec.published_ports, "publish on the container whose network it shares"),
        "hostname": (spec.hostname, "the host name is that container's"),
        "dns": (spec.dns, "the resolver is that container's"),
        "dns_search": (spec.dns_search, "the resolver is that container's"),
        "dns_options": (spec.dns_options, "the resolver is that container's"),
        "extra_hosts": (spec.extra_hosts, "the hosts file is that container's"),
        "sysctls": (spec.sysctls, "they would change that container's network"),
    }
    faults: list[InputFault] = []
    if mode.startswith("container:"):
        faults = [
            InputFault(f"/{name}", f"Not allowed in container mode: {why}.")
            for name, (value, why) in sharing.items()
            if value
        ]
    if mode == "host" and spec.sysctls:
        faults.append(InputFault("/sysctls", "Not with host mode: they would change the host's network."))
    return faults


def _faults_of_ports(ports: tuple[PublishedPort, ...]) -> list[InputFault]:
    return [
        InputFault("/published_ports", f"The host's port {first.host_port}/{first.protocol} is published twice.")
        for first, other in combinations([port for port in ports if port.host_port is not None], 2)
        if clash(first, other)
    ][:1]


def require_allowed(services: Services, caller: Caller, snapshot: Snapshot, spec: ContainerSpec) -> None:
    """Raise ``Refused`` when the caller, or every caller of this service, may not create such a container."""
    if not image_allowed(services.policy, spec.image):
        raise Refused(
            code="image-not-allowed", detail=f"The policy of this service does not allow the image {spec.image}."
        )
    if spec.network_mode == "host":
        require_role(caller, Role.ADMIN, "Host mode")
        if not services.policy.host_mode:
            raise Refused(code="host-mode-not-allowed", detail="The policy of this service does not allow host mode.")
    if spec.network_mode.startswith("container:"):
        require_role(caller, Role.ADMIN, "Sharing another container's network")
        _require_sharing_allowed(services, caller, snapshot, spec.network_mode.partition(":")[2])
    for network_id, endpoint in spec.networks.items():
        network = snapshot.networks_by_id[network_id]
        if not network.is_default_bridge:
            require_ownership(caller, "network", network.name, network.labels)
            names = (spec.name, spec.hostname or "", *endpoint.aliases)
            require_place(caller, snapshot, network, names, (endpoint.ipv4_address, endpoint.ipv6_address))
    require_ports(caller, snapshot, spec.published_ports)
    for port in spec.published_ports:
        _require_port_allowed(services, port)


def _require_sharing_allowed(services: Services, caller: Caller, snapshot: Snapshot, owner_id: str) -> None:
    """Require that the caller owns the container and the end of its ``container:X`` chain.

    A container that shares the network of one in host mode is in host mode itself, so the policy must allow that.
    """
    named = snapshot.containers_by_id[owner_id]
    for owner in (named, snapshot.network_owner_of(named) or named):
        require_ownership(caller, "container", owner.name, owner.labels)
        if owner.host_mode and not services.policy.host_mode:
            raise Refused(
                code="host-mode-not-allowed",
                detail=f"{owner.name} is in host mode, which the policy of this service does not allow.",
            )


def _require_port_allowed(services: Services, port: PublishedPort) -> None:
    low, high = services.policy.host_ports
    if port.host_port is not None and not low <= port.host_port <= high:
        raise Refused(
            code="host-port-not-allowed",
            detail=f"The policy of this service allows the host ports {low} to {high}, not {port.host_port}.",
        )
    addresses = services.policy.published_addresses
    if addresses is not None and (port.host_ip or "0.0.0.0") not in addresses:
        raise Refused(
            code="published-address-not-allowed",
            detail=f"The policy of this service allows published ports only on {', '.join(addresses)}.",
        )


def wanted_ports(snapshot: Snapshot, spec: ContainerSpec) -> tuple[PublishedPort, ...]:
    """Return the host ports that the new container takes while it runs."""
    if spec.network_mode in {"host", "none"} or spec.network_mode.startswith("container:"):
        return ()
    named = [snapshot.networks_by_id[network_id] for network_id in spec.networks]
    networks = named or [network for network in snapshot.networks if network.is_default_bridge]
    return claims(spec.published_ports, networks)


def require_free(snapshot: Snapshot, spec: ContainerSpec, *, start: bool) -> None:
    """Raise ``Conflict`` that names what has the name, an address or a port, or why no network can be shared."""
    holder = next((container for container in snapshot.containers if container.name == spec.name), None)
    if holder is not None:
        raise name_taken(holder)
    for network_id, endpoint in spec.networks.items():
        network = snapshot.networks_by_id[network_id]
        conflict = endpoint_conflict(snapshot, network, endpoint, starts=start)
        if conflict is not None:
            raise conflict
    if start:
        _, _, owner_id = spec.network_mode.partition("container:")
        conflict = owner_conflict(snapshot, spec.name, owner_id or None)
        conflict = conflict or port_conflict(snapshot, wanted_ports(snapshot, spec))
        if conflict is not None:
            raise conflict
