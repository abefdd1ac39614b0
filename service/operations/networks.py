"""Networks: list, create, delete, prune. Endpoints have a module of their own.

Everything is decided on a snapshot before the engine hears of it; the engine's own refusal is the second line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from service.core import references
from service.core.access import (
    PROJECT_LABEL,
    Caller,
    Role,
    require_ownership,
    require_role,
    reserved_label_faults,
    stamped,
    subnet_allowed,
)
from service.core.addresses import Overlap, available_subnets, overlaps
from service.core.addresses_input import validate_network_name, validate_pools
from service.core.driver_options import ENGINE_OF_API, faults_of
from service.core.errors import Call, Conflict, InputFault, InvalidInput, Refused, Remedy
from service.core.observations import Route
from service.core.ownership import require_no_guests
from service.core.snapshot import Network, Snapshot
from service.core.specs import NetworkSpec
from service.operations.descriptions import DescribedNetwork, Rehearsal, describe_network
from service.operations.house import House
from service.operations.idempotency import RetryKey, earlier

IPV4_SWITCH_API = (1, 48)
UNREACHABLE_DRIVERS = frozenset({"host", "null", "none"})


@dataclass(frozen=True, slots=True)
class NetworkFilter:
    """What a list is narrowed to; ``None`` narrows nothing. ``labels`` are ``key`` or ``key=value``."""

    driver: str | None = None
    scope: str | None = None
    builtin: bool | None = None
    name: str | None = None
    labels: tuple[str, ...] = ()
    dangling: bool | None = None
    project: str | None = None


def list_networks(snapshot: Snapshot, wanted: NetworkFilter) -> list[DescribedNetwork]:
    """The networks that fit, by name."""
    return [describe_network(snapshot, network) for network in snapshot.networks if _fits(snapshot, network, wanted)]


def _fits(snapshot: Snapshot, network: Network, wanted: NetworkFilter) -> bool:
    return all(
        (
            wanted.driver in {None, network.driver},
            wanted.scope in {None, network.scope},
            wanted.builtin in {None, network.builtin},
            wanted.name is None or wanted.name in network.name,
            wanted.dangling is None or wanted.dangling == (not snapshot.endpoints_of(network) and not network.builtin),
            wanted.project is None or network.labels.get(PROJECT_LABEL) == wanted.project,
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
    house: House, caller: Caller, spec: NetworkSpec, key: RetryKey | None, *, dry_run: bool
) -> Created | Rehearsal:
    """Make a network. Raises ``InvalidInput``, ``Refused`` or ``Conflict``."""
    snapshot = house.engine.snapshot()
    before = earlier(snapshot.networks, key)
    if before is not None:
        require_ownership(caller, "network", before.name, before.labels)
        return Created(before.id, replayed=True)
    _validate(house, spec)
    _require_own_source(caller, snapshot, spec)
    _require_free(house, snapshot, spec)
    if dry_run:
        return Rehearsal((f"create the {spec.driver} network {spec.name}",))
    labels = {**stamped(caller, spec.labels), **(key.labels if key else {})}
    try:
        return Created(house.engine.create_network(replace(spec, labels=labels)))
    except Conflict as conflict:
        again = earlier(house.engine.snapshot().networks, key)
        if again is None:
            raise _with_culprit(house, spec, conflict) from conflict
        return Created(again.id, replayed=True)


def _require_own_source(caller: Caller, snapshot: Snapshot, spec: NetworkSpec) -> None:
    """A project's network takes its configuration from no other project's."""
    source = next((network for network in snapshot.networks if network.name == spec.config_from), None)
    if source is not None:
        require_ownership(caller, "network", source.name, source.labels)


def _validate(house: House, spec: NetworkSpec) -> None:
    api = _api_version(house)
    faults = validate_network_name(spec.name) + reserved_label_faults(spec.labels)
    faults += validate_pools(
        spec.pools,
        ipv4_enabled=spec.ipv4_enabled is not False,
        ipv6_enabled=spec.ipv6_enabled,
        allow_public=house.policy.public_subnets,
    )
    faults += faults_of(spec.driver, spec.options, api)
    if spec.driver in UNREACHABLE_DRIVERS:
        faults.append(InputFault("/driver", "The engine has one network of this driver, and makes no second."))
    if spec.ipv4_enabled is not None and api < IPV4_SWITCH_API and not spec.ipv4_enabled:
        faults.append(InputFault("/ipv4_enabled", f"The engine is too old for it; {ENGINE_OF_API[(1, 48)]} has it."))
    if spec.config_only and (spec.internal or spec.ingress or spec.config_from):
        faults.append(
            InputFault("/config_only", "A configuration is no network: not internal, ingress or config_from.")
        )
    if faults:
        raise InvalidInput(
            code="input-invalid", detail=f"The body is invalid: {faults[0].pointer}: {faults[0].message}", faults=faults
        )
    allowed = house.policy.allowed_drivers
    if allowed is not None and spec.driver not in allowed:
        raise Refused(code="driver-not-allowed", detail=f"The policy here allows the drivers {', '.join(allowed)}.")
    for pool in spec.pools:
        if not subnet_allowed(house.policy, pool.subnet):
            raise Refused(code="subnet-not-allowed", detail=f"The policy here does not allow the subnet {pool.subnet}.")


def _api_version(house: House) -> tuple[int, int]:
    major, minor = house.engine.facts().api_version.split(".")[:2]
    return int(major), int(minor)


def _require_free(house: House, snapshot: Snapshot, spec: NetworkSpec) -> None:
    for network in snapshot.networks:
        if network.name == spec.name:
            raise Conflict(
                code="network-name-taken",
                detail=f"A network named {spec.name} exists already ({network.id[:12]}).",
                remedy=Remedy("Use it, or choose another name.", calls=(Call("GET", f"/v1/networks/{network.id}"),)),
                facts={"network": {"id": network.id, "name": network.name}},
            )
    if spec.pools and not spec.config_only:
        met = overlaps([pool.subnet for pool in spec.pools], _addressed(snapshot, spec), host_routes(house))
        if met:
            raise _overlap(house, snapshot, met[0])


def _addressed(snapshot: Snapshot, spec: NetworkSpec) -> list[Network]:
    """The networks whose subnets matter: a configuration holds none; macvlan and ipvlan live on their parent's wire."""
    own_parent = spec.options.get("parent")
    return [n for n in snapshot.networks if not n.config_only and (own_parent is None or n.options.get("parent"))]


def host_routes(house: House) -> tuple[Route, ...]:
    """The host's routes; none where the host is out of sight (the engine still refuses what it sees)."""
    seen = house.runner.observe(house.engine.host_place(house.engine.snapshot()), ("routes",))
    return (seen.routes or ()) if seen else ()


def _overlap(house: House, snapshot: Snapshot, met: Overlap) -> Conflict:
    length = int(met.subnet.partition("/")[2])
    free = available_subnets(length, 1, taken_subnets(house, snapshot))
    what = (
        f"the network {met.name}" if met.with_kind == "network" else f"the host's route {met.other_subnet} ({met.name})"
    )
    hint = f" {free[0]} is free." if free else ""
    return Conflict(
        code="subnet-overlaps",
        detail=f"{met.subnet} overlaps {met.other_subnet} of {what}.{hint}",
        remedy=Remedy(
            f"Use {free[0]} instead." if free else "Use a subnet that overlaps nothing.",
            calls=(Call("GET", f"/v1/subnets/available?prefix_len={length}&count=5"),),
        ),
        facts={
            "subnet": met.subnet,
            "overlaps": {"kind": met.with_kind, "name": met.name, "id": met.id, "subnet": met.other_subnet},
            "available": free,
        },
    )


def taken_subnets(house: House, snapshot: Snapshot) -> list[str]:
    """Every subnet in use: Docker's networks and the host's routes."""
    pools = [pool.subnet for network in snapshot.networks for pool in network.pools if pool.subnet]
    return pools + [route.destination for route in host_routes(house) if not route.destination.endswith("/0")]


def _with_culprit(house: House, spec: NetworkSpec, conflict: Conflict) -> Conflict:
    """The engine's refusal, with what it did not say."""
    snapshot = house.engine.snapshot()
    if conflict.code == "network-name-taken":
        holder = next((n for n in snapshot.networks if n.name == spec.name), None)
        if holder is not None:
            facts = {**conflict.facts, "network": {"id": holder.id, "name": holder.name}}
            return replace(conflict, facts=facts)
    if conflict.code == "subnet-overlaps" and spec.pools:
        met = overlaps([pool.subnet for pool in spec.pools], snapshot.networks, host_routes(house))
        if met:
            return _overlap(house, snapshot, met[0])
    return conflict


def delete_network(house: House, caller: Caller, reference: str, *, force: bool, dry_run: bool) -> Rehearsal | None:
    """Remove a network; with ``force`` everything in it is disconnected first. Raises ``Conflict``, ``Refused``…"""
    snapshot = house.engine.snapshot()
    network = references.network(snapshot, reference)
    require_ownership(caller, "network", network.name, network.labels)
    if network.builtin:
        raise Conflict(code="network-builtin", detail=f"{network.name} is the engine's own and cannot be removed.")
    if force:
        require_role(caller, Role.ADMIN, "DELETE with force")
        require_no_guests(caller, snapshot, network)
    users = _users(house, snapshot, network)
    if users and not force:
        raise _in_use(network, users)
    if dry_run:
        steps = [f"disconnect {name} from {network.name}" for name, _ in users.values()]
        return Rehearsal((*steps, f"remove the network {network.name}"))
    for container_ref in users:
        house.engine.disconnect(network.id, container_ref, force=True)
    house.engine.remove_network(network.id)
    return None


def _users(house: House, snapshot: Snapshot, network: Network) -> dict[str, tuple[str, str]]:
    """Container id (or a stale endpoint's name) to its name and state, stopped ones and stale endpoints included."""
    users: dict[str, tuple[str, str]] = {
        endpoint.container_id: (endpoint.container_name, endpoint.state) for endpoint in snapshot.endpoints_of(network)
    }
    for key, name in house.engine.network_endpoint_ids(network.id).items():
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
                *(Call("DELETE", f"/v1/networks/{network.id}/endpoints/{ref}") for ref in users),
                Call("DELETE", f"/v1/networks/{network.id}"),
            ),
        ),
        facts={"containers": [{"id": ref, "name": name, "state": state} for ref, (name, state) in users.items()]},
    )


@dataclass(frozen=True, slots=True)
class Kept:
    """A network that prune spared, and why."""

    network: Network
    reason: str


@dataclass(frozen=True, slots=True)
class Pruned:
    """What prune removed and kept; with ``dry_run`` what it would."""

    removed: tuple[Network, ...]
    kept: tuple[Kept, ...]
    dry_run: bool


def prune_networks(
    house: House,
    caller: Caller,
    *,
    labels: tuple[str, ...],
    until: datetime | None,
    include_configured: bool,
    dry_run: bool,
) -> Pruned:
    """Remove what nobody uses; spare what a stopped container still names, unless ``include_configured``."""
    snapshot = house.engine.snapshot()
    removed: list[Network] = []
    kept: list[Kept] = []
    for network in snapshot.networks:
        reason = _reason_to_keep(house, snapshot, caller, network, labels, until, include_configured=include_configured)
        if reason is not None:
            kept.append(Kept(network, reason))
            continue
        if not dry_run:
            try:
                house.engine.remove_network(network.id)
            except Conflict as conflict:
                kept.append(Kept(network, conflict.detail))
                continue
        removed.append(network)
    return Pruned(tuple(removed), tuple(kept), dry_run)


def _reason_to_keep(
    house: House,
    snapshot: Snapshot,
    caller: Caller,
    network: Network,
    labels: tuple[str, ...],
    until: datetime | None,
    *,
    include_configured: bool,
) -> str | None:
    endpoints = snapshot.endpoints_of(network)
    active = sorted(endpoint.container_name for endpoint in endpoints if endpoint.state == "active")
    configured = sorted(endpoint.container_name for endpoint in endpoints if endpoint.state != "active")
    reasons = (
        (network.builtin, "it is the engine's own"),
        (not carries(network.labels, labels), "its labels do not fit the filter"),
        (until is not None and _created(network) >= until, "it is younger than the filter's until"),
        (caller.project is not None and network.labels.get(PROJECT_LABEL) != caller.project,
         "it belongs to another project"),
        (bool(active), f"in use by {', '.join(active)}"),
        (bool(configured) and not include_configured, f"named by the stopped {', '.join(configured)}"),
        (any(other.config_from == network.name for other in snapshot.networks),
         "other networks take their configuration from it"),
    )  # fmt: skip
    reason = next((text for holds, text in reasons if holds), None)
    if reason is None and house.engine.network_endpoint_ids(network.id):
        return "it has endpoints without a container; delete it with force"
    return reason


def _created(network: Network) -> datetime:
    return datetime.fromisoformat(network.created_at[:19]).replace(tzinfo=UTC)
