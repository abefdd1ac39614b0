"""Rules of the address's layer: whether there is an address, of a usable family, and which container holds it."""

from __future__ import annotations

from ipaddress import ip_address

from bridgework.analysis.attachment import IPV4, IPV6, Attachment, gateway_of, version_of
from bridgework.analysis.endpoint_links import endpoint_on
from bridgework.analysis.name_lookup import Lookup
from bridgework.analysis.routing import (
    Candidate,
    Way,
    gateway_mode,
    has_host_address,
    holder_in,
    host_address_on,
    is_vlan,
    networks_around,
)
from bridgework.analysis.rules.base import (
    Findings,
    Situation,
    component_of,
    finding,
    members,
    of_container,
    of_network,
    unseen,
)
from bridgework.explanations import remedies
from bridgework.explanations.addresses import ADDRESS_CHANGED, ADDRESS_FAMILY_MISMATCH, ADDRESS_TENTATIVE, STALE_ADDRESS
from bridgework.explanations.links import MACVLAN_HOST_FILTERED
from bridgework.explanations.networks import GATEWAY_MODE_ISOLATED
from bridgework.model.checks import AddressDestination, Finding, HostDestination, Severity
from bridgework.model.errors import Remedy, quoted
from bridgework.model.snapshot import Container, Endpoint, Network


def nothing_to_try(situation: Situation) -> Findings:
    """Find a question without an address to try: the wrong family, an invalid address, or a host without address."""
    if situation.candidate is not None:
        return
    question, source = situation.question, situation.source
    # A container in host mode is tried at the host's address, so it lacks one for the same reasons as the host.
    host = situation.candidate_addresses.destination is not None and situation.candidate_addresses.destination.is_host
    if host or isinstance(question.destination, HostDestination):
        yield _no_host_address(situation)
    elif isinstance(question.destination, AddressDestination):
        yield unseen(component_of(source), f"{quoted(question.destination.address)} is not an address.")
    elif question.probe.ip_version is not None:
        yield _family(situation, question.probe.ip_version)
    # An unresolved name has its own finding (layer name). Here the name resolved, to no usable address.
    elif situation.destination is not None or _resolved(situation):
        yield unseen(component_of(source), "The engine knows no address of the destination.")


def _resolved(situation: Situation) -> bool:
    return (
        situation.candidate_addresses.named is not None and situation.candidate_addresses.named.outcome is Lookup.FOUND
    )


def _family(situation: Situation, version: int) -> Finding:
    destination = situation.destination
    whose = destination.name if destination is not None else "the name"
    message = f"{whose} has no IPv{version} address that {situation.source.name} can use."
    other = IPV4 if version == IPV6 else IPV6
    # For a name of an upstream server no network of the engine helps.
    remedy = Remedy(f"Set ip_version to {other}, or put both on a network with IPv{version} enabled.")
    if destination is not None:
        together = members(situation.source, destination)
        remedy = remedies.share_network(situation.snapshot, together, ipv6=version == IPV6)
    component = component_of(destination or situation.source)
    return finding(ADDRESS_FAMILY_MISMATCH, component, message, remedy=remedy, evidence={"ip_version": version})


def _no_host_address(situation: Situation) -> Finding:
    """Make the finding for a host without an address on the source's networks, by the network that explains it."""
    source, version = situation.source, situation.question.probe.ip_version
    networks = [n for e in source.endpoints if (n := situation.network_of(e.network_id)) is not None]
    # The first network that has a reason is named; with several the remedy is the same.
    for network in networks:
        if is_vlan(network):
            return vlan_host(situation, network.name)
        if not all(has_host_address(network, v) for v in (version or IPV4, version or IPV6)):
            return without_host(situation, network, source)
    if version is not None:
        return _family(situation, version)
    return unseen(component_of(source), f"The service knows no address of the host that {source.name} can use.")


def without_host(situation: Situation, network: Network, attachment: Attachment) -> Finding:
    """Make the finding for a bridge on which the engine gives the host no address."""
    # Both options have the same effect on the host, but another one must be changed.
    isolated = "isolated" in {gateway_mode(network, version) for version in (IPV4, IPV6)}
    message = (
        f"{network.name} is isolated: the host has no address on it."
        if isolated
        else f"{network.name} has inhibit_ipv4 set: the host has no IPv4 address on it."
    )
    remedy = remedies.share_network(situation.snapshot, members(attachment))
    return finding(GATEWAY_MODE_ISOLATED, of_network(network), message, remedy=remedy)


def vlan_host(situation: Situation, network: str) -> Finding:
    """Make the finding for traffic between the host and an endpoint on one of its own links."""
    # The kernel delivers no frame between a macvlan or ipvlan and its parent link.
    others = members(situation.source, situation.destination)
    message = f"{network} is on a link of the host: its endpoints and their own host cannot reach each other."
    return finding(
        MACVLAN_HOST_FILTERED,
        component_of(situation.source),
        message,
        remedy=remedies.share_network(situation.snapshot, others),
        evidence={"network": network},
    )


def family_differs(situation: Situation) -> Findings:
    """Find an address whose family is not the question's, or which the source does not have."""
    candidate, asked = situation.candidate, situation.question.probe.ip_version
    if candidate is None:
        return
    if asked not in {None, candidate.version}:
        message = f"{candidate.address} is an IPv{candidate.version} address, but the request is for IPv{asked}."
        remedy = Remedy(f"Set ip_version to {candidate.version}.")
        yield finding(ADDRESS_FAMILY_MISMATCH, component_of(situation.source), message, remedy=remedy)
    # The source has no address of the family, so it has no route of that family. Else the layer route explains.
    elif candidate.way is Way.NO_ROUTE and not any(
        _has_family(a, candidate.version) for a in _own_addresses(situation)
    ):
        yield _family_of_source(situation, candidate)


def _family_of_source(situation: Situation, candidate: Candidate) -> Finding:
    message = f"{situation.source.name} has no IPv{candidate.version} address, so it cannot reach {candidate.address}."
    # The remedy must be a network with IPv6 where the address is one, or the new network changes nothing.
    together = members(situation.source, candidate.attachment)
    remedy = remedies.share_network(situation.snapshot, together, ipv6=candidate.version == IPV6)
    evidence = {"address": candidate.address}
    component = component_of(situation.source)
    return finding(ADDRESS_FAMILY_MISMATCH, component, message, remedy=remedy, evidence=evidence)


def _own_addresses(situation: Situation) -> list[str]:
    return [address for endpoint in situation.source.endpoints for address in endpoint.addresses]


def _has_family(address: str, version: int) -> bool:
    return (":" in address) == (version == IPV6)


def address_is_unheld(situation: Situation) -> Findings:
    """Find an address on the source's own network that no container holds."""
    candidate = situation.candidate
    if (
        candidate is None
        or candidate.way is not Way.DIRECT
        or candidate.network is None
        or candidate.attachment is not None
    ):
        return
    network = candidate.network
    # A macvlan or ipvlan is part of a LAN, and an overlay network reaches other nodes: a holder may be outside.
    if network.driver != "bridge":
        message = f"{candidate.address} on {network.name} may belong to a machine outside of this engine."
        yield unseen(of_network(network), message, address=candidate.address)
        return
    # Stopped containers keep their endpoint in the configuration, without an address. One of them may have had it.
    endpoints = situation.snapshot.endpoints_of(network)
    stopped = [endpoint for endpoint in endpoints if endpoint.state == "configured"]
    # A container that was created with this very address (--ip) is the likeliest. Otherwise all stopped ones are named.
    wanted = [e for e in stopped if candidate.address in {e.configured_ipv4, e.configured_ipv6}]
    suspects = sorted(endpoint.container_name for endpoint in wanted or stopped)
    # The names help where the caller thought of a container and typed its old address.
    known = f"; containers there that do not run: {', '.join(suspects)}" if suspects else ""
    yield finding(
        STALE_ADDRESS,
        of_network(network),
        f"No container on {network.name} holds {candidate.address}{known}.",
        remedy=_found_again(situation, wanted or stopped),
        evidence={"address": candidate.address, "not_running": suspects},
    )


def _found_again(situation: Situation, suspects: list[Endpoint]) -> Remedy:
    """Make the remedy: start the container that had the address, where only one is possible."""
    container = situation.snapshot.containers_by_id.get(suspects[0].container_id) if len(suspects) == 1 else None
    if container is not None:
        return remedies.start_it(container)
    # Which container is meant is a guess here, so the remedy starts none.
    return Remedy("Use the name of the container on a user network, or the address that it holds now.")


def address_has_changed_hands(situation: Situation) -> Findings:
    """Find an address that may have been another container's before."""
    candidate = situation.candidate
    if candidate is None or candidate.endpoint is None or candidate.network is None:
        return
    # Only a caller that uses an address can mean another container than the one that has it now.
    if not isinstance(situation.question.destination, AddressDestination):
        return
    holder = situation.snapshot.containers_by_id.get(candidate.endpoint.container_id)
    for endpoint in situation.snapshot.endpoints_of(candidate.network):
        other = situation.snapshot.containers_by_id.get(endpoint.container_id)
        if holder is None or other is None or other is holder:
            continue
        # A stopped container gives its address back, and the engine gives it to the next one that starts (measured on
        # Docker 26.1). The engine keeps no history. A container that existed before the holder started, and was
        # started after it, may have had the address before.
        if candidate.address in {endpoint.configured_ipv4, endpoint.configured_ipv6}:
            yield _changed(other, holder, endpoint, candidate.address, Severity.WARNING)
        elif other.started_at and holder.started_at and other.created_at < holder.started_at < other.started_at:
            yield _changed(other, holder, endpoint, candidate.address, Severity.INFO)


def _changed(other: Container, holder: Container, endpoint: Endpoint, address: str, severity: Severity) -> Finding:
    """Make the finding: a warning where the other asks for the address, info where only the start times fit."""
    now = ", ".join(endpoint.addresses) or "no address"
    # The warning is certain: the configuration asks for the address. The other case is only likely.
    if severity is Severity.WARNING:
        message = f"{other.name} is configured with {address}, which {holder.name} holds; {other.name} has {now}."
    else:
        message = (
            f"{address} is held by {holder.name}. {other.name} was started again after {holder.name} was, "
            f"so {other.name} may have had this address before; it has {now} now."
        )
    remedy = Remedy(f"Use the name {other.name} on a user network, or the address that it has now: {now}.")
    evidence = {"address": address, "holder": holder.name, "now": list(endpoint.addresses)}
    return finding(ADDRESS_CHANGED, of_container(other), message, severity=severity, remedy=remedy, evidence=evidence)


def own_address_is_tentative(situation: Situation) -> Findings:
    """Find a source whose IPv6 address its kernel does not use yet."""
    candidate = situation.candidate
    if candidate is None or candidate.version != IPV6 or candidate.way is Way.LOCAL:
        return
    # From the host there is no exit: the packet leaves by the bridge of the destination.
    network = candidate.exit if candidate.exit is not None else candidate.network
    if network is None:
        return
    endpoint = endpoint_on(situation.source, network.id)
    own = host_address_on(situation.snapshot, network, IPV6) if situation.source.is_host else None
    yield from _tentative(situation, own if endpoint is None else endpoint.ipv6_address)


def address_ahead_is_tentative(situation: Situation) -> Findings:
    """Find a destination or gateway whose IPv6 address its kernel does not answer for yet."""
    candidate = situation.candidate
    if candidate is None or candidate.version != IPV6 or candidate.way is Way.LOCAL:
        return
    yield from _tentative(situation, candidate.address)
    if candidate.way is Way.FORWARDED and candidate.exit is not None:
        endpoint = endpoint_on(situation.source, candidate.exit.id)
        gateway = gateway_of(endpoint, IPV6) if endpoint is not None else None
        # The gateway may be the destination itself. Then it has its finding already.
        if gateway != candidate.address:
            yield from _tentative(situation, gateway)


def _tentative(situation: Situation, address: str | None) -> Findings:
    """Make the finding for an address that was observed to be unused by its kernel."""
    found = situation.observations.unsettled.get(address) if address is not None else None
    if address is None or found is None or version_of(address) is None:
        return
    # The address is an observation from any namespace. Outside of the engine's networks it says nothing about the path.
    network = next(iter(networks_around(situation.state, ip_address(address))), None)
    if network is None:
        return
    holder = holder_in(situation.snapshot, network, address)
    # The host's own address on a bridge may be tentative too, shortly after the network was created.
    whose = f"the address of {holder.container_name}" if holder is not None else "the host's address"
    evidence = {"address": address, "flags": list(found.flags)}
    # A duplicate was found: the kernel never uses the address. The flag tentative stays set beside dadfailed.
    if "dadfailed" in found.flags:
        yield finding(
            ADDRESS_TENTATIVE,
            of_network(network),
            f"{address}, {whose} on {network.name}, is a duplicate: another interface has it, so it is not used.",
            severity=Severity.BLOCKING,
            remedy=Remedy(f"Remove {address} from the other interface, or connect with another address."),
            evidence=evidence,
        )
        return
    yield finding(
        ADDRESS_TENTATIVE,
        of_network(network),
        f"{address}, {whose} on {network.name}, is tentative: it is not used until duplicate address detection ends.",
        remedy=Remedy("Repeat the check: detection ends by itself."),
        evidence=evidence,
    )
