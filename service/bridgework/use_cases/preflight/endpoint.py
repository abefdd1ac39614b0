"""Check an endpoint before a call of the engine: faults of the request, network modes, addresses in use.

The engine must not be the first to refuse. A connect that it refuses leaves the settings behind on a running container
(engine 26.1.5, measured), and these may keep the container from starting the next time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from bridgework.ipam.usage import PoolUsage, usage_of
from bridgework.model.actions import Connect, CreateNetwork, Disconnect, Read, StartContainer, StopContainer
from bridgework.model.create_specs import EndpointSpec, NetworkSpec
from bridgework.model.driver_options import ENGINE_OF_API
from bridgework.model.errors import BridgeworkError, Conflict, InputFault, Remedy
from bridgework.model.snapshot import Container, Endpoint, Network, Snapshot
from bridgework.use_cases.preflight.network import api_version
from bridgework.use_cases.services import Services

GATEWAY_PRIORITY_API = (1, 48)
IPV4 = 4
POINT_TO_POINT = 2
MODE_DRIVERS = frozenset({"host", "null"})
"""Drivers of the networks ``host`` and ``none``. A container is created in these networks, and never connected."""


def endpoint_of(container: Container, network: Network) -> Endpoint | None:
    """Return the container's endpoint in the network."""
    return next((endpoint for endpoint in container.endpoints if endpoint.network_id == network.id), None)


def is_leftover(container: Container, endpoint: Endpoint) -> bool:
    """Whether the endpoint is only what a failed connect left behind: the container runs, and is not in the network."""
    return container.running and endpoint.state == "configured"


def endpoint_faults(services: Services, network: Network, spec: EndpointSpec, pointer: str = "") -> list[InputFault]:
    """Return every fault of an endpoint in this network, by pointers under ``pointer``."""
    services.engine.require_supported(spec)
    faults: list[InputFault] = []
    if network.is_default_bridge and spec.aliases:
        faults.append(
            InputFault(f"{pointer}/aliases", "The default bridge does not support aliases. Use a network of your own.")
        )
    if spec.gateway_priority is not None and api_version(services) < GATEWAY_PRIORITY_API:
        since = ENGINE_OF_API[GATEWAY_PRIORITY_API]
        faults.append(
            InputFault(f"{pointer}/gateway_priority", f"The engine is too old for this field; {since} supports it.")
        )
    for field, address in (("ipv4_address", spec.ipv4_address), ("ipv6_address", spec.ipv6_address)):
        message = _fault_of_address(network, address) if address else None
        if message:
            faults.append(InputFault(f"{pointer}/{field}", message))
    for index, address in enumerate(spec.link_local_addresses):
        message = _fault_of_link_local(network, address)
        if message:
            faults.append(InputFault(f"{pointer}/link_local_addresses/{index}", message))
    return faults


def _fault_of_link_local(network: Network, address: str) -> str | None:
    """Return what is wrong with a link-local address: the engine accepts 169.254.0.0/16, and fe80::/10 with IPv6."""
    requested = ip_address(address)
    if not requested.is_link_local:
        return f"{address} is not link-local: use an address of 169.254.0.0/16 or fe80::/10."
    if requested.version != IPV4 and not network.ipv6_enabled:
        return f"{network.name} has no IPv6, so it does not accept an IPv6 link-local address."
    return None


def _fault_of_address(network: Network, address: str) -> str | None:
    requested = ip_address(address)
    if network.is_default_bridge:
        return "The default bridge takes no fixed addresses; use a network of your own."
    for subnet in (ip_network(pool.subnet) for pool in network.pools if pool.subnet):
        if requested in subnet:
            return _fault_within(requested, subnet)
    subnets = ", ".join(pool.subnet for pool in network.pools) or "no subnet"
    return f"{address} is not in {network.name} ({subnets})."


def _fault_within(requested: IPv4Address | IPv6Address, subnet: IPv4Network | IPv6Network) -> str | None:
    """Return what is wrong with the first or last address: the engine assigns them only in subnets of at most two."""
    if subnet.num_addresses <= POINT_TO_POINT:
        return None
    if requested == subnet.network_address:
        return f"{requested} is the network address of {subnet}."
    if subnet.version == IPV4 and requested == subnet.broadcast_address:
        return f"{requested} is the broadcast address of {subnet}."
    return None


def require_same(network: Network, container: Container, present: Endpoint, spec: EndpointSpec) -> None:
    """Raise ``Conflict`` (``endpoint-differs``) unless the present endpoint has the settings of ``spec``."""
    local, options, priority = present.link_local_addresses, present.driver_options, present.gateway_priority
    same = {
        "aliases": (set(spec.aliases) <= set(present.aliases), list(present.aliases)),
        "ipv4_address": _held(spec.ipv4_address, present.ipv4_address, present.configured_ipv4),
        "ipv6_address": _held(spec.ipv6_address, present.ipv6_address, present.configured_ipv6),
        "link_local_addresses": (set(spec.link_local_addresses) <= set(local), list(local)),
        "driver_options": (spec.driver_options.items() <= options.items(), dict(options)),
        "gateway_priority": (spec.gateway_priority in {None, priority}, priority),
    }
    differs = {name: found for name, (is_same, found) in same.items() if not is_same}
    if differs:
        raise Conflict(
            code="endpoint-differs",
            detail=f"{container.name} is in {network.name} already, with other {', '.join(differs)}.",
            remedy=Remedy(
                "Disconnect it and connect it again; its connections through this network break.",
                (Disconnect(network.id, container.id), Connect(network.id, container.id, spec)),
            ),
            facts={"present": differs},
        )


def _held(requested: str | None, held: str | None, configured: str | None) -> tuple[bool, str | None]:
    return requested is None or requested in {held, configured}, held or configured


def require_possible(snapshot: Snapshot, network: Network, container: Container, spec: EndpointSpec) -> None:
    """Raise ``Conflict`` when the container can have no endpoint in the network, or not this one."""
    if network.config_only:
        raise Conflict(
            code="network-config-only",
            detail=f"{network.name} is only a configuration, so nothing can be connected to it.",
        )
    in_none = next((e for e in container.endpoints if container.none_mode and e.network_name == "none"), None)
    if network.driver in MODE_DRIVERS or container.host_mode or container.shares_with or in_none:
        raise _mode_conflict(network, container, in_none, spec)
    if container.state == "restarting":
        # A connect now would leave an endpoint without a container behind (engine 26.1.5, measured).
        raise Conflict(
            code="container-restarting",
            detail=f"{container.name} restarts again and again; the engine would lose a new endpoint.",
            remedy=Remedy(
                "Stop it, connect it, start it.",
                (StopContainer(container.id), Connect(network.id, container.id, spec), StartContainer(container.id)),
            ),
        )
    if container.running:
        gone = mode_conflict(snapshot, container)
        if gone is not None:
            raise gone
    conflict = endpoint_conflict(snapshot, network, spec, starts=container.running)
    if conflict is not None:
        raise conflict


def mode_conflict(snapshot: Snapshot, container: Container) -> Conflict | None:
    """Return the conflict for a container whose ``NetworkMode`` names a network that is gone.

    The engine looks for that network before it connects a running container to any other, and at each start
    (26.1.5 and 28.5.2, measured; moby's ``normalizeNetMode``). A disconnect does not help, since the mode stays.
    """
    mode = container.network_mode
    if mode in {"bridge", "host", "none", "default"} or container.shares_with:
        return None
    if mode in snapshot.networks_by_name or mode in snapshot.networks_by_id:
        return None
    return Conflict(
        code="network-gone",
        detail=f"{container.name} was created with the network {mode}, which does not exist. The engine does not start "
        "such a container, and connects it to no network.",
        remedy=Remedy(
            f"Create a network named {mode} again, or create the container again on a network that exists.",
            (CreateNetwork(NetworkSpec(mode)),),
        ),
        facts={"networks": [{"id": "", "name": mode}]},
    )


def endpoint_conflict(snapshot: Snapshot, network: Network, spec: EndpointSpec, *, starts: bool) -> Conflict | None:
    """Return why the network cannot give this endpoint: an address is in use, or none is free when it ``starts``."""
    return (
        (_pool_conflict(snapshot, network, spec) if starts else None)
        or address_conflict(snapshot, network, (spec.ipv4_address, spec.ipv6_address))
        or _mac_conflict(snapshot, network, spec.mac_address)
    )


def _mac_conflict(snapshot: Snapshot, network: Network, address: str | None) -> Conflict | None:
    """Return the conflict that names the container with this MAC address in the network.

    The engine gives one MAC address twice, and the bridge then sends the frames to the container that spoke last
    (26.1.5 and 28.5.2, measured). The inspection of a stopped container does not show its configured MAC address.
    """
    requested = (address or "").lower()
    endpoints = snapshot.endpoints_of(network) if requested else ()
    holder = next((endpoint for endpoint in endpoints if (endpoint.mac_address or "").lower() == requested), None)
    if holder is None:
        return None
    return Conflict(
        code="mac-address-taken",
        detail=f"The MAC address {requested} in {network.name} is held by {holder.container_name}.",
        remedy=Remedy(
            "Use another MAC address, or omit it to let the engine choose one.", (Read("endpoints", network.id),)
        ),
        facts={"holder": {"name": holder.container_name, "kind": "container", "id": holder.container_id}},
    )


def address_conflict(snapshot: Snapshot, network: Network, addresses: Iterable[str | None]) -> Conflict | None:
    """Return the conflict that names what holds one of the addresses in the network."""
    requested = {ip_address(address): address for address in addresses if address}
    for pool in usage_of(network, snapshot.endpoints_of(network)) if requested else ():
        for holder in pool.holders:
            address = requested.get(ip_address(holder.address))
            if address is not None and holder.kind != "configured":
                free = f"Use another address, such as {pool.next_free}."
                return Conflict(
                    code="static-address-taken",
                    detail=f"{address} in {network.name} is held by {holder.name} ({holder.kind}).",
                    remedy=Remedy(
                        free if pool.next_free else "Use a larger network: this one is full.",
                        (Read("addresses", network.id),),
                    ),
                    facts={"holder": {"name": holder.name, "kind": holder.kind, "id": holder.container_id}},
                )
    return None


def _pool_conflict(snapshot: Snapshot, network: Network, spec: EndpointSpec) -> Conflict | None:
    """Return the conflict for a pool that has to give an address and has none left."""
    if network.ipam_driver != "default":
        return None
    fixed = {4: spec.ipv4_address, 6: spec.ipv6_address}
    for pool in usage_of(network, snapshot.endpoints_of(network)):
        if pool.free == 0 and not fixed[ip_network(pool.subnet).version] and _is_only_one(network, pool):
            return Conflict(
                code="pool-exhausted",
                detail=f"{network.name} has no free address left in {pool.subnet}.",
                remedy=Remedy(
                    "Use a network with a larger subnet, or disconnect what is unused.",
                    (Read("addresses", network.id),),
                ),
                facts={"network": {"id": network.id, "name": network.name}, "subnet": pool.subnet},
            )
    return None


def _is_only_one(network: Network, pool: PoolUsage) -> bool:
    """Whether no other pool of the network can give an address of the same IP version."""
    version = ip_network(pool.subnet).version
    return sum(1 for other in network.pools if other.subnet and ip_network(other.subnet).version == version) == 1


def _mode_conflict(network: Network, container: Container, in_none: Endpoint | None, spec: EndpointSpec) -> Conflict:
    if network.driver in MODE_DRIVERS:
        detail = f"{network.name} is a network mode: a container can be created in it, but not connected to it."
        return Conflict(code="network-mode-conflict", detail=detail)
    if container.shares_with:
        return Conflict(
            code="network-shared",
            detail=f"{container.name} uses the network of another container, so it has no endpoints of its own.",
            remedy=Remedy(
                "Connect the container whose network this container shares.",
                (Connect(network.id, container.shares_with, spec),),
            ),
        )
    if in_none is not None:
        return Conflict(
            code="network-mode-conflict",
            detail=f"{container.name} is in none mode; disconnect it from none before you connect it to a network.",
            remedy=Remedy(
                "Disconnect it from none first.",
                (Disconnect(in_none.network_id, container.id), Connect(network.id, container.id, spec)),
            ),
        )
    return Conflict(
        code="network-mode-conflict",
        detail=f"{container.name} is in {container.network_mode} mode; it cannot be connected to any network.",
        remedy=Remedy(f"Create the container again with network_mode {network.name}."),
    )


def with_leftover(container: Container, network: Network, error: BridgeworkError) -> BridgeworkError:
    """Add to the failure of a connect that the engine kept the settings on the running container, if it did."""
    made = endpoint_of(container, network)
    if made is None or not is_leftover(container, made):
        return error
    detail = (
        f"{error.detail} The engine keeps these settings, and tries them again at the next start of {container.name}."
    )
    return replace(error, detail=detail, facts={**error.facts, "left_behind": {"endpoint_of": container.name}})


def half_made(network: Network, container: Container) -> Conflict:
    """Return the conflict for settings of a failed connect: they cannot be removed while the container runs."""
    return Conflict(
        code="endpoint-half-made",
        detail=f"{container.name} is not connected to {network.name}, but a failed connect left its settings behind.",
        remedy=Remedy(
            "Stop the container, disconnect it, and start it: the settings can be removed only while it is stopped.",
            (StopContainer(container.id), Disconnect(network.id, container.id), StartContainer(container.id)),
        ),
    )
