"""What was observed around one question, handed to the pure reasoning beside the snapshot.

Every field may be ``None``: not looked at, or not visible. Reasoning says so (``analysis-limited``), never guesses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from service.core.observations import HostObservation, Observation


@dataclass(frozen=True, slots=True)
class Evidence:
    """Observations for one question.

    ``namespace_inodes`` maps a full container id to the inode of the network namespace its process is really in
    (for ``container:X`` both the sharer and X, so that a stale share shows).
    ``observations`` maps a full container id to what was seen inside.
    ``ipv6_firewall`` says whether the engine guards IPv6 as it guards IPv4 (``ip6tables``: the default since engine 27,
    off before; seen as Docker's chains in ip6tables).
    """

    namespace_inodes: Mapping[str, int] = field(default_factory=dict)
    observations: Mapping[str, Observation] = field(default_factory=dict)
    host: HostObservation | None = None
    limited: tuple[str, ...] = ()
    ipv6_firewall: bool | None = None


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
