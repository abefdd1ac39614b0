"""Remedies that fix a cause with actions of this API.

A remedy widens access as little as possible: two containers that should reach each other get a network of their own,
and one joins a network of the other only where no third container is on it. A remedy has a host command only where no
action can help. Paths name networks and containers by their names where those are plain and unique, and by their full
ids elsewhere. All functions are pure: the names of new networks depend on the snapshot only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import permutations

from bridgework.firewall.docker.releases import facts_of
from bridgework.ipam.usage import available_subnets
from bridgework.model.actions import Action, Connect, CreateNetwork, Disconnect, RestartContainer, StartContainer
from bridgework.model.create_specs import EndpointSpec, NetworkSpec
from bridgework.model.errors import Remedy
from bridgework.model.snapshot import Container, Endpoint, Network, Pool, Snapshot

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_LONGEST_NAME = 48
_IPV6_PREFIX = 64
_MTU = "com.docker.network.driver.mtu"
_OWN_OPTIONS = (".bridge.name", ".default_bridge", ".host_binding_ipv4", ".host_ipv4", ".host_ipv6")
_MOVED = 8
"""More containers than this are not moved by a remedy."""


def is_plain(name: str) -> bool:
    """Whether a path can hold the name without quoting."""
    return _PLAIN.fullmatch(name) is not None


def container_reference(container: Container) -> str:
    """Return how a path names the container: by its name, or by its id if the name would need quoting."""
    return container.name if is_plain(container.name) else container.id


def network_reference(snapshot: Snapshot, network: Network) -> str:
    """Return how a path names the network: by its name if that is plain and unique, otherwise by its full id."""
    unique = sum(1 for other in snapshot.networks if other.name == network.name) == 1
    return network.name if unique and is_plain(network.name) else network.id


def new_name(snapshot: Snapshot, containers: Iterable[Container]) -> str:
    """Return a name for a new network, made of the containers' names, that no network has yet."""
    stem = "-".join(re.sub(r"[^A-Za-z0-9_.]+", "-", c.name).strip("-.") or c.id[:12] for c in containers)[
        :_LONGEST_NAME
    ]
    taken = {network.name for network in snapshot.networks}
    stem = stem if is_plain(stem) else "network"
    number, name = 2, stem
    while name in taken:
        name, number = f"{stem}-{number}", number + 1
    return name


def _leave_none(snapshot: Snapshot, container: Container) -> tuple[Action, ...]:
    """Return the action that takes the container out of ``none``: before, it can join no network (measured on 26.1)."""
    if not container.none_mode or any(e.network_name != "none" for e in container.endpoints):
        return ()
    if not any(network.name == "none" for network in snapshot.networks):
        return ()
    return (Disconnect("none", container_reference(container), force=True),)


def _own_network(
    snapshot: Snapshot,
    members: tuple[Container, ...],
    aliases: Mapping[str, str],
    *,
    ipv6: bool,
    gateway_priority: int | None = None,
) -> tuple[str, tuple[Action, ...]]:
    """Return the name of a new network for just these containers, and the actions that make it."""
    name = new_name(snapshot, members)
    actions: list[Action] = []
    for member in members:
        alias = aliases.get(member.id)
        actions += _leave_none(snapshot, member)
        joined = EndpointSpec(aliases=(alias,) if alias else (), gateway_priority=gateway_priority)
        actions.append(Connect(name, container_reference(member), joined))
    taken = (pool.subnet for network in snapshot.networks for pool in network.pools)
    subnets = available_subnets(_IPV6_PREFIX, 1, taken) if ipv6 else []
    spec = NetworkSpec(name, ipv6_enabled=bool(subnets), pools=tuple(map(Pool, subnets)))
    return name, (CreateNetwork(spec), *actions)


def share_network(
    snapshot: Snapshot, containers: Iterable[Container], aliases: Mapping[str, str] | None = None, *, ipv6: bool = False
) -> Remedy:
    """Put the containers on a network of their own, with an IPv6 subnet if ``ipv6``.

    ``aliases`` maps a container's id to its alias in that network. A container that uses the network of another
    container, or of the host, cannot be connected to a network: then the remedy has no action.
    """
    members = tuple({container.id: container for container in containers}.values())
    stuck = [c.name for c in members if c.host_mode or c.shares_with]
    if stuck:
        names = ", ".join(stuck)
        return Remedy(f"Create {names} again with a network mode of its own: it cannot be connected to a network now.")
    name, actions = _own_network(snapshot, members, aliases or {}, ipv6=ipv6)
    named = " and ".join(c.name for c in members)
    if len(members) == 1:
        return Remedy(
            f"Put {named} on a network of its own, {name}; containers that join it reach it by name.", actions
        )
    return Remedy(f"Put {named} on a network of their own, {name}; there they know each other by name.", actions)


def _alone_on(snapshot: Snapshot, container: Container, *, ipv6: bool) -> Network | None:
    """Return the first network by name that the container is alone on, and where another would know it by name."""
    for endpoint in sorted(container.endpoints, key=lambda endpoint: endpoint.network_name):
        network = snapshot.networks_by_id.get(endpoint.network_id)
        if network is None or network.driver != "bridge" or network.is_default_bridge:
            continue
        has_version = network.ipv6_enabled if ipv6 else network.ipv4_enabled
        if has_version and network.inter_container_enabled and len(snapshot.endpoints_of(network)) == 1:
            return network
    return None


def join_or_share(snapshot: Snapshot, containers: Iterable[Container], *, ipv6: bool = False) -> Remedy:
    """Connect one of two containers to a network that the other is alone on, else put both on a new network."""
    members = tuple({container.id: container for container in containers}.values())
    if not any(member.host_mode or member.shares_with for member in members):
        for joining, holder in permutations(members, 2):
            network = _alone_on(snapshot, holder, ipv6=ipv6)
            if network is not None:
                connect = Connect(network_reference(snapshot, network), container_reference(joining), EndpointSpec())
                summary = f"Connect {joining.name} to {network.name}, which only {holder.name} is on."
                return Remedy(summary, (*_leave_none(snapshot, joining), connect))
    return share_network(snapshot, members, ipv6=ipv6)


def way_out(snapshot: Snapshot, container: Container) -> Remedy:
    """Connect the container to a network that has a route to the outside."""
    if container.host_mode or container.shares_with:
        return share_network(snapshot, (container,))
    name, actions = _own_network(snapshot, (container,), {}, ipv6=False)
    return Remedy(f"Connect {container.name} to a network that is not internal, such as a new network {name}.", actions)


def way_out_beside(snapshot: Snapshot, container: Container, wrong: Network, release: tuple[int, int]) -> Remedy:
    """Move the container's default route from a network that leads nowhere to a new network.

    ``release`` is the engine's major and minor version.
    """
    if container.host_mode or container.shares_with:
        return share_network(snapshot, (container,))
    highest = max((endpoint.gateway_priority for endpoint in container.endpoints), default=0)
    priority = highest + 1 if facts_of(release).takes_gateway_priority else None
    name, actions = _own_network(snapshot, (container,), {}, ipv6=False, gateway_priority=priority)
    # Without priorities the engine takes the first network by name (``selectGatewayEndpoint``).
    if priority is None and name > wrong.name:
        return Remedy(f"Create {container.name} again on a network that leads out, without {wrong.name}.")
    return Remedy(f"Connect {container.name} to a new network {name}, which becomes its default route.", actions)


def with_mtu(snapshot: Snapshot, network: Network, mtu_bytes: int) -> Remedy:
    """Move the running containers of a bridge network to a new one with this MTU."""
    members = [c for c in snapshot.containers if any(e.network_id == network.id for e in c.endpoints)]
    name = f"{network.name if is_plain(network.name) else network.id[:12]}-mtu-{mtu_bytes}"
    option = f"com.docker.network.driver.mtu={mtu_bytes}"
    summary = f"Move the containers of {network.name} to a network with the option {option}."
    if any(one.name == name for one in snapshot.networks) or len(members) > _MOVED or network.internal:
        return Remedy(summary)
    taken = (pool.subnet for one in snapshot.networks for pool in one.pools)
    subnets = available_subnets(_IPV6_PREFIX, 1, taken) if network.ipv6_enabled else []
    options = {**network.options, _MTU: str(mtu_bytes)}
    # What is the old network's alone: the name of its bridge, and what makes it the default bridge.
    kept = {key: value for key, value in options.items() if key == _MTU or not key.endswith(_OWN_OPTIONS)}
    spec = NetworkSpec(name, ipv6_enabled=bool(subnets), pools=tuple(map(Pool, subnets)), options=kept)
    actions: list[Action] = [CreateNetwork(spec)]
    for container in members:
        left = next(e for e in container.endpoints if e.network_id == network.id)
        joined = EndpointSpec(aliases=left.aliases, gateway_priority=left.gateway_priority or None)
        reference = container_reference(container)
        actions.append(Disconnect(network_reference(snapshot, network), reference, force=True))
        actions.append(Connect(name, reference, joined))
    return Remedy(summary, tuple(actions))


def _connect_again(network: str, container: Container, spec: EndpointSpec) -> tuple[Action, ...]:
    reference = container_reference(container)
    return Disconnect(network, reference, force=True), Connect(network, reference, spec)


def reconnect(snapshot: Snapshot, network: Network, container: Container, endpoint: Endpoint) -> Remedy:
    """Remove the endpoint and create it again with the settings that it has."""
    spec = EndpointSpec(
        aliases=endpoint.aliases,
        ipv4_address=endpoint.configured_ipv4,
        ipv6_address=endpoint.configured_ipv6,
        gateway_priority=endpoint.gateway_priority or None,
    )
    actions = _connect_again(network_reference(snapshot, network), container, spec)
    return Remedy(f"Disconnect {container.name} from {network.name} and connect it again.", actions)


def start_it(container: Container) -> Remedy:
    """Start a stopped container, or unpause a paused one: both are the same action."""
    verb = "Unpause" if container.paused else "Start"
    return Remedy(f"{verb} {container.name}.", (StartContainer(container_reference(container)),))


def any_address(snapshot: Snapshot, container: Container, endpoint: Endpoint, holder: str) -> Remedy:
    """Release the container's fixed address, which ``holder`` has, so that the container can start."""
    network = snapshot.networks_by_id.get(endpoint.network_id)
    spec = EndpointSpec(aliases=endpoint.aliases, gateway_priority=endpoint.gateway_priority or None)
    actions = _connect_again(network_reference(snapshot, network), container, spec) if network else ()
    return Remedy(f"Let {container.name} take any free address, or disconnect {holder}.", actions)


def revive_share(owner: Container, sharer: Container) -> Remedy:
    """Start the owner of a shared network if it is down, then restart the sharer, so that it enters that network."""
    first = () if owner.running else (StartContainer(container_reference(owner)),)
    words = f"Restart {sharer.name}" if owner.running else f"Start {owner.name}, then restart {sharer.name}"
    again = RestartContainer(container_reference(sharer))
    return Remedy(f"{words}, so that it uses the current network of {owner.name}.", (*first, again))
