"""What is asked for, by the caller's words, before anything is looked up."""

from __future__ import annotations

from dataclasses import dataclass

from bridgework.model.checks import ProbeRequest, Protocol


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """A check as it came, by the caller's words; ``probe`` holds what is to be sent, without its destination.

    ``forwarded`` came from a peer, and is not handed on.
    """

    probe: ProbeRequest
    source_container: str | None = None
    destination_container: str | None = None
    destination_name: str | None = None
    destination_address: str | None = None
    forwarded: bool = False


@dataclass(frozen=True, slots=True)
class WantedMatrix:
    """A matrix as it came: exactly one of ``containers``, ``network`` and ``everything``.

    ``forwarded`` came from a peer: then only the rows of this node's own containers are measured.
    """

    containers: tuple[str, ...] = ()
    network: str | None = None
    everything: bool = False
    protocol: Protocol = Protocol.ICMP
    port: int | None = None
    by_name: bool = False
    timeout_ms: int = 1000
    max_packets_per_second: int | None = None
    deadline_ms: int = 60_000
    forwarded: bool = False
