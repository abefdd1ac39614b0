"""The addresses that a source would try for the destination of a question.

A container is tried at the address that ``Reach`` chooses, a name at the addresses that it resolves to, and the host at
the source's default gateway. Where there is no address to try, the rules of the address's layer say why.
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
    """The addresses to try, and what they were derived from.

    Several ``candidates`` are the holders of one name: the resolver picks any of them. ``destination`` is the
    attachment of the container in the question, ``named`` what the name in the question resolves to; each is ``None``
    where the question has no container or no name.
    """

    candidates: tuple[Candidate, ...] = ()
    destination: Attachment | None = None
    named: Named | None = None


def versions(question: Question) -> tuple[int, ...]:
    """Return the address families to try: the one that the question names, else IPv4, then IPv6."""
    return (question.probe.ip_version,) if question.probe.ip_version in {IPV4, IPV6} else (IPV4, IPV6)


def candidate_addresses(state: EngineState, source: Attachment, question: Question) -> CandidateAddresses:
    """Derive the addresses that the source would try."""
    match question.destination:
        case ContainerDestination(container_id):
            destination = state.attachment_of(container_id)
            address = Reach(state, versions(question)).address_of(source, destination)
            return CandidateAddresses(_located(state, source, (address,) if address else ()), destination)
        case NameDestination(name):
            return _at_name(state, source, name, question)
        # An address is taken as it is, also where no container holds it.
        case AddressDestination(address):
            return CandidateAddresses(_located(state, source, (address,)))
        case _:
            # The host has many addresses. The first that the source can use is enough.
            addresses = Reach(state, versions(question)).host_addresses(source)
            return CandidateAddresses(_located(state, source, addresses)[:1])


def _located(state: EngineState, source: Attachment, addresses: Iterable[str]) -> tuple[Candidate, ...]:
    found = (locate(state, source, address) for address in addresses)
    return tuple(candidate for candidate in found if candidate is not None)


def _at_name(state: EngineState, source: Attachment, name: str, question: Question) -> CandidateAddresses:
    """Derive one candidate for each holder of the name: its first address that the source has a route to."""
    # A name that does not resolve here gives no candidate; the rules of the layer name say why.
    named = look_up(state, source, name)
    if named.outcome is not Lookup.FOUND:
        return CandidateAddresses(named=named)
    # The C library tries IPv6 first (RFC 6724, rule 6), so the addresses of a holder are reversed.
    # Without holders the hosts file answered: all its addresses together are one candidate.
    groups = [h.addresses[::-1] for h in named.holders] or [named.addresses]
    candidates: list[Candidate] = []
    for addresses in groups:
        wanted = [address for address in addresses if version_of(address) in versions(question)]
        found = _located(state, source, wanted)
        # sorted() is stable: the addresses with a route keep their order and come first.
        candidates += sorted(found, key=lambda candidate: candidate.way is Way.NO_ROUTE)[:1]
    return CandidateAddresses(tuple(candidates), named=named)
