"""The engine's rules as ``iptables-save`` prints them: Docker 26 and 27, and the chains of Docker 28 and later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from bridgework.analysis.attachment import IPV4, IPV6, EngineState
from bridgework.analysis.docker_rules.expected import (
    BITS,
    ISOLATION,
    NETWORK,
    PORT,
    PROGRAM,
    Dump,
    DuplicateRule,
    Expected,
    MissingRule,
)
from bridgework.analysis.docker_rules.published import Published
from bridgework.analysis.routing import gateway_mode, masquerades
from bridgework.firewall.iptables_save import read_rule
from bridgework.firewall.ruleset import Rule
from bridgework.model.observations import FirewallChain
from bridgework.model.snapshot import Container, Network, PublishedPort

_ESTABLISHED = "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
_ICMP = {4: "icmp", 6: "ipv6-icmp"}


class IptablesRules(Dump):
    """The rules as ``iptables-save`` prints them."""

    def __init__(self, state: EngineState, version: int, chains: tuple[FirewallChain, ...]) -> None:
        super().__init__(state, version)
        self._chains = {(chain.table, chain.name): chain for chain in chains}
        # "-A CHAIN " in front is the same for all rules of a chain.
        self._texts: Mapping[tuple[str, str], tuple[str, ...]] = {
            key: tuple(text.split(" ", 2)[2] if text.count(" ") > 1 else "" for *_, text in chain.rules)
            for key, chain in self._chains.items()
        }
        # Docker 28 moved its rules out of FORWARD into DOCKER-FORWARD, so that rules of others keep their place. The
        # chains that are there say which shape the engine writes.
        self._forward = "DOCKER-FORWARD" if ("filter", "DOCKER-FORWARD") in self._chains else "FORWARD"
        self._internal = "DOCKER-INTERNAL" if self._has_chain("DOCKER-INTERNAL") else "DOCKER-ISOLATION-STAGE-1"

    def _has_chain(self, name: str) -> bool:
        return ("filter", name) in self._chains

    @property
    def _is_new(self) -> bool:
        """Whether the engine has the chains of Docker 28 and later."""
        return self._forward != "FORWARD"

    @property
    def _has_stages(self) -> bool:
        return self._internal != "DOCKER-INTERNAL"

    def missing(self) -> Iterator[MissingRule]:
        """Yield what is expected and not there."""
        # Docker 28.0 keeps its bridges in an ipset; those rules are not known here.
        if any("--match-set docker-ext" in text for texts in self._texts.values() for text in texts):
            return
        for expected in self._jumps():
            yield from self._unless_there(expected)
        for network, bridge, subnet in self.networks():
            for expected in self._of_network(network, bridge, subnet):
                yield from self._unless_there(expected, network=network)
        for published in self.published():
            yield from self._of_port(published)
        yield from self._direct_access()

    def _unless_there(
        self,
        expected: Expected,
        *,
        network: Network | None = None,
        container: Container | None = None,
        port: PublishedPort | None = None,
    ) -> Iterator[MissingRule]:
        if expected.text not in self._texts.get((expected.table, expected.chain), ()):
            rule = f"-A {expected.chain} {expected.text}"
            yield MissingRule(expected.cause, self.version, rule, (self._writing(expected),), network, container, port)

    def _writing(self, expected: Expected) -> str:
        table = "" if expected.table == "filter" else f" -t {expected.table}"
        program = f"{PROGRAM[self.version]}{table}"
        if expected.first:
            return f"{program} -I {expected.chain} {expected.text}"
        if expected.chain != "FORWARD":
            return f"{program} -A {expected.chain} {expected.text}"
        # Behind Docker's own rules and before those of others, which may reject what is left.
        bridges = {network.bridge_name for network in self.snapshot.networks if network.bridge_name}
        texts = self._texts.get((expected.table, expected.chain), ())
        last = max(
            (at for at, text in enumerate(texts, 1) if bridges & set(text.split()) or "DOCKER" in text), default=0
        )
        return f"{program} -I FORWARD {last + 1} {expected.text}"

    def _jumps(self) -> Iterator[Expected]:
        stage = "-j DOCKER-INTERNAL" if not self._has_stages else "-j DOCKER-ISOLATION-STAGE-1"
        # Order matters only against rules of others, so each rule is expected somewhere in its chain. ``first`` decides
        # only where it is written again.
        yield Expected(ISOLATION, "filter", self._forward, stage, first=True)
        if self._is_new:
            yield Expected(NETWORK, "filter", "DOCKER-FORWARD", "-j DOCKER-CT", first=True)
            yield Expected(NETWORK, "filter", "DOCKER-FORWARD", "-j DOCKER-BRIDGE")
            yield Expected(NETWORK, "filter", "FORWARD", "-j DOCKER-FORWARD", first=True)
        yield Expected(NETWORK, "filter", "FORWARD", "-j DOCKER-USER", first=True)
        # OUTPUT calls the chain as well, but with or without the loopback, depending on docker-proxy.
        yield Expected(NETWORK, "nat", "PREROUTING", "-m addrtype --dst-type LOCAL -j DOCKER")

    def _of_network(self, network: Network, bridge: str, subnet: str) -> Iterator[Expected]:
        within = f"-i {bridge} -o {bridge} -j"
        if network.internal:
            yield from self._internal_rules(network, bridge, subnet, within)
            return
        mode = gateway_mode(network, self.version)
        yield from (
            self._new_rules(network, bridge, mode, within) if self._is_new else self._old_rules(network, bridge, within)
        )
        if self._has_stages:
            stages = "DOCKER-ISOLATION-STAGE-1", "DOCKER-ISOLATION-STAGE-2"
            yield Expected(ISOLATION, "filter", stages[1], f"-o {bridge} -j DROP", first=True)
            # Before Docker 28 the chain ends with a RETURN, later on it begins with the exceptions of routed networks.
            yield Expected(
                ISOLATION, "filter", stages[0], f"-i {bridge} ! -o {bridge} -j {stages[1]}", first=not self._is_new
            )
        if masquerades(network) and mode != "routed":
            # The option host_ipv4 fixes the address that others see. Otherwise the kernel takes that of the way out.
            source = network.options.get(f"com.docker.network.host_ipv{self.version}")
            target = f"SNAT --to-source {source}" if source else "MASQUERADE"
            yield Expected(NETWORK, "nat", "POSTROUTING", f"-s {subnet} ! -o {bridge} -j {target}", first=True)

    def _internal_rules(self, network: Network, bridge: str, subnet: str, within: str) -> Iterator[Expected]:
        # ip6tables names the bridge twice: link-local packets between the containers have addresses outside the subnet.
        to, of = ("", "") if self.version == IPV4 else (f"! -i {bridge} ", f" ! -o {bridge}")
        for text in (f"! -s {subnet} {to}-o {bridge} -j DROP", f"! -d {subnet} -i {bridge}{of} -j DROP"):
            yield Expected(ISOLATION, "filter", self._internal, text, first=True)
        yield self._icc(network, within)

    def _icc(self, network: Network, within: str) -> Expected:
        if network.inter_container_enabled:
            return Expected(NETWORK, "filter", self._forward, f"{within} ACCEPT")
        return Expected(ISOLATION, "filter", self._forward, f"{within} DROP")

    def _old_rules(self, network: Network, bridge: str, within: str) -> Iterator[Expected]:
        # Before Docker 28 each bridge has four rules in FORWARD: answers, published ports, the way out, and icc.
        yield Expected(NETWORK, "filter", "FORWARD", f"-o {bridge} {_ESTABLISHED}")
        yield Expected(NETWORK, "filter", "FORWARD", f"-o {bridge} -j DOCKER")
        yield Expected(NETWORK, "filter", "FORWARD", f"-i {bridge} ! -o {bridge} -j ACCEPT")
        yield self._icc(network, within)

    def _new_rules(self, network: Network, bridge: str, mode: str, within: str) -> Iterator[Expected]:
        yield Expected(NETWORK, "filter", "DOCKER-CT", f"-o {bridge} {_ESTABLISHED}")
        yield Expected(NETWORK, "filter", "DOCKER-BRIDGE", f"-o {bridge} -j DOCKER")
        if network.inter_container_enabled:
            yield Expected(NETWORK, "filter", "DOCKER-FORWARD", f"-i {bridge} -j ACCEPT")
        else:
            yield Expected(ISOLATION, "filter", "DOCKER-FORWARD", f"{within} DROP")
            yield Expected(NETWORK, "filter", "DOCKER-FORWARD", f"-i {bridge} ! -o {bridge} -j ACCEPT")
        # Since Docker 28 the chain DOCKER ends with a drop for each bridge. Before, the policy of FORWARD did that
        # work, and a host with policy ACCEPT let its neighbours in.
        others = f"! -i {bridge} -o {bridge} -j"
        if mode == "nat-unprotected":
            yield Expected(NETWORK, "filter", "DOCKER", f"{others} ACCEPT")
        else:
            yield Expected(ISOLATION, "filter", "DOCKER", f"{others} DROP")
        if mode == "routed":
            # As with nftables: a routed network must answer ping and get messages about the path MTU.
            icmp = f"-o {bridge} -p {_ICMP[self.version]} -j ACCEPT"
            yield Expected(NETWORK, "filter", "DOCKER", icmp, first=True)
            if self._has_stages:
                stage = "DOCKER-ISOLATION-STAGE-1"
                yield Expected(NETWORK, "filter", stage, f"-o {bridge} -j RETURN", first=True)
                yield Expected(NETWORK, "filter", stage, f"-i {bridge} {_ESTABLISHED}", first=True)

    def _of_port(self, published: Published) -> Iterator[MissingRule]:
        one = self.home_of(published)
        bridge, protocol = one.network.bridge_name, one.port.protocol
        if one.host_port and self.translated(one) is None:
            text = self._translation(one)
            yield self.missing_translation(one, f"-A DOCKER {text}", f"{PROGRAM[self.version]} -t nat -A DOCKER {text}")
        if gateway_mode(one.network, self.version) != "nat-unprotected":
            # iptables-save prints the match of the protocol twice, as an option and as a module.
            to = f"-d {one.address}/{BITS[self.version]} ! -i {bridge} -o {bridge} -p {protocol} -m {protocol}"
            text = f"{to} --dport {one.port.container_port} -j ACCEPT"
            accept = Expected(PORT, "filter", "DOCKER", text, first=True)
            yield from self._unless_there(accept, network=one.network, container=one.container, port=one.port)

    def _translation(self, one: Published) -> str:
        protocol = one.port.protocol
        # The rules before Docker 28 have no such exception.
        parts = ["! -s fe80::/10"] if self.version == IPV6 and self._is_new else []
        if one.port.host_ip not in {"", "0.0.0.0", "::"}:
            parts.append(f"-d {one.port.host_ip}/{BITS[self.version]}")
        # Without docker-proxy the rules also translate what comes from the port's own bridge.
        if self.state.observations.userland_proxy is not False:
            parts.append(f"! -i {one.network.bridge_name}")
        to = self.target(one)
        parts.append(f"-p {protocol} -m {protocol} --dport {one.host_port} -j DNAT --to-destination {to}")
        return " ".join(parts)

    def _direct_access(self) -> Iterator[MissingRule]:
        """Yield the drops of the table raw that protect addresses and loopback ports, where the engine writes such."""
        raw = self._texts.get(("raw", "PREROUTING"), ())
        # The option allow-direct-routing, and an environment variable of the daemon, leave out all of them. So one is
        # missing only where others are there.
        if not self._is_new or not any(" ! -i " in f" {text}" and text.endswith("-j DROP") for text in raw):
            return
        guarded = [text for text in raw if "--dport" not in text]
        for network, bridge, _ in self.networks():
            if network.internal or gateway_mode(network, self.version) != "nat" or not guarded:
                continue
            for endpoint in self.snapshot.endpoints_of(network):
                address = endpoint.ipv4_address if self.version == IPV4 else endpoint.ipv6_address
                if endpoint.state == "active" and address:
                    text = f"-d {address}/{BITS[self.version]} ! -i {bridge} -j DROP"
                    yield from self._unless_there(Expected(ISOLATION, "raw", "PREROUTING", text), network=network)
        for one in self.published():
            if one.port.host_ip.startswith("127."):
                protocol = one.port.protocol
                text = f"-d {one.port.host_ip}/32 ! -i lo -p {protocol} -m {protocol} --dport {one.host_port} -j DROP"
                expected = Expected(ISOLATION, "raw", "PREROUTING", text)
                yield from self._unless_there(expected, network=one.network, container=one.container, port=one.port)

    def nat_rules(self) -> Iterator[Rule]:
        """Yield the rules of the chain that translates published ports."""
        chain = self._chains.get(("nat", "DOCKER"))
        for packets, _, text in chain.rules if chain else ():
            if "-j DNAT" in text:
                yield read_rule(text, packets)

    def deletion(self, rule: Rule) -> str:
        """Return the command that deletes the rule of that chain."""
        return f"{PROGRAM[self.version]} -t nat -D {rule.text.split(' ', 1)[1]}"

    def duplicates(self) -> Iterator[DuplicateRule]:
        """Yield the rules that are there more than once."""
        bridges = {network.bridge_name for network in self.snapshot.networks if network.bridge_name}
        for (table, name), texts in self._texts.items():
            # This chain belongs to the user, and Docker writes at most its RETURN.
            if name == "DOCKER-USER":
                continue
            # In chains that Docker shares with others, a rule counts as Docker's if it names one of its chains or
            # bridges.
            own = name.startswith("DOCKER")
            for text, copies in Counter(texts).items():
                if copies > 1 and (own or "-j DOCKER" in text or bridges & set(text.split())):
                    option = "" if table == "filter" else f" -t {table}"
                    command = f"{PROGRAM[self.version]}{option} -D {name} {text}"
                    yield DuplicateRule(f"-A {name} {text}", copies, (command,) * (copies - 1))
