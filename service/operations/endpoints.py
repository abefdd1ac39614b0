"""A container's place in a network: connect and disconnect, idempotent, and verified by looking afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from service.core import references
from service.core.access import Caller, Role, require_ownership, require_role
from service.core.addresses import PoolUsage, available_subnets, usage_of
from service.core.checks import Finding
from service.core.driver_options import ENGINE_OF_API
from service.core.errors import Call, Conflict, InputFault, InvalidInput, NotFound, Remedy
from service.core.explanations import finding, of_container
from service.core.ownership import require_place
from service.core.snapshot import Container, Endpoint, Network, Snapshot
from service.core.specs import EndpointSpec
from service.operations.descriptions import DescribedEndpoint, Rehearsal, describe_endpoint
from service.operations.house import House
from service.operations.network_checks import taken_subnets

GATEWAY_PRIORITY_API = (1, 48)


def list_endpoints(snapshot: Snapshot, network_reference: str) -> list[DescribedEndpoint]:
    """The network's endpoints: active ones and those of stopped containers."""
    network = references.network(snapshot, network_reference)
    return [describe_endpoint(endpoint) for endpoint in snapshot.endpoints_of(network)]


def get_endpoint(snapshot: Snapshot, network_reference: str, container_reference: str) -> DescribedEndpoint:
    """One endpoint. Raises ``NotFound`` (``endpoint-not-found``)."""
    network = references.network(snapshot, network_reference)
    container = references.container(snapshot, container_reference)
    endpoint = _endpoint(container, network)
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
    house: House, caller: Caller, network_reference: str, container_reference: str, spec: EndpointSpec, *, dry_run: bool
) -> Connected | Rehearsal:
    """Give the container an endpoint with these settings; the same again changes nothing.

    Raises ``Conflict``: ``endpoint-differs``, ``static-address-taken``, ``network-mode-conflict``…
    """
    snapshot = house.engine.snapshot()
    network = references.network(snapshot, network_reference)
    container = references.container(snapshot, container_reference)
    _require_own(caller, network, container)
    _validate(house, network, spec)
    present = _endpoint(container, network)
    if present is not None:
        _require_same(network, container, present, spec)
        if dry_run:
            return Rehearsal((f"nothing: {container.name} is in {network.name} already",))
        return Connected(describe_endpoint(present), created=False)
    _require_possible(snapshot, network, container, spec)
    names = (container.name, container.hostname, *spec.aliases)
    require_place(caller, snapshot, network, names, (spec.ipv4_address, spec.ipv6_address))
    if dry_run:
        return Rehearsal((f"connect {container.name} to {network.name}",))
    return _connect(house, network, container, spec)


def _connect(house: House, network: Network, container: Container, spec: EndpointSpec) -> Connected:
    created = True
    try:
        house.engine.connect(network.id, container.id, spec)
    except Conflict as conflict:
        if conflict.code != "endpoint-exists":
            raise
        created = False
    snapshot = house.engine.snapshot()
    made = _endpoint(references.container(snapshot, container.id), network)
    if made is None:
        raise Conflict(
            code="endpoint-vanished",
            detail=f"{container.name} was connected to {network.name}, and something else disconnected it again.",
        )
    if not created:
        _require_same(network, container, made, spec)
    return Connected(describe_endpoint(made, _ignored(container, made, spec)), created=created)


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


def _endpoint(container: Container, network: Network) -> Endpoint | None:
    return next((endpoint for endpoint in container.endpoints if endpoint.network_id == network.id), None)


def _validate(house: House, network: Network, spec: EndpointSpec) -> None:
    faults = [*endpoint_faults(network, spec, "")]
    major, minor = house.engine.facts().api_version.split(".")[:2]
    if spec.gateway_priority is not None and (int(major), int(minor)) < GATEWAY_PRIORITY_API:
        since = ENGINE_OF_API[GATEWAY_PRIORITY_API]
        faults.append(InputFault("/gateway_priority", f"The engine is too old for it; {since} has it."))
    if faults:
        raise InvalidInput(
            code="input-invalid", detail=f"The body is invalid: {faults[0].pointer}: {faults[0].message}", faults=faults
        )


def endpoint_faults(network: Network, spec: EndpointSpec, pointer: str) -> list[InputFault]:
    """What is wrong with an endpoint in this network, by pointers under ``pointer``."""
    faults: list[InputFault] = []
    if network.is_default_bridge and spec.aliases:
        faults.append(
            InputFault(f"{pointer}/aliases", "The default bridge knows no aliases; use a network of your own.")
        )
    if network.is_default_bridge and (spec.ipv4_address or spec.ipv6_address):
        faults.append(InputFault(f"{pointer}/ipv4_address", "The default bridge takes no fixed addresses."))
    for field, address in (("ipv4_address", spec.ipv4_address), ("ipv6_address", spec.ipv6_address)):
        if address and not any(ip_address(address) in ip_network(pool.subnet) for pool in network.pools if pool.subnet):
            subnets = ", ".join(pool.subnet for pool in network.pools) or "no subnet"
            faults.append(InputFault(f"{pointer}/{field}", f"{address} is not in {network.name} ({subnets})."))
    return faults


def _require_same(network: Network, container: Container, present: Endpoint, spec: EndpointSpec) -> None:
    differs: dict[str, object] = {}
    if set(spec.aliases) - set(present.aliases):
        differs["aliases"] = list(present.aliases)
    if spec.ipv4_address and spec.ipv4_address not in {present.ipv4_address, present.configured_ipv4}:
        differs["ipv4_address"] = present.ipv4_address or present.configured_ipv4
    if spec.ipv6_address and spec.ipv6_address not in {present.ipv6_address, present.configured_ipv6}:
        differs["ipv6_address"] = present.ipv6_address or present.configured_ipv6
    if any(present.driver_options.get(name) != value for name, value in spec.driver_options.items()):
        differs["driver_options"] = dict(present.driver_options)
    if spec.gateway_priority is not None and spec.gateway_priority != present.gateway_priority:
        differs["gateway_priority"] = present.gateway_priority
    if differs:
        path = f"/v1/networks/{network.id}/endpoints/{container.id}"
        raise Conflict(
            code="endpoint-differs",
            detail=f"{container.name} is in {network.name} already, with other {', '.join(differs)}.",
            remedy=Remedy(
                "Disconnect it and connect it anew; its connections through this network break.",
                calls=(Call("DELETE", path), Call("PUT", path, _body(spec))),
            ),
            facts={"present": differs},
        )


def _body(spec: EndpointSpec) -> dict[str, object]:
    wanted = {
        "aliases": list(spec.aliases),
        "ipv4_address": spec.ipv4_address,
        "ipv6_address": spec.ipv6_address,
        "mac_address": spec.mac_address,
        "gateway_priority": spec.gateway_priority,
    }
    return {name: value for name, value in wanted.items() if value not in (None, [])}


def _require_possible(snapshot: Snapshot, network: Network, container: Container, spec: EndpointSpec) -> None:
    if network.driver in {"host", "null"} or container.host_mode or container.none_mode or container.shares_with:
        raise _mode_conflict(network, container)
    if network.config_only:
        raise Conflict(code="network-config-only", detail=f"{network.name} is a configuration, not a network.")
    for address in (spec.ipv4_address, spec.ipv6_address):
        require_address_free(snapshot, network, address)


def require_address_free(snapshot: Snapshot, network: Network, address: str | None) -> None:
    """Raise ``Conflict`` (``static-address-taken``) naming the holder of ``address`` in this network."""
    if address is None:
        return
    wanted = ip_address(address)
    for pool in usage_of(network, snapshot.endpoints_of(network)):
        for holder in pool.holders:
            if holder.kind != "configured" and ip_address(holder.address) == wanted:
                raise Conflict(
                    code="static-address-taken",
                    detail=f"{address} in {network.name} is held by {holder.name} ({holder.kind}).",
                    remedy=Remedy(
                        f"Use another address, such as {pool.next_free}."
                        if pool.next_free
                        else "Use a larger network: this one is full.",
                        calls=(Call("GET", f"/v1/networks/{network.id}/addresses"),),
                    ),
                    facts={"holder": {"name": holder.name, "kind": holder.kind, "id": holder.container_id}},
                )


def _mode_conflict(network: Network, container: Container) -> Conflict:
    if network.driver in {"host", "null"}:
        detail = f"{network.name} is a mode rather than a network: a container is created in it, never connected to it."
        return Conflict(code="network-mode-conflict", detail=detail)
    if container.shares_with:
        path = f"/v1/networks/{network.id}/endpoints/{container.shares_with}"
        return Conflict(
            code="network-shared",
            detail=f"{container.name} uses the network of another container, so it has no endpoints of its own.",
            remedy=Remedy("Connect the container whose network it shares.", calls=(Call("PUT", path, {}),)),
        )
    return Conflict(
        code="network-mode-conflict",
        detail=f"{container.name} is in {container.network_mode} mode; such a container is connected to nothing.",
        remedy=Remedy(f"Create it again with network_mode {network.name}."),
    )


def disconnect(
    house: House, caller: Caller, network_reference: str, container_reference: str, *, force: bool, dry_run: bool
) -> Rehearsal | None:
    """Take the endpoint away; when there is none, that is a success already. Raises ``Refused``, ``Conflict``…"""
    snapshot = house.engine.snapshot()
    network = references.network(snapshot, network_reference)
    if force:
        require_role(caller, Role.ADMIN, "DELETE with force")
    try:
        container = references.container(snapshot, container_reference)
    except NotFound:
        return _disconnect_stale(house, caller, network, container_reference, force=force, dry_run=dry_run)
    _require_own(caller, network, container)
    if _endpoint(container, network) is None:
        return Rehearsal((f"nothing: {container.name} is not in {network.name}",)) if dry_run else None
    if dry_run:
        return Rehearsal((f"disconnect {container.name} from {network.name}",))
    try:
        house.engine.disconnect(network.id, container.id, force=force)
    except NotFound:
        return None
    return None


def _disconnect_stale(
    house: House, caller: Caller, network: Network, name: str, *, force: bool, dry_run: bool
) -> Rehearsal | None:
    """An endpoint whose container is gone goes by its own name, as the engine lists it, and only by force."""
    require_ownership(caller, "network", network.name, network.labels)
    names = {known or key for key, known in house.engine.network_endpoint_ids(network.id).items()}
    if not force or name not in names:
        references.container(house.engine.snapshot(), name)
    if dry_run:
        return Rehearsal((f"disconnect the stale endpoint {name} from {network.name}",))
    house.engine.disconnect(network.id, name, force=True)
    return None


def addresses(snapshot: Snapshot, network_reference: str) -> tuple[PoolUsage, ...]:
    """Each pool's use, and who holds each address."""
    network = references.network(snapshot, network_reference)
    return usage_of(network, snapshot.endpoints_of(network))


def free_subnets(house: House, snapshot: Snapshot, prefix_len: int, count: int) -> list[str]:
    """Subnets that overlap no network and no route of the host, within what the policy allows."""
    taken = taken_subnets(house, snapshot)
    allowed = house.policy.allowed_subnets
    found = (
        available_subnets(prefix_len, count, taken, allowed) if allowed else available_subnets(prefix_len, count, taken)
    )
    if not found:
        raise Conflict(code="address-space-exhausted", detail=f"No subnet with a prefix of {prefix_len} is free.")
    return found
