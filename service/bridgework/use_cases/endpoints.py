"""Endpoints: list, connect and disconnect. Both changes are idempotent, and a connect is verified afterwards."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from bridgework.explanations import finding, of_container
from bridgework.explanations.addresses import MAC_ADDRESS_IGNORED
from bridgework.model import references
from bridgework.model.actions import Connect
from bridgework.model.checks import Finding
from bridgework.model.create_specs import EndpointSpec
from bridgework.model.errors import BridgeworkError, Conflict, EngineMisbehaved, InvalidInput, NotFound, Remedy
from bridgework.model.snapshot import Container, Endpoint, Network, Snapshot
from bridgework.policy.access import Caller, Role, require_ownership, require_role
from bridgework.policy.ownership import require_place
from bridgework.use_cases.preflight.endpoint import (
    address_conflict,
    endpoint_faults,
    endpoint_of,
    half_made,
    is_leftover,
    require_possible,
    require_same,
    with_leftover,
)
from bridgework.use_cases.preflight.network import require_valid
from bridgework.use_cases.services import Actor, Services
from bridgework.use_cases.views import DescribedEndpoint, describe_endpoint, planned_endpoint


def list_endpoints(snapshot: Snapshot, network: str) -> list[DescribedEndpoint]:
    """List the endpoints of a network: the active ones, and those of stopped containers."""
    found = references.network(snapshot, network)
    return [describe_endpoint(endpoint) for endpoint in snapshot.endpoints_of(found)]


def get_endpoint(snapshot: Snapshot, network: str, container: str) -> DescribedEndpoint:
    """Return one endpoint. Raises ``NotFound`` (``endpoint-not-found``)."""
    in_network = references.network(snapshot, network)
    of = references.container(snapshot, container)
    endpoint = endpoint_of(of, in_network)
    if endpoint is None:
        raise NotFound(
            code="endpoint-not-found",
            detail=f"{of.name} has no endpoint in {in_network.name}.",
            remedy=Remedy("Connect the container.", (Connect(in_network.id, of.id),)),
        )
    return describe_endpoint(endpoint)


@dataclass(frozen=True, slots=True)
class Connected:
    """The endpoint, and whether this request created it."""

    endpoint: DescribedEndpoint
    created: bool


def connect(actor: Actor, network: str, container: str, spec: EndpointSpec) -> Connected:
    """Connect the container with these settings; a second connect with the same settings changes nothing.

    Raises ``InvalidInput``, or ``Conflict``: ``endpoint-differs``, ``static-address-taken``, ``network-mode-conflict``…
    """
    services = actor.services
    snapshot = services.engine.snapshot()
    joined = references.network(snapshot, network)
    joining = references.container(snapshot, container)
    _require_own(actor.caller, joined, joining)
    require_valid(endpoint_faults(services, joined, spec))
    present = endpoint_of(joining, joined)
    if present is not None and not is_leftover(joining, present):
        require_same(joined, joining, present, spec)
        return Connected(describe_endpoint(present, _ignored(joining, present, spec)), created=False)
    require_possible(snapshot, joined, joining, spec)
    names = (joining.name, joining.hostname, *spec.aliases)
    require_place(actor.caller, snapshot, joined, names, (spec.ipv4_address, spec.ipv6_address))
    if actor.dry_run:
        return Connected(describe_endpoint(planned_endpoint(joined, joining, spec)), created=True)
    return _connect(services, joined, joining, spec)


def _connect(services: Services, network: Network, container: Container, spec: EndpointSpec) -> Connected:
    created = True
    try:
        services.engine.connect(network.id, container.id, spec)
    except (Conflict, InvalidInput, EngineMisbehaved) as error:
        if error.code != "endpoint-exists":
            raise _explained(services, network, container, spec, error) from error
        created = False
    made = endpoint_of(references.container(services.engine.snapshot(), container.id), network)
    if made is None:
        raise Conflict(
            code="endpoint-vanished",
            detail=f"{container.name} was connected to {network.name}, but something else disconnected it at once.",
        )
    if not created:
        require_same(network, container, made, spec)
    return Connected(describe_endpoint(made, _ignored(container, made, spec)), created=created)


def _explained(
    services: Services, network: Network, container: Container, spec: EndpointSpec, error: BridgeworkError
) -> BridgeworkError:
    """Add to the engine's refusal what holds the address, and what the refused connect left behind."""
    snapshot = services.engine.snapshot()
    detailed = error
    if error.code == "static-address-taken":
        detailed = address_conflict(snapshot, network, (spec.ipv4_address, spec.ipv6_address)) or error
    now = snapshot.containers_by_id.get(container.id)
    return detailed if now is None else with_leftover(now, network, detailed)


def _ignored(container: Container, made: Endpoint, spec: EndpointSpec) -> tuple[Finding, ...]:
    requested = (spec.mac_address or "").lower()
    if not requested or made.state != "active" or made.mac_address == requested:
        return ()
    return (
        finding(
            MAC_ADDRESS_IGNORED,
            of_container(container),
            f"The engine gave {container.name} the MAC address {made.mac_address}, not {requested}.",
            evidence={"asked": requested, "given": made.mac_address},
        ),
    )


def _require_own(caller: Caller, network: Network, container: Container) -> None:
    require_ownership(caller, "network", network.name, network.labels)
    require_ownership(caller, "container", container.name, container.labels)


def disconnect(actor: Actor, network: str, container: str, *, force: bool) -> None:
    """Disconnect the container; without an endpoint there is nothing to do.

    ``force`` also removes an endpoint whose container is gone; ``container`` is then the endpoint's own name.
    Raises ``NotFound``, ``Refused`` or ``Conflict``.
    """
    snapshot = actor.services.engine.snapshot()
    if force:
        require_role(actor.caller, Role.ADMIN, "DELETE with force")
    try:
        left = references.network(snapshot, network)
    except NotFound:
        _forget_gone(actor, snapshot, network, container)
        return
    try:
        leaving = references.container(snapshot, container)
    except NotFound:
        _remove_stale(actor, left, container, force=force)
        return
    _require_own(actor.caller, left, leaving)
    if endpoint_of(leaving, left) is None:
        return
    if left.driver == "host":
        raise Conflict(
            code="network-mode-conflict",
            detail=f"{leaving.name} is in host mode, which cannot be changed.",
            remedy=Remedy("Create the container again with another network_mode."),
        )
    if actor.dry_run:
        return
    try:
        actor.services.engine.disconnect(left.id, leaving.id, force=force)
    except NotFound:
        _require_no_leftover(actor.services, left, leaving)


def _forget_gone(actor: Actor, snapshot: Snapshot, network_id: str, reference: str) -> None:
    """Let a container forget a network that is gone; until then it cannot start.

    The engine finds such an endpoint by the network's name only. Raises ``NotFound`` when there is no such endpoint.
    """
    container = references.container(snapshot, reference)
    named = next((endpoint for endpoint in container.endpoints if endpoint.network_id == network_id), None)
    if named is None:
        references.network(snapshot, network_id)
        return
    require_ownership(actor.caller, "container", container.name, container.labels)
    if not actor.dry_run:
        with suppress(NotFound):  # another client removed it meanwhile
            actor.services.engine.disconnect(named.network_name, container.id, force=True)


def _require_no_leftover(services: Services, network: Network, container: Container) -> None:
    """Accept that the endpoint does not exist, unless the settings of a failed connect remain."""
    now = services.engine.snapshot().containers_by_id.get(container.id)
    left = endpoint_of(now, network) if now is not None else None
    if now is not None and left is not None and is_leftover(now, left):
        raise half_made(network, now)


def _remove_stale(actor: Actor, network: Network, name: str, *, force: bool) -> None:
    """Remove an endpoint whose container is gone, by the name that the engine lists it with. Only ``force`` may."""
    engine = actor.services.engine
    require_ownership(actor.caller, "network", network.name, network.labels)
    names = {known or key for key, known in engine.network_endpoint_ids(network.id).items()}
    if not force or name not in names:
        references.container(engine.snapshot(), name)
    if not actor.dry_run:
        with suppress(NotFound):  # another client removed it meanwhile
            engine.disconnect(network.id, name, force=True)
