"""From the destination of a question to the addresses that would be tried, as the source sees them.

A container is asked at an address on a network it shares with the source, the most promising one first; failing
that, at any address of its own. A name is asked at what it resolves to. The host is asked at the source's default
gateway. Where there is nothing to try, the aim has no goal, and the rules say why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from service.core.checks import (
    AddressDestination,
    ContainerDestination,
    NameDestination,
    Question,
)
from service.core.evidence import Evidence
from service.core.reachability.names import Lookup, Named, look_up
from service.core.reachability.standing import IPV4, IPV6, Standing, gateway_of, stand, version_of
from service.core.reachability.target import (
    Goal,
    Way,
    default_exit,
    host_address_on,
    is_vlan,
    locate,
)
from service.core.snapshot import Endpoint, Network, Snapshot

HOST_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Aim:
    """What is tried. Several ``goals`` are alternatives of which the source picks one it cannot choose.

    ``destination`` is where the container asked for stands, ``named`` what the name meant; each ``None`` where the
    question has no such thing.
    """

    goals: tuple[Goal, ...] = ()
    destination: Standing | None = None
    named: Named | None = None


def versions(question: Question) -> tuple[int, ...]:
    """The address families to try, IPv4 first as Docker lists them."""
    return (question.ip_version,) if question.ip_version in {IPV4, IPV6} else (IPV4, IPV6)


def aim(snapshot: Snapshot, source: Standing, question: Question, evidence: Evidence) -> Aim:
    """The goals of the question."""
    match question.destination:
        case ContainerDestination(container_id):
            destination = stand(snapshot, container_id, evidence)
            return Aim(_first(_at_container(snapshot, source, destination, question, evidence)), destination)
        case NameDestination(name):
            return _at_name(snapshot, source, name, question, evidence)
        case AddressDestination(address):
            return Aim(_goals(snapshot, source, (address,), evidence))
        case _:
            return Aim(
                _first(_goals(snapshot, source, _host_addresses(snapshot, source, question, evidence), evidence))
            )


def _first(goals: Iterable[Goal]) -> tuple[Goal, ...]:
    return tuple(islice(goals, 1))


def _goals(snapshot: Snapshot, source: Standing, addresses: Iterable[str], evidence: Evidence) -> tuple[Goal, ...]:
    found = (locate(snapshot, source, address, evidence) for address in addresses)
    return tuple(goal for goal in found if goal is not None)


def _at_name(snapshot: Snapshot, source: Standing, name: str, question: Question, evidence: Evidence) -> Aim:
    """One goal per holder of the name: the first address that it has a route to, IPv6 first as the C library has it."""
    named = look_up(snapshot, source, name, evidence)
    if named.outcome is not Lookup.FOUND:
        return Aim(named=named)
    groups = [h.addresses[::-1] for h in named.holders] or [named.addresses]
    goals: list[Goal] = []
    for addresses in groups:
        wanted = [address for address in addresses if version_of(address) in versions(question)]
        found = _goals(snapshot, source, wanted, evidence)
        goals += sorted(found, key=lambda goal: goal.way is Way.NO_ROUTE)[:1]
    return Aim(tuple(goals), named=named)


def _at_container(
    snapshot: Snapshot, source: Standing, destination: Standing, question: Question, evidence: Evidence
) -> Iterator[Goal]:
    """The goals of a container, the most promising first."""
    if source.is_same_namespace(destination):
        own = [a for e in destination.endpoints for a in e.addresses if version_of(a) in versions(question)]
        loopback = "::1" if question.ip_version == IPV6 else HOST_LOOPBACK
        yield from _goals(snapshot, source, (*own, loopback), evidence)
        return
    if destination.is_host:
        yield from _goals(snapshot, source, _host_addresses(snapshot, source, question, evidence), evidence)
        return
    for network_id, address in _addresses_tried(snapshot, source, destination, question):
        goal = locate(snapshot, source, address, evidence)
        if goal is not None and (goal.network is None or goal.network.id == network_id):
            yield goal
    yield from _goals(snapshot, source, _any_address(snapshot, destination, question), evidence)


def _addresses_tried(
    snapshot: Snapshot, source: Standing, destination: Standing, question: Question
) -> list[tuple[str, str]]:
    """Network id and address, on shared networks that let the two talk, then on shared ones that do not."""
    own = {endpoint.network_id: endpoint for endpoint in source.endpoints}
    found: list[tuple[tuple[bool, int, int], str, str]] = []
    for theirs in destination.endpoints:
        if theirs.network_id not in own:
            continue
        network = snapshot.networks_by_id[theirs.network_id]
        order = list(own).index(theirs.network_id)
        for version in versions(question):
            address = _address(theirs, version)
            if address and _address(own[theirs.network_id], version):
                found.append(((talks_inside(network), version, order), network.id, address))
    found.sort(key=lambda row: (not row[0][0], *row[0][1:]))
    return [(network_id, address) for _, network_id, address in found]


def _any_address(snapshot: Snapshot, destination: Standing, question: Question) -> list[str]:
    """Its addresses, those on networks with a place for the host first."""
    found = [
        (is_vlan(snapshot.networks_by_id[endpoint.network_id]), version, position, address)
        for position, endpoint in enumerate(destination.endpoints)
        for version in versions(question)
        if (address := _address(endpoint, version))
    ]
    return [address for *_, address in sorted(found)]


def _address(endpoint: Endpoint, version: int) -> str | None:
    return endpoint.ipv4_address if version == IPV4 else endpoint.ipv6_address


def talks_inside(network: Network) -> bool:
    """Whether the network's options let its endpoints talk to each other."""
    if is_vlan(network):
        return vlan_mode(network) not in {"private", "vepa"}
    return network.driver != "bridge" or network.inter_container_enabled


def vlan_mode(network: Network) -> str:
    """``bridge`` unless the options of a macvlan or ipvlan network say otherwise."""
    key = "macvlan_mode" if network.driver == "macvlan" else "ipvlan_flag"
    return network.options.get(key) or "bridge"


def _host_addresses(snapshot: Snapshot, source: Standing, question: Question, evidence: Evidence) -> list[str]:
    """The host as the source would address it: its loopback, or the default gateway, or the host's end of a bridge."""
    if source.is_host:
        return ["::1" if question.ip_version == IPV6 else HOST_LOOPBACK]
    found: list[str | None] = []
    for version in versions(question):
        leaves = default_exit(snapshot, source, version, evidence)
        if leaves is not None and not is_vlan(leaves):
            found += [_gateway_on(source, leaves, version), host_address_on(snapshot, leaves, version)]
    for version in versions(question):
        for endpoint in source.endpoints:
            network = snapshot.networks_by_id[endpoint.network_id]
            found.append(host_address_on(snapshot, network, version))
    return [address for address in found if address]


def _gateway_on(source: Standing, network: Network, version: int) -> str | None:
    return next((gateway_of(e, version) for e in source.endpoints if e.network_id == network.id), None)
