"""What is asked for, by the caller's words, before anything is looked up."""

from __future__ import annotations

from dataclasses import dataclass

from service.core.checks import ProbeRequest


@dataclass(frozen=True, slots=True)
class WantedCheck:
    """A check as it came, by the caller's words; ``probe`` holds what is to be sent, without its destination.

    ``forwarded`` came from a sibling, and is not handed on.
    """

    probe: ProbeRequest
    source_container: str | None = None
    destination_container: str | None = None
    destination_name: str | None = None
    destination_address: str | None = None
    forwarded: bool = False
