"""What the engine's firewall rules let pass from one bridge to another, by Docker version and gateway mode."""

from __future__ import annotations

from bridgework.analysis.attachment import IPV4
from bridgework.analysis.routing import gateway_mode, masquerades
from bridgework.analysis.rules.base import Situation
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
