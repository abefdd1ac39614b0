"""Networks: list, create, delete. Endpoints and prune have modules of their own.

Everything is decided on a snapshot before the engine hears of it; the engine's own refusal is the second line.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from bridgework.model import references
from bridgework.model.create_specs import NetworkSpec
from bridgework.model.errors import Call, Conflict, NotFound, Remedy
from bridgework.model.snapshot import Network, Snapshot
from bridgework.policy.access import (
    PROJECT_LABEL,
    Caller,
    Role,
    require_ownership,
    require_role,
    stamped,
)
from bridgework.policy.ownership import require_no_guests
from bridgework.use_cases.idempotency import PAUSES_S, RetryKey, earlier
from bridgework.use_cases.preflight.network import (
    foresee,
    in_the_making,
    require_free,
    require_parent_allowed,
    source_of,
    validate,
    with_culprit,
)
from bridgework.use_cases.services import Services
from bridgework.use_cases.views import DescribedNetwork, describe_network, planned_network


@dataclass(frozen=True, slots=True)
class NetworkFilter:
    """What a list is narrowed to; nothing given narrows nothing.

    Of the values of one field any may fit, but all ``labels`` (``key`` or ``key=value``) must.
    """

    drivers: Collection[str] = ()
    scopes: Collection[str] = ()
    types: Collection[str] = ()
    names: Collection[str] = ()
    labels: tuple[str, ...] = ()
    dangling: bool | None = None
    projects: Collection[str] = ()


def list_networks(snapshot: Snapshot, wanted: NetworkFilter) -> list[Network]:
    """The networks that fit, by name."""
    return [network for network in snapshot.networks if _fits(snapshot, network, wanted)]


def _fits(snapshot: Snapshot, network: Network, wanted: NetworkFilter) -> bool:
    return all(
        (
            not wanted.drivers or network.driver in wanted.drivers,
            not wanted.scopes or network.scope in wanted.scopes,
            not wanted.types or ("builtin" if network.builtin else "custom") in wanted.types,
            not wanted.names or any(name in network.name for name in wanted.names),
            wanted.dangling is None or wanted.dangling == (not snapshot.endpoints_of(network) and not network.builtin),
            not wanted.projects or network.labels.get(PROJECT_LABEL) in wanted.projects,
            carries(network.labels, wanted.labels),
        )
    )


def carries(labels: Mapping[str, str], wanted: tuple[str, ...]) -> bool:
    """Whether the labels fit every ``key`` or ``key=value``."""
    pairs = (text.partition("=") for text in wanted)
    return all(key in labels and (not equals or labels[key] == value) for key, equals, value in pairs)


def get_network(snapshot: Snapshot, reference: str) -> DescribedNetwork:
    """One network. Raises ``NotFound`` or ``AmbiguousReference``."""
    return describe_network(snapshot, references.network(snapshot, reference))


@dataclass(frozen=True, slots=True)
class Created:
    """A created thing, and whether an earlier request had made it."""

    id: str
    replayed: bool = False


def create_network(
    services: Services,
    caller: Caller,
    spec: NetworkSpec,
    key: RetryKey | None,
    *,
    dry_run: bool,
    pauses_s: tuple[float, ...] = PAUSES_S,
) -> Created | DescribedNetwork:
    """Make a network. Raises ``InvalidInput``, ``Refused`` or ``Conflict``.

    In a dry run, answer the network that would be made.

    A conflict with what the engine is just making (for another client, or for the first try of this one) is looked at
    again, until that can be named or is gone.
    """
    try:
        return _try_to_create(services, caller, spec, key, dry_run=dry_run)
    except Conflict as conflict:
        if not pauses_s or not in_the_making(conflict):
            raise
    time.sleep(pauses_s[0])
    return create_network(services, caller, spec, key, dry_run=dry_run, pauses_s=pauses_s[1:])


def _try_to_create(
    services: Services, caller: Caller, spec: NetworkSpec, key: RetryKey | None, *, dry_run: bool
) -> Created | DescribedNetwork:
    snapshot = services.engine.snapshot()
    source = source_of(snapshot, spec)
    before = _made_before(snapshot, spec, source, key)
    if before is not None:
        require_ownership(caller, "network", before.name, before.labels)
        return describe_network(snapshot, before) if dry_run else Created(before.id, replayed=True)
    validate(services, spec, source)
    _require_own_source(caller, source)
    require_parent_allowed(services, snapshot, spec, source)
    require_free(services, snapshot, spec, source)
    if dry_run:
        foresee(services, spec, source)
        return planned_network(_stamped(caller, spec, source, None), source)
    try:
        return Created(services.engine.create_network(_stamped(caller, spec, source, key)))
    except Conflict as conflict:
        again = _made_before(services.engine.snapshot(), spec, source, key)
        if again is None:
            raise with_culprit(services, spec, source, conflict) from conflict
        return Created(again.id, replayed=True)


def _stamped(caller: Caller, spec: NetworkSpec, source: Network | None, key: RetryKey | None) -> NetworkSpec:
    """With the service's labels. The engine takes none beside ``config_from``, whose own it copies."""
    if source is not None:
        return replace(spec, config_from=source.name)
    return replace(spec, labels={**stamped(caller, spec.labels), **(key.labels if key else {})})


def _made_before(snapshot: Snapshot, spec: NetworkSpec, source: Network | None, key: RetryKey | None) -> Network | None:
    """What a request with this key made.

    A network with ``config_from`` carries its configuration's labels and none of its own, so it is known by its name
    and by being what was asked for.
    """
    if key is None or source is None:
        return earlier((network for network in snapshot.networks if network.config_from is None), key)
    asked = (spec.name, source.name, spec.driver, spec.internal, spec.attachable)
    return next(
        (n for n in snapshot.networks if (n.name, n.config_from, n.driver, n.internal, n.attachable) == asked), None
    )


def _require_own_source(caller: Caller, source: Network | None) -> None:
    """A project's network takes its configuration from no other project's."""
    if source is not None:
        require_ownership(caller, "network", source.name, source.labels)


def delete_network(services: Services, caller: Caller, reference: str, *, force: bool, dry_run: bool) -> None:
    """Remove a network; with ``force`` everything in it is disconnected first. Raises ``Conflict``, ``Refused``…"""
    snapshot = services.engine.snapshot()
    network = references.network(snapshot, reference)
    require_ownership(caller, "network", network.name, network.labels)
    if network.builtin:
        raise Conflict(code="network-builtin", detail=f"{network.name} is the engine's own and cannot be removed.")
    if force:
        require_role(caller, Role.ADMIN, "DELETE with force")
        require_no_guests(caller, snapshot, network)
    _require_no_offspring(snapshot, network)
    users = _users(services, snapshot, network)
    if users and not force:
        raise _in_use(network, users)
    if dry_run:
        return
    for container_ref in users:
        with suppress(NotFound):  # it went meanwhile, or only its wish was there
            services.engine.disconnect(network.id, container_ref, force=True)
    services.engine.remove_network(network.id)


def _require_no_offspring(snapshot: Snapshot, network: Network) -> None:
    made_from = [other for other in snapshot.networks if network.config_only and other.config_from == network.name]
    if made_from:
        raise Conflict(
            code="network-in-use",
            detail=f"{network.name} is the configuration of {', '.join(other.name for other in made_from)}.",
            remedy=Remedy(
                "Delete the networks made from it first.",
                calls=tuple(Call("DELETE", f"/v1/networks/{other.id}") for other in (*made_from, network)),
            ),
            facts={"networks": [{"id": other.id, "name": other.name} for other in made_from]},
        )


def _users(services: Services, snapshot: Snapshot, network: Network) -> dict[str, tuple[str, str]]:
    """Container id (or a stale endpoint's name) to its name and state, stopped ones and stale endpoints included."""
    users: dict[str, tuple[str, str]] = {
        endpoint.container_id: (endpoint.container_name, endpoint.state) for endpoint in snapshot.endpoints_of(network)
    }
    for key, name in services.engine.network_endpoint_ids(network.id).items():
        if key not in snapshot.containers_by_id:
            users[name or key] = (name or key, "stale")
    return users


def _in_use(network: Network, users: Mapping[str, tuple[str, str]]) -> Conflict:
    listed = ", ".join(f"{name} ({state})" for name, state in users.values())
    return Conflict(
        code="network-in-use",
        detail=f"{network.name} is in use by {listed}.",
        remedy=Remedy(
            "Disconnect them, or let ?force=true do so.",
            calls=(
                *(
                    Call("DELETE", f"/v1/networks/{network.id}/endpoints/{ref}{'?force=true' * (state == 'stale')}")
                    for ref, (_, state) in users.items()
                ),
                Call("DELETE", f"/v1/networks/{network.id}"),
            ),
        ),
        facts={"containers": [{"id": ref, "name": name, "state": state} for ref, (name, state) in users.items()]},
    )
