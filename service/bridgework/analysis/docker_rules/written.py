"""The snapshot of an engine as the values from which its rules are written (firewall/docker)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from bridgework.analysis.attachment import IPV4, IPV6, EngineState
from bridgework.analysis.docker_rules.published import Published, bridge_networks, published_ports
from bridgework.analysis.host_rules import NATIVE_TABLE, ruleset_of_host
from bridgework.analysis.name_lookup import link_parts
from bridgework.analysis.routing import OVERLAY_GATEWAY, default_exit, gateway_mode, masquerades
from bridgework.firewall.docker import Bridge, Engine, Link, Port, WrittenRules, written
from bridgework.firewall.docker.values import NAT
from bridgework.firewall.ruleset import Chain
from bridgework.model.observations import FirewallChain, Observations
from bridgework.model.snapshot import Network, Snapshot

HomeOf = Callable[[Published], Published]
_TRUSTED = "com.docker.network.bridge.trusted_host_interfaces"
_ACCEPT_MARK = re.compile(r"^-A DOCKER-FORWARD -m mark --mark (\S+) -j ACCEPT$")


def written_rules(
    state: EngineState, version: int, engine: Engine | None = None, home_of: HomeOf = lambda port: port
) -> WrittenRules | None:
    """Return the rules that the engine writes; ``None`` where they are not known.

    A rule that depends on a setting which the API does not show is *unknown*, unless the rules that were read show it.
    ``engine`` has the settings as ``engine_of`` knows them from another state, whose rules those are. ``home_of``
    returns a port with the endpoint that gets it, where that is not the one of the default route.
    """
    if state.observations.podman:
        return None
    bridges, ports = _bridges(state, version), _ports(state, version, home_of)
    known = engine or _engine(state.observations, version, bridges, ports)
    return written(known, version, bridges, ports, _links(state.snapshot))


def engine_of(state: EngineState, version: int) -> Engine:
    """Return the settings of the engine, as far as they show in the rules that were read."""
    return _engine(state.observations, version, _bridges(state, version), _ports(state, version))


def _bridges(state: EngineState, version: int) -> list[Bridge]:
    subnets = {network.id: subnet for network, _, subnet in bridge_networks(state, version)}
    return [
        _bridge(state, network, name, version, subnets.get(network.id))
        # The engine writes the rules of a network when it makes it.
        for network in sorted(state.snapshot.networks, key=lambda network: network.created_at)
        if (name := network.bridge_name) and network.scope == "local"
    ]


def _ports(state: EngineState, version: int, home_of: HomeOf = lambda port: port) -> list[Port]:
    observations = state.observations
    # The engine writes the rules of a port when it starts the container.
    published = sorted(
        map(home_of, published_ports(state, version, to_be_chosen=True)),
        key=lambda one: one.container.started_at or "",
    )
    ports = [
        Port(
            bridge=one.network.bridge_name or "",
            address=one.address,
            container_port=one.port.container_port,
            protocol=one.port.protocol,
            host_ip=one.port.host_ip,
            host_port=one.host_port,
            certain=one.certain and not (observations.nftables and _may_be_closed_again(state, version, one)),
        )
        for one in published
    ]
    if observations.nftables and observations.userland_proxy is not False and version == IPV4:
        ports += _proxied_ports(state)
    return ports


def _engine(observations: Observations, version: int, bridges: list[Bridge], ports: list[Port]) -> Engine:
    read = observations.firewall.chains_of(version) if observations.firewall is not None else None
    found = {(chain.table, chain.name): chain for chain in read or ()}
    forward = found.get(("filter", "FORWARD"))
    raw, own = (_texts(found.get(key)) for key in (("raw", "PREROUTING"), ("filter", "DOCKER-FORWARD")))
    drops = [text for text in raw if " ! -i " in text and text.endswith("-j DROP")]
    # The drops that hide the containers' addresses name no port. The ones for ports on 127.0.0.1 do.
    hides = any("--dport" not in text for text in drops)
    # Where nothing is to be hidden, that no rule does so says nothing about the settings.
    has_addresses = _has_addresses_to_hide(bridges)
    has_local_port = any(port.host_port and port.host_ip.startswith("127.") for port in ports)
    engine = Engine(
        release=observations.engine_version,
        userland_proxy=observations.userland_proxy is not False,
        iptables=observations.ipv4_firewall is not False,
        ip6tables=observations.ipv6_firewall is not False,
        allow_direct_routing=False if hides else True if read is not None and has_addresses else None,
        raw_rules=True if drops else False if read is not None and has_local_port else None,
        forward_drops=None if forward is None else forward.policy == "DROP",
        accept_mark=next((mark[1] for text in own if (mark := _ACCEPT_MARK.match(text))), None),
    )
    return _native(engine, observations, version, has_addresses=has_addresses) if observations.nftables else engine


def _has_addresses_to_hide(bridges: list[Bridge]) -> bool:
    return any(one.subnet and not one.internal and one.mode == NAT and one.addresses for one in bridges)


def _texts(chain: FirewallChain | None) -> tuple[str, ...]:
    return tuple(text for *_, text in chain.rules) if chain is not None else ()


def _may_be_closed_again(state: EngineState, version: int, one: Published) -> bool:
    """Whether Docker may have deleted the rule that opens the port.

    docker-proxy leads the port's IPv6 address at the host to the IPv4 address of a container that has no other. When
    another network brings IPv6, Docker with nftables deletes the rule of that port, which is also the rule of the port
    at the host's IPv4 address (29.7.2: both are one rule, and it does not count them).
    """
    if version != IPV4 or one.endpoint.ipv6_address or state.observations.userland_proxy is False:
        return False
    attachment = state.attachment_of(one.container.id)
    if default_exit(state, attachment, IPV6) is None and default_exit(state, attachment, IPV4) is one.network:
        return False
    key = (one.port.container_port, one.port.protocol)
    published = (*one.container.published_ports, *one.container.configured_ports)
    return any((p.container_port, p.protocol) == key and (not p.host_ip or ":" in p.host_ip) for p in published)


def _proxied_ports(state: EngineState) -> Iterator[Port]:
    """Yield the ports at IPv6 addresses of the host which docker-proxy leads to containers that have IPv4 alone.

    Docker accepts packets to them with nftables, and not with iptables.
    """
    for container in state.snapshot.containers:
        if not container.running or container.node is not None or not container.published_ports:
            continue
        home, home_of_ipv6 = (default_exit(state, state.attachment_of(container.id), one) for one in (IPV4, IPV6))
        if home is None or not home.bridge_name or home.name == OVERLAY_GATEWAY or home.internal:
            continue
        if home_of_ipv6 is not None and home_of_ipv6 is not home:
            continue
        for endpoint in container.endpoints:
            alone = endpoint.network_id == home.id and endpoint.state == "active" and not endpoint.ipv6_address
            for port in container.published_ports if alone and endpoint.ipv4_address else ():
                if ":" in port.host_ip and port.host_port and endpoint.ipv4_address:
                    at = (endpoint.ipv4_address, port.container_port, port.protocol)
                    yield Port(home.bridge_name, *at, port.host_ip, port.host_port)


def _native(engine: Engine, observations: Observations, version: int, *, has_addresses: bool) -> Engine:
    """Return the engine that writes with nftables, with the settings that the rules show which were read."""
    rules = observations.firewall
    ruleset = ruleset_of_host(rules, version) if rules is not None else None
    tables = [table for table in ruleset.tables if table.name == NATIVE_TABLE] if ruleset is not None else []
    chains = next((table.chains for table in tables if table.serves(version)), {})
    raw = chains.get("raw-PREROUTING")
    # The drops that hide the containers' addresses name no port. The ones for ports on 127.0.0.1 do.
    hides = raw is not None and any(" dport " not in rule.text for rule in raw.rules)
    marks = (mark for chain in chains.values() if (mark := _accepted_mark(chain)) is not None)
    return replace(
        engine,
        nftables=True,
        allow_direct_routing=False if hides else True if raw is not None and has_addresses else None,
        accept_mark=next(marks, None),
    )


def _accepted_mark(chain: Chain) -> str | None:
    for rule in chain.rules if chain.name.startswith("filter-forward-in__") else ():
        for match in rule.matches:
            if match.key == "mark" and match.ranges:
                value = hex(match.ranges[0][0])
                return value if match.mask is None else f"{value}/{match.mask:#x}"
    return None


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
