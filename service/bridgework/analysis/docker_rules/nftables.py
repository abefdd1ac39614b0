"""The engine's rules in the nftables table ``docker-bridges`` (Docker 29), as nft prints them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bridgework.analysis.attachment import IPV4, IPV6, EngineState
from bridgework.analysis.docker_rules.expected import (
    FAMILY,
    ISOLATION,
    NETWORK,
    PORT,
    Dump,
    DuplicateRule,
    Expected,
    MissingRule,
)
from bridgework.analysis.docker_rules.published import Published
from bridgework.analysis.host_rules import NATIVE_TABLE
from bridgework.analysis.routing import gateway_mode, masquerades
from bridgework.firewall.ruleset import Rule, Table
from bridgework.model.snapshot import Network

# Docker writes a comment behind many rules, for people. It decides nothing, so it is not compared.
_COMMENT = re.compile(r' comment ".*"$')


class NativeRules(Dump):
    """The rules of the table ``docker-bridges``, as nft prints them."""

    def __init__(self, state: EngineState, version: int, table: Table) -> None:
        super().__init__(state, version)
        self._table = table
        self._texts = {
            name: tuple(_COMMENT.sub("", rule.text) for rule in chain.rules) for name, chain in table.chains.items()
        }

    @property
    def _where(self) -> str:
        return f"{FAMILY[self.version]} {NATIVE_TABLE}"

    def missing(self) -> Iterator[MissingRule]:
        """Yield what is expected and not there."""
        for network, bridge, subnet in self.networks():
            yield from self._missing_jumps(network, bridge)
            for expected in self._of_network(network, bridge, subnet):
                yield from self._unless_there(expected, network)
        for published in self.published():
            yield from self._of_port(published)
        yield from self._direct_access()

    def _unless_there(
        self, expected: Expected, network: Network | None, one: Published | None = None
    ) -> Iterator[MissingRule]:
        if expected.text in self._texts.get(expected.chain, ()):
            return
        chain = f"{self._where} {expected.chain}"
        # A chain without a hook needs no more than its name.
        made = () if expected.chain in self._texts else (f"nft add chain {chain}",)
        verb = "insert" if expected.first else "add"
        written = (*made, f"nft {verb} rule {chain} {expected.text}")
        container, port = (one.container, one.port) if one else (None, None)
        yield MissingRule(expected.cause, self.version, expected.text, written, network, container, port)

    def _missing_jumps(self, network: Network, bridge: str) -> Iterator[MissingRule]:
        # filter-FORWARD does not jump itself: it looks up the bridge in a map of verdicts, whose elements are the
        # jumps. The reader of nft's JSON makes one rule of each element (firewall/nft_json.py).
        for base, way in (("filter-FORWARD", "filter-forward-in"), ("filter-FORWARD", "filter-forward-out")):
            called = f"{way}__{bridge}"
            chain = self._table.chains.get(base)
            jumps = {effect.chain for rule in (chain.rules if chain else ()) for effect in rule.effects}
            if called not in jumps:
                element = f"{{ {bridge} : jump {called} }}"
                made = () if called in self._texts else (f"nft add chain {self._where} {called}",)
                command = f"nft add element {self._where} {way}-jumps {element}"
                yield MissingRule(NETWORK, self.version, f"{way}-jumps {element}", (*made, command), network)

    def _of_network(self, network: Network, bridge: str, subnet: str) -> Iterator[Expected]:
        inward, outward = f"filter-forward-in__{bridge}", f"filter-forward-out__{bridge}"
        # With icc off, Docker drops what goes from the bridge to itself, so that rule isolates. With icc on, it accepts
        # it.
        mode, verdict = gateway_mode(network, self.version), "accept" if network.inter_container_enabled else "drop"
        icc = NETWORK if network.inter_container_enabled else ISOLATION
        established = "ct state established,related accept"
        if network.internal:
            # An internal network has no rules for ports and no address translation: all that leaves or enters is
            # dropped.
            yield Expected(icc, "", inward, verdict)
            yield Expected(ISOLATION, "", inward, f"iifname != {bridge} drop", first=True)
            yield Expected(ISOLATION, "", outward, f"oifname != {bridge} drop", first=True)
        else:
            # The last rule of the chain decides about packets from outside for ports that are not published.
            last = (NETWORK, "accept") if mode == "nat-unprotected" else (ISOLATION, "drop")
            yield Expected(last[0], "", inward, last[1])
            yield Expected(NETWORK, "", outward, "accept")
            yield Expected(icc, "", inward, f"iifname {bridge} {verdict}", first=True)
            # In mode routed, others reach the containers by their addresses, so path MTU discovery and ping must work.
            if mode == "routed":
                icmp = "ip protocol icmp accept" if self.version == IPV4 else "meta l4proto ipv6-icmp accept"
                yield Expected(NETWORK, "", inward, icmp, first=True)
            if masquerades(network) and mode != "routed":
                source = network.options.get(f"com.docker.network.host_ipv{self.version}")
                target = f"snat to {source}" if source else "masquerade"
                text = f"oifname != {bridge} {FAMILY[self.version]} saddr {subnet} {target}"
                yield Expected(NETWORK, "", f"nat-postrouting-out__{bridge}", text)
        for chain in (inward, outward):
            # Answers pass before all else. The rule stands first because most packets belong to a known connection.
            yield Expected(NETWORK, "", chain, established, first=True)

    def _of_port(self, published: Published) -> Iterator[MissingRule]:
        one = self.home_of(published)
        family, protocol = FAMILY[self.version], one.port.protocol
        if one.host_port and self.translated(one) is None:
            text = self._translation(one)
            chain = f"{self._where} nat-prerouting-and-output"
            yield self.missing_translation(one, text, f"nft add rule {chain} {text}")
        if gateway_mode(one.network, self.version) != "nat-unprotected":
            # The packet already has the container's address and port here, because prerouting comes before forward.
            text = f"{family} daddr {one.address} {protocol} dport {one.port.container_port} accept"
            chain = f"filter-forward-in__{one.network.bridge_name}"
            yield from self._unless_there(Expected(PORT, "", chain, text, first=True), one.network, one)

    def _translation(self, one: Published) -> str:
        family = FAMILY[self.version]
        # With docker-proxy, a container reaches ports of its own bridge's containers by the proxy, not by DNAT.
        parts = [f"iifname != {one.network.bridge_name}"] if self.state.observations.userland_proxy is not False else []
        # A link-local source has no meaning behind the host, so docker-proxy serves such clients.
        parts += ["ip6 saddr != fe80::/10"] if self.version == IPV6 else []
        if one.port.host_ip not in {"", "0.0.0.0", "::"}:
            parts.append(f"{family} daddr {one.port.host_ip}")
        return " ".join([*parts, f"{one.port.protocol} dport {one.host_port} dnat to {self.target(one)}"])

    def _direct_access(self) -> Iterator[MissingRule]:
        raw = self._texts.get("raw-PREROUTING", ())
        family = FAMILY[self.version]
        guarded = [text for text in raw if text.startswith(f"{family} daddr") and text.endswith("drop")]
        for network, bridge, _ in self.networks():
            # Only networks of mode nat hide their containers' addresses. An internal one has its own drops in filter.
            if network.internal or gateway_mode(network, self.version) != "nat" or not guarded:
                continue
            for endpoint in self.snapshot.endpoints_of(network):
                address = endpoint.ipv4_address if self.version == IPV4 else endpoint.ipv6_address
                if endpoint.state == "active" and address:
                    text = f"{family} daddr {address} iifname != {bridge} drop"
                    yield from self._unless_there(Expected(ISOLATION, "", "raw-PREROUTING", text), network)
        for one in self.published() if raw else ():
            # A port on 127.0.0.1 is for the host alone, but DNAT would also take a neighbour's packet to that address.
            if one.port.host_ip.startswith("127."):
                to = f"iifname != lo ip daddr {one.port.host_ip} {one.port.protocol} dport {one.host_port} drop"
                yield from self._unless_there(Expected(ISOLATION, "", "raw-PREROUTING", to), one.network, one)

    def nat_rules(self) -> Iterator[Rule]:
        """Yield the rules of the chain that translates published ports."""
        chain = self._table.chains.get("nat-prerouting-and-output")
        yield from chain.rules if chain else ()

    def deletion(self, rule: Rule) -> str:
        """Return the command that deletes the rule of that chain."""
        return f"nft delete rule {self._where} nat-prerouting-and-output handle {rule.handle}"

    def duplicates(self) -> Iterator[DuplicateRule]:
        """Yield the rules that are there more than once."""
        for name, chain in self._table.chains.items():
            # A map of verdicts became several rules with one handle.
            handles: dict[str, dict[int, None]] = {}
            for rule in chain.rules:
                handles.setdefault(rule.text, {})[rule.handle or 0] = None
            for text, found in handles.items():
                if len(found) > 1:
                    extra = tuple(f"nft delete rule {self._where} {name} handle {handle}" for handle in list(found)[1:])
                    yield DuplicateRule(text, len(found), extra)
