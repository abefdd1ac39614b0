"""Requests for a check and for a matrix, with references as the caller wrote them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bridgework.model.checks import Destination, ProbeRequest, Protocol


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """A check as a caller asks for it: a ``Question`` with references as the caller wrote them.

    ``source`` is a container, or ``None`` for the host. ``probe`` is what to send, without its destination. A
    ``forwarded`` request came from a peer, so it is not forwarded again. With ``trace`` the probe is recorded on its
    way.
    """

    source: str | None
    destination: Destination
    probe: ProbeRequest
    forwarded: bool = False
    trace: bool = False


@dataclass(frozen=True, slots=True)
class WantedMatrix:
    """A matrix as a caller asks for it: exactly one of ``containers``, ``network`` and ``everything``.

    ``by`` is ``address`` or ``name``. A ``forwarded`` request came from a peer: then only the rows of this node's own
    containers are measured.
    """

    containers: tuple[str, ...] = ()
    network: str | None = None
    everything: bool = False
    protocol: Protocol = Protocol.ICMP
    port: int | None = None
    by: Literal["address", "name"] = "address"
    timeout_ms: int = 1000
    max_packets_per_second: int | None = None
    deadline_ms: int = 60_000
    forwarded: bool = False
