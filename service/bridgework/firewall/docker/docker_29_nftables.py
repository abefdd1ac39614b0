"""The rules of Docker 29 with nftables (``firewall-backend``): the tables ``docker-bridges`` of ip and of ip6.

Source: moby docker-v29.7.2, daemon/libnetwork/drivers/bridge/internal/nftabler; that of 29.0.0 writes the same. Not
written are the rules for WSL2 in mirrored mode.
"""

from __future__ import annotations

from collections.abc import Iterable

from bridgework.firewall.docker.chains import (
    ACCEPT_MARK,
    DIRECT_ROUTING,
    DRIVER,
    EVERY_ADDRESS,
    ICC,
    INTERNAL,
    IP6TABLES,
    IPTABLES,
    LINKS,
    MASQUERADE,
    PROXY,
    because_of,
    gateway_mode_option,
)
from bridgework.firewall.docker.native_table import (
    COUNTER,
    Json,
    NativeRules,
    NativeTable,
    address_type,
    differs,
    equal,
    header,
    meta,
    prefix,
    verdict,
)
from bridgework.firewall.docker.values import IPV4, IPV6, NAT, ROUTED, UNPROTECTED, Because, Bridge, Engine, Link, Port
from bridgework.firewall.ruleset import Hook

_FORWARD, _RAW, _TRANSLATION = "filter-FORWARD", "raw-PREROUTING", "nat-prerouting-and-output"
_ESTABLISHED: Json = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}


def write(
    engine: Engine, version: int, bridges: Iterable[Bridge], ports: Iterable[Port], links: Iterable[Link]
) -> NativeRules:
    """Return the table with the rules of the bridges, in the order in which they were made, and of the ports."""
    table = NativeTable(version)
    if not (engine.iptables if version == IPV4 else engine.ip6tables):
        return table.rules()
    published, linked = tuple(ports), tuple(links)
    _base_chains(table, engine)
    for bridge in bridges:
        if bridge.subnet is not None:
            own = tuple(port for port in published if port.bridge == bridge.name)
            _chains_of_bridge(table, bridge)
            if bridge.internal:
                _internal(table, bridge)
            else:
                _forwarding(table, engine, bridge)
                _links(table, bridge, linked)
                _open(table, bridge, own)
                _postrouting(table, engine, bridge, own)
                _direct_access(table, engine, bridge)
    for port in published:
        _translation(table, engine, port)
    return table.rules()


def _base_chains(table: NativeTable, engine: Engine) -> None:
    base = Because(IPTABLES if table.version == IPV4 else IP6TABLES)
    table.base_chain(_FORWARD, Hook.FORWARD, 0)
    table.append(_FORWARD, _jumps("oifname", "filter-forward-in"), because=base)
    table.append(_FORWARD, _jumps("iifname", "filter-forward-out"), because=base)
    table.base_chain("nat-POSTROUTING", Hook.POSTROUTING, 100, "nat")
    table.append("nat-POSTROUTING", _jumps("iifname", "nat-postrouting-out"), because=base)
    table.append("nat-POSTROUTING", _jumps("oifname", "nat-postrouting-in"), because=base)
    table.chain(_TRANSLATION)
    to_host = (equal(address_type("daddr"), "local"), COUNTER, {"jump": {"target": _TRANSLATION}})
    table.base_chain("nat-PREROUTING", Hook.PREROUTING, -100, "nat")
    table.append("nat-PREROUTING", *to_host, because=base)
    table.base_chain("nat-OUTPUT", Hook.OUTPUT, -100, "nat")
    # docker-proxy listens on the loopback addresses, so with it the host's packets to those are not translated.
    loopback = prefix("127.0.0.0/8") if table.version == IPV4 else "::1"
    spared = (differs(header(table.family, "daddr"), loopback),) if engine.userland_proxy else ()
    table.append("nat-OUTPUT", *spared, *to_host, because=Because(PROXY))
    table.base_chain(_RAW, Hook.PREROUTING, -300)


def _jumps(side: str, way: str) -> Json:
    return {"vmap": {"key": meta(side), "data": f"@{way}-jumps"}}


def _chains_of_bridge(table: NativeTable, bridge: Bridge) -> None:
    for way in ("filter-forward-in", "filter-forward-out", "nat-postrouting-in", "nat-postrouting-out"):
        table.jump(f"{way}-jumps", bridge.name, _chain(way, bridge.name), Because(DRIVER, bridge.name))
    for way in ("filter-forward-in", "filter-forward-out"):
        because = Because(DRIVER, bridge.name)
        table.append(_chain(way, bridge.name), _ESTABLISHED, COUNTER, verdict("accept"), because=because)


def _chain(way: str, bridge: str) -> str:
    return f"{way}__{bridge}"


def _internal(table: NativeTable, bridge: Bridge) -> None:
    inward, outward = _chain("filter-forward-in", bridge.name), _chain("filter-forward-out", bridge.name)
    because, drop = Because(INTERNAL, bridge.name), (COUNTER, verdict("drop"))
    others_in, others_out = differs(meta("iifname"), bridge.name), differs(meta("oifname"), bridge.name)
    table.append(inward, others_in, *drop, because=because, comment="INTERNAL NETWORK INGRESS")
    table.append(outward, others_out, *drop, because=because, comment="INTERNAL NETWORK EGRESS")
    table.append(inward, COUNTER, _icc(bridge), because=Because(ICC, bridge.name), comment="ICC")


def _icc(bridge: Bridge) -> Json:
    return verdict("accept" if bridge.icc else "drop")


def _forwarding(table: NativeTable, engine: Engine, bridge: Bridge) -> None:
    name, mode = bridge.name, Because(gateway_mode_option(table.version), bridge.name)
    inward, outward = _chain("filter-forward-in", name), _chain("filter-forward-out", name)
    table.append(outward, COUNTER, verdict("accept"), because=Because(DRIVER, name), comment="OUTGOING")
    # Others reach the containers of a routed network by their addresses: path MTU discovery and ping must work.
    if bridge.mode == ROUTED:
        icmp = equal(header("ip", "protocol"), "icmp") if table.version == IPV4 else equal(meta("l4proto"), "ipv6-icmp")
        table.append(inward, icmp, COUNTER, verdict("accept"), because=mode, comment="ICMP")
    if engine.accept_mark is not None:
        value, _, mask = engine.accept_mark.partition("/")
        mark = {"&": [meta("mark"), int(mask, 0)]} if mask else meta("mark")
        because = Because(ACCEPT_MARK)
        table.append(
            inward, equal(mark, int(value, 0)), COUNTER, verdict("accept"), because=because, comment="ALLOW FW MARK"
        )


def _links(table: NativeTable, bridge: Bridge, links: Iterable[Link]) -> None:
    """Let the containers that are linked on the default bridge talk where its option enable_icc is off."""
    because, accept = Because(LINKS, bridge.name), (COUNTER, verdict("accept"))
    for link in links if table.version == IPV4 else ():
        if link.bridge == bridge.name:
            inward = _chain("filter-forward-in", bridge.name)
            asks = equal(header("ip", "saddr"), link.source), equal(header("ip", "daddr"), link.address)
            table.append(inward, *asks, _to_port(link.protocol, link.port), *accept, because=because)
            of_port = equal(header(link.protocol, "sport"), link.port)
            to = equal(header("ip", "daddr"), link.source)
            table.append(inward, equal(header("ip", "saddr"), link.address), of_port, to, *accept, because=because)


def _open(table: NativeTable, bridge: Bridge, ports: Iterable[Port]) -> None:
    """Accept packets between the containers, and to published ports, and end the chain of the bridge."""
    name, inward = bridge.name, _chain("filter-forward-in", bridge.name)
    within = equal(meta("iifname"), name)
    table.append(inward, within, COUNTER, _icc(bridge), because=Because(ICC, name), comment="ICC")
    for port in ports if bridge.mode != UNPROTECTED else ():
        to = (equal(header(table.family, "daddr"), port.address), _to_port(port.protocol, port.container_port))
        because, unknown = because_of(port), not port.certain
        table.append(inward, *to, COUNTER, verdict("accept"), because=because, unknown=unknown)
    last, comment = ("accept", "UNPROTECTED") if bridge.mode == UNPROTECTED else ("drop", "UNPUBLISHED PORT DROP")
    mode = Because(gateway_mode_option(table.version), name)
    table.append(inward, COUNTER, verdict(last), because=mode, comment=comment)


def _to_port(protocol: str, port: int) -> Json:
    return equal(header(protocol, "dport"), port)


def _postrouting(table: NativeTable, engine: Engine, bridge: Bridge, ports: Iterable[Port]) -> None:
    name, host_ip = bridge.name, bridge.host_ip
    inward, outward = _chain("nat-postrouting-in", name), _chain("nat-postrouting-out", name)
    source: Json = {"snat": {"addr": host_ip}} if host_ip else verdict("masquerade")
    comment = "SNAT" if host_ip else "MASQUERADE"
    if bridge.masquerade and bridge.mode != ROUTED and bridge.subnet is not None:
        because = Because(f"com.docker.network.host_ipv{table.version}" if host_ip else MASQUERADE, name)
        leaves = (differs(meta("oifname"), name), equal(header(table.family, "saddr"), prefix(bridge.subnet)))
        table.append(outward, *leaves, COUNTER, source, because=because, comment=comment)
    if engine.userland_proxy:
        return
    # Without docker-proxy, a packet from a loopback address of the host leaves to the container.
    of_host = equal(address_type("saddr"), "local")
    table.append(inward, of_host, COUNTER, source, because=Because(PROXY, name), comment=f"{comment} FROM HOST")
    for port in ports:
        if port.host_port and _of_version(table, port):
            own = tuple(equal(header(table.family, side), port.address) for side in ("saddr", "daddr"))
            match = (*own, _to_port(port.protocol, port.container_port), COUNTER, verdict("masquerade"))
            table.append(inward, *match, because=Because(PROXY, name, port), comment="MASQ TO OWN PORT")


def _of_version(table: NativeTable, port: Port) -> bool:
    """Return whether the host's address is of the table's version. docker-proxy alone serves ports of another one."""
    return not port.host_ip or (":" in port.host_ip) == (table.version == IPV6)


def _direct_access(table: NativeTable, engine: Engine, bridge: Bridge) -> None:
    if bridge.mode != NAT or engine.allow_direct_routing:
        return
    near: Json = {"set": [bridge.name, *bridge.trusted]} if bridge.trusted else bridge.name
    for address in bridge.addresses:
        table.append(
            _RAW,
            equal(header(table.family, "daddr"), address),
            differs(meta("iifname"), near),
            COUNTER,
            verdict("drop"),
            because=Because(DIRECT_ROUTING, bridge.name),
            comment="DROP DIRECT ACCESS",
            unknown=engine.allow_direct_routing is None,
        )


def _translation(table: NativeTable, engine: Engine, port: Port) -> None:
    if not port.host_port or not _of_version(table, port):
        return
    because, at = because_of(port), _to_port(port.protocol, port.host_port)
    to_host: tuple[Json, ...] = ()
    if port.host_ip not in EVERY_ADDRESS:
        to_host = (equal(header(table.family, "daddr"), port.host_ip),)
    parts: list[Json] = [differs(meta("iifname"), port.bridge)] if engine.userland_proxy else []
    # A link-local source has no meaning behind the host, so docker-proxy serves such clients.
    parts += [differs(header("ip6", "saddr"), prefix("fe80::/10"))] if table.version == IPV6 else []
    target = {"dnat": {"addr": port.address, "port": port.container_port}}
    table.append(_TRANSLATION, *parts, *to_host, at, COUNTER, target, because=because, comment="DNAT")
    # DNAT would also take a neighbour's packet to a port on 127.0.0.0/8, which is for the host alone.
    if port.host_ip.startswith("127."):
        outside = differs(meta("iifname"), "lo")
        drop = (outside, *to_host, at, COUNTER, verdict("drop"))
        table.append(_RAW, *drop, because=because, comment="DROP REMOTE LOOPBACK")
