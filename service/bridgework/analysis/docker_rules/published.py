"""The networks and published ports of a snapshot for which the engine writes rules, with iptables or nftables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bridgework.analysis.attachment import IPV4, IPV6, EngineState, version_of
from bridgework.analysis.routing import OVERLAY_GATEWAY, default_exit, gateway_mode, subnet_of
from bridgework.firewall.docker.releases import facts_of
from bridgework.model.snapshot import Container, Endpoint, Network, PublishedPort


@dataclass(frozen=True, slots=True)
class Published:
    """A port that the engine publishes for one IP version, with the endpoint that should get it.

    ``host_port`` is 0 on a routed network, which translates nothing. ``certain`` is false where the past of the
    container decides whether the port is open there.
    """

    container: Container
    port: PublishedPort
    host_port: int
    endpoint: Endpoint
    network: Network
    address: str
    certain: bool = True


def bridge_networks(state: EngineState, version: int) -> Iterator[tuple[Network, str, str]]:
    """Yield each bridge network of the IP version with the name of its bridge and its subnet."""
    for network in state.snapshot.networks:
        # An overlay's bridge is in a namespace of its own, and a configuration is no network.
        if not network.bridge_name or network.scope != "local" or network.config_only:
            continue
        # An internal network has the same rules in each gateway mode.
        if not network.internal and not _is_known(state, gateway_mode(network, version)):
            continue
        for pool in network.pools:
            subnet = subnet_of(pool)
            if subnet is not None and subnet.version == version:
                yield network, network.bridge_name, str(subnet)
                break


def published_ports(state: EngineState, version: int, *, to_be_chosen: bool = False) -> Iterator[Published]:
    """Yield the published ports that the engine translates or accepts by rules of the IP version.

    With ``to_be_chosen``, those too whose port of the host the engine has yet to choose.
    """
    for container in state.snapshot.containers:
        if not container.running or container.node is not None or not container.published_ports:
            continue
        home = default_exit(state, state.attachment_of(container.id), version)
        for endpoint in container.endpoints:
            network = state.snapshot.networks_by_id.get(endpoint.network_id)
            address = endpoint.ipv4_address if version == IPV4 else endpoint.ipv6_address
            if network is None or not network.bridge_name or not address or endpoint.state != "active":
                continue
            if network.internal or network.name == OVERLAY_GATEWAY:
                continue
            for port in container.published_ports:
                leaves = network is home
                opened = _is_opened_at(state, version, network, port, leaves=leaves)
                opened = opened or (leaves and to_be_chosen and _may_open(state, version, network, port))
                if opened or _is_opened_for_ipv6(state, version, endpoint, network, port):
                    certain = opened or leaves
                    yield Published(container, port, port.host_port or 0, endpoint, network, address, certain)


def _is_opened_at(state: EngineState, version: int, network: Network, port: PublishedPort, *, leaves: bool) -> bool:
    """Whether the engine opens the port in the network. ``leaves``: the container's default route is there."""
    if not _may_open(state, version, network, port):
        return False
    if gateway_mode(network, version) != "routed":
        return leaves and bool(port.host_port)
    # The engine lists a port once more, without a port of the host, for each routed network of its container.
    for_all = facts_of(state.observations.engine_version).routed_opens_all
    return not port.host_port if for_all else leaves


def _may_open(state: EngineState, version: int, network: Network, port: PublishedPort) -> bool:
    mode = gateway_mode(network, version)
    return mode != "isolated" and _is_known(state, mode) and version_of(port.host_ip or "0.0.0.0") == version


def _is_opened_for_ipv6(
    state: EngineState, version: int, endpoint: Endpoint, network: Network, port: PublishedPort
) -> bool:
    """Whether a port for IPv6 opens the IPv4 address of a container that has no other (Docker 29)."""
    # docker-proxy would lead such a port to the IPv4 address. In mode routed for IPv6 the engine opens the port there
    # instead, whatever the mode of the network is for IPv4 (measured on 29.7.2). It does so when the default route of
    # the container is in the network, and leaves the port open when that moves.
    observations = state.observations
    return (
        version == IPV4
        and facts_of(observations.engine_version).routed_opens_all
        and observations.userland_proxy is not False
        and gateway_mode(network, IPV6) == "routed"
        and endpoint.ipv6_address is None
        and not port.host_port
        and version_of(port.host_ip or "0.0.0.0") == IPV6
    )


def _is_known(state: EngineState, mode: str) -> bool:
    return mode == "nat" or facts_of(state.observations.engine_version).knows_gateway_modes
