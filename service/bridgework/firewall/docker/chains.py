"""The chains of one IP version while an engine writes them, and the rules that all releases have in common."""

from __future__ import annotations

from collections.abc import Iterable

from bridgework.firewall.docker.values import IPV4, IPV6, Because, Bridge, Engine, Link, Port, Write, WrittenRule

# The options, by the names under which an administrator sets them. DRIVER causes what each bridge network has.
IPTABLES, IP6TABLES, PROXY = "iptables", "ip6tables", "userland-proxy"
DIRECT_ROUTING = "allow-direct-routing"
ACCEPT_MARK = "bridge-accept-fwmark"
DRIVER, INTERNAL, PUBLISHED, LINKS = "bridge", "internal", "ports", "links"
ICC = "com.docker.network.bridge.enable_icc"
MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
TRUSTED = "com.docker.network.bridge.trusted_host_interfaces"
ESTABLISHED = "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
STAGE_1, STAGE_2 = "DOCKER-ISOLATION-STAGE-1", "DOCKER-ISOLATION-STAGE-2"
EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})
_BITS, _LOOPBACK = {IPV4: 32, IPV6: 128}, {IPV4: "127.0.0.0/8", IPV6: "::1/128"}


class Chains:
    """The rules by table and chain. As in the engine, a rule that is there already is not written twice."""

    def __init__(self, engine: Engine, version: int) -> None:
        self.engine, self.version = engine, version
        self.rules: dict[tuple[str, str], list[WrittenRule]] = {}
        self.writes: list[Write] = []
        self.base = Because(IPTABLES if version == IPV4 else IP6TABLES)

    def append(self, table: str, chain: str, match: str, because: Because, *, unknown: bool = False) -> None:
        """Write the rule behind the others of its chain."""
        self._write(table, chain, WrittenRule(f"-A {chain} {match}", because, unknown), first=False)

    def insert(self, table: str, chain: str, match: str, because: Because, *, unknown: bool = False) -> None:
        """Write the rule before the others of its chain."""
        self._write(table, chain, WrittenRule(f"-A {chain} {match}", because, unknown), first=True)

    def move_first(self, table: str, chain: str, match: str, because: Because, bridge: str) -> None:
        """Delete the rule and write it before the others of its chain, because the bridge is made."""
        rule = WrittenRule(f"-A {chain} {match}", because)
        others = [other for other in self.rules.get((table, chain), ()) if other.text != rule.text]
        self.rules[table, chain] = [rule, *others]
        self.writes.append(Write(table, chain, rule, first=True, moved_for=bridge))

    def _write(self, table: str, chain: str, rule: WrittenRule, *, first: bool) -> None:
        self.writes.append(Write(table, chain, rule, first))
        rules = self.rules.setdefault((table, chain), [])
        if all(rule.text != other.text for other in rules):
            rules.insert(0 if first else len(rules), rule)

    def exact(self, address: str) -> str:
        """Return the address with the prefix length that the dump prints behind it."""
        return f"{address}/{_BITS[self.version]}"


def gateway_mode_option(version: int) -> str:
    """Return the name of the network's option for its gateway mode."""
    return f"com.docker.network.bridge.gateway_mode_ipv{version}"


def nat_jumps(chains: Chains, *, unknown: bool = False) -> None:
    """Write the jumps to the chain that translates published ports."""
    jump = "-m addrtype --dst-type LOCAL -j DOCKER"
    chains.append("nat", "PREROUTING", jump, chains.base, unknown=unknown)
    # docker-proxy listens on the loopback addresses, so with it the host's packets to those are not translated.
    proxy = chains.engine.userland_proxy
    match = f"! -d {_LOOPBACK[chains.version]} {jump}" if proxy else jump
    chains.append("nat", "OUTPUT", match, Because(PROXY), unknown=unknown)


def outgoing(chains: Chains, bridge: Bridge) -> None:
    """Write the source translations of a bridge, each before the others of POSTROUTING."""
    name = bridge.name
    option = f"com.docker.network.host_ipv{chains.version}" if bridge.host_ip else MASQUERADE
    because = Because(option, name)
    target = f"SNAT --to-source {bridge.host_ip}" if bridge.host_ip else "MASQUERADE"
    if bridge.masquerade and bridge.mode != "routed":
        chains.insert("nat", "POSTROUTING", f"-s {bridge.subnet} ! -o {name} -j {target}", because)
    if not chains.engine.userland_proxy:
        # Without docker-proxy, a packet from a loopback address of the host leaves to the container.
        match = f"-o {name} -m addrtype --src-type LOCAL -j {target}"
        chains.insert("nat", "POSTROUTING", match, Because(PROXY, name))


def skip_translation(chains: Chains, bridge: Bridge) -> None:
    """Let docker-proxy serve the containers of the bridge: their packets to published ports are not translated."""
    if bridge.masquerade and chains.engine.userland_proxy:
        chains.insert("nat", "DOCKER", f"-i {bridge.name} -j RETURN", Because(PROXY, bridge.name))


def internal_drops(chains: Chains, bridge: Bridge, chain: str) -> None:
    """Write the rules that drop what enters or leaves an internal network."""
    name, subnet, because = bridge.name, bridge.subnet, Because(INTERNAL, bridge.name)
    # ip6tables names the bridge twice: link-local packets between the containers have addresses outside the subnet.
    leaves, enters = ("", "") if chains.version == IPV4 else (f" ! -o {name}", f"! -i {name} ")
    chains.insert("filter", chain, f"! -d {subnet} -i {name}{leaves} -j DROP", because)
    chains.insert("filter", chain, f"! -s {subnet} {enters}-o {name} -j DROP", because)


def translation(chains: Chains, port: Port, *, spare_link_local: bool) -> None:
    """Write the translation of a published port to the container's address."""
    parts = ["! -s fe80::/10"] if spare_link_local and chains.version == IPV6 else []
    if port.host_ip not in EVERY_ADDRESS:
        parts.append(f"-d {chains.exact(port.host_ip)}")
    if chains.engine.userland_proxy:
        parts.append(f"! -i {port.bridge}")
    to = port.address if chains.version == IPV4 else f"[{port.address}]"
    parts.append(f"{_at(port.protocol, port.host_port)} -j DNAT --to-destination {to}:{port.container_port}")
    chains.append("nat", "DOCKER", " ".join(parts), because_of(port))


def to_container(chains: Chains, port: Port) -> str:
    """Return the match of packets from other interfaces to the container's port."""
    where = f"-d {chains.exact(port.address)} ! -i {port.bridge} -o {port.bridge}"
    return f"{where} {_at(port.protocol, port.container_port)} -j ACCEPT"


def to_itself(chains: Chains, port: Port, because: Because) -> None:
    """Write the source translation of a container that reaches its own published port."""
    own = chains.exact(port.address)
    match = f"-s {own} -d {own} {_at(port.protocol, port.container_port)} -j MASQUERADE"
    chains.append("nat", "POSTROUTING", match, because)


def loopback_drop(chains: Chains, port: Port) -> None:
    """Drop packets of neighbours to a port on 127.0.0.0/8, which the translation would let in."""
    raw = chains.engine.raw_rules
    if raw is not False and port.host_port and port.host_ip.startswith("127."):
        match = f"-d {chains.exact(port.host_ip)} ! -i lo {_at(port.protocol, port.host_port)} -j DROP"
        chains.append("raw", "PREROUTING", match, because_of(port), unknown=raw is None)


def write_links(chains: Chains, links: Iterable[Link]) -> None:
    """Let the containers that are linked on the default bridge talk where its option enable_icc is off."""
    for link in links if chains.version == IPV4 else ():
        source, target = chains.exact(link.source), chains.exact(link.address)
        within = f"-i {link.bridge} -o {link.bridge} -p {link.protocol} -m {link.protocol}"
        because = Because(LINKS, link.bridge)
        chains.append("filter", "DOCKER", f"-s {source} -d {target} {within} --dport {link.port} -j ACCEPT", because)
        chains.append("filter", "DOCKER", f"-s {target} -d {source} {within} --sport {link.port} -j ACCEPT", because)


def because_of(port: Port) -> Because:
    """Return the cause of a rule that a published port has."""
    return Because(PUBLISHED, port.bridge, port)


def _at(protocol: str, port: int) -> str:
    # iptables-save prints the protocol twice, as an option and as a module.
    return f"-p {protocol} -m {protocol} --dport {port}"
