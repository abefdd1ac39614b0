"""The addresses that a source would try for the destination of a question, in that order.

A container is tried at the addresses that ``Reach`` chooses, a name at the addresses that it resolves to, and the host
at the source's default gateways and the bridges that both are on. Where there is no address to try, the rules of the
address's layer say why.
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
    """The addresses to try, the first first, and what they were derived from.

    ``destination`` is the attachment of the container in the question, ``named`` what the name in the question resolves
    to; each is ``None`` where the question has no container or no name.
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
            addresses = Reach(state, versions(question)).addresses_of(source, destination)
            return CandidateAddresses(located(state, source, addresses), destination)
        case NameDestination(name):
            return _at_name(state, source, name, question)
        # An address is taken as it is, also where no container holds it.
        case AddressDestination(address):
            return CandidateAddresses(located(state, source, (address,)))
        case _:
            return CandidateAddresses(located(state, source, Reach(state, versions(question)).host_addresses(source)))


def located(state: EngineState, source: Attachment, addresses: Iterable[str]) -> tuple[Candidate, ...]:
    """Locate each of the addresses. A text that is no address is left out."""
    found = (locate(state, source, address) for address in addresses)
    return tuple(candidate for candidate in found if candidate is not None)


def _at_name(state: EngineState, source: Attachment, name: str, question: Question) -> CandidateAddresses:
    """Derive the candidates of each holder of the name: its addresses that the source has a route to."""
    # A name that does not resolve here gives no candidate; the rules of the layer name say why.
    named = look_up(state, source, name)
    if named.outcome is not Lookup.FOUND:
        return CandidateAddresses(named=named)
    # The C library tries IPv6 first (RFC 6724, rule 6), so the addresses of a holder are reversed.
    # Without holders the hosts file answered: all its addresses together are one group.
    groups = [h.addresses[::-1] for h in named.holders] or [named.addresses]
    candidates: list[Candidate] = []
    for addresses in groups:
        wanted = [address for address in addresses if version_of(address) in versions(question)]
        found = located(state, source, wanted)
        # Without an address that it can send to, the first one shows why.
        candidates += [candidate for candidate in found if candidate.way is not Way.NO_ROUTE] or found[:1]
    return CandidateAddresses(tuple({one.address: one for one in candidates}.values()), named=named)
