"""The host's firewall and routes as they were observed, for the simulation, and who wrote a rule.

``rules.in_force`` leads the packet of one check through them, ``exposure`` packets from outside.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property, lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from bridgework.analysis.attachment import IPV4, IPV6, parsed, version_of
from bridgework.analysis.routing import host_address_on, subnet_of
from bridgework.firewall.ip_sets import IpSets
from bridgework.firewall.iptables_save import ruleset_of, uncertain_rule
from bridgework.firewall.nft_json import Reader
from bridgework.firewall.ruleset import Chain, Hook, Match, Packet, Ruleset, Table
from bridgework.firewall.simulate import Route, Step
from bridgework.model.observations import FirewallRules, Observations
from bridgework.model.snapshot import Network, Snapshot

BRIDGE_FILTER = {4: "net.bridge.bridge-nf-call-iptables", 6: "net.bridge.bridge-nf-call-ip6tables"}
FORWARDING = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}
DOCKER, NATIVE_TABLE, _USER_CHAIN = "Docker", "docker-bridges", "DOCKER-USER"
OWNERS = (
    ("ufw", "ufw"),
    ("firewalld", "firewalld"),
    ("FWD_", "firewalld"),
    ("IN_", "firewalld"),
    ("FORWARD_", "firewalld"),
    ("INPUT_", "firewalld"),
    ("f2b-", "fail2ban"),
    ("ts-", "Tailscale"),
    ("KUBE-", "kube-proxy"),
    ("cali-", "Calico"),
    ("LIBVIRT", "libvirt"),
    ("netavark", "Podman"),
)
"""How the chains or tables begin that other programs write."""
# Of both IP versions, and of one reading after the other.
_NATIVE = Reader()


@lru_cache(maxsize=16)
def ruleset_of_host(rules: FirewallRules, version: int) -> Ruleset | None:
    """Return the rules of one IP version that were observed; ``None`` where none were, or where nft's are not read."""
    # Kept by the object, which is the same one while the host's rules are.
    chains, native = rules.chains_of(version), rules.native_rules
    if (chains is None and not native) or rules.other_chains is None:
        return None
    # Both variants are in force at once, at the same hooks and priorities. Which of two chains with one priority comes
    # first is not visible: that of the variant that was loaded last. It matters only where both translate or set marks.
    others = [(name, chain) for name, chain in rules.other_chains if name.startswith("ip6") == (version == IPV6)]
    program, sets = next((name for name, _ in others), None), IpSets(rules.sets)
    try:
        return Ruleset(
            (
                *ruleset_of(chains or (), version, sets=sets, uncertain=rules.uncertain),
                *ruleset_of((c for _, c in others), version, program, sets),
                *_with_uncertain(_NATIVE.tables_of(native or ""), rules, version),
            )
        )
    except (KeyError, TypeError, ValueError):
        # nft printed a form that its document does not describe. Half of the rules would prove nothing.
        return None


def _with_uncertain(tables: tuple[Table, ...], rules: FirewallRules, version: int) -> tuple[Table, ...]:
    if not rules.uncertain:
        return tables
    return tuple(
        replace(
            table, chains={name: _uncertain_in(table, chain, rules, version) for name, chain in table.chains.items()}
        )
        if table.name == NATIVE_TABLE
        else table
        for table in tables
    )


def _uncertain_in(table: Table, chain: Chain, rules: FirewallRules, version: int) -> Chain:
    return replace(
        chain,
        rules=tuple(
            uncertain_rule(rule) if (version, table.name, rule.text) in rules.uncertain else rule
            for rule in chain.rules
        ),
    )


class HostRoutes:
    """The host's routing as far as it was seen, and the networks that the engine has."""

    def __init__(self, snapshot: Snapshot, observations: Observations, own: frozenset[str] = frozenset()) -> None:
        """Take the addresses in ``own`` for the host's, also where its interfaces were not seen."""
        self._snapshot = snapshot
        self._host, self._rules = observations.host, observations.firewall
        self._own = own

    def is_local(self, address: str) -> bool:
        """Return whether the address is one of the host's own."""
        own = parsed(address)
        return own is None or own.is_loopback or address in self._own or address in self._observed

    @cached_property
    def _observed(self) -> frozenset[str]:
        interfaces = (self._host.observation.interfaces if self._host else None) or ()
        return frozenset(one.address for interface in interfaces for one in interface.addresses)

    def route(self, packet: Packet) -> Route | None:
        """Return the route to the host itself, to a network of the engine, or of the host's routing table."""
        if self.is_local(packet.destination):
            return Route(None, packet.destination)
        # The engine's networks come before the routing table: an observation can be older than a new bridge. That of
        # the address's only holder comes first, so that a large engine's networks are not all compared.
        holders = self._snapshot.holders_by_address.get(packet.destination, ())
        near = (self._snapshot.networks_by_id.get(one.network_id) for one in holders[:1] if len(holders) == 1)
        for network in itertools.chain(filter(None, near), self._snapshot.networks):
            if network.bridge_name and any(_holds(subnet_of(pool), packet.destination) for pool in network.pools):
                return Route(network.bridge_name, self._address_on_bridge(network, packet.version))
        routes = (self._host.observation.routes if self._host else None) or ()
        subnets = [(_subnet(route.destination), route.interface) for route in routes]
        fitting = [(net.prefixlen, name or "") for net, name in subnets if net and _holds(net, packet.destination)]
        _, interface = max(fitting, default=(0, None))
        return Route(interface or "", self._address_on(interface, packet.version))

    def _address_on_bridge(self, network: Network, version: int) -> str | None:
        interfaces = self._host.observation.interfaces if self._host else None
        # A matrix and a plan do not look at the bridges of the host, and those that a plan makes are not there yet.
        expected = interfaces is None or (interfaces and all(one.name != network.bridge_name for one in interfaces))
        return (
            host_address_on(self._snapshot, network, version)
            if expected
            else self._address_on(network.bridge_name, version)
        )

    def _address_on(self, name: str | None, version: int) -> str | None:
        interfaces = (self._host.observation.interfaces if self._host else None) or ()
        own = (a.address for i in interfaces if i.name == name for a in i.addresses if a.scope == "global")
        return next((address for address in own if version_of(address) == version), None)

    def filters_bridged(self, version: int) -> bool:
        """Whether br_netfilter shows packets within a bridge to the rules; yes where that was not seen."""
        rules = self._rules
        return rules is None or not rules.switches or rules.switch(BRIDGE_FILTER[version]) is True


@lru_cache(maxsize=1024)
def _subnet(cidr: str) -> IPv4Network | IPv6Network | None:
    """Return the subnet of a route; ``None`` for an invalid text."""
    try:
        return ip_network(cidr, strict=False)
    except ValueError:
        return None


def _holds(subnet: IPv4Network | IPv6Network | None, address: str) -> bool:
    own = parsed(address)
    return subnet is not None and own is not None and own in subnet


def forwards(observations: Observations, version: int) -> bool | None:
    """Return whether the host forwards packets of this IP version; ``None`` where that was not seen."""
    rules, host = observations.firewall, observations.host
    if rules is not None and rules.switches:
        return rules.switch(FORWARDING[version])
    return None if host is None else (host.ipv4_forwarding if version == IPV4 else host.ipv6_forwarding)


def owner_of(snapshot: Snapshot, step: Step) -> str | None:
    """Return the program that wrote the rule, by the names of chain and table; ``None`` if they do not show it."""
    table, chain = step.place.table.name, step.place.chain.name
    if table == NATIVE_TABLE or (chain.startswith("DOCKER") and chain != _USER_CHAIN):
        return DOCKER
    if step.rule is not None and _is_written_by_docker(snapshot, step):
        return DOCKER
    return next((owner for prefix, owner in OWNERS if chain.startswith(prefix) or table.startswith(prefix)), None)


def program_of(step: Step) -> str | None:
    """Return the program whose chains the base chain of a policy calls, such as ufw; ``None`` if none shows."""
    if step.rule is not None:
        return None
    called = (effect.chain for rule in step.place.chain.rules for effect in rule.effects if effect.chain)
    names = [*called, step.place.table.name]
    return next((owner for name in names for prefix, owner in OWNERS if name.startswith(prefix)), None)


def _is_written_by_docker(snapshot: Snapshot, step: Step) -> bool:
    """Docker's rules in built-in chains: of a bridge in FORWARD, of containers' addresses in raw, and masquerading."""
    matches = step.rule.matches if step.rule is not None else ()
    named = {match.key: match for match in matches}
    bridges = {network.bridge_name for network in snapshot.networks if network.bridge_name}
    incoming, outgoing = named.get("incoming"), named.get("outgoing")
    # `-i br-1 -o br-1` is how Docker 26 and 28 allow or forbid traffic within one bridge (inter-container).
    if step.place.chain.name == "FORWARD":
        return incoming is not None and outgoing is not None and incoming.words == outgoing.words
    if step.place.hook is Hook.POSTROUTING:
        return _masquerades(snapshot, named)
    # `-d 172.18.0.2 ! -i br-1 -j DROP` keeps others from a container's own address (Docker 28 and later).
    in_raw = step.place.table.name == "raw" and step.place.hook is Hook.PREROUTING
    return in_raw and _is_spared(incoming, bridges) and "destination" in named


def _masquerades(snapshot: Snapshot, named: Mapping[str, Match]) -> bool:
    source, outgoing = named.get("source"), named.get("outgoing")
    if outgoing is None:
        # `-s 172.18.0.2 -d 172.18.0.2 -p tcp --dport 80` is of a container that asks for its own published port.
        destination = named.get("destination")
        return source is not None and destination is not None and source.ranges == destination.ranges
    networks = [network for network in snapshot.networks if network.bridge_name in outgoing.words]
    # `-o br-1 -m addrtype --src-type LOCAL` lets the host's own addresses into a bridge.
    if source is None:
        return bool(networks) and "source-type" in named
    # `-s 172.18.0.0/16 ! -o br-1` is of what leaves a bridge.
    subnets = [subnet for network in networks for pool in network.pools if (subnet := subnet_of(pool)) is not None]
    return not {(int(subnet[0]), int(subnet[-1])) for subnet in subnets}.isdisjoint(source.ranges)


def _is_spared(incoming: Match | None, bridges: set[str]) -> bool:
    return incoming is not None and incoming.negated and set(incoming.words) <= {*bridges, "lo"}
