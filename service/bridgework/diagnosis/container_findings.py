"""Findings about one container from the snapshot alone: what the engine does silently, or warns of once.

They are part of a container's representation, and partly of the diagnosis of the whole engine. Nothing is sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bridgework.analysis.attachment import Attachment, Condition, EngineState
from bridgework.analysis.name_lookup import link_parts, user_networks, uses_embedded_dns
from bridgework.analysis.predict import ordered
from bridgework.analysis.rules.listener import is_loopback
from bridgework.analysis.rules.name import bypassed, loopback_servers
from bridgework.analysis.rules.state import lost_share, no_network
from bridgework.explanations import finding, of_container, remedies
from bridgework.explanations.addresses import ADDRESS_CHANGED, STATIC_ADDRESS_TAKEN
from bridgework.explanations.containers import CONTAINER_RESTARTING, CONTAINER_START_FAILED, SHARES_NETWORK
from bridgework.explanations.names import ALIAS_ALREADY_HELD, DEFAULT_BRIDGE_NO_DNS, LEGACY_LINK, NAME_AMBIGUOUS
from bridgework.explanations.networks import NETWORK_FORGOTTEN, NETWORK_GONE
from bridgework.explanations.ports import (
    HOST_PORT_TAKEN,
    INTERNAL_NO_PUBLISH,
    PORT_BOUND_TO_LOOPBACK,
    PUBLISHED_PORTS_IGNORED,
)
from bridgework.model.actions import Connect, CreateNetwork, StartContainer, StopContainer
from bridgework.model.checks import Finding, Severity
from bridgework.model.create_specs import EndpointSpec, NetworkSpec
from bridgework.model.endpoint_names import names_of, normal
from bridgework.model.errors import Remedy
from bridgework.model.observations import NOTHING_SEEN, Observations
from bridgework.model.snapshot import Container, Endpoint, Network, PublishedPort, Snapshot
from bridgework.policy.host_ports import claims_of, publisher_of


def findings_for(
    snapshot: Snapshot, container: Container, observations: Observations = NOTHING_SEEN
) -> tuple[Finding, ...]:
    """Return the findings about the container, the most severe first."""
    state = EngineState(snapshot, observations)
    attachment = state.attachment_of(container.id)
    return ordered(
        snapshot,
        (
            *failed_start(snapshot, container),
            *restart_loop(container),
            *ignored_ports(snapshot, container),
            *_loopback_ports(container),
            *taken_ports(snapshot, container),
            *lost_share(state, attachment),
            *_network(snapshot, container, attachment),
            *legacy_links(snapshot, container),
            *_names(snapshot, container),
            *fixed_addresses(snapshot, container),
            *gone_networks(snapshot, container),
            *forgotten_network(snapshot, container),
            *_resolver(state, container, attachment),
        ),
    )


def _listed(ports: tuple[PublishedPort, ...]) -> str:
    return ", ".join(f"{p.host_port or 'any'}->{p.container_port}/{p.protocol}" for p in ports)


def failed_start(snapshot: Snapshot, container: Container) -> Iterator[Finding]:
    """Find a container whose last start failed, where no other finding names the cause."""
    if container.running or not container.error or container.state == "restarting":
        return
    if any(taken_ports(snapshot, container)) or any(fixed_addresses(snapshot, container)):
        return
    message = f"The last start of {container.name} failed: {container.error.rstrip('.')}."
    remedy = Remedy(
        "Remove the cause that the engine names, and start the container again.",
        (StartContainer(remedies.container_reference(container)),),
    )
    yield finding(CONTAINER_START_FAILED, of_container(container), message, remedy=remedy, evidence=_end(container))


def restart_loop(container: Container) -> Iterator[Finding]:
    """Find a container that its restart policy starts again and again."""
    # The engine waits 0.1 s before the first restart, then twice as long each time, up to a minute (moby:
    # restartmanager). So a program that ends at once leaves its container in this state nearly all of the time.
    if container.state != "restarting":
        return
    why = container.error or ("out of memory" if container.oom_killed else f"exit code {container.exit_code}")
    message = (
        f"{container.name} ends again and again ({why}). Its restart policy {container.restart_policy} has started it "
        f"{container.restart_count} times."
    )
    name = container.name
    remedy = Remedy(
        f"Read why the program ends. While {name} restarts, nothing reaches it, and it loses its address between two "
        f"starts.",
        commands=(f"docker logs --tail 20 {name}",),
    )
    facts = {**_end(container), "restart_policy": container.restart_policy}
    yield finding(CONTAINER_RESTARTING, of_container(container), message, remedy=remedy, evidence=facts)


def _end(container: Container) -> dict[str, object]:
    return {
        "exit_code": container.exit_code,
        "error": container.error,
        "oom_killed": container.oom_killed,
        "restart_count": container.restart_count,
    }


def ignored_ports(snapshot: Snapshot, container: Container) -> Iterator[Finding]:
    """Find ports that the engine does not publish, because of the network mode or of internal networks."""
    component = of_container(container)
    asked = container.configured_ports
    networks = _networks(snapshot, container)
    facts = {"configured_ports": _listed(asked)}
    if asked and (container.host_mode or container.shares_with or (container.none_mode and not networks)):
        yield finding(
            PUBLISHED_PORTS_IGNORED,
            component,
            _why_ignored(snapshot, container),
            evidence=facts,
            remedy=_instead(snapshot, container),
        )
    elif asked and networks and all(network.internal for network in networks):
        names = ", ".join(network.name for network in networks)
        message = (
            f"The ports of {container.name} ({_listed(asked)}) are not published: internal networks only ({names})."
        )
        remedy = remedies.way_out(snapshot, container)
        yield finding(INTERNAL_NO_PUBLISH, component, message, remedy=remedy, evidence=facts)


def _loopback_ports(container: Container) -> Iterator[Finding]:
    """Find ports that are published on a loopback of the host only."""
    for port in container.published_ports:
        if is_loopback(port.host_ip):
            message = f"Port {port.host_port} of {container.name} is published at {port.host_ip} only."
            yield finding(
                PORT_BOUND_TO_LOOPBACK,
                of_container(container),
                message,
                severity=Severity.INFO,
                evidence={"host_ip": port.host_ip, "host_port": port.host_port},
            )


def taken_ports(snapshot: Snapshot, container: Container) -> Iterator[Finding]:
    """Find ports of the host that another container took while this one was stopped, so that it cannot start."""
    if container.running:
        return
    for wanted in claims_of(snapshot, container):
        holder = publisher_of(snapshot, wanted)
        if holder is None:
            continue
        port = f"{wanted.protocol} port {wanted.host_port}"
        message = (
            f"{container.name} is configured to publish {port} of the host, which {holder.name} publishes: "
            f"it cannot start."
        )
        actions = (
            StopContainer(remedies.container_reference(holder)),
            StartContainer(remedies.container_reference(container)),
        )
        remedy = Remedy(f"Publish another port, or stop {holder.name} before {container.name} is started.", actions)
        facts = {"host_port": wanted.host_port, "protocol": wanted.protocol, "holder": holder.name}
        yield finding(HOST_PORT_TAKEN, of_container(container), message, remedy=remedy, evidence=facts)


def _why_ignored(snapshot: Snapshot, container: Container) -> str:
    asked = _listed(container.configured_ports)
    if container.host_mode:
        return f"{container.name} is in host mode: its published ports ({asked}) are ignored; it uses the host's ports."
    if container.none_mode:
        return f"{container.name} is in network mode none: its published ports ({asked}) are ignored."
    owner = snapshot.containers_by_id.get(container.shares_with or "")
    whose = owner.name if owner else "a container that is gone"
    return f"{container.name} shares the network of {whose}: its published ports ({asked}) are ignored."


def _instead(snapshot: Snapshot, container: Container) -> Remedy:
    ports = ", ".join(str(port.container_port) for port in container.configured_ports)
    if container.host_mode:
        return Remedy(f"Use the port of the program ({ports}) at the host's address, or a network of its own.")
    owner = snapshot.containers_by_id.get(container.shares_with or "")
    if owner is not None:
        return Remedy(f"Create {owner.name} again with these ports published.")
    return Remedy(f"Create {container.name} again on a network.")


def _networks(snapshot: Snapshot, container: Container) -> tuple[Network, ...]:
    """Return the networks that it is on or will be on, without ``host`` and ``none``."""
    found = (snapshot.networks_by_id.get(endpoint.network_id) for endpoint in container.endpoints)
    on = (network for network in found if network is not None and network.driver not in {"host", "null"})
    return tuple(sorted(on, key=lambda network: (network.name, network.id)))


def _network(snapshot: Snapshot, container: Container, attachment: Attachment) -> Iterator[Finding]:
    """Find a container without a network, with another's, or with only the default bridge."""
    if attachment.condition is Condition.LOOPBACK_ONLY:
        yield no_network(snapshot, attachment, (attachment.owner or container,), Severity.INFO)
    owner = attachment.owner
    if attachment.condition is Condition.NETWORKED and owner is not None and owner.id != container.id:
        message = f"{container.name} shares the network of {owner.name}: addresses, ports and names are the owner's."
        yield finding(SHARES_NETWORK, of_container(container), message, evidence={"owner": owner.name})
    networks = _networks(snapshot, container)
    if networks and all(network.is_default_bridge for network in networks):
        message = f"{container.name} is on the default bridge only: it finds no container by name there."
        remedy = remedies.share_network(snapshot, (container,))
        yield finding(DEFAULT_BRIDGE_NO_DNS, of_container(container), message, severity=Severity.INFO, remedy=remedy)


def legacy_links(snapshot: Snapshot, container: Container) -> Iterator[Finding]:
    """Find legacy links, each with the network that replaces it."""
    # The engine lists a link of a running container twice: "/db:/web/store" and, at its endpoint, "db:store".
    links = (*container.links, *(link for endpoint in container.endpoints for link in endpoint.links))
    for (name, alias), link in {link_parts(link): link for link in reversed(links)}.items():
        target = next(iter(snapshot.containers_by_name.get(name, ())), None)
        message = f"{container.name} is linked to {name} as {alias}; links are deprecated."
        remedy = Remedy(f"Create {container.name} again without the link.")
        if target is not None:
            aliases = {target.id: alias} if normal(alias) != normal(name) else {}
            remedy = remedies.share_network(snapshot, (container, target), aliases)
        facts = {"link": link, "target": name, "alias": alias}
        yield finding(LEGACY_LINK, of_container(container), message, remedy=remedy, evidence=facts)


def _names(snapshot: Snapshot, container: Container) -> Iterator[Finding]:
    """Find names that another endpoint of the same network has too."""
    for endpoint in container.endpoints:
        network = snapshot.networks_by_id.get(endpoint.network_id)
        if network is None or endpoint.state != "active" or network.is_default_bridge:
            continue
        for name, others in sorted(_also_held(snapshot, network, endpoint).items()):
            yield _held_by_others(snapshot, container, network, endpoint, name, others)


def _also_held(snapshot: Snapshot, network: Network, endpoint: Endpoint) -> dict[str, list[str]]:
    """Map each of the endpoint's names to the other containers that have it on the network."""
    held = {}
    for name in names_of(endpoint):
        holders = snapshot.holders_by_name_on(network).get(name, ())
        others = sorted(holder.container_name for holder in holders if holder.container_id != endpoint.container_id)
        if others:
            held[name] = others
    return held


def _held_by_others(
    snapshot: Snapshot, container: Container, network: Network, endpoint: Endpoint, name: str, others: list[str]
) -> Finding:
    """Return the finding for a name that several containers have: an alias of this one, or its own name."""
    facts = {"name": name, "network": network.name, "holders": sorted([container.name, *others])}
    taken = name in {normal(alias) for alias in endpoint.aliases} and name != normal(container.name)
    if not taken:
        message = f"The name {name} of {container.name} on {network.name} is also held by {', '.join(others)}."
        remedy = Remedy(f"Give {', '.join(others)} other aliases on {network.name}.")
        return finding(NAME_AMBIGUOUS, of_container(container), message, remedy=remedy, evidence=facts)
    kept = [alias for alias in endpoint.aliases if normal(alias) != name]
    remedy = remedies.reconnect(snapshot, network, container, replace(endpoint, aliases=tuple(kept)))
    message = f"The alias {name} of {container.name} on {network.name} is also held by {', '.join(others)}."
    return finding(ALIAS_ALREADY_HELD, of_container(container), message, remedy=remedy, evidence=facts)


def fixed_addresses(snapshot: Snapshot, container: Container) -> Iterator[Finding]:
    """Find fixed addresses that it did not get, or that another container holds while it is stopped."""
    for endpoint in container.endpoints:
        for wanted, held in _wanted(endpoint):
            others = [e for e in snapshot.holders_by_address.get(wanted, ()) if e.network_id == endpoint.network_id]
            holders = sorted(e.container_name for e in others if e.container_id != container.id)
            facts = {"wanted": wanted, "held": held, "holders": holders, "network": endpoint.network_name}
            taken = f", which {holders[0]} holds" if holders else ""
            if endpoint.state == "active" and held and held != wanted:
                message = (
                    f"{container.name} is configured with {wanted} on {endpoint.network_name}{taken}; it has {held}."
                )
                remedy = Remedy(f"Use the name {container.name}, or the address {held}.")
                yield finding(ADDRESS_CHANGED, of_container(container), message, remedy=remedy, evidence=facts)
            elif endpoint.state != "active" and holders:
                message = (
                    f"{container.name} is configured with {wanted} on {endpoint.network_name}{taken}: it cannot start."
                )
                remedy = remedies.any_address(snapshot, container, endpoint, holders[0])
                yield finding(STATIC_ADDRESS_TAKEN, of_container(container), message, remedy=remedy, evidence=facts)


def _wanted(endpoint: Endpoint) -> Iterator[tuple[str, str | None]]:
    """Yield each configured address with the one that it holds."""
    if endpoint.configured_ipv4:
        yield endpoint.configured_ipv4, endpoint.ipv4_address
    if endpoint.configured_ipv6:
        yield endpoint.configured_ipv6, endpoint.ipv6_address


def gone_networks(snapshot: Snapshot, container: Container) -> Iterator[Finding]:
    """Find networks that it names and that are gone."""
    for endpoint in container.endpoints:
        network_id, name = endpoint.network_id, endpoint.network_name
        if network_id in snapshot.networks_by_id:
            continue
        digits = "" if network_id == name else f" ({network_id[:12]})"
        yield finding(
            NETWORK_GONE,
            of_container(container),
            f"{container.name} is configured with the network {name}{digits}, which does not exist.",
            remedy=_bring_back(snapshot, container, endpoint),
            evidence={"network": {"id": network_id, "name": name}},
        )


def _bring_back(snapshot: Snapshot, container: Container, endpoint: Endpoint) -> Remedy:
    """Return how to give a container its missing network back."""
    # The engine looks the network up by id, so a new one of the same name does not help by itself. A connect to it
    # replaces the id that is gone (measured on 26.1.5).
    name = endpoint.network_name
    spec = EndpointSpec(aliases=endpoint.aliases)
    reference = remedies.container_reference(container)
    renewed = next((network for network in snapshot.networks if network.name == name), None)
    if renewed is not None:
        again = Connect(remedies.network_reference(snapshot, renewed), reference, spec)
        return Remedy(f"Connect {container.name} to the current network {name}, so that it can start.", (again,))
    known = remedies.is_plain(name)
    actions = (CreateNetwork(NetworkSpec(name)), Connect(name, reference, spec)) if known else ()
    return Remedy(f"Create {name} again and connect {container.name}, so that it can start.", actions)


def forgotten_network(snapshot: Snapshot, container: Container) -> Iterator[Finding]:
    """Find a stopped container that is in no network, but was created for one: it would start with only ``lo``."""
    # Docker 29 removes a network that a failed start could not join from the container (measured on 29.7.2; 28 keeps
    # it). On every version, a disconnect from its only network leaves a container in the same state.
    mode = container.network_mode
    if container.running or container.endpoints or container.shares_with or mode in {"host", "none"}:
        return
    found = snapshot.networks_by_name.get(mode, ())
    network = snapshot.networks_by_id.get(mode) or next(iter(found), None)
    name = network.name if network else mode
    message = (
        f"{container.name} was created for the network {name} and is on no network: when it starts, it has only lo."
    )
    remedy = Remedy(f"Connect {container.name} to a network that exists.")
    if network is not None:
        action = Connect(remedies.network_reference(snapshot, network), remedies.container_reference(container))
        remedy = Remedy(
            f"Connect {container.name} to {name} again, with the aliases and addresses that it had.", (action,)
        )
    facts = {"network_mode": mode, "error": container.error}
    yield finding(NETWORK_FORGOTTEN, of_container(container), message, remedy=remedy, evidence=facts)


def _resolver(state: EngineState, container: Container, attachment: Attachment) -> Iterator[Finding]:
    """Find name servers that cannot serve it."""
    yield from loopback_servers(container)
    seen = state.observations.inside.get(container.id)
    if seen is None or seen.resolver is None:
        return
    if user_networks(state.snapshot, attachment) and not uses_embedded_dns(state, attachment):
        yield bypassed(container, seen.resolver.nameservers)
