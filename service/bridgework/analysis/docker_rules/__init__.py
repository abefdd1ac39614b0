"""The engine's firewall rules on the host: which are lost, which are out of date, and which are there twice.

The rules that the engine writes (``firewall/docker``) are compared with those that were read. Only what the snapshot
decides is expected: no rule that depends on a setting of the daemon which its API and its other rules do not show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from ipaddress import ip_address

from bridgework.analysis.attachment import IPV4, IPV6, EngineState
from bridgework.analysis.docker_rules.published import Published
from bridgework.analysis.docker_rules.written import written_rules
from bridgework.analysis.host_rules import NATIVE_TABLE, ruleset_of_host
from bridgework.analysis.routing import OVERLAY_GATEWAY, subnet_of
from bridgework.explanations.explanation import Explanation
from bridgework.explanations.firewall import ISOLATION_RULE_MISSING, NETWORK_RULE_MISSING, PORT_RULE_MISSING
from bridgework.firewall.docker.chains import PROXY
from bridgework.firewall.docker.leftover import (
    DuplicateRule,
    Translation,
    duplicates_of_iptables,
    duplicates_of_nftables,
    translations_of_iptables,
    translations_of_nftables,
)
from bridgework.firewall.docker.lost import Key, LostRule, commands_for, lost_of_iptables, lost_of_nftables
from bridgework.firewall.docker.native_table import FAMILY, NativeRules
from bridgework.firewall.docker.values import Port
from bridgework.firewall.ruleset import Table
from bridgework.model.snapshot import Container, Network

PORT, NETWORK, ISOLATION = PORT_RULE_MISSING, NETWORK_RULE_MISSING, ISOLATION_RULE_MISSING
_ISOLATES = ("-j DOCKER-ISOLATION-STAGE-1", "-j DOCKER-ISOLATION-STAGE-2", "-j DOCKER-INTERNAL")


@dataclass(frozen=True, slots=True)
class MissingRule:
    """A rule of the engine's that is not on the host, with the network and the port for which it is written."""

    lost: LostRule
    network: Network | None = None
    container: Container | None = None

    @property
    def rule(self) -> str:
        """The text of the rule."""
        return self.lost.rule.text

    @property
    def version(self) -> int:
        """The IP version, 4 or 6."""
        return self.lost.version

    @property
    def port(self) -> Port | None:
        """The published port that the rule is about."""
        return self.lost.rule.because.port

    @property
    def option(self) -> str:
        """The option that causes the rule."""
        return self.lost.rule.because.option

    @property
    def cause(self) -> Explanation:
        """The finding about the lost rule."""
        if "drop" in self.lost.effects or self.rule.endswith(_ISOLATES):
            return ISOLATION
        return PORT if self.port is not None else NETWORK

    def does(self, effect: str) -> bool:
        """Return whether the rule has the effect, such as ``accept`` or ``dnat``."""
        return effect in self.lost.effects

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands that write this rule again, and no other."""
        return commands_for([self.lost])


@dataclass(frozen=True, slots=True)
class StaleRule:
    """A rule that sends a port of the host to an address at which no container publishes it."""

    translation: Translation
    holder: str | None


class _Dump:
    """The engine's rules of one IP version as they were read: ``chains`` with iptables, ``table`` with nftables."""

    def __init__(
        self, state: EngineState, version: int, chains: Mapping[Key, Sequence[str]], table: Table | None
    ) -> None:
        self.state, self.version, self.chains, self.table = state, version, chains, table

    def lost(self) -> Iterator[LostRule]:
        """Yield the rules that the engine writes and that were not read."""
        written = written_rules(self.state, self.version, home_of=self._home_of)
        lost: Iterator[LostRule] = iter(())
        if isinstance(written, NativeRules):
            lost = lost_of_nftables(written, self.table) if self.table is not None else lost
        elif written is not None:
            lost = lost_of_iptables(written, self.chains)
        for one in lost:
            because = one.rule.because
            translated = "dnat" in one.effects and because.port is not None and self._translates(because.port)
            if not translated and (because.option != PROXY or self._shows_proxy):
                yield one

    def _translates(self, port: Port) -> bool:
        """Return whether the port is translated, by whatever text."""
        return any(
            (one.protocol, one.host_port, one.address) == (port.protocol, port.host_port, port.address)
            for one in self.translations
        )

    @property
    def _shows_proxy(self) -> bool:
        """Whether it is known, and no rule contradicts, that docker-proxy serves the ports, or does not."""
        observed = self.state.observations.userland_proxy
        # With the proxy, no translation holds for packets of the port's own bridge.
        return observed is not None and all(one.spares_its_bridge is observed for one in self.translations)

    def _home_of(self, one: Published) -> Published:
        """Return the port with the endpoint to which it is translated, where that is another than the default's."""
        # The engine moves a port when the default route of its container moves, and not at once.
        own = {address for endpoint in one.container.endpoints for address in endpoint.addresses}
        key = (one.port.protocol, one.host_port)
        address = next(
            (t.address for t in self.translations if (t.protocol, t.host_port) == key and t.address in own), None
        )
        for endpoint in one.container.endpoints if address not in {None, one.address} else ():
            network = self.state.snapshot.networks_by_id.get(endpoint.network_id)
            if address is not None and address in endpoint.addresses and network is not None and network.bridge_name:
                return replace(one, endpoint=endpoint, network=network, address=address)
        return one

    @cached_property
    def translations(self) -> tuple[Translation, ...]:
        """The translations of published ports."""
        if self.table is not None:
            return tuple(translations_of_nftables(self.version, self.table))
        return tuple(translations_of_iptables(self.version, self.chains))

    def duplicates(self) -> Iterator[DuplicateRule]:
        """Yield the rules that are there more than once."""
        if self.table is not None:
            return duplicates_of_nftables(self.version, self.table)
        bridges = (network.bridge_name for network in self.state.snapshot.networks if network.bridge_name)
        return duplicates_of_iptables(self.version, self.chains, bridges)


def missing_rules(state: EngineState) -> Iterator[MissingRule]:
    """Yield the engine's rules that are not on the host; nothing where its rules were not seen or never written."""
    for dump in _dumps(state):
        for lost in dump.lost():
            yield _missing(state, lost)


def flushed_rules(state: EngineState) -> tuple[MissingRule, ...]:
    """Return the rules for IPv4 that are not on the host of an engine whose rules were flushed."""
    written = EngineState(state.snapshot, replace(state.observations, ipv4_firewall=True))
    dump = next(_dumps_of(written, IPV4), None)
    if dump is None:
        dump = _Dump(written, IPV4, {}, Table(FAMILY[IPV4], NATIVE_TABLE, {}) if state.observations.nftables else None)
    return tuple(_missing(state, lost) for lost in dump.lost())


def _missing(state: EngineState, lost: LostRule) -> MissingRule:
    because = lost.rule.because
    networks = (one for one in state.snapshot.networks if one.bridge_name and one.bridge_name == because.bridge)
    holders = state.snapshot.holders_by_address.get(because.port.address, ()) if because.port is not None else ()
    network = next(networks, None)
    holder = next((one for one in holders if network is not None and one.network_id == network.id), None)
    return MissingRule(lost, network, state.snapshot.containers_by_id.get(holder.container_id) if holder else None)


def stale_rules(state: EngineState) -> Iterator[StaleRule]:
    """Yield the translations to addresses at which no container publishes the port."""
    # Any address of the container counts: the engine moves a port when the container's default route moves, and for a
    # moment the snapshot and the rules can name different networks.
    publishers = {
        (port.protocol, port.host_port, address)
        for container in state.snapshot.containers
        for port in container.published_ports
        for endpoint in container.endpoints
        for address in endpoint.addresses
    }
    for dump in _dumps(state):
        for one in dump.translations:
            if (one.protocol, one.host_port, one.address) not in publishers and _is_in_a_bridge(state, one.address):
                # Another container may have the address by now. It then gets the traffic of the one that left.
                holders = state.snapshot.holders_by_address.get(one.address, ())
                yield StaleRule(one, holders[0].container_name if holders else None)


def _is_in_a_bridge(state: EngineState, address: str) -> bool:
    # Ports of overlay networks are translated to addresses on docker_gwbridge, whose endpoints are not listed.
    own = ip_address(address)
    return any(
        network.bridge_name and network.name != OVERLAY_GATEWAY and (net := subnet_of(pool)) and own in net
        for network in state.snapshot.networks
        for pool in network.pools
    )


def duplicate_rules(state: EngineState) -> Iterator[DuplicateRule]:
    """Yield the engine's rules of which there is more than one copy."""
    for dump in _dumps(state):
        yield from dump.duplicates()


def _dumps(state: EngineState) -> Iterator[_Dump]:
    observations = state.observations
    for version in (IPV4, IPV6):
        # Rules that were never written, or all lost, are another finding (firewall-rules-missing).
        if (observations.ipv4_firewall if version == IPV4 else observations.ipv6_firewall) is True:
            for dump in _dumps_of(state, version):
                if dump.table is not None or ("filter", "DOCKER") in dump.chains:
                    yield dump


def _dumps_of(state: EngineState, version: int) -> Iterator[_Dump]:
    rules = state.observations.firewall
    if rules is None:
        return
    if state.observations.nftables:
        ruleset = ruleset_of_host(rules, version)
        for table in ruleset.tables if ruleset else ():
            if (table.family, table.name) == (FAMILY[version], NATIVE_TABLE):
                yield _Dump(state, version, {}, table)
    elif (chains := rules.chains_of(version)) is not None:
        yield _Dump(state, version, {(c.table, c.name): [text for *_, text in c.rules] for c in chains}, None)
