"""Which rule of the host's firewall stops the packet or its answer: the rules in force, simulated.

The packet is led through all tables of iptables and nftables as the kernel leads it (``firewall.simulate``), where the
host's rules were seen. Docker's own rules are explained by the other rules of analysis, which know the option behind
them; one of Docker's is named here only when none of the others has found why the packet stops.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from bridgework.analysis.attachment import IPV4, parsed, version_of
from bridgework.analysis.routing import Candidate, Way, subnet_of
from bridgework.analysis.rules.base import HOST, Findings, Situation, finding, unseen
from bridgework.firewall import simulate
from bridgework.firewall.iptables_save import ruleset_of
from bridgework.firewall.nft_json import tables_of
from bridgework.firewall.ruleset import Hook, Match, Packet, Ruleset, Table
from bridgework.firewall.simulate import Outcome, Route, Step
from bridgework.model.checks import Finding
from bridgework.model.errors import Remedy, quoted
from bridgework.model.observations import FirewallChain, HostObservation, Observations
from bridgework.model.snapshot import Snapshot

_BRIDGE_FILTER = {4: "net.bridge.bridge-nf-call-iptables", 6: "net.bridge.bridge-nf-call-ip6tables"}
_PROGRAM = {4: "iptables", 6: "ip6tables"}
_IPTABLES_TABLES = frozenset({"filter", "nat", "mangle", "raw", "security"})
_STOPPED = frozenset({simulate.DROPPED, simulate.REJECTED})
_DOCKER, _NATIVE_TABLE, _USER_CHAIN = "Docker", "docker-bridges", "DOCKER-USER"
_OWNERS = (
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
)
"""How the chains or tables begin that other programs write."""


def foreign_rule_drops(situation: Situation) -> Findings:
    """Find a rule of another program that drops the packet or its answer, or that is not understood."""
    outcome = outcome_of(situation)
    step = outcome.step if outcome is not None else None
    if outcome is None or step is None or owner_of(situation.snapshot, step) == _DOCKER:
        return
    if outcome.verdict in _STOPPED:
        yield _dropped(situation, step)
    elif outcome.verdict == simulate.UNKNOWN and step.rule is not None:
        message = f"The service does not understand the rule {quoted(step.rule.text)} of {step.place.chain.name}."
        yield unseen(HOST, message, rule=step.rule.text, chain=step.place.chain.name, table=step.place.table.name)


def docker_rule_drops(situation: Situation) -> Findings:
    """Find a rule of Docker's own that drops the packet, where no other finding explains it."""
    outcome = outcome_of(situation)
    step = outcome.step if outcome is not None else None
    if outcome is None or step is None or outcome.verdict not in _STOPPED:
        return
    if owner_of(situation.snapshot, step) == _DOCKER:
        text = step.rule.text if step.rule is not None else f"the policy of {step.place.chain.name}"
        message = f"Docker's own rules drop the packet ({step.place.table.name}, {step.place.chain.name}): {text}."
        remedy = Remedy(
            "Delete the rule, or restart the engine, which writes its rules again.", commands=_deletion(step)
        )
        yield finding("docker-rule-drops", HOST, message, remedy=remedy, evidence=_evidence(step))


def outcome_of(situation: Situation) -> Outcome | None:
    """Return where the packet ends in the host's firewall; ``None`` where no rules were observed or none apply."""
    candidate, host = situation.candidate, situation.observations.host
    if candidate is None or host is None or candidate.way not in {Way.DIRECT, Way.FORWARDED}:
        return None
    if candidate.network is not None and candidate.network.driver != "bridge" and candidate.way is Way.DIRECT:
        return None  # macvlan, ipvlan and overlay networks do not pass the host's bridges
    ruleset = _ruleset(host, candidate.version)
    if ruleset is None:
        return None
    return _walked(situation, candidate, ruleset, _Routes(situation.snapshot, situation.observations, candidate))


def _walked(situation: Situation, candidate: Candidate, ruleset: Ruleset, routes: _Routes) -> Outcome | None:
    packet = _packet(situation, candidate)
    within = candidate.way is Way.DIRECT and not candidate.is_host and not situation.source.is_host
    # A packet within one bridge is switched, not routed. It meets no IP rule, unless br_netfilter shows it to them.
    if within and not routes.filters_bridged(candidate.version):
        return None
    if situation.source.is_host:
        first = simulate.output(ruleset, routes, packet)
    elif within:
        return simulate.bridged(ruleset, routes, packet)
    else:
        first = simulate.forward(ruleset, routes, packet)
    # Without the source's address the answer's way is not known.
    if first.verdict != simulate.ACCEPTED or packet.source is None:
        return first
    return simulate.reply(ruleset, routes, first, packet)


def _packet(situation: Situation, candidate: Candidate) -> Packet:
    bridge = candidate.exit.bridge_name if candidate.exit else None
    direct = candidate.way is Way.DIRECT and not candidate.is_host
    endpoint = next(
        (e for e in situation.source.endpoints if candidate.exit is None or e.network_id == candidate.exit.id), None
    )
    source = None if endpoint is None else endpoint.ipv4_address if candidate.version == IPV4 else endpoint.ipv6_address
    return Packet(
        candidate.version,
        situation.transport or ("icmp" if candidate.version == IPV4 else "ipv6-icmp"),
        source if source and parsed(source) else None,  # the engine keeps what another client wrote
        candidate.address,
        destination_port=situation.port if situation.transport else None,
        incoming=None if situation.source.is_host else bridge,
        outgoing=bridge if direct else None,
        # The names of the two veths are not needed: no rule that we know of compares them, only that there are ports.
        bridge_ports=(f"port of {bridge}", f"port of {bridge}") if direct and bridge else (None, None),
    )


def _ruleset(host: HostObservation, version: int) -> Ruleset | None:
    chains = host.chains if version == IPV4 else host.ipv6_chains
    if chains is None and not host.native_rules:
        return None
    try:
        return _read(chains or (), host.native_rules or "", version)
    except (KeyError, TypeError, ValueError):
        # nft printed a form that its document does not describe. Half of the rules would prove nothing.
        return None


@lru_cache(maxsize=4)
def _read(chains: tuple[FirewallChain, ...], native: str, version: int) -> Ruleset:
    """Kept: one check asks several times."""
    return Ruleset((*ruleset_of(chains, version), *_native(native)))


def _native(text: str) -> Iterable[Table]:
    return tables_of(text) if text else ()


class _Routes:
    """The host's routing as far as it was seen, and the networks that the engine has."""

    def __init__(self, snapshot: Snapshot, observations: Observations, candidate: Candidate) -> None:
        self._snapshot = snapshot
        self._host = observations.host
        self._candidate = candidate

    def is_local(self, address: str) -> bool:
        own = parsed(address)
        if own is None or own.is_loopback or (self._candidate.is_host and address == self._candidate.address):
            return True
        interfaces = (self._host.observation.interfaces if self._host else None) or ()
        return any(one.address == address for interface in interfaces for one in interface.addresses)

    def route(self, packet: Packet) -> Route | None:
        """Return the route to the host itself, to a network of the engine, or of the host's routing table."""
        if self.is_local(packet.destination):
            return Route(None, packet.destination)
        # The engine's networks come before the routing table: an observation can be older than a new bridge.
        for network in self._snapshot.networks:
            if network.bridge_name and any(_holds(subnet_of(pool), packet.destination) for pool in network.pools):
                return Route(network.bridge_name, self._address_on(network.bridge_name, packet.version))
        routes = (self._host.observation.routes if self._host else None) or ()
        subnets = [(_subnet(route.destination), route.interface) for route in routes]
        fitting = [(net.prefixlen, name or "") for net, name in subnets if net and _holds(net, packet.destination)]
        _, interface = max(fitting, default=(0, None))
        return Route(interface or "", self._address_on(interface, packet.version))

    def _address_on(self, name: str | None, version: int) -> str | None:
        interfaces = (self._host.observation.interfaces if self._host else None) or ()
        own = (a.address for i in interfaces if i.name == name for a in i.addresses if a.scope == "global")
        return next((address for address in own if version_of(address) == version), None)

    def filters_bridged(self, version: int) -> bool:
        """Whether br_netfilter shows packets within a bridge to the rules; yes where that was not seen."""
        settings = dict(self._host.observation.sysctls) if self._host is not None else {}
        return not settings or settings.get(_BRIDGE_FILTER[version]) == "1"


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


def owner_of(snapshot: Snapshot, step: Step) -> str | None:
    """Return the program that wrote the rule, by the names of chain and table; ``None`` if they do not show it."""
    table, chain = step.place.table.name, step.place.chain.name
    if table == _NATIVE_TABLE or (chain.startswith("DOCKER") and chain != _USER_CHAIN):
        return _DOCKER
    if step.rule is not None and _is_written_by_docker(snapshot, step):
        return _DOCKER
    return next((owner for prefix, owner in _OWNERS if chain.startswith(prefix) or table.startswith(prefix)), None)


def _is_written_by_docker(snapshot: Snapshot, step: Step) -> bool:
    """Docker's rules in built-in chains: within one bridge in FORWARD, and for containers' addresses in raw."""
    matches = step.rule.matches if step.rule is not None else ()
    named = {match.key: match for match in matches}
    bridges = {network.bridge_name for network in snapshot.networks if network.bridge_name}
    incoming, outgoing = named.get("incoming"), named.get("outgoing")
    # `-i br-1 -o br-1` is how Docker 26 and 28 allow or forbid traffic within one bridge (inter-container).
    if step.place.chain.name == "FORWARD":
        return incoming is not None and outgoing is not None and incoming.words == outgoing.words
    # `-d 172.18.0.2 ! -i br-1 -j DROP` keeps others from a container's own address (Docker 28 and later).
    in_raw = step.place.table.name == "raw" and step.place.hook is Hook.PREROUTING
    return in_raw and _is_spared(incoming, bridges) and "destination" in named


def _is_spared(incoming: Match | None, bridges: set[str]) -> bool:
    return incoming is not None and incoming.negated and set(incoming.words) <= {*bridges, "lo"}


def _dropped(situation: Situation, step: Step) -> Finding:
    owner = owner_of(situation.snapshot, step)
    whose = f" ({owner})" if owner else ""
    chain, table = step.place.chain.name, step.place.table
    if step.rule is None:
        return _dropped_by_policy(situation, step)
    remedy = Remedy("Remove or narrow the rule.", commands=_deletion(step))
    message = f"{chain}{whose} drops: {step.rule.text} ({step.rule.packets} packets so far)."
    if table.name != "filter":
        message = f"{table.name} {message}"
    return finding("user-firewall-drop", HOST, message, remedy=remedy, evidence=_evidence(step, owner))


def _deletion(step: Step) -> tuple[str, ...]:
    rule, place = step.rule, step.place
    if rule is None:
        return (f"{_PROGRAM[step.before.version]} -P {place.chain.name} ACCEPT",)
    # A rule of nftables has a handle and can be deleted by it; one of iptables is deleted by its own text.
    if rule.handle is not None:
        return (f"nft delete rule {place.table.family} {place.table.name} {place.chain.name} handle {rule.handle}",)
    deletion = rule.text.split(" ", 1)[1] if rule.text.startswith("-A ") else f"{place.chain.name} {rule.text}"
    program = _PROGRAM[step.before.version]
    table = "" if place.table.name == "filter" else f" -t {place.table.name}"
    return (f"{program}{table} -D {deletion}",)


def _evidence(step: Step, owner: str | None = None) -> dict[str, object]:
    found: dict[str, object] = {"table": step.place.table.name, "chain": step.place.chain.name}
    if step.rule is None:
        return {**found, "policy": "DROP"}
    found |= {"rule": step.rule.text, "packets": step.rule.packets}
    more = {"handle": step.rule.handle, "owner": owner}
    return {**found, **{name: value for name, value in more.items() if value is not None}}


def _dropped_by_policy(situation: Situation, step: Step) -> Finding:
    """Make the finding for a packet that no rule matches and that the policy of the chain drops."""
    chain, bridge = step.place.chain.name, step.before.incoming
    what = f"{situation.transport} port {situation.port}" if situation.transport else "a ping"
    remedy = Remedy(
        "Accept the packets of containers with this command, or with the firewall's own program (ufw allow …).",
        commands=(_acceptance(situation, step),),
    )
    origin = f" from {bridge}" if bridge else ""
    message = f"{chain} drops {what}{origin}: its policy is DROP, and none of its rules accepts the packet."
    return finding("user-firewall-drop", HOST, message, remedy=remedy, evidence=_evidence(step))


def _acceptance(situation: Situation, step: Step) -> str:
    """Return the command that accepts the packet, in the language of the table that drops it."""
    place, bridge = step.place, step.before.incoming
    transport, port = situation.transport, situation.port
    if place.table.name not in _IPTABLES_TABLES:
        matches = [f'iifname "{bridge}"'] if bridge else []
        matches += [f"{transport} dport {port}"] if transport else []
        where = f"{place.table.family} {place.table.name} {place.chain.name}"
        return f"nft insert rule {where} {' '.join([*matches, 'accept'])}"
    matches = [f"-i {bridge}"] if bridge else []
    matches += [f"-p {transport}", f"--dport {port}"] if transport else []
    return f"{_PROGRAM[step.before.version]} -I {place.chain.name} {' '.join([*matches, '-j ACCEPT'])}"
