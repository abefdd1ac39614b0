"""The snapshot of an engine as the values from which its rules are written (firewall/docker)."""

from __future__ import annotations

from collections.abc import Mapping

from bridgework.analysis.attachment import IPV4, EngineState
from bridgework.analysis.docker_rules.expected import Dump
from bridgework.analysis.routing import gateway_mode, masquerades
from bridgework.firewall.docker import Bridge, Engine, Port, WrittenRule, written
from bridgework.model.snapshot import Network

_TRUSTED = "com.docker.network.bridge.trusted_host_interfaces"


def written_rules(state: EngineState, version: int) -> Mapping[tuple[str, str], tuple[WrittenRule, ...]] | None:
    """Return the rules that the engine writes with iptables, by table and chain; ``None`` where they are not known."""
    observations = state.observations
    if observations.nftables:
        return None
    engine = Engine(
        release=observations.engine_version,
        userland_proxy=observations.userland_proxy is not False,
        iptables=observations.ipv4_firewall is not False,
        ip6tables=observations.ipv6_firewall is not False,
    )
    dump = Dump(state, version)
    subnets = {network.id: subnet for network, _, subnet in dump.networks()}
    bridges = [
        _bridge(state, network, name, version, subnets.get(network.id))
        # The engine writes the rules of a network when it makes it.
        for network in sorted(state.snapshot.networks, key=lambda network: network.created_at)
        if (name := network.bridge_name) and network.scope == "local"
    ]
    ports = [
        Port(
            bridge=one.network.bridge_name or "",
            address=one.address,
            container_port=one.port.container_port,
            protocol=one.port.protocol,
            host_ip=one.port.host_ip,
            host_port=one.host_port,
        )
        for one in dump.published()
    ]
    return written(engine, version, bridges, ports)


def _bridge(state: EngineState, network: Network, name: str, version: int, subnet: str | None) -> Bridge:
    addresses = (
        endpoint.ipv4_address if version == IPV4 else endpoint.ipv6_address
        for endpoint in state.snapshot.endpoints_of(network)
        if endpoint.state == "active"
    )
    return Bridge(
        name=name,
        subnet=subnet,
        internal=network.internal,
        icc=network.inter_container_enabled,
        masquerade=masquerades(network),
        host_ip=network.options.get(f"com.docker.network.host_ipv{version}"),
        mode=gateway_mode(network, version),
        trusted=tuple(one for one in network.options.get(_TRUSTED, "").split(":") if one),
        addresses=tuple(address for address in addresses if address),
    )
