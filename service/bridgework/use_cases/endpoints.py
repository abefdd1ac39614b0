"""A container's place in a network: connect and disconnect, idempotent, and verified by looking afterwards."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from bridgework.explanations import finding, of_container
from bridgework.ipam.usage import PoolUsage, available_subnets, usage_of
from bridgework.model import references
from bridgework.model.checks import Finding
from bridgework.model.create_specs import EndpointSpec
from bridgework.model.errors import BridgeworkError, Call, Conflict, EngineMisbehaved, InvalidInput, NotFound, Remedy
from bridgework.model.snapshot import Container, Endpoint, Network, Snapshot
from bridgework.policy.access import Caller, Role, require_ownership, require_role
from bridgework.policy.ownership import require_place
from bridgework.use_cases.preflight.endpoint import (
    endpoint_of,
    half_made,
    is_wish,
    require_address_free,
    require_possible,
    require_same,
    validate,
    with_wish,
)
from bridgework.use_cases.preflight.network import taken_subnets
from bridgework.use_cases.services import Services
from bridgework.use_cases.views import DescribedEndpoint, describe_endpoint, planned_endpoint


def list_endpoints(snapshot: Snapshot, network_reference: str) -> list[DescribedEndpoint]:
    """The network's endpoints: active ones and those of stopped containers."""
    network = references.network(snapshot, network_reference)
    return [describe_endpoint(endpoint) for endpoint in snapshot.endpoints_of(network)]


def get_endpoint(snapshot: Snapshot, network_reference: str, container_reference: str) -> DescribedEndpoint:
    """One endpoint. Raises ``NotFound`` (``endpoint-not-found``)."""
    network = references.network(snapshot, network_reference)
    container = references.container(snapshot, container_reference)
    endpoint = endpoint_of(container, network)
    if endpoint is None:
        raise NotFound(
            code="endpoint-not-found",
            detail=f"{container.name} has no endpoint in {network.name}.",
            remedy=Remedy(
                "Connect it.", calls=(Call("PUT", f"/v1/networks/{network.id}/endpoints/{container.id}", {}),)
            ),
        )
    return describe_endpoint(endpoint)


@dataclass(frozen=True, slots=True)
class Connected:
    """The endpoint, and whether this request made it."""

    endpoint: DescribedEndpoint
    created: bool


def connect(
    services: Services,
    caller: Caller,
    network_reference: str,
    container_reference: str,
    spec: EndpointSpec,
    *,
    dry_run: bool,
) -> Connected:
    """Give the container an endpoint with these settings; the same again changes nothing.

    Raises ``Conflict``: ``endpoint-differs``, ``static-address-taken``, ``network-mode-conflict``…
    """
    snapshot = services.engine.snapshot()
    network = references.network(snapshot, network_reference)
    container = references.container(snapshot, container_reference)
    _require_own(caller, network, container)
    validate(services, network, spec)
    present = endpoint_of(container, network)
    if present is not None and not is_wish(container, present):
        require_same(network, container, present, spec)
        return Connected(describe_endpoint(present, _ignored(container, present, spec)), created=False)
    require_possible(snapshot, network, container, spec)
    names = (container.name, container.hostname, *spec.aliases)
    require_place(caller, snapshot, network, names, (spec.ipv4_address, spec.ipv6_address))
    if dry_run:
        return Connected(describe_endpoint(planned_endpoint(network, container, spec)), created=True)
    return _connect(services, network, container, spec)


def _connect(services: Services, network: Network, container: Container, spec: EndpointSpec) -> Connected:
    created = True
    try:
        services.engine.connect(network.id, container.id, spec)
    except Conflict as conflict:
        if conflict.code != "endpoint-exists":
            raise _explained(services, network, container, spec, conflict) from conflict
        created = False
    except (InvalidInput, EngineMisbehaved) as error:
        raise _explained(services, network, container, spec, error) from error
    made = endpoint_of(references.container(services.engine.snapshot(), container.id), network)
    if made is None:
        raise Conflict(
            code="endpoint-vanished",
            detail=f"{container.name} was connected to {network.name}, and something else disconnected it again.",
        )
    if not created:
        require_same(network, container, made, spec)
    return Connected(describe_endpoint(made, _ignored(container, made, spec)), created=created)


def _explained(
    services: Services, network: Network, container: Container, spec: EndpointSpec, error: BridgeworkError
) -> BridgeworkError:
    """The engine's refusal with the culprit's name, and with what it left behind."""
    snapshot = services.engine.snapshot()
    told = error
    if error.code == "static-address-taken":
        try:
            for address in (spec.ipv4_address, spec.ipv6_address):
                require_address_free(snapshot, network, address)
        except Conflict as named:
            told = named
    now = snapshot.containers_by_id.get(container.id)
    return told if now is None else with_wish(now, network, told)


def _ignored(container: Container, made: Endpoint, spec: EndpointSpec) -> tuple[Finding, ...]:
    wanted = (spec.mac_address or "").lower()
    if not wanted or made.state != "active" or made.mac_address == wanted:
        return ()
    return (
        finding(
            "mac-address-ignored",
            of_container(container),
            f"The engine gave {container.name} the MAC address {made.mac_address}, not {wanted}.",
            evidence={"asked": wanted, "given": made.mac_address},
        ),
    )


def _require_own(caller: Caller, network: Network, container: Container) -> None:
    require_ownership(caller, "network", network.name, network.labels)
    require_ownership(caller, "container", container.name, container.labels)


def disconnect(
    services: Services, caller: Caller, network_reference: str, container_reference: str, *, force: bool, dry_run: bool
) -> None:
    """Take the endpoint away; when there is none, that is a success already. Raises ``Refused``, ``Conflict``…"""
    snapshot = services.engine.snapshot()
    if force:
        require_role(caller, Role.ADMIN, "DELETE with force")
    try:
        network = references.network(snapshot, network_reference)
    except NotFound:
        _disconnect_from_gone(services, caller, snapshot, network_reference, container_reference, dry_run=dry_run)
        return
    try:
        container = references.container(snapshot, container_reference)
    except NotFound:
        _disconnect_stale(services, caller, network, container_reference, force=force, dry_run=dry_run)
        return
    _require_own(caller, network, container)
    present = endpoint_of(container, network)
    if present is None:
        return
    if network.driver == "host":
        raise Conflict(
            code="network-mode-conflict",
            detail=f"{container.name} is in host mode, which is for as long as it exists.",
            remedy=Remedy("Create it again with another network_mode."),
        )
    if dry_run:
        return
    try:
        services.engine.disconnect(network.id, container.id, force=force)
    except NotFound:
        _require_gone(services, network, container)


def _disconnect_from_gone(
    services: Services, caller: Caller, snapshot: Snapshot, network_id: str, container_reference: str, *, dry_run: bool
) -> None:
    """A container may still name a network that is gone, and cannot start until it does not.

    The engine knows such an endpoint by the network's name alone. Raises ``NotFound`` when there is no such endpoint.
    """
    container = references.container(snapshot, container_reference)
    named = next((endpoint for endpoint in container.endpoints if endpoint.network_id == network_id), None)
    if named is None:
        references.network(snapshot, network_id)
        return
    require_ownership(caller, "container", container.name, container.labels)
    if dry_run:
        return
    with suppress(NotFound):  # it went meanwhile
        services.engine.disconnect(named.network_name, container.id, force=True)


def _require_gone(services: Services, network: Network, container: Container) -> None:
    """The engine knows no such endpoint: that is the aim, unless a failed connect's settings are still there."""
    now = services.engine.snapshot().containers_by_id.get(container.id)
    left = endpoint_of(now, network) if now is not None else None
    if now is not None and left is not None and is_wish(now, left):
        raise half_made(network, now)


def _disconnect_stale(
    services: Services, caller: Caller, network: Network, name: str, *, force: bool, dry_run: bool
) -> None:
    """An endpoint whose container is gone goes by its own name, as the engine lists it, and only by force."""
    require_ownership(caller, "network", network.name, network.labels)
    names = {known or key for key, known in services.engine.network_endpoint_ids(network.id).items()}
    if not force or name not in names:
        references.container(services.engine.snapshot(), name)
    if dry_run:
        return
    with suppress(NotFound):  # it went meanwhile
        services.engine.disconnect(network.id, name, force=True)


def addresses(snapshot: Snapshot, network_reference: str) -> tuple[PoolUsage, ...]:
    """Each pool's use, and who holds each address."""
    network = references.network(snapshot, network_reference)
    return usage_of(network, snapshot.endpoints_of(network))


def free_subnets(services: Services, snapshot: Snapshot, prefix_len: int, count: int) -> list[str]:
    """Subnets that overlap no network and no route of the host, within what the policy allows."""
    taken = taken_subnets(services, snapshot)
    allowed = services.policy.allowed_subnets
    found = (
        available_subnets(prefix_len, count, taken, allowed) if allowed else available_subnets(prefix_len, count, taken)
    )
    if not found:
        raise Conflict(code="address-space-exhausted", detail=f"No subnet with a prefix of {prefix_len} is free.")
    return found
