"""Networks: list, create and delete. Endpoints and prunes have modules of their own.

Each change is checked on a snapshot before the call of the engine. Refusals of the engine become errors of the model.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from bridgework.model import references
from bridgework.model.actions import DeleteNetwork, Disconnect
from bridgework.model.create_specs import NetworkSpec
from bridgework.model.errors import Conflict, NotFound, Remedy
from bridgework.model.snapshot import Network, Snapshot
from bridgework.policy.access import PROJECT_LABEL, Role, require_ownership, require_role, stamped
from bridgework.policy.ownership import require_no_guests
from bridgework.use_cases.idempotency import PAUSES_S, Created, RetryKey, earlier, retry_key
from bridgework.use_cases.preflight.network import (
    foresee,
    in_the_making,
    require_free,
    require_parent_allowed,
    source_of,
    validate,
    with_holder,
)
from bridgework.use_cases.services import Actor, Services
from bridgework.use_cases.views import DescribedNetwork, describe_network, planned_network


@dataclass(frozen=True, slots=True)
class NetworkFilter:
    """What to list. A network must match one value of each field that has any, and every label.

    ``type`` is ``builtin`` or ``custom``; ``name`` is a part of a name; a label is ``key`` or ``key=value``.
    """

    driver: Collection[str] = ()
    scope: Collection[str] = ()
    type: Collection[str] = ()
    name: Collection[str] = ()
    label: Sequence[str] = ()
    dangling: bool | None = None
    project: Collection[str] = ()


def list_networks(snapshot: Snapshot, criteria: NetworkFilter) -> list[Network]:
    """List the networks that match, sorted by name."""
    return [network for network in snapshot.networks if _matches(snapshot, network, criteria)]


def _matches(snapshot: Snapshot, network: Network, criteria: NetworkFilter) -> bool:
    return all(
        (
            not criteria.driver or network.driver in criteria.driver,
            not criteria.scope or network.scope in criteria.scope,
            not criteria.type or ("builtin" if network.builtin else "custom") in criteria.type,
            not criteria.name or any(name in network.name for name in criteria.name),
            criteria.dangling is None
            or criteria.dangling == (not snapshot.endpoints_of(network) and not network.builtin),
            not criteria.project or network.labels.get(PROJECT_LABEL) in criteria.project,
            carries(network.labels, criteria.label),
        )
    )


def carries(labels: Mapping[str, str], selectors: Sequence[str]) -> bool:
    """Whether the labels match every ``key`` or ``key=value`` of ``selectors``."""
    pairs = (text.partition("=") for text in selectors)
    return all(key in labels and (not equals or labels[key] == value) for key, equals, value in pairs)


def get_network(snapshot: Snapshot, reference: str) -> DescribedNetwork:
    """Return one network. Raises ``NotFound`` or ``AmbiguousReference``."""
    return describe_network(snapshot, references.network(snapshot, reference))


def create_network(
    actor: Actor, spec: NetworkSpec, key: str | None, pauses_s: Sequence[float] = PAUSES_S
) -> Created[DescribedNetwork]:
    """Create a network; in a dry run, describe the network that would be created.

    A conflict with a network that the engine is making at this moment, for another client or for the first try of this
    request, is tried again after each of ``pauses_s``: by then that network has a name to report, or is gone.

    Raises ``InvalidInput``, ``Refused`` or ``Conflict``.
    """
    try:
        return _try_to_create(actor, spec, retry_key(actor.caller, key, spec))
    except Conflict as conflict:
        if not pauses_s or not in_the_making(conflict):
            raise
    time.sleep(pauses_s[0])
    return create_network(actor, spec, key, pauses_s[1:])


def _try_to_create(actor: Actor, spec: NetworkSpec, key: RetryKey | None) -> Created[DescribedNetwork]:
    services, caller = actor.services, actor.caller
    snapshot = services.engine.snapshot()
    source = source_of(snapshot, spec)
    before = _made_before(snapshot, spec, source, key)
    if before is not None:
        require_ownership(caller, "network", before.name, before.labels)
        return Created(describe_network(snapshot, before), replayed=True)
    validate(services, spec, source)
    if source is not None:
        require_ownership(caller, "network", source.name, source.labels)
    require_parent_allowed(services, snapshot, spec, source)
    require_free(services, snapshot, spec, source)
    if actor.dry_run:
        foresee(services, spec, source)
        return Created(planned_network(_stamped(actor, spec, source, None), source))
    try:
        made = services.engine.create_network(_stamped(actor, spec, source, key))
    except Conflict as conflict:
        snapshot = services.engine.snapshot()
        again = _made_before(snapshot, spec, source, key)
        if again is None:
            raise with_holder(services, snapshot, spec, source, conflict) from conflict
        return Created(describe_network(snapshot, again), replayed=True)
    return Created(get_network(services.engine.snapshot(), made))


def _stamped(actor: Actor, spec: NetworkSpec, source: Network | None, key: RetryKey | None) -> NetworkSpec:
    """Add the service's labels. With ``config_from``, the engine takes no labels and copies those of the source."""
    if source is not None:
        return replace(spec, config_from=source.name)
    return replace(spec, labels={**stamped(actor.caller, spec.labels), **(key.labels if key else {})})


def _made_before(snapshot: Snapshot, spec: NetworkSpec, source: Network | None, key: RetryKey | None) -> Network | None:
    """Return the network that an earlier request with this key made.

    A network with ``config_from`` has the labels of its source and no own ones. So it counts as the one when it has the
    name and the settings of ``spec``.
    """
    if key is None or source is None:
        return earlier((network for network in snapshot.networks if network.config_from is None), key)
    asked = (spec.name, source.name, spec.driver, spec.internal, spec.attachable)
    return next(
        (n for n in snapshot.networks if (n.name, n.config_from, n.driver, n.internal, n.attachable) == asked), None
    )


def delete_network(actor: Actor, reference: str, *, force: bool) -> None:
    """Delete a network; ``force`` disconnects everything in it first.

    Raises ``NotFound``, ``Refused`` or ``Conflict`` (``network-in-use``, ``network-builtin``).
    """
    engine = actor.services.engine
    snapshot = engine.snapshot()
    network = references.network(snapshot, reference)
    require_ownership(actor.caller, "network", network.name, network.labels)
    if network.builtin:
        raise Conflict(code="network-builtin", detail=f"{network.name} is built into the engine and cannot be removed.")
    if force:
        require_role(actor.caller, Role.ADMIN, "DELETE with force")
        require_no_guests(actor.caller, snapshot, network)
    _require_no_offspring(snapshot, network)
    users = _users(actor.services, snapshot, network)
    if users and not force:
        raise _in_use(network, users)
    if actor.dry_run:
        return
    for container_ref in users:
        with suppress(NotFound):  # another client disconnected it meanwhile, or it was only configured
            engine.disconnect(network.id, container_ref, force=True)
    engine.remove_network(network.id)


def _require_no_offspring(snapshot: Snapshot, network: Network) -> None:
    made_from = [other for other in snapshot.networks if network.config_only and other.config_from == network.name]
    if made_from:
        raise Conflict(
            code="network-in-use",
            detail=f"{network.name} is the configuration of {', '.join(other.name for other in made_from)}.",
            remedy=Remedy(
                "Delete the networks made from it first.",
                tuple(DeleteNetwork(other.id) for other in (*made_from, network)),
            ),
            facts={"networks": [{"id": other.id, "name": other.name} for other in made_from]},
        )


def _users(services: Services, snapshot: Snapshot, network: Network) -> dict[str, tuple[str, str]]:
    """Return the name and the state of each endpoint: by container id, or by its own name if its container is gone."""
    users: dict[str, tuple[str, str]] = {
        endpoint.container_id: (endpoint.container_name, endpoint.state) for endpoint in snapshot.endpoints_of(network)
    }
    for key, name in services.engine.network_endpoint_ids(network.id).items():
        if key not in snapshot.containers_by_id:
            users[name or key] = (name or key, "stale")
    return users


def _in_use(network: Network, users: Mapping[str, tuple[str, str]]) -> Conflict:
    listed = ", ".join(f"{name} ({state})" for name, state in users.values())
    leave = (Disconnect(network.id, ref, force=state == "stale") for ref, (_, state) in users.items())
    return Conflict(
        code="network-in-use",
        detail=f"{network.name} is in use by {listed}.",
        remedy=Remedy("Disconnect the containers, or add ?force=true.", (*leave, DeleteNetwork(network.id))),
        facts={"containers": [{"id": ref, "name": name, "state": state} for ref, (name, state) in users.items()]},
    )
