"""The snapshot of an engine as the values from which its rules are written (firewall/docker)."""

from __future__ import annotations

from bridgework.analysis.attachment import IPV4, EngineState
from bridgework.analysis.docker_rules.expected import Dump
from bridgework.analysis.routing import gateway_mode, masquerades
from bridgework.firewall.docker import Bridge, Engine, Port, WrittenRules, written
from bridgework.model.observations import FirewallChain, Observations
from bridgework.model.snapshot import Network

_TRUSTED = "com.docker.network.bridge.trusted_host_interfaces"


def written_rules(state: EngineState, version: int) -> WrittenRules | None:
    """Return the rules that the engine writes with iptables; ``None`` where they are not known.

    A rule that depends on a setting which the API does not show is *unknown*, unless the rules that were read show it.
    """
    observations = state.observations
    if observations.nftables or observations.podman:
        return None
    dump = Dump(state, version)
    read = observations.firewall.chains_of(version) if observations.firewall is not None else None
    engine = _engine(observations, read)
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


def _engine(observations: Observations, read: tuple[FirewallChain, ...] | None) -> Engine:
    found = {(chain.table, chain.name): chain for chain in read or ()}
    raw, forward = found.get(("raw", "PREROUTING")), found.get(("filter", "FORWARD"))
    drops = [text for *_, text in raw.rules if " ! -i " in text and text.endswith("-j DROP")] if raw else []
    # The drops that hide the containers' addresses name no port. The ones for ports on 127.0.0.1 do.
    hides = any("--dport" not in text for text in drops)
    return Engine(
        release=observations.engine_version,
        userland_proxy=observations.userland_proxy is not False,
        iptables=observations.ipv4_firewall is not False,
        ip6tables=observations.ipv6_firewall is not False,
        allow_direct_routing=None if read is None else not hides,
        raw_rules=None if read is None else bool(drops),
        forward_drops=None if forward is None else forward.policy == "DROP",
    )


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
