"""Rules of the name's layer: whether the source can resolve the name, and whether it has one meaning."""

from __future__ import annotations

from dataclasses import replace

from bridgework.analysis.attachment import Attachment, parsed
from bridgework.analysis.name_lookup import Lookup, containers_named, holders_of, user_networks, uses_embedded_dns
from bridgework.analysis.rules.base import Findings, Situation, component_of, finding, members, of_network, unseen
from bridgework.analysis.rules.state import destination_down_as
from bridgework.explanations import of_container, remedies
from bridgework.explanations.names import (
    DEFAULT_BRIDGE_NO_DNS,
    DNS_LOOPBACK_UPSTREAM,
    DNS_NO_UPSTREAM,
    EMBEDDED_DNS_BYPASSED,
    EMBEDDED_DNS_RULES_MISSING,
    NAME_AMBIGUOUS,
    NAME_NOT_ON_SHARED_NETWORK,
)
from bridgework.explanations.remedies import container_reference
from bridgework.model.actions import RestartContainer
from bridgework.model.checks import Finding, NameDestination, Severity
from bridgework.model.endpoint_names import names_of, normal
from bridgework.model.errors import Remedy
from bridgework.model.observations import Observation
from bridgework.model.snapshot import Container, Snapshot

_NAMES_LISTED = 20


def valid_names(snapshot: Snapshot, source: Attachment) -> tuple[str, ...]:
    """List the names of other containers that the source can resolve, in alphabetical order."""
    # The names of the source itself are left out: a typing error rarely means the source.
    own = source.owner.id if source.owner else ""
    return tuple(
        sorted(
            {
                name
                for network in user_networks(snapshot, source)
                for endpoint in snapshot.endpoints_of(network)
                if endpoint.state == "active" and endpoint.container_id != own
                for name in names_of(endpoint)
                if not endpoint.container_id.startswith(name)  # short ids resolve too, but help no reader
            }
        )
    )


def name_is_unknown(situation: Situation) -> Findings:
    """Find a name that does not resolve: no DNS server, a container elsewhere or stopped, or no such container."""
    named, destination = situation.candidate_addresses.named, situation.question.destination
    if named is None or not isinstance(destination, NameDestination) or named.outcome is Lookup.FOUND:
        return
    # A name of another domain, such as example.org: only the upstream server knows it.
    if named.outcome is Lookup.UPSTREAM:
        message = (
            f"{destination.name} is no name of this engine, and the answer of an upstream DNS server is not predicted."
        )
        yield unseen(component_of(situation.source), message, name=destination.name)
        return
    # The source itself, or the owner of its namespace, is not the container that the caller looks for.
    found = [c for c in containers_named(situation.snapshot, destination.name) if c is not situation.source.owner]
    # A running container explains more than a stopped one: it can be reached once both are on one network.
    running = [container for container in found if container.running]
    if running:
        yield _elsewhere(situation, destination.name, running[0])
    elif found:
        yield destination_down_as(found[0], f"so the name {destination.name} does not resolve")
    else:
        yield _unknown(situation, destination.name)


def _elsewhere(situation: Situation, name: str, holder: Container) -> Finding:
    """Make the finding for a running container with the name that the source's DNS server does not know."""
    snapshot, source = situation.snapshot, situation.source
    theirs = situation.state.attachment_of(holder.id)
    own = {endpoint.network_id for endpoint in source.endpoints}
    common = [snapshot.networks_by_id[e.network_id] for e in theirs.endpoints if e.network_id in own]
    remedy = _together(situation, name, theirs)
    evidence = {"name": name, "bearer": holder.name, "valid_names": _listed(snapshot, source)}
    # On the default bridge both reach each other by address, and only the name does not work. That surprises users of a
    # plain docker run.
    if common and all(network.is_default_bridge for network in common):
        message = (
            f"{name} cannot be resolved in {source.name}: "
            f"the default bridge, the only network it shares with {holder.name}, has no DNS."
        )
        return finding(DEFAULT_BRIDGE_NO_DNS, component_of(source), message, remedy=remedy, evidence=evidence)
    # The embedded server knows the name on a network of the source, and the source asks other servers.
    nameservers = _other_servers(situation)
    known = any(holders_of(snapshot, network, name) for network in user_networks(snapshot, source))
    if source.container is not None and nameservers and known:
        return replace(bypassed(source.container, nameservers), severity=Severity.BLOCKING)
    message = f"{name} does not resolve in {source.name}: {_where(theirs)}{_valid(snapshot, source)}."
    return finding(NAME_NOT_ON_SHARED_NETWORK, component_of(source), message, remedy=remedy, evidence=evidence)


def _other_servers(situation: Situation) -> tuple[str, ...]:
    """Return the DNS servers of the source where Docker's embedded server is none of them."""
    seen = situation.observed(situation.source)
    if seen is None or seen.resolver is None or uses_embedded_dns(situation.state, situation.source):
        return ()
    return seen.resolver.nameservers


def _where(theirs: Attachment) -> str:
    # The engine registers only the owner of a namespace in DNS, so the name of a sharer resolves nowhere.
    if theirs.owner is not None and theirs.container is not None and theirs.owner.id != theirs.container.id:
        return f"{theirs.name} shares the network of {theirs.owner.name} and uses its names"
    places = ", ".join(sorted(endpoint.network_name for endpoint in theirs.endpoints))
    return f"{theirs.name} is on {places}" if places else f"{theirs.name} is on no network"


def _together(situation: Situation, name: str, theirs: Attachment) -> Remedy:
    """Make the remedy: one network for both, with the name as an alias where it is not the container's own."""
    source, owner = situation.source, theirs.owner
    # The host does not ask the embedded server, so no network helps.
    if source.is_host:
        return Remedy("From the host, use the container's address, or a port that it publishes.")
    # The name may be a host name, or an alias on another network. On a new network it resolves only as an alias there.
    aliases = {owner.id: name} if owner is not None and normal(owner.name) != normal(name) else {}
    return remedies.share_network(situation.snapshot, members(source, theirs), aliases)


def _unknown(situation: Situation, name: str) -> Finding:
    snapshot, source = situation.snapshot, situation.source
    valid = _listed(snapshot, source)
    message = f"No container has the name {name}{_valid(snapshot, source)}."
    remedy = Remedy(f"Use one of the valid names: {', '.join(valid)}." if valid else "Use an address.")
    evidence = {"name": name, "valid_names": valid}
    return finding(NAME_NOT_ON_SHARED_NETWORK, component_of(source), message, remedy=remedy, evidence=evidence)


def _listed(snapshot: Snapshot, source: Attachment) -> list[str]:
    return list(valid_names(snapshot, source)[:_NAMES_LISTED])


def _valid(snapshot: Snapshot, source: Attachment) -> str:
    valid = _listed(snapshot, source)
    return f"; names that resolve in {source.name} are {', '.join(valid)}" if valid else ""


def name_is_ambiguous(situation: Situation) -> Findings:
    """Find a name that several endpoints have."""
    named, destination = situation.candidate_addresses.named, situation.question.destination
    if named is None or named.network is None or not isinstance(destination, NameDestination):
        return
    holders = [holder.container_name for holder in named.holders]
    # The embedded server returns all addresses in a random order, so each lookup may lead to another container.
    if len(holders) > 1:
        listed = " and ".join(holders)
        message = (
            f"{destination.name} is held by {listed} on {named.network.name}: "
            f"each lookup leads to one of them at random."
        )
        remedy = Remedy(f"Use a name that only one of them has: {', '.join(holders)}.")
        evidence = {"name": destination.name, "holders": holders}
        yield finding(NAME_AMBIGUOUS, of_network(named.network), message, remedy=remedy, evidence=evidence)


def resolver_is_unsuited(situation: Situation) -> Findings:
    """Find DNS servers in the source that cannot know the names of containers."""
    source = situation.source
    if not isinstance(situation.question.destination, NameDestination) or source.container is None:
        return
    seen = situation.observed(source)
    if seen is not None and seen.resolver is not None and seen.resolver.is_engine_copy:
        message = (
            f"/etc/resolv.conf of {source.container.name} is no regular file. The service does not open it, and used "
            f"the engine's copy, so programs in {source.container.name} may resolve "
            f"{situation.question.destination.name} in another way."
        )
        yield unseen(of_container(source.container), message, name=situation.question.destination.name)
    networks = user_networks(situation.snapshot, source)
    named = situation.candidate_addresses.named
    # A name of the hosts file has no holders, and needs no DNS server.
    by_server = named is None or bool(named.holders) or named.outcome is not Lookup.FOUND
    if networks and by_server and seen is not None and source.owner is not None:
        yield from rules_missing(source.owner, seen)
    # Without a user network there is no embedded server that could be bypassed.
    embedded = not networks or uses_embedded_dns(situation.state, source)
    if not embedded and seen is not None and seen.resolver is not None:
        yield bypassed(source.container, seen.resolver.nameservers)
    # The setting is the owner's: the engine writes one resolv.conf for all containers in a namespace.
    if named is not None and named.outcome is Lookup.UPSTREAM and source.owner is not None:
        yield from loopback_servers(source.owner)
        yield from no_upstreams(source.owner, seen)


def bypassed(container: Container, nameservers: tuple[str, ...]) -> Finding:
    """Make the finding for a resolv.conf that does not name Docker's embedded server."""
    message = (
        f"{container.name} uses the DNS server {', '.join(nameservers)} instead of Docker's embedded server 127.0.0.11."
    )
    remedy = Remedy(
        f"Remove what overwrites /etc/resolv.conf in the image or mounts of {container.name}, and restart it."
    )
    evidence = {"nameservers": list(nameservers)}
    return finding(EMBEDDED_DNS_BYPASSED, of_container(container), message, remedy=remedy, evidence=evidence)


def rules_missing(container: Container, seen: Observation) -> Findings:
    """Find a container that asks the embedded server, in a namespace without the NAT rules that lead there."""
    if seen.embedded_dns is False and seen.resolver is not None and seen.resolver.uses_embedded_dns:
        message = (
            f"Nothing takes a question to 127.0.0.11 in {container.name}: the NAT rules of its namespace are gone."
        )
        remedy = Remedy(
            f"Restart {container.name}: the engine writes the rules when it starts. "
            f"Look for a program in the container that flushes the firewall.",
            (RestartContainer(container_reference(container)),),
        )
        evidence = {"server": "127.0.0.11", "affected": 1}
        yield finding(EMBEDDED_DNS_RULES_MISSING, of_container(container), message, remedy=remedy, evidence=evidence)


def no_upstreams(container: Container, seen: Observation | None) -> Findings:
    """Find a container whose embedded server has no server to send public names to."""
    resolver = seen.resolver if seen is not None else None
    # Another program may have written the file: then nothing is known of the servers behind the embedded one.
    if resolver is None or resolver.host_file is None or not resolver.uses_embedded_dns or resolver.upstreams:
        return
    message = f"The embedded DNS server of {container.name} has no server to send public names to."
    remedy = Remedy(
        f"Write a nameserver line into {resolver.host_file or '/etc/resolv.conf'} of the host, or set dns in "
        f"daemon.json and restart the engine. Then restart {container.name}.",
        (RestartContainer(container_reference(container)),),
    )
    evidence = {"host_file": resolver.host_file}
    yield finding(DNS_NO_UPSTREAM, of_container(container), message, remedy=remedy, evidence=evidence)


def loopback_servers(container: Container) -> Findings:
    """Find upstream servers with a loopback address: inside the container that is the container itself."""
    servers = [server for server in container.dns if _is_loopback(server)]
    if servers:
        message = f"{container.name} has the DNS server {', '.join(servers)}: inside it, that is the container itself."
        remedy = Remedy(f"Create {container.name} again with a DNS server that has no loopback address.")
        yield finding(DNS_LOOPBACK_UPSTREAM, of_container(container), message, remedy=remedy, evidence={"dns": servers})


def _is_loopback(server: str) -> bool:
    found = parsed(server)
    # 127.0.0.11 is the embedded server itself.
    return found is not None and found.is_loopback and server != "127.0.0.11"
