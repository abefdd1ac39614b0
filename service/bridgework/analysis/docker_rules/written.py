"""The snapshot of an engine as the values from which its rules are written (firewall/docker)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bridgework.analysis.attachment import IPV4, EngineState
from bridgework.analysis.docker_rules.published import bridge_networks, published_ports
from bridgework.analysis.name_lookup import link_parts
from bridgework.analysis.routing import gateway_mode, masquerades
from bridgework.firewall.docker import Bridge, Engine, Link, Port, WrittenRules, written
from bridgework.model.observations import FirewallChain, Observations
from bridgework.model.snapshot import Network, Snapshot

_TRUSTED = "com.docker.network.bridge.trusted_host_interfaces"
_ACCEPT_MARK = re.compile(r"^-A DOCKER-FORWARD -m mark --mark (\S+) -j ACCEPT$")


def written_rules(state: EngineState, version: int) -> WrittenRules | None:
    """Return the rules that the engine writes with iptables; ``None`` where they are not known.

    A rule that depends on a setting which the API does not show is *unknown*, unless the rules that were read show it.
    """
    observations = state.observations
    if observations.nftables or observations.podman:
        return None
    read = observations.firewall.chains_of(version) if observations.firewall is not None else None
    subnets = {network.id: subnet for network, _, subnet in bridge_networks(state, version)}
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
            certain=one.certain,
        )
        for one in published_ports(state, version)
    ]
    return written(_engine(observations, read), version, bridges, ports, _links(state.snapshot))


def _engine(observations: Observations, read: tuple[FirewallChain, ...] | None) -> Engine:
    found = {(chain.table, chain.name): chain for chain in read or ()}
    forward = found.get(("filter", "FORWARD"))
    raw, own = (_texts(found.get(key)) for key in (("raw", "PREROUTING"), ("filter", "DOCKER-FORWARD")))
    drops = [text for text in raw if " ! -i " in text and text.endswith("-j DROP")]
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
        accept_mark=next((mark[1] for text in own if (mark := _ACCEPT_MARK.match(text))), None),
    )


def _texts(chain: FirewallChain | None) -> tuple[str, ...]:
    return tuple(text for *_, text in chain.rules) if chain is not None else ()


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


def _links(snapshot: Snapshot) -> Iterator[Link]:
    """Yield the links of running containers on the default bridge, where that forbids its containers to talk."""
    network = next((one for one in snapshot.networks if one.is_default_bridge), None)
    if network is None or network.bridge_name is None or network.inter_container_enabled:
        return
    addresses = {e.container_name: e.ipv4_address for e in snapshot.endpoints_of(network) if e.state == "active"}
    for container in snapshot.containers:
        source = addresses.get(container.name)
        for link in container.links:
            (target,) = snapshot.containers_by_name.get(link_parts(link)[0], ())[:1] or (None,)
            address = addresses.get(target.name) if target is not None else None
            if source is None or target is None or address is None:
                continue
            for exposed in target.exposed_ports:
                port, _, protocol = exposed.partition("/")
                yield Link(network.bridge_name, source, address, int(port), protocol or "tcp")
