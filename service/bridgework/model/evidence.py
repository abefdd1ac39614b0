"""What was observed around one question, handed to the pure reasoning beside the snapshot.

Every field may be ``None``: not looked at, or not visible. Reasoning says so (``analysis-limited``), never guesses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridgework.model.observations import HostObservation, InterfaceAddress, Observation

IPV4 = 4


@dataclass(frozen=True, slots=True)
class Evidence:
    """Observations for one question.

    ``namespace_inodes`` maps a full container id to the inode of the network namespace its process is really in
    (for ``container:X`` both the sharer and X, so that a stale share shows).
    ``observations`` maps a full container id to what was seen inside.
    ``ipv4_firewall`` and ``ipv6_firewall`` say whether the engine's own firewall rules stand for that family
    (``iptables`` and ``ip6tables`` of daemon.json). ``userland_proxy`` says whether docker-proxy serves published
    ports. ``engine_version`` is major and minor, zeros where unknown. ``nftables`` says whether the engine writes its
    rules as native nftables ones (``firewall-backend``). ``unsettled`` are the IPv6 addresses that a kernel did not use
    when it was last looked at, before the probe or after it (``InterfaceAddress.is_unsettled``).
    """

    namespace_inodes: Mapping[str, int] = field(default_factory=dict)
    observations: Mapping[str, Observation] = field(default_factory=dict)
    host: HostObservation | None = None
    limited: tuple[str, ...] = ()
    ipv4_firewall: bool | None = None
    ipv6_firewall: bool | None = None
    userland_proxy: bool | None = None
    engine_version: tuple[int, int] = (0, 0)
    nftables: bool = False
    unsettled: Mapping[str, InterfaceAddress] = field(default_factory=dict)

    def guards(self, version: int) -> bool | None:
        """Whether the engine's firewall rules stand for IPv4 or IPv6; ``None`` where that was not seen.

        Every engine writes IPv4 rules unless it is told not to, so unseen ones count as there. For IPv6 the default
        changed with Docker 27, and an option changes it, so unseen ones are not guessed.
        """
        return self.ipv4_firewall is not False if version == IPV4 else self.ipv6_firewall


NOTHING_SEEN = Evidence()


@dataclass(frozen=True, slots=True)
class EngineEvidence:
    """Beside the snapshot, for the diagnosis of a whole engine.

    ``network_endpoint_ids`` maps a network id to the container ids (or ``ep-…`` keys) the engine lists there, so that
    endpoints without a container show. ``default_pools`` are ``(base CIDR, size)`` of the engine's address pools.
    """

    evidence: Evidence = NOTHING_SEEN
    network_endpoint_ids: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    default_pools: tuple[tuple[str, int], ...] = ()
