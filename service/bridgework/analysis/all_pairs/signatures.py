"""What the host's rules and routing tell apart: a signature for each container, by which alike ones share a class.

Docker writes rules for each container and bridge, with its own address and name. Such a rule says the same of every
container, so a container's own addresses, subnets and bridges are replaced by their position among its networks. Two
containers of which the same rules speak in this way have equal signatures. All other rules are compared by whether
their subnets, sets and interfaces hold for the container.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network

from bridgework.analysis.all_pairs.routing_names import named_inside, named_interfaces, named_subnets
from bridgework.analysis.attachment import IPV4, IPV6, Attachment, EngineState, parsed
from bridgework.analysis.docker_rules.in_effect import in_effect
from bridgework.analysis.routing import host_address_on, subnet_of
from bridgework.firewall.ruleset import EPHEMERAL, Chain, Match, Rule, Ruleset, Table
from bridgework.model.checks import Protocol
from bridgework.model.observations import Routing
from bridgework.model.snapshot import Endpoint, Network, Snapshot

_ADDRESSES = frozenset({"source", "destination", "original-destination"})
_INTERFACES = frozenset({"incoming", "outgoing", "bridge-port-in", "bridge-port-out"})
_ICMP = {IPV4: "icmp", IPV6: "ipv6-icmp"}

# A piece of a rule that names one thing of the engine: a range of addresses, or a bridge.
Name = Hashable
_Range = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Said:
    """A rule that names things of the engine, and where it stands: after how many rules that name none."""

    table: Table
    chain: Chain
    rule: Rule
    after: int


@dataclass(slots=True)
class Signatures:
    """The rules of a host by what they name. ``of`` gives the signature of a container.

    ``said`` maps the owner of a name to the rules with that name; ``names`` maps a network's id to its names. ``wide``,
    ``exact`` and ``interfaces`` are the ranges, single addresses and interface names of all other rules.
    """

    names: Mapping[str, Sequence[tuple[Name, str]]]
    said: dict[Hashable, list[_Said]] = field(default_factory=lambda: defaultdict(list))
    wide: list[tuple[_Range, Hashable]] = field(default_factory=list)
    exact: dict[_Range, list[Hashable]] = field(default_factory=lambda: defaultdict(list))
    interfaces: list[tuple[str, Hashable]] = field(default_factory=list)

    @classmethod
    def of_host(cls, state: EngineState, protocol: Protocol, port: int | None) -> Signatures:
        """Sort the rules that concern a question, and what is read of the host's routing."""
        rules = in_effect(state)
        found = [rules.ruleset(version) for version in (IPV4, IPV6)]
        made = cls({network.id: tuple(_names_of(state.snapshot, network)) for network in state.snapshot.networks})
        owners = made._owners(state.snapshot)
        for version, ruleset in zip((IPV4, IPV6), found, strict=True):
            made._read(ruleset or Ruleset(), owners, _Question(version, protocol, port))
        host = state.observations.host
        if host is not None and host.observation.routing is not None:
            made._read_routing(state.snapshot, host.observation.routing)
        for container_id, seen in state.observations.inside.items():
            for cidr, token in named_inside(container_id, seen.routing) if seen.routing is not None else ():
                made._keep(cidr, token)
        return made

    def _read_routing(self, snapshot: Snapshot, routing: Routing) -> None:
        for cidr, token in named_subnets(snapshot, routing):
            self._keep(cidr, token)
        self.interfaces += named_interfaces(routing)

    def _keep(self, cidr: str, token: Hashable) -> None:
        """Keep a subnet, unless it holds every address."""
        subnet = ip_network(cidr)
        if subnet.prefixlen:
            bounds = subnet.version, int(subnet.network_address), int(subnet.broadcast_address)
            if bounds[1] == bounds[2]:
                self.exact[bounds].append(token)
            else:
                self.wide.append((bounds, token))

    def _read(self, ruleset: Ruleset, owners: Mapping[Name, Hashable], question: _Question) -> None:
        for table in ruleset.tables:
            for chain in table.chains.values():
                after = 0
                # The native rules of Docker have a chain for each bridge, with its name behind two underscores.
                called = owners.get(chain.name.rpartition("__")[2])
                for rule in chain.rules:
                    # Fewer rules make fewer classes: a rule for port 80 tells no containers apart in a matrix of pings.
                    if not question.concerns(chain, rule):
                        continue
                    named = {owners[name] for name in _names(rule) if name in owners} | ({called} if called else set())
                    self._read_sets((table.family, table.name, chain.name, after), rule)
                    if named:
                        for owner in _told_by(named):
                            self.said[owner].append(_Said(table, chain, rule, after))
                    else:
                        after += 1
                        self._read_general((table.family, table.name, chain.name, after), rule)

    def _read_general(self, place: Hashable, rule: Rule) -> None:
        """Keep the ranges and the interface names of a rule that names nothing of the engine."""
        for at, match in enumerate(rule.matches):
            token = (place, at)
            for bounds in _ranges(match):
                # fail2ban and kube-proxy write thousands of rules for single addresses, so these are found by a
                # dictionary; few ranges are left to compare one by one.
                if bounds[1] == bounds[2]:
                    self.exact[bounds].append(token)
                else:
                    self.wide.append((bounds, token))
            self.interfaces += [(word, token) for word in match.words if match.key in _INTERFACES]

    def _read_sets(self, place: Hashable, rule: Rule) -> None:
        """Keep the ranges of the sets of ipset that a rule names. Containers in the same entries are alike."""
        # All entries that differ by their address alone have one token. A set can have an entry for each container.
        for at, match in enumerate(rule.matches):
            for way in match.ways or ():
                for number, part in enumerate(way):
                    token = (place, at, number, part.key, way[1:])
                    for bounds in _ranges(part):
                        if bounds[1] == bounds[2]:
                            self.exact[bounds].append(token)
                        else:
                            self.wide.append((bounds, token))
                    self.interfaces += [(word, token) for word in part.words if part.key in _INTERFACES]

    def _owners(self, snapshot: Snapshot) -> dict[Name, Hashable]:
        """Map the names of things of the engine to their owners: a network's id, or an endpoint."""
        found: dict[Name, Hashable] = {name: owner for owner, names in self.names.items() for name, _ in names}
        for container in snapshot.containers:
            for endpoint in container.endpoints:
                found.update(dict.fromkeys(_held_by(endpoint), _owner_of(endpoint)))
        return found

    def of(self, attachment: Attachment) -> Hashable:
        """Return what the rules tell apart of a container."""
        own: dict[Name, Hashable] = {}
        owners: list[Hashable] = []
        for at, endpoint in enumerate(attachment.endpoints):
            # The position of a network in the container's own list stands for its name, so that containers of different
            # networks can be alike.
            owners += [_owner_of(endpoint), endpoint.network_id]
            own.update(dict.fromkeys(_held_by(endpoint), ("address", at)))
            own.update((name, ("network", at, kind)) for name, kind in self.names.get(endpoint.network_id, ()))
        return (
            frozenset(_normal(said, own) for owner in owners for said in self.said.get(owner, ())),
            frozenset(token for name, place in own.items() for token in self._held(name, place)),
        )

    def _held(self, name: Name, place: Hashable) -> Iterator[Hashable]:
        """Yield which general matches hold for an address or interface of the container."""
        if isinstance(name, str):
            yield from ((place, token) for word, token in self.interfaces if _fits(word, name))
        elif isinstance(name, tuple) and name[1] == name[2]:
            yield from ((place, token) for token in self.exact.get(name, ()))
            version, address, _ = name
            yield from (
                (place, token) for (v, low, high), token in self.wide if v == version and low <= address <= high
            )


@dataclass(frozen=True, slots=True)
class _Question:
    version: int
    protocol: Protocol
    port: int | None

    def concerns(self, chain: Chain, rule: Rule) -> bool:
        """Return whether a packet of the question, or its answer, may match the rule by its protocol and port."""
        for match in rule.matches:
            # A negated match says what the packet is not. It counts as if it concerned the question: that splits
            # classes at worst.
            if match.negated:
                continue
            if match.key == "protocol" and match.words:
                transport = self.protocol.transport
                if (transport or _ICMP[self.version]) not in match.words:
                    return False
            if match.key == "destination-port" and self.port is not None and not self._reaches(chain, match):
                return False
        return True

    def _reaches(self, chain: Chain, match: Match) -> bool:
        asked = any(low <= (self.port or 0) <= high for low, high in match.ranges)
        # An answer goes to the client's port. NAT chains do not see answers.
        return asked or (
            chain.kind != "nat" and any(low <= EPHEMERAL[1] and EPHEMERAL[0] <= high for low, high in match.ranges)
        )


def _owner_of(endpoint: Endpoint) -> Hashable:
    return endpoint.container_id, endpoint.network_id


def _told_by(named: set[Hashable]) -> Iterable[Hashable]:
    """Return the owners in whose signatures a rule belongs."""
    # A rule about one endpoint and its own network decides nothing about the network's other members.
    endpoints = [owner for owner in named if isinstance(owner, tuple)]
    if len(endpoints) == 1 and named <= {endpoints[0], endpoints[0][1]}:
        return endpoints
    return named


def _names_of(snapshot: Snapshot, network: Network) -> Iterator[tuple[Name, str]]:
    """Yield the names that rules have for a network: its bridge, its subnets, the host's addresses on it."""
    if network.bridge_name:
        yield network.bridge_name, "bridge"
    for pool in network.pools:
        subnet = subnet_of(pool)
        if subnet is not None:
            yield (subnet.version, int(subnet.network_address), int(subnet.broadcast_address)), "subnet"
    for version in (IPV4, IPV6):
        address = parsed(host_address_on(snapshot, network, version) or "")
        if address is not None:
            yield (version, int(address), int(address)), "host"


def _held_by(endpoint: Endpoint) -> Iterator[_Range]:
    for text in endpoint.addresses:
        address = parsed(text)
        if address is not None:
            yield address.version, int(address), int(address)


def _names(rule: Rule) -> Iterator[Name]:
    for match in rule.matches:
        yield from _ranges(match)
        if match.key in _INTERFACES:
            yield from match.words


def _ranges(match: Match) -> Iterator[_Range]:
    if match.key in _ADDRESSES:
        yield from ((match.version or IPV4, low, high) for low, high in match.ranges)


def _fits(word: str, name: str) -> bool:
    return name.startswith(word[:-1]) if word.endswith("*") else name == word


def _normal(said: _Said, own: Mapping[Name, Hashable]) -> Hashable:
    """Return the rule with the container's own things replaced by their positions."""
    return (
        (said.table.family, said.table.name, _chain(said.chain.name, own), said.after),
        tuple(
            (
                match.key,
                tuple(own.get(bounds, bounds) for bounds in _ranges(match)) or match.ranges,
                tuple(own.get(word, word) for word in match.words),
                (match.negated, match.mask, match.text),
            )
            for match in said.rule.matches
        ),
        tuple(
            (effect.kind, _chain(effect.chain, own), effect.port, effect.value, effect.mask)
            for effect in said.rule.effects
        ),
    )


def _chain(name: str, own: Mapping[Name, Hashable]) -> Hashable:
    before, _, last = name.rpartition("__")
    return (before, own[last]) if last in own else name
