"""What may stand against an endpoint: faults of the request, modes that have none, addresses that others hold.

All of it is asked before the engine is, and not for manners alone: a connect that the engine refuses leaves its
settings behind on a running container (engine 26.1.5, measured), and may keep that from starting the next time.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from bridgework.ipam.usage import PoolUsage, usage_of
from bridgework.model.actions import Connect, Disconnect, Read, StartContainer, StopContainer
from bridgework.model.create_specs import EndpointSpec
from bridgework.model.driver_options import ENGINE_OF_API
from bridgework.model.errors import BridgeworkError, Conflict, InputFault, Remedy
from bridgework.model.snapshot import Container, Endpoint, Network, Snapshot
from bridgework.use_cases.preflight.network import api_version, require_valid
from bridgework.use_cases.services import Services

GATEWAY_PRIORITY_API = (1, 48)
IPV4 = 4
POINT_TO_POINT = 2
MODE_DRIVERS = frozenset({"host", "null"})


def endpoint_of(container: Container, network: Network) -> Endpoint | None:
    """The container's endpoint there."""
    return next((endpoint for endpoint in container.endpoints if endpoint.network_id == network.id), None)


def is_leftover(container: Container, endpoint: Endpoint) -> bool:
    """Whether the endpoint of a running container is only what a failed connect left behind."""
    return container.running and endpoint.state == "configured"


def validate(services: Services, network: Network, spec: EndpointSpec) -> None:
    """Raise ``InvalidInput`` with every fault of a connect's body."""
    require_valid([*endpoint_faults(services, network, spec, "")])


def endpoint_faults(services: Services, network: Network, spec: EndpointSpec, pointer: str) -> list[InputFault]:
    """What is wrong with an endpoint in this network, by pointers under ``pointer``."""
    faults: list[InputFault] = []
    if network.is_default_bridge and spec.aliases:
        faults.append(
            InputFault(f"{pointer}/aliases", "The default bridge knows no aliases; use a network of your own.")
        )
    if spec.gateway_priority is not None and api_version(services) < GATEWAY_PRIORITY_API:
        since = ENGINE_OF_API[GATEWAY_PRIORITY_API]
        faults.append(InputFault(f"{pointer}/gateway_priority", f"The engine is too old for it; {since} has it."))
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
    """The engine takes 169.254.0.0/16 and fe80::/10, and gives IPv6 only where the network has it."""
    wanted = ip_address(address)
    if not wanted.is_link_local:
        return f"{address} is not link-local: use an address of 169.254.0.0/16 or fe80::/10."
    if wanted.version != IPV4 and not network.ipv6_enabled:
        return f"{network.name} has no IPv6, so it takes no IPv6 link-local address."
    return None


def _fault_of_address(network: Network, address: str) -> str | None:
    wanted = ip_address(address)
    if network.is_default_bridge:
        return "The default bridge takes no fixed addresses; use a network of your own."
    for subnet in (ip_network(pool.subnet) for pool in network.pools if pool.subnet):
        if wanted in subnet:
            return _fault_within(wanted, subnet)
    subnets = ", ".join(pool.subnet for pool in network.pools) or "no subnet"
    return f"{address} is not in {network.name} ({subnets})."


def _fault_within(wanted: IPv4Address | IPv6Address, subnet: IPv4Network | IPv6Network) -> str | None:
    """The engine gives nobody the first address, nor IPv4's last; a point-to-point subnet has no such."""
    if subnet.num_addresses <= POINT_TO_POINT:
        return None
    if wanted == subnet.network_address:
        return f"{wanted} is the address of the network {subnet} itself."
    if subnet.version == IPV4 and wanted == subnet.broadcast_address:
        return f"{wanted} is the broadcast address of {subnet}."
    return None


def require_same(network: Network, container: Container, present: Endpoint, spec: EndpointSpec) -> None:
    """Raise ``Conflict`` (``endpoint-differs``) unless what is there satisfies what was asked for."""
    pairs = {
        "aliases": (set(spec.aliases) <= set(present.aliases), list(present.aliases)),
        "ipv4_address": _held(spec.ipv4_address, present.ipv4_address, present.configured_ipv4),
        "ipv6_address": _held(spec.ipv6_address, present.ipv6_address, present.configured_ipv6),
        "link_local_addresses": (
            set(spec.link_local_addresses) <= set(present.link_local_addresses), list(present.link_local_addresses),
        ),
        "driver_options": (
            spec.driver_options.items() <= present.driver_options.items(), dict(present.driver_options),
        ),
        "gateway_priority": (spec.gateway_priority in {None, present.gateway_priority}, present.gateway_priority),
    }  # fmt: skip
    differs = {name: found for name, (same, found) in pairs.items() if not same}
    if differs:
        raise Conflict(
            code="endpoint-differs",
            detail=f"{container.name} is in {network.name} already, with other {', '.join(differs)}.",
            remedy=Remedy(
                "Disconnect it and connect it anew; its connections through this network break.",
                (Disconnect(network.id, container.id), Connect(network.id, container.id, spec)),
            ),
            facts={"present": differs},
        )


def _held(wanted: str | None, held: str | None, configured: str | None) -> tuple[bool, str | None]:
    return wanted is None or wanted in {held, configured}, held or configured


def require_possible(snapshot: Snapshot, network: Network, container: Container, spec: EndpointSpec) -> None:
    """Raise ``Conflict`` when the container can have no endpoint there, or not this one."""
    if network.config_only:
        raise Conflict(code="network-config-only", detail=f"{network.name} is a configuration, not a network.")
    in_none = next((e for e in container.endpoints if container.none_mode and e.network_name == "none"), None)
    if network.driver in MODE_DRIVERS or container.host_mode or container.shares_with or in_none:
        raise _mode_conflict(network, container, in_none, spec)
    if container.state == "restarting":
        raise _restarting(network, container, spec)
    if container.running:
        require_room(snapshot, network, spec)
    for address in (spec.ipv4_address, spec.ipv6_address):
        require_address_free(snapshot, network, address)
    require_mac_free(snapshot, network, spec.mac_address)


def require_mac_free(snapshot: Snapshot, network: Network, address: str | None) -> None:
    """Raise ``Conflict`` (``mac-address-taken``) naming the container that has the MAC address in this network.

    The engine gives it twice, and the bridge then sends the frames to the container that spoke last (26.1.5 and
    28.5.2, measured). What a stopped container asked for is not known: inspection does not tell it.
    """
    if address is None:
        return
    for endpoint in snapshot.endpoints_of(network):
        if endpoint.mac_address and endpoint.mac_address.lower() == address.lower():
            raise Conflict(
                code="mac-address-taken",
                detail=f"The MAC address {address.lower()} in {network.name} is held by {endpoint.container_name}.",
                remedy=Remedy(
                    "Use another MAC address, or leave it out to be given one.",
                    (Read("endpoints", network.id),),
                ),
                facts={"holder": {"name": endpoint.container_name, "kind": "container", "id": endpoint.container_id}},
            )


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
                        (Read("addresses", network.id),),
                    ),
                    facts={"holder": {"name": holder.name, "kind": holder.kind, "id": holder.container_id}},
                )


def require_room(snapshot: Snapshot, network: Network, spec: EndpointSpec) -> None:
    """Raise ``Conflict`` (``pool-exhausted``) when a pool that must give an address has none left."""
    if network.ipam_driver != "default":
        return
    fixed = {4: spec.ipv4_address, 6: spec.ipv6_address}
    for pool in usage_of(network, snapshot.endpoints_of(network)):
        if pool.free == 0 and not fixed[ip_network(pool.subnet).version] and _alone(network, pool):
            raise Conflict(
                code="pool-exhausted",
                detail=f"{network.name} has no free address left in {pool.subnet}.",
                remedy=Remedy(
                    "Use a network with a larger subnet, or disconnect what is unused.",
                    (Read("addresses", network.id),),
                ),
                facts={"network": {"id": network.id, "name": network.name}, "subnet": pool.subnet},
            )


def _alone(network: Network, pool: PoolUsage) -> bool:
    """Whether no other pool of the network can give an address of the same version."""
    version = ip_network(pool.subnet).version
    return sum(1 for other in network.pools if other.subnet and ip_network(other.subnet).version == version) == 1


def _mode_conflict(network: Network, container: Container, in_none: Endpoint | None, spec: EndpointSpec) -> Conflict:
    if network.driver in MODE_DRIVERS:
        detail = f"{network.name} is a mode rather than a network: a container is created in it, never connected to it."
        return Conflict(code="network-mode-conflict", detail=detail)
    if container.shares_with:
        return Conflict(
            code="network-shared",
            detail=f"{container.name} uses the network of another container, so it has no endpoints of its own.",
            remedy=Remedy(
                "Connect the container whose network it shares.",
                (Connect(network.id, container.shares_with, spec),),
            ),
        )
    if in_none is not None:
        return Conflict(
            code="network-mode-conflict",
            detail=f"{container.name} is in none mode; before it joins a network it has to leave that.",
            remedy=Remedy(
                "Disconnect it from none first.",
                (Disconnect(in_none.network_id, container.id), Connect(network.id, container.id, spec)),
            ),
        )
    return Conflict(
        code="network-mode-conflict",
        detail=f"{container.name} is in {container.network_mode} mode; such a container is connected to nothing.",
        remedy=Remedy(f"Create it again with network_mode {network.name}."),
    )


def _restarting(network: Network, container: Container, spec: EndpointSpec) -> Conflict:
    """To connect it now would leave an endpoint without a container behind (engine 26.1.5, measured)."""
    return Conflict(
        code="container-restarting",
        detail=f"{container.name} is restarting over and over; the engine would lose track of a new endpoint.",
        remedy=Remedy(
            "Stop it, connect it, start it.",
            (StopContainer(container.id), Connect(network.id, container.id, spec), StartContainer(container.id)),
        ),
    )


def with_leftover(container: Container, network: Network, error: BridgeworkError) -> BridgeworkError:
    """The failure of a connect, when the engine kept its settings on the running container."""
    made = endpoint_of(container, network)
    if made is None or not is_leftover(container, made):
        return error
    detail = f"{error.detail} The engine keeps the wish, and will try it again when {container.name} starts next."
    return replace(error, detail=detail, facts={**error.facts, "left_behind": {"endpoint_of": container.name}})


def half_made(network: Network, container: Container) -> Conflict:
    """A wish on a running container cannot be taken back before it stops."""
    return Conflict(
        code="endpoint-half-made",
        detail=f"{container.name} is not connected to {network.name}, but a failed connect left its settings behind.",
        remedy=Remedy(
            "They go while the container is stopped.",
            (StopContainer(container.id), Disconnect(network.id, container.id), StartContainer(container.id)),
        ),
    )
