"""What is expected of the engine's rules, and what both kinds of dumps have in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address

from bridgework.analysis.attachment import IPV4, EngineState
from bridgework.analysis.docker_rules.published import Published, bridge_networks, published_ports
from bridgework.analysis.routing import OVERLAY_GATEWAY, subnet_of
from bridgework.explanations.explanation import Explanation
from bridgework.explanations.firewall import ISOLATION_RULE_MISSING, NETWORK_RULE_MISSING, PORT_RULE_MISSING
from bridgework.firewall.ruleset import Rule
from bridgework.model.snapshot import Container, Network, PublishedPort, Snapshot

PORT, NETWORK, ISOLATION = PORT_RULE_MISSING, NETWORK_RULE_MISSING, ISOLATION_RULE_MISSING
PROGRAM, BITS, FAMILY = {4: "iptables", 6: "ip6tables"}, {4: 32, 6: 128}, {4: "ip", 6: "ip6"}


@dataclass(frozen=True, slots=True)
class MissingRule:
    """A rule of the engine's that is not on the host. ``commands`` write it again, ``rule`` is its text there.

    ``translates``: it is the rule that gives packets for a published port the container's address.
    """

    cause: Explanation
    version: int
    rule: str
    commands: tuple[str, ...]
    network: Network | None = None
    container: Container | None = None
    port: PublishedPort | None = None
    translates: bool = False


@dataclass(frozen=True, slots=True)
class StaleRule:
    """A rule that sends a port of the host to an address at which no container publishes it."""

    rule: str
    command: str
    protocol: str
    host_port: int
    address: str
    holder: str | None


@dataclass(frozen=True, slots=True)
class DuplicateRule:
    """A rule of the engine's that is there more than once; ``commands`` remove all but one."""

    rule: str
    copies: int
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """One rule as the dump prints it. ``first``: it belongs before the others of its chain."""

    cause: Explanation
    table: str
    chain: str
    text: str
    first: bool = False


@dataclass(frozen=True, slots=True)
class Translation:
    """A DNAT rule of the engine's; ``host_address`` is ``None`` where it holds for every address of the host."""

    rule: Rule
    protocol: str
    host_port: int
    address: str
    port: int | None


class Dump:
    """The engine's rules of one family on the host."""

    def __init__(self, state: EngineState, version: int) -> None:
        self.state, self.version = state, version

    @property
    def snapshot(self) -> Snapshot:
        """The engine's snapshot."""
        return self.state.snapshot

    def missing(self) -> Iterator[MissingRule]:
        """Yield what is expected and not there."""
        raise NotImplementedError

    def stale(self) -> Iterator[StaleRule]:
        """Yield the translations that lead to an address at which no container publishes the port."""
        # Any address of the container counts: the engine moves a port when the container's default route moves, and for
        # a moment the snapshot and the rules can name different networks.
        publishers = {
            (port.protocol, port.host_port, address)
            for container in self.snapshot.containers
            for port in container.published_ports
            for endpoint in container.endpoints
            for address in endpoint.addresses
        }
        for one in self.translations:
            key = (one.protocol, one.host_port, one.address)
            if key not in publishers and self._is_in_a_bridge(one.address):
                # Another container may have the address by now. It then gets the traffic of the one that left.
                holders = self.snapshot.holders_by_address.get(one.address, ())
                holder = holders[0].container_name if holders else None
                command = self.deletion(one.rule)
                yield StaleRule(one.rule.text, command, one.protocol, one.host_port, one.address, holder)

    def _is_in_a_bridge(self, address: str) -> bool:
        # Ports of overlay networks are translated to addresses on docker_gwbridge, whose endpoints are not listed.
        own = ip_address(address)
        return any(
            network.bridge_name and network.name != OVERLAY_GATEWAY and (net := subnet_of(pool)) and own in net
            for network in self.snapshot.networks
            for pool in network.pools
        )

    def duplicates(self) -> Iterator[DuplicateRule]:
        """Yield the rules of the engine that are there more than once."""
        raise NotImplementedError

    @cached_property
    def translations(self) -> tuple[Translation, ...]:
        """The DNAT rules of the engine."""
        return tuple(_translations(self.nat_rules()))

    def nat_rules(self) -> Iterator[Rule]:
        """Yield the rules of the engine's chain that translates published ports."""
        raise NotImplementedError

    def deletion(self, rule: Rule) -> str:
        """Return the command that deletes the rule of that chain."""
        raise NotImplementedError

    def target(self, one: Published) -> str:
        """Return the container's end of a translation, as both programs print it."""
        address = one.address if self.version == IPV4 else f"[{one.address}]"
        return f"{address}:{one.port.container_port}"

    def networks(self) -> Iterator[tuple[Network, str, str]]:
        """Yield each bridge network of the family with the name of its bridge and its subnet."""
        return bridge_networks(self.state, self.version)

    def published(self) -> Iterator[Published]:
        """Yield the published ports that the engine translates or accepts by rules of this family."""
        return (one for one in published_ports(self.state, self.version) if one.certain)

    def translated(self, one: Published) -> Translation | None:
        """Return the rule that translates the port to any address of the container."""
        # The translation may lead to another endpoint than the default one: home_of() finds out to which.
        own = {address for endpoint in one.container.endpoints for address in endpoint.addresses}
        for found in self.translations:
            if (found.protocol, found.host_port) == (one.port.protocol, one.host_port) and found.address in own:
                return found
        return None

    def home_of(self, one: Published) -> Published:
        """Return the port with the endpoint to which it is translated, where that is another than the default's."""
        found = self.translated(one)
        if found is None or found.address == one.address:
            return one
        for endpoint in one.container.endpoints:
            network = self.snapshot.networks_by_id.get(endpoint.network_id)
            if found.address in endpoint.addresses and network is not None and network.bridge_name:
                return Published(one.container, one.port, one.host_port, endpoint, network, found.address)
        return one

    def missing_translation(self, one: Published, text: str, command: str) -> MissingRule:
        """Return the finding's rule for a port that nothing translates."""
        return MissingRule(PORT, self.version, text, (command,), one.network, one.container, one.port, translates=True)


def _translations(rules: Iterator[Rule]) -> Iterator[Translation]:
    for rule in rules:
        effect = next((effect for effect in rule.effects if effect.kind == "dnat" and effect.address), None)
        named = {match.key: match for match in rule.matches}
        ports, protocol = named.get("destination-port"), named.get("protocol")
        # A rule without a port or protocol is not one of the engine's: each of those translates one port.
        if effect is not None and effect.address and ports and ports.ranges and protocol and protocol.words:
            yield Translation(rule, protocol.words[0], ports.ranges[0][0], effect.address, effect.port)
