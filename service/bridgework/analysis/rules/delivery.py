"""What stops a packet between the host and a container on one of its bridges, from wherever it came to the host.

The last part of the way is that of a check from the host to the container's address, so the rules of that check are
asked.
"""

from __future__ import annotations

from bridgework.analysis.attachment import THE_HOST, EngineState
from bridgework.analysis.candidate_addresses import CandidateAddresses, located
from bridgework.analysis.rules import address as addresses
from bridgework.analysis.rules import frames, wire
from bridgework.analysis.rules.base import Situation
from bridgework.model.checks import AddressDestination, Finding, ProbeRequest, Protocol, Question, Severity

_RULES = (
    addresses.address_ahead_is_tentative,
    wire.host_lacks_its_bridge_address,
    frames.bridge_is_silent,
    wire.their_link_is_broken,
    frames.their_frames,
    wire.neighbour_is_wrong,
    wire.address_is_taken_twice,
)


def delivery_to(state: EngineState, address: str) -> Situation | None:
    """Return the situation of a check from the host to the container's address; ``None`` for what is no address."""
    candidates = located(state, THE_HOST, (address,))
    question = Question(None, AddressDestination(address), ProbeRequest(Protocol.TCP))
    if not candidates:
        return None
    return Situation(state, question, THE_HOST, CandidateAddresses(candidates), candidates[0])


def delivery_fault(situation: Situation) -> Finding | None:
    """Return why what the host sends to the container's address does not arrive; ``None`` where nothing is known."""
    found = (one for rule in _RULES for one in rule(situation) if one.severity is Severity.BLOCKING)
    return next(found, None)
