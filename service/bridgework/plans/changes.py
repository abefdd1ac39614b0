"""The snapshot after a change, as the engine would leave it: one pure function for each call of the engine.

Nothing is checked here: the use cases check a change before they call the engine, and do the same before they call
these functions (``use_cases/plans/planned_engine.py``). An address is chosen as the engine chooses it: the lowest free
one of the pool. A subnet is the first default pool that overlaps nothing; the engine may choose a later one, since
Docker 26 goes on from the pool that it gave last. An id is a digest of the name, since the engine's own is random. A
host port that the engine would choose is unknown, and left out.

``tests/random/test_plans.py`` compares these snapshots with those of real engines, 26.1.5 and 28.5.2, field by field.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from ipaddress import ip_address
from typing import Any

from bridgework.analysis.attachment import IPV4, IPV6, ordered_endpoints
from bridgework.analysis.routing import chosen_exit, gateway_mode
from bridgework.firewall.docker.releases import Release, api_of
from bridgework.ipam.gateways import with_gateways
from bridgework.ipam.usage import DOCKER_POOLS, first_free_pool, next_address
from bridgework.model.assembly import with_containers, with_networks
from bridgework.model.create_specs import ContainerSettings, ContainerSpec, EndpointSpec, NetworkSpec
from bridgework.model.driver_options import ignored
from bridgework.model.snapshot import Container, Endpoint, Network, Pool, PublishedPort, Snapshot
from bridgework.policy.host_ports import claims

_ICC = "com.docker.network.bridge.enable_icc"
_WITHOUT_ADDRESSES = frozenset({"host", "null"})
_SHORT_ID = 12
_CHOOSES_LIKE = (1, 51)
UNKNOWN: Release = 0, 0
LATER = "9999-12-31T23:59:59.{:09d}Z"
"""The time of what a plan makes or starts: after every time of the engine, and in the order of the changes."""


def planned_id(kind: str, name: str) -> str:
    """Return the id that stands for the one that the engine would give: 64 hexadecimal digits, made from the name."""
    return hashlib.sha256(f"bridgework plan {kind} {name}".encode()).hexdigest()


def with_network(
    snapshot: Snapshot,
    spec: NetworkSpec,
    source: Network | None,
    *,
    engine_api: tuple[int, int],
    default_pools: Iterable[tuple[str, int]],
    taken: Iterable[str],
) -> Snapshot:
    """Return the snapshot with a new network. ``source`` is the configuration that it is made from.

    ``taken`` are the subnets of the host's routes, which the engine avoids when it chooses a pool.
    """
    given = source or spec
    # After all networks of the engine, and in the order of the changes: the engine writes its rules in this order.
    order = sum(network.created_at >= LATER.format(0) for network in snapshot.networks)
    made = Network(
        id=planned_id("network", spec.name),
        name=spec.name,
        # The engine keeps a configuration with the driver null (26.1.5 and 28.5.2, measured).
        driver="null" if spec.config_only else spec.driver,
        scope=spec.scope or ("swarm" if spec.driver == "overlay" else "local"),
        created_at=LATER.format(order),
        internal=spec.internal,
        attachable=spec.attachable,
        ingress=spec.ingress,
        ipv4_enabled=given.ipv4_enabled is not False,
        ipv6_enabled=given.ipv6_enabled,
        config_only=spec.config_only,
        config_from=spec.config_from,
        ipam_driver=given.ipam_driver,
        ipam_options=given.ipam_options,
        pools=given.pools,
        options=given.options,
        labels=given.labels,
    )
    if not made.config_only and made.driver not in _WITHOUT_ADDRESSES:
        made = replace(made, pools=_pools(snapshot, made, default_pools, taken))
    # Docker 29 reports a chosen gateway, and chooses it as Docker 28 does.
    return with_networks(snapshot, {made.id: with_gateways(made, min(engine_api, _CHOOSES_LIKE))})


def _pools(
    snapshot: Snapshot, network: Network, default_pools: Iterable[tuple[str, int]], taken: Iterable[str]
) -> tuple[Pool, ...]:
    """Return the pools of the request, and for IPv4 without one the pool that the engine would choose."""
    has_ipv4 = any(":" not in pool.subnet for pool in network.pools)
    if has_ipv4 or not network.ipv4_enabled or network.ipam_driver != "default":
        return network.pools
    in_use = [pool.subnet for other in snapshot.networks if not other.config_only for pool in other.pools]
    chosen = first_free_pool(tuple(default_pools) or DOCKER_POOLS, (*in_use, *taken))
    return network.pools if chosen is None else (*network.pools, Pool(chosen))


def without_network(snapshot: Snapshot, network_id: str) -> Snapshot:
    """Return the snapshot without the network. Stopped containers keep their settings for it, as in the engine."""
    return with_networks(snapshot, {network_id: None})


def with_endpoint(
    snapshot: Snapshot, network_id: str, container_id: str, spec: EndpointSpec, release: Release = UNKNOWN
) -> Snapshot:
    """Return the snapshot with the container connected to the network."""
    network, container = snapshot.networks_by_id[network_id], snapshot.containers_by_id[container_id]
    # A second endpoint would be the leftover of a connect that failed; the engine replaces it.
    others = tuple(endpoint for endpoint in container.endpoints if endpoint.network_id != network_id)
    made = _configured(network, container, spec)
    if container.running:
        made = _activated(snapshot, network, made)
    return _with(snapshot, container, replace(container, endpoints=_sorted((*others, made))), release)


def without_endpoint(snapshot: Snapshot, network_id: str, container_id: str, release: Release = UNKNOWN) -> Snapshot:
    """Return the snapshot with the container disconnected; ``network_id`` may be the name of a network that is gone."""
    container = snapshot.containers_by_id[container_id]
    left = tuple(e for e in container.endpoints if network_id not in {e.network_id, e.network_name})
    return _with(snapshot, container, replace(container, endpoints=left), release)


def with_container(snapshot: Snapshot, spec: ContainerSpec) -> Snapshot:
    """Return the snapshot with a new container, not started. ``spec.networks`` is keyed by the names of networks."""
    made = planned_id("container", spec.name)
    known = {field.name for field in fields(Container)}
    settings = {f.name: getattr(spec, f.name) for f in fields(ContainerSettings) if f.name in known}
    _, _, owner = spec.network_mode.partition("container:")
    container = Container(
        **{**settings, "published_ports": ()},
        id=made,
        state="created",
        created_at=LATER.format(0),
        exit_code=None,
        configured_ports=spec.published_ports,
        exposed_ports=tuple(sorted({f"{port.container_port}/{port.protocol}" for port in spec.published_ports})),
        network_mode=spec.network_mode,
        shares_with=owner or None,
    )
    container = replace(container, hostname=spec.hostname or ("" if owner else made[:_SHORT_ID]))
    wanted: Mapping[str, EndpointSpec] = spec.networks
    if not wanted and not owner:
        wanted = {spec.network_mode: EndpointSpec()}
    endpoints = tuple(
        _configured(alike[-1], container, endpoint)
        for name, endpoint in wanted.items()
        # An engine that runs with --bridge=none has no network bridge.
        if (alike := snapshot.networks_by_name.get(name, ()))
    )
    return with_containers(snapshot, {made: replace(container, endpoints=_sorted(endpoints))})


def without_container(snapshot: Snapshot, container_id: str) -> Snapshot:
    """Return the snapshot without the container."""
    return with_containers(snapshot, {container_id: None})


def started(snapshot: Snapshot, container_id: str, order: int, release: Release = UNKNOWN) -> Snapshot:
    """Return the snapshot with the container running. ``order`` is the position of the start in the plan."""
    container = snapshot.containers_by_id[container_id]
    if container.running:  # it was paused
        return _with(snapshot, container, replace(container, state="running"), release)
    running = replace(container, state="running", started_at=LATER.format(order), finished_at=None, exit_code=0)
    endpoints = tuple(
        _activated(snapshot, snapshot.networks_by_id[endpoint.network_id], endpoint)
        for endpoint in container.endpoints
        if endpoint.network_id in snapshot.networks_by_id
    )
    return _with(snapshot, container, replace(running, endpoints=endpoints), release)


def stopped(snapshot: Snapshot, container_id: str) -> Snapshot:
    """Return the snapshot with the container stopped. It keeps its settings and gives its addresses back."""
    container = snapshot.containers_by_id[container_id]
    endpoints = tuple(_deactivated(endpoint) for endpoint in container.endpoints)
    left = replace(container, state="exited", pid=0, namespace_path=None, published_ports=(), endpoints=endpoints)
    return with_containers(snapshot, {container_id: left})


def upgraded(snapshot: Snapshot, before: Release, after: Release, *, icc: bool | None = None) -> Snapshot:
    """Return the snapshot after another release of the engine has started, and all containers that run with it.

    ``icc`` is the daemon's option for the default bridge; ``None`` leaves it as it is.
    """
    api = api_of(after)
    networks: dict[str, Network | None] = {}
    for network in snapshot.networks:
        # A network keeps what the engine that made it did not understand, and later engines do not read it again.
        now = replace(network, ignored_options=network.ignored_options | ignored(network.options, api))
        if icc is not None and network.is_default_bridge:
            now = replace(now, options={**network.options, _ICC: str(icc).lower()})
        if now != network:
            networks[network.id] = now
    changed = with_networks(snapshot, networks)
    moved: dict[str, Container | None] = {}
    for container in snapshot.containers:
        exits = _exits(changed, container, after)
        if container.running and exits != _exits(snapshot, container, before):
            moved[container.id] = replace(container, published_ports=_published(container, *exits))
    return with_containers(changed, moved)


def _with(snapshot: Snapshot, before: Container, after: Container, release: Release) -> Snapshot:
    """Return the snapshot with the container as it is now, and with the ports that it now publishes."""
    changed = with_containers(snapshot, {after.id: after})
    if not after.running:
        return changed
    # The engine publishes on the network that gives the default route, and publishes again when that becomes another
    # one. A port that it chose itself is then chosen again (26.1.5 and 28.5.2, measured).
    exits = _exits(changed, after, release)
    if before.running and _exits(snapshot, before, release) == exits:
        return changed
    return with_containers(changed, {after.id: replace(after, published_ports=_published(after, *exits))})


def _exits(snapshot: Snapshot, container: Container, release: Release) -> tuple[Network | None, ...]:
    """Return the networks that give the container its default routes, for IPv4 and for IPv6."""
    ordered = ordered_endpoints(snapshot, container)
    return tuple(chosen_exit(snapshot, ordered, version, release) for version in (IPV4, IPV6))


def _published(container: Container, four: Network | None, six: Network | None) -> tuple[PublishedPort, ...]:
    """Return the ports as the engine lists them: one entry for each IP version of the host.

    ``four`` and ``six`` are the container's exits. Measured on 28.5.2 with 17 kinds and pairs of networks, each with
    four addresses of the host.
    """
    if container.host_mode or container.shares_with is not None:
        return ()
    listed = (
        _listed(port, any_address, routed=gateway_mode(network, version) == "routed")
        # Without an exit for IPv6, docker-proxy takes the connections to the host's IPv6 addresses.
        for version, any_address, network in ((IPV4, "0.0.0.0", four), (IPV6, "::", six or four))
        if network is not None
        for port in claims(container.configured_ports, [network])
        if version in _versions_of(port)
    )
    return tuple(sorted(listed, key=lambda p: (p.container_port, p.protocol, p.host_ip, p.host_port or 0)))


def _versions_of(port: PublishedPort) -> set[int]:
    return {ip_address(port.host_ip).version} if port.host_ip else {IPV4, IPV6}


def _listed(port: PublishedPort, any_address: str, *, routed: bool) -> PublishedPort:
    # A routed network is reached at the container's own address, and the engine takes no port of the host.
    return (
        replace(port, host_ip=any_address, host_port=None)
        if routed
        else replace(port, host_ip=port.host_ip or any_address)
    )


def _configured(network: Network, container: Container, spec: EndpointSpec) -> Endpoint:
    """Return the endpoint as the engine lists it for a container that does not run."""
    return Endpoint(
        network_id=network.id,
        network_name=network.name,
        container_id=container.id,
        container_name=container.name,
        state="configured",
        aliases=tuple(spec.aliases),
        driver_options=spec.driver_options,
        gateway_priority=spec.gateway_priority or 0,
        configured_ipv4=spec.ipv4_address,
        configured_ipv6=spec.ipv6_address,
        link_local_addresses=tuple(spec.link_local_addresses),
        mac_address=spec.mac_address,
    )


def _activated(snapshot: Snapshot, network: Network, endpoint: Endpoint) -> Endpoint:
    """Return the endpoint with its addresses, as in a running container."""
    given: dict[str, Any] = {}
    if network.driver not in _WITHOUT_ADDRESSES and not network.config_only:
        for version, wanted in ((IPV4, endpoint.configured_ipv4), (IPV6, endpoint.configured_ipv6)):
            given |= _addresses(snapshot, network, version, wanted)
    # Only networks that users make have names.
    own = (endpoint.container_name, *endpoint.aliases, endpoint.container_id[:_SHORT_ID])
    names = () if network.builtin else endpoint.dns_names or tuple(dict.fromkeys(own))
    made = planned_id("endpoint", endpoint.container_id)
    return replace(endpoint, state="active", endpoint_id=made, dns_names=names, **given)


def _addresses(snapshot: Snapshot, network: Network, version: int, wanted: str | None) -> dict[str, Any]:
    """Return the fields of the endpoint for one IP version."""
    if not (network.ipv6_enabled if version == IPV6 else network.ipv4_enabled):
        return {}
    found = next_address(network, snapshot.endpoints_of(network), version, wanted)
    if found is None:
        return {}
    address, pool = found
    # An internal network gives no default route, and an overlay has its gateway on another network.
    gateway = None if network.internal or network.driver == "overlay" else pool.gateway
    length = int(pool.subnet.partition("/")[2])
    if version == IPV6:
        return {"ipv6_address": address, "ipv6_prefix_len": length, "ipv6_gateway": gateway}
    return {"ipv4_address": address, "ipv4_prefix_len": length, "gateway": gateway}


def _deactivated(endpoint: Endpoint) -> Endpoint:
    return replace(
        endpoint,
        state="configured",
        endpoint_id=None,
        ipv4_address=None,
        ipv4_prefix_len=None,
        ipv6_address=None,
        ipv6_prefix_len=None,
        mac_address=None,
        gateway=None,
        ipv6_gateway=None,
    )


def _sorted(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    return tuple(sorted(endpoints, key=lambda endpoint: endpoint.network_name))
