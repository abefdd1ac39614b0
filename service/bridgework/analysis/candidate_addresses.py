"""From the destination of a question to the addresses that would be tried, as the source sees them.

A container is asked at the address that ``Reach`` chooses. A name is asked at what it resolves to. The host is asked at
the source's default gateway. Where there is nothing to try, the aim has no goal, and the rules say why.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bridgework.analysis.address_choice import Reach
from bridgework.analysis.attachment import IPV4, IPV6, Attachment, EngineState, version_of
from bridgework.analysis.name_lookup import Lookup, Named, look_up
from bridgework.analysis.routing import Candidate, Way, locate
from bridgework.model.checks import (
    AddressDestination,
    ContainerDestination,
    NameDestination,
    Question,
)


@dataclass(frozen=True, slots=True)
class CandidateAddresses:
    """What is tried. Several ``goals`` are alternatives of which the source picks one it cannot choose.

    ``destination`` is where the container asked for stands, ``named`` what the name meant; each ``None`` where the
    question has no such thing.
    """

    candidates: tuple[Candidate, ...] = ()
    destination: Attachment | None = None
    named: Named | None = None


def versions(question: Question) -> tuple[int, ...]:
    """The address families to try, IPv4 first as Docker lists them."""
    return (question.probe.ip_version,) if question.probe.ip_version in {IPV4, IPV6} else (IPV4, IPV6)


def candidate_addresses(state: EngineState, source: Attachment, question: Question) -> CandidateAddresses:
    """The goals of the question."""
    match question.destination:
        case ContainerDestination(container_id):
            destination = state.attachment_of(container_id)
            address = Reach(state, versions(question)).address_of(source, destination)
            return CandidateAddresses(_goals(state, source, (address,) if address else ()), destination)
        case NameDestination(name):
            return _at_name(state, source, name, question)
        case AddressDestination(address):
            return CandidateAddresses(_goals(state, source, (address,)))
        case _:
            addresses = Reach(state, versions(question)).host_addresses(source)
            return CandidateAddresses(_goals(state, source, addresses)[:1])


def _goals(state: EngineState, source: Attachment, addresses: Iterable[str]) -> tuple[Candidate, ...]:
    found = (locate(state, source, address) for address in addresses)
    return tuple(candidate for candidate in found if candidate is not None)


def _at_name(state: EngineState, source: Attachment, name: str, question: Question) -> CandidateAddresses:
    """One goal per holder of the name: the first address that it has a route to, IPv6 first as the C library has it."""
    named = look_up(state, source, name)
    if named.outcome is not Lookup.FOUND:
        return CandidateAddresses(named=named)
    groups = [h.addresses[::-1] for h in named.holders] or [named.addresses]
    candidates: list[Candidate] = []
    for addresses in groups:
        wanted = [address for address in addresses if version_of(address) in versions(question)]
        found = _goals(state, source, wanted)
        candidates += sorted(found, key=lambda candidate: candidate.way is Way.NO_ROUTE)[:1]
    return CandidateAddresses(tuple(candidates), named=named)
