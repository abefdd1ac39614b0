"""What the engine's firewall rules let pass from one bridge to another, by Docker version and gateway mode."""

from __future__ import annotations

from bridgework.analysis.address_choice import talks_inside
from bridgework.analysis.attachment import IPV4
from bridgework.analysis.routing import Candidate, Way, gateway_mode, masquerades
from bridgework.analysis.rules.base import Findings, Situation, component_of, finding
from bridgework.analysis.rules.simulated import Fate, fate_of
from bridgework.explanations.networks import NETWORKS_NOT_ISOLATED
from bridgework.model.errors import Remedy
from bridgework.model.observations import FirewallChain, Observations
from bridgework.model.snapshot import Network

# What passes to a bridge in another network:
#
# mode of the bridge   Docker 26       Docker 28                   Docker 29 and later
# nat                  dropped         dropped                     dropped
# nat-unprotected      (no such mode)  dropped                     passes
# routed               (no such mode)  pings and published ports   pings and published ports
# internal             dropped         dropped                     dropped
#
# Without rules (iptables=false) everything passes.
# Source: moby, daemon/libnetwork/drivers/bridge/internal. Measured on 26.1.5, 28.5.2 and 29.7.2 with iptables, and on
# 29.7.2 with nftables.
ROUTED_OPEN_SINCE, BRIDGES_OPEN_SINCE = (28, 0), (29, 0)
# Docker 28.0 and 28.1 dropped only what is addressed to a published port. A reply is not.
RAW_RULES_SINCE = (28, 2)
# Up to Docker 26, ip6tables takes effect together with the daemon's experimental features only.
IP6TABLES_STABLE_SINCE = (27, 0)
# The setting of daemon.json, and the program, for each IP version.
_OPEN_MODES = frozenset({"nat-unprotected", "routed"})
_SETTING = {4: "iptables", 6: "ip6tables"}


def bridges_are_open(observations: Observations) -> bool:
    """Whether the engine lets pass what is open at the destination, from any bridge."""
    return observations.engine_version >= BRIDGES_OPEN_SINCE


def routed_is_open(observations: Observations) -> bool:
    """Whether a routed network accepts pings and published ports from other bridges."""
    return observations.engine_version >= ROUTED_OPEN_SINCE


def reply_is_dropped(situation: Situation, network: Network) -> bool:
    """Whether the host drops an answer that is addressed to the source and comes from outside its bridge."""
    # From Docker 28.2 on a rule in the raw table drops what is addressed to a container of a ``nat`` network and does
    # not come from its bridge. The raw table is before connection tracking, so the rule drops replies as well. With
    # masquerading a reply is addressed to the host, so it passes.
    candidate, observations = situation.candidate, situation.observations
    if candidate is None or not observations.guards(candidate.version) or network.internal:
        return False
    mode = gateway_mode(network, candidate.version)
    if mode != "nat" or masquerades(network) or observations.engine_version < RAW_RULES_SINCE:
        return False
    chains = _raw_chains(situation, candidate.version)
    if chains is None:
        return True
    own = next((e for e in situation.source.endpoints if e.network_id == network.id), None)
    address = None if own is None else own.ipv4_address if candidate.version == IPV4 else own.ipv6_address
    return any(_drops_direct(text, address) for chain in chains for *_, text in chain.rules)


def _raw_chains(situation: Situation, version: int) -> tuple[FirewallChain, ...] | None:
    """Return the observed chain of the raw table; ``None`` where it was not observed, or the engine uses nftables."""
    # The option ``--allow-direct-routing``, among others, leaves the chain without such rules.
    rules = situation.observations.firewall
    if rules is None or rules.docker.nftables:
        return None
    chains = rules.chains_of(version)
    return None if chains is None else tuple(c for c in chains if (c.table, c.name) == ("raw", "PREROUTING"))


def _drops_direct(text: str, address: str | None) -> bool:
    # The engine writes: -A PREROUTING -d 10.1.0.2/32 ! -i br-0a1b2c3d4e5f -j DROP
    return address is not None and f" -d {address}/" in text and " ! -i " in text and text.endswith("-j DROP")


def networks_are_open(situation: Situation) -> Findings:
    """Find a packet that passes from one bridge to another, between two containers that no network lets talk."""
    candidate, source = situation.candidate, situation.source
    if candidate is None or candidate.way is not Way.FORWARDED or source.is_host or not _passes(situation, candidate):
        return
    holder, leaves, network = candidate.attachment, candidate.exit, candidate.network
    if holder is None or holder.is_host or network is None or leaves is None or _are_together(situation, candidate):
        return
    evidence = {"address": candidate.address, "network": network.name, "leaves_by": leaves.name}
    message = (
        f"{source.name} reaches {holder.name} at {candidate.address} ({network.name}), although no network joins them: "
        f"{_why_open(situation, candidate, network)}."
    )
    remedy = _closed(situation, candidate.version, leaves, network)
    yield finding(NETWORKS_NOT_ISOLATED, component_of(source), message, remedy=remedy, evidence=evidence)


def _passes(situation: Situation, candidate: Candidate) -> bool:
    """Whether it is known that the host lets the packet pass, where no rule of the table stops it."""
    fate = fate_of(situation)
    if fate is not None:
        return fate is Fate.PASSES
    open_by_mode = candidate.network is not None and gateway_mode(candidate.network, candidate.version) in _OPEN_MODES
    return open_by_mode or situation.observations.guards(candidate.version) is False


def _are_together(situation: Situation, candidate: Candidate) -> bool:
    """Whether the two are on one network that lets its endpoints talk."""
    holder = candidate.attachment
    theirs = {e.network_id for e in holder.endpoints} if holder is not None else set()
    common = (situation.network_of(e.network_id) for e in situation.source.endpoints if e.network_id in theirs)
    return any(network is not None and talks_inside(network) for network in common)


def _why_open(situation: Situation, candidate: Candidate, network: Network) -> str:
    version, mode = candidate.version, gateway_mode(network, candidate.version)
    if situation.observations.guards(version) is False:
        return f"the engine writes no IPv{version} rules ({_SETTING[version]} is off), so nothing keeps networks apart"
    if mode in _OPEN_MODES:
        return f"{network.name} has the gateway mode {mode}"
    return "no rule on the host stops the packet"


def _closed(situation: Situation, version: int, one: Network, other: Network) -> Remedy:
    """Make the remedy that closes the way between two bridges, in both directions."""
    guarded = situation.observations.guards(version)
    setting = ""
    if guarded is False:
        more = ' and "experimental": true' if situation.observations.engine_version < IP6TABLES_STABLE_SINCE else ""
        more = more if version != IPV4 else ""
        setting = f' Or set "{_SETTING[version]}": true{more} in daemon.json, and restart the engine.'
    bridges = (one.bridge_name, other.bridge_name)
    ways = (bridges, bridges[::-1]) if None not in bridges else ()
    if situation.observations.nftables:
        # With its nftables backend Docker has no DOCKER-USER. A chain at an earlier priority does the same.
        chain = "'add chain inet isolated filter { type filter hook forward priority -10; policy accept; }'"
        family = "ipv4" if version == IPV4 else "ipv6"
        drops = [
            f"nft add rule inet isolated filter meta nfproto {family} iifname {i} oifname {o} drop" for i, o in ways
        ]
        commands = ("nft add table inet isolated", f"nft {chain}", *drops) if drops else ()
    else:
        # Docker makes DOCKER-USER only for the IP versions that it writes rules for.
        chain = "DOCKER-USER" if guarded else "FORWARD"
        commands = tuple(f"{_SETTING[version]} -I {chain} -i {i} -o {o} -j DROP" for i, o in ways)
    return Remedy(f"Drop what passes between {one.name} and {other.name}.{setting}", commands=commands)
