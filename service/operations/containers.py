"""Containers: list, create, start, stop, restart, rename, remove. Idempotent, with every conflict named."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import ip_address

from service.core import references
from service.core.access import (
    PROJECT_LABEL,
    Caller,
    Role,
    image_allowed,
    require_ownership,
    require_role,
    stamped,
)
from service.core.addresses_input import validate_container_name
from service.core.errors import (
    BridgeworkError,
    Call,
    Conflict,
    InputFault,
    InvalidInput,
    NotFound,
    Refused,
    Remedy,
)
from service.core.ownership import require_place, require_ports
from service.core.snapshot import Container, Network, PublishedPort, Snapshot
from service.core.specs import ContainerSpec, EndpointSpec
from service.operations.descriptions import DescribedContainer, Rehearsal, describe_container
from service.operations.endpoints import endpoint_faults, require_address_free
from service.operations.house import House
from service.operations.idempotency import RetryKey, earlier
from service.operations.networks import Created, carries

EVERY_ADDRESS = "0.0.0.0"
MODES = frozenset({"bridge", "host", "none"})


@dataclass(frozen=True, slots=True)
class ContainerFilter:
    """What a list is narrowed to; ``None`` narrows nothing."""

    name: str | None = None
    state: str | None = None
    network: str | None = None
    labels: tuple[str, ...] = ()
    image: str | None = None
    publishes: int | None = None
    project: str | None = None


def list_containers(snapshot: Snapshot, wanted: ContainerFilter) -> list[DescribedContainer]:
    """The containers that fit, by name. Raises ``NotFound`` when the filter's network does not exist."""
    network = references.network(snapshot, wanted.network) if wanted.network else None
    return [
        describe_container(snapshot, container)
        for container in snapshot.containers
        if _fits(container, wanted, network)
    ]


def _fits(container: Container, wanted: ContainerFilter, network: Network | None) -> bool:
    ports = {*container.published_ports, *container.configured_ports}
    return all(
        (
            wanted.name is None or wanted.name in container.name,
            wanted.state in {None, container.state},
            network is None or any(endpoint.network_id == network.id for endpoint in container.endpoints),
            carries(container.labels, wanted.labels),
            wanted.image in {None, container.image, container.image_id},
            wanted.publishes is None or any(port.host_port == wanted.publishes for port in ports),
            wanted.project is None or container.labels.get(PROJECT_LABEL) == wanted.project,
        )
    )


def get_container(snapshot: Snapshot, reference: str) -> DescribedContainer:
    """One container. Raises ``NotFound`` or ``AmbiguousReference``."""
    return describe_container(snapshot, references.container(snapshot, reference))


@dataclass(frozen=True, slots=True)
class WantedContainer:
    """A create request as it came: networks and modes still by the caller's words, with their order kept."""

    spec: ContainerSpec
    name: str | None
    network_mode: str | None
    networks: tuple[tuple[str, EndpointSpec], ...]
    start: bool = True
    pull: str = "never"


def create_container(
    house: House, caller: Caller, wanted: WantedContainer, key: RetryKey | None, *, dry_run: bool
) -> Created | Rehearsal:
    """Make a container and start it; when it cannot be started it is removed again. Raises ``Conflict``…"""
    snapshot = house.engine.snapshot()
    before = earlier(snapshot.containers, key)
    if before is not None:
        require_ownership(caller, "container", before.name, before.labels)
        return _replayed(house, before, wanted)
    name = wanted.name or (f"bridgework-{key.key[:12]}" if key else f"bridgework-{secrets.token_hex(6)}")
    spec = _resolved(snapshot, replace(wanted.spec, name=name), wanted)
    _require_allowed(house, caller, snapshot, spec)
    _require_free(snapshot, spec, start=wanted.start)
    present = house.engine.has_image(spec.image)
    if not present and wanted.pull == "never":
        raise _image_missing(spec.image)
    if dry_run:
        return Rehearsal(_steps(spec, wanted, present=present))
    if not present or wanted.pull == "always":
        house.engine.pull_image(spec.image)
    labels = {**stamped(caller, spec.labels), **(key.labels if key else {})}
    return _create(house, replace(spec, labels=labels), wanted, key)


def _steps(spec: ContainerSpec, wanted: WantedContainer, *, present: bool) -> tuple[str, ...]:
    pull = () if present and wanted.pull != "always" else (f"pull the image {spec.image}",)
    start = (f"start the container {spec.name}",) if wanted.start else ()
    return (*pull, f"create the container {spec.name} in {spec.network_mode}", *start)


def _create(house: House, spec: ContainerSpec, wanted: WantedContainer, key: RetryKey | None) -> Created:
    try:
        container_id = house.engine.create_container(spec)
    except Conflict as conflict:
        snapshot = house.engine.snapshot()
        again = earlier(snapshot.containers, key)
        if again is None:
            raise _name_taken(snapshot, spec, conflict) from conflict
        return _replayed(house, again, wanted)
    if wanted.start:
        try:
            house.engine.start_container(container_id)
        except BridgeworkError as error:
            raise _undone(house, container_id, spec, error) from error
    return Created(container_id)


def _replayed(house: House, before: Container, wanted: WantedContainer) -> Created:
    if wanted.start and before.state == "created":
        try:
            house.engine.start_container(before.id)
        except NotFound as error:
            raise Conflict(
                code="earlier-request-failed",
                detail="The earlier request with this key could not start its container, and removed it.",
                remedy=Remedy("Send it again with a new key."),
            ) from error
    return Created(before.id, replayed=True)


def _undone(house: House, container_id: str, spec: ContainerSpec, error: BridgeworkError) -> BridgeworkError:
    """Remove what could not be started, so that nothing is half done; say so when even that fails."""
    told = error
    if isinstance(error, Conflict) and error.code == "port-taken":
        told = _port_conflict(house.engine.snapshot(), spec.published_ports) or error
    try:
        house.engine.remove_container(container_id, force=True)
    except NotFound:
        return told
    except BridgeworkError:
        facts = {**told.facts, "left_behind": {"id": container_id, "name": spec.name}}
        return replace(
            told, detail=f"{told.detail} The container {spec.name} was created and is still there.", facts=facts
        )
    return told


def _name_taken(snapshot: Snapshot, spec: ContainerSpec, conflict: Conflict) -> Conflict:
    holder = next((c for c in snapshot.containers if c.name == spec.name), None)
    return conflict if holder is None or conflict.code != "container-name-taken" else _taken(holder)


def _taken(holder: Container) -> Conflict:
    return Conflict(
        code="container-name-taken",
        detail=f"A container named {holder.name} exists already ({holder.id[:12]}, {holder.state}).",
        remedy=Remedy(
            "Use it, choose another name, or remove it.",
            calls=(Call("GET", f"/v1/containers/{holder.id}"),),
        ),
        facts={"container": {"id": holder.id, "name": holder.name, "state": holder.state}},
    )


def _image_missing(image: str) -> NotFound:
    return NotFound(
        code="image-not-found",
        detail=f"The engine has no image {image}.",
        remedy=Remedy('Send the same body with "pull": "missing", or load the image into the engine.'),
        facts={"image": image},
    )


def _resolved(snapshot: Snapshot, spec: ContainerSpec, wanted: WantedContainer) -> ContainerSpec:
    """Every reference replaced by a full id. Raises ``InvalidInput`` with every fault at once."""
    faults = validate_container_name(spec.name) if wanted.name else []
    mode, chosen = _mode(snapshot, wanted)
    networks: dict[str, EndpointSpec] = {chosen.id: EndpointSpec()} if chosen else {}
    for index, (reference, endpoint) in enumerate(wanted.networks):
        network = references.network(snapshot, reference)
        pointer = f"/networks/{index}"
        faults += endpoint_faults(network, endpoint, pointer)
        if mode in {"host", "none"} or mode.startswith("container:"):
            faults.append(InputFault(pointer, f"A container in mode {mode} has no networks of its own."))
        if network.driver in {"host", "null"} or network.config_only:
            faults.append(
                InputFault(f"{pointer}/network", f"{network.name} is no network to connect to; see network_mode.")
            )
        if network.id in networks and networks[network.id] != EndpointSpec():
            faults.append(InputFault(f"{pointer}/network", f"{network.name} is named twice."))
        networks[network.id] = endpoint
    faults += _faults_of_mode(spec, mode)
    if faults:
        raise InvalidInput(
            code="input-invalid", detail=f"The body is invalid: {faults[0].pointer}: {faults[0].message}", faults=faults
        )
    return replace(spec, network_mode=mode, networks=networks)


def _mode(snapshot: Snapshot, wanted: WantedContainer) -> tuple[str, Network | None]:
    """The engine's ``NetworkMode``, and the network it names, where it names one."""
    mode = wanted.network_mode
    if mode is None:
        mode = wanted.networks[0][0] if wanted.networks else "bridge"
    if mode in {"default", "bridge"}:
        bridge = next((network for network in snapshot.networks if network.is_default_bridge), None)
        return "bridge", bridge if wanted.networks else None
    if mode in MODES:
        return mode, None
    if mode.startswith("container:"):
        return f"container:{references.container(snapshot, mode.partition(':')[2]).id}", None
    network = references.network(snapshot, mode)
    if network.driver in {"host", "null"}:
        return network.name, None
    if network.is_default_bridge:
        return "bridge", network if wanted.networks else None
    return network.id, network


def _faults_of_mode(spec: ContainerSpec, mode: str) -> list[InputFault]:
    if not mode.startswith("container:"):
        return []
    shared = (
        ("/published_ports", spec.published_ports, "publish on the container whose network it shares"),
        ("/hostname", spec.hostname, "the host name is that container's"),
        ("/dns", spec.dns, "the resolver is that container's"),
        ("/extra_hosts", spec.extra_hosts, "the hosts file is that container's"),
    )
    return [InputFault(pointer, f"Not with container mode: {why}.") for pointer, value, why in shared if value]


def _require_allowed(house: House, caller: Caller, snapshot: Snapshot, spec: ContainerSpec) -> None:
    if not image_allowed(house.policy, spec.image):
        raise Refused(code="image-not-allowed", detail=f"The policy here does not allow the image {spec.image}.")
    if spec.network_mode == "host":
        require_role(caller, Role.ADMIN, "Host mode")
        if not house.policy.host_mode:
            raise Refused(code="host-mode-not-allowed", detail="The policy here does not allow host mode.")
    if spec.network_mode.startswith("container:"):
        require_role(caller, Role.ADMIN, "Sharing another container's network")
        _require_sharing_allowed(house, caller, snapshot, spec.network_mode.partition(":")[2])
    for network_id in spec.networks:
        network = snapshot.networks_by_id[network_id]
        if not network.is_default_bridge:
            require_ownership(caller, "network", network.name, network.labels)
            endpoint = spec.networks[network_id]
            names = (spec.name, spec.hostname or "", *endpoint.aliases)
            require_place(caller, snapshot, network, names, (endpoint.ipv4_address, endpoint.ipv6_address))
    require_ports(caller, snapshot, spec.published_ports)
    for port in spec.published_ports:
        _require_port_allowed(house, port)


def _require_sharing_allowed(house: House, caller: Caller, snapshot: Snapshot, owner_id: str) -> None:
    """The named container, and the end of its own chain, must be the caller's; by a detour, host mode is host mode."""
    named = snapshot.containers_by_id[owner_id]
    for owner in (named, snapshot.network_owner_of(named) or named):
        require_ownership(caller, "container", owner.name, owner.labels)
        if owner.host_mode and not house.policy.host_mode:
            raise Refused(code="host-mode-not-allowed", detail=f"{owner.name} is in host mode: the policy forbids it.")


def _require_port_allowed(house: House, port: PublishedPort) -> None:
    low, high = house.policy.host_ports
    if port.host_port is not None and not low <= port.host_port <= high:
        raise Refused(
            code="host-port-not-allowed",
            detail=f"The policy here allows the host ports {low} to {high}, not {port.host_port}.",
        )
    addresses = house.policy.published_addresses
    if addresses is not None and (port.host_ip or EVERY_ADDRESS) not in addresses:
        raise Refused(
            code="published-address-not-allowed",
            detail=f"The policy here allows publishing on {', '.join(addresses)} alone.",
        )


def _require_free(snapshot: Snapshot, spec: ContainerSpec, *, start: bool) -> None:
    holder = next((container for container in snapshot.containers if container.name == spec.name), None)
    if holder is not None:
        raise _taken(holder)
    for network_id, endpoint in spec.networks.items():
        for address in (endpoint.ipv4_address, endpoint.ipv6_address):
            require_address_free(snapshot, snapshot.networks_by_id[network_id], address)
    conflict = _port_conflict(snapshot, spec.published_ports)
    if start and spec.network_mode != "host" and conflict is not None:
        raise conflict


def _port_conflict(snapshot: Snapshot, wanted: tuple[PublishedPort, ...]) -> Conflict | None:
    for port in wanted:
        for container in snapshot.containers:
            if any(_clash(port, taken) for taken in container.published_ports):
                return Conflict(
                    code="port-taken",
                    detail=f"Port {port.host_port}/{port.protocol} of the host is published by {container.name}.",
                    remedy=Remedy(
                        "Publish on another port, or leave host_port null to be given one.",
                        calls=(Call("GET", f"/v1/containers/{container.id}/ports"),),
                    ),
                    facts={"holder": {"id": container.id, "name": container.name}, "host_port": port.host_port},
                )
    return None


def _clash(wanted: PublishedPort, taken: PublishedPort) -> bool:
    if wanted.host_port is None or (wanted.host_port, wanted.protocol) != (taken.host_port, taken.protocol):
        return False
    everywhere = {"", EVERY_ADDRESS, "::"}
    if wanted.host_ip in everywhere or taken.host_ip in everywhere:
        return True
    return ip_address(wanted.host_ip) == ip_address(taken.host_ip)


def _change(
    house: House,
    caller: Caller,
    reference: str,
    words: str,
    done: Callable[[Container], bool],
    act: Callable[[Container], None],
    *,
    dry_run: bool,
) -> DescribedContainer | Rehearsal:
    """One verb on one container: nothing when it is done already, else act and look again."""
    snapshot = house.engine.snapshot()
    container = references.container(snapshot, reference)
    require_ownership(caller, "container", container.name, container.labels)
    already = done(container)
    if dry_run:
        return Rehearsal(
            (f"nothing: {container.name} is {container.state} already" if already else f"{words} {container.name}",)
        )
    if not already:
        try:
            act(container)
        except Conflict as conflict:
            raise _explained(house, container, conflict) from conflict
    return get_container(house.engine.snapshot(), container.id)


def _explained(house: House, container: Container, conflict: Conflict) -> Conflict:
    """The engine's refusal with the culprit's name."""
    snapshot = house.engine.snapshot()
    if conflict.code == "port-taken":
        return _port_conflict(snapshot, container.configured_ports) or conflict
    if conflict.code == "shared-network-owner-down" and container.shares_with:
        owner = snapshot.containers_by_id.get(container.shares_with)
        if owner is not None:
            return replace(
                conflict,
                detail=f"{container.name} shares the network of {owner.name}, which is {owner.state}.",
                remedy=Remedy(
                    "Start the owner first.",
                    calls=(
                        Call("POST", f"/v1/containers/{owner.id}/start"),
                        Call("POST", f"/v1/containers/{container.id}/start"),
                    ),
                ),
                facts={**conflict.facts, "owner": {"id": owner.id, "name": owner.name, "state": owner.state}},
            )
    if conflict.code == "static-address-taken":
        for endpoint in container.endpoints:
            network = snapshot.networks_by_id.get(endpoint.network_id)
            if network is not None:
                require_address_free(snapshot, network, endpoint.configured_ipv4)
                require_address_free(snapshot, network, endpoint.configured_ipv6)
    return conflict


def start_container(house: House, caller: Caller, reference: str, *, dry_run: bool) -> DescribedContainer | Rehearsal:
    """Start it; a paused one is unpaused. Raises ``Conflict`` naming who is in the way."""

    def act(container: Container) -> None:
        if container.paused:
            house.engine.unpause_container(container.id)
        else:
            house.engine.start_container(container.id)

    return _change(house, caller, reference, "start", lambda c: c.running and not c.paused, act, dry_run=dry_run)


def stop_container(
    house: House, caller: Caller, reference: str, grace_s: int | None, *, dry_run: bool
) -> DescribedContainer | Rehearsal:
    """Stop it."""
    grace = house.stop_grace_s if grace_s is None else grace_s
    return _change(
        house,
        caller,
        reference,
        "stop",
        lambda c: not c.running and c.state != "restarting",
        lambda c: house.engine.stop_container(c.id, grace),
        dry_run=dry_run,
    )


def restart_container(
    house: House, caller: Caller, reference: str, grace_s: int | None, *, dry_run: bool
) -> DescribedContainer | Rehearsal:
    """Stop and start it."""
    grace = house.stop_grace_s if grace_s is None else grace_s
    return _change(
        house,
        caller,
        reference,
        "restart",
        lambda _: False,
        lambda c: house.engine.restart_container(c.id, grace),
        dry_run=dry_run,
    )


def rename_container(
    house: House, caller: Caller, reference: str, name: str, *, dry_run: bool
) -> DescribedContainer | Rehearsal:
    """Give it another name. Raises ``Conflict`` (``container-name-taken``) naming the holder."""
    faults = validate_container_name(name)
    if faults:
        raise InvalidInput(code="input-invalid", detail=f"The body is invalid: {faults[0].message}", faults=faults)
    snapshot = house.engine.snapshot()
    wanted = references.container(snapshot, reference)
    holder = next((c for c in snapshot.containers if c.name == name and c.id != wanted.id), None)
    if holder is not None:
        raise _taken(holder)
    for endpoint in wanted.endpoints:
        network = snapshot.networks_by_id.get(endpoint.network_id)
        if network is not None and not network.is_default_bridge:
            require_place(caller, snapshot, network, (name,), ())
    return _change(
        house,
        caller,
        wanted.id,
        f"rename to {name}",
        lambda c: c.name == name,
        lambda c: house.engine.rename_container(c.id, name),
        dry_run=dry_run,
    )


def delete_container(house: House, caller: Caller, reference: str, *, force: bool, dry_run: bool) -> Rehearsal | None:
    """Remove it; a running one only with ``force``. Raises ``Conflict`` (``container-running``)."""
    snapshot = house.engine.snapshot()
    container = references.container(snapshot, reference)
    require_ownership(caller, "container", container.name, container.labels)
    if force:
        require_role(caller, Role.ADMIN, "DELETE with force")
    if container.running and not force:
        raise Conflict(
            code="container-running",
            detail=f"{container.name} is {container.state}.",
            remedy=Remedy(
                "Stop it first.",
                calls=(
                    Call("POST", f"/v1/containers/{container.id}/stop"),
                    Call("DELETE", f"/v1/containers/{container.id}"),
                ),
            ),
        )
    if dry_run:
        return Rehearsal((f"remove the container {container.name}",))
    house.engine.remove_container(container.id, force=force)
    return None
