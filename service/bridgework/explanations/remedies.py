"""What mends a fault, as calls to this very API that a client can send as they stand.

A remedy never widens more than it must: two containers that should talk get a network of their own, not a place in
each other's. A host command stands only where no call can do it. Names are used where they are plain and unique,
full ids elsewhere. Pure: new names are picked from the snapshot, the same each time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from bridgework.ipam.usage import available_subnets
from bridgework.model.errors import Call, Remedy
from bridgework.model.snapshot import Container, Endpoint, Network, Snapshot

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_LONGEST_NAME = 48
_IPV6_PREFIX = 64


def _plain(name: str) -> bool:
    return _PLAIN.fullmatch(name) is not None


def container_reference(container: Container) -> str:
    """How a path names the container: its name, unless that would need quoting."""
    return container.name if _plain(container.name) else container.id


def network_reference(snapshot: Snapshot, network: Network) -> str:
    """How a path names the network: its name where it is plain and unique, else its full id."""
    unique = sum(1 for other in snapshot.networks if other.name == network.name) == 1
    return network.name if unique and _plain(network.name) else network.id


def start(container: Container) -> Call:
    """Start it."""
    return Call("POST", f"/v1/containers/{container_reference(container)}/start")


def stop(container: Container) -> Call:
    """Stop it."""
    return Call("POST", f"/v1/containers/{container_reference(container)}/stop")


def restart(container: Container) -> Call:
    """Restart it."""
    return Call("POST", f"/v1/containers/{container_reference(container)}/restart")


def create_network(name: str, ipv6_subnet: str | None = None) -> Call:
    """Create a network with the engine's defaults, and with IPv6 where a subnet of it is given."""
    body: dict[str, Any] = {"name": name}
    if ipv6_subnet:
        body |= {"ipv6_enabled": True, "ipam": {"pools": [{"subnet": ipv6_subnet}]}}
    return Call("POST", "/v1/networks", body)


def connect(network: str, container: Container, **settings: Any) -> Call:
    """Connect it to the network, given as a path names it; ``settings`` are fields of a connect body."""
    body = {name: value for name, value in settings.items() if value}
    return Call("PUT", f"/v1/networks/{network}/endpoints/{container_reference(container)}", body)


def disconnect(network: str, container: str) -> Call:
    """Disconnect by force, which also mends what is stale; both as a path names them."""
    return Call("DELETE", f"/v1/networks/{network}/endpoints/{container}?force=true")


def new_name(snapshot: Snapshot, containers: Iterable[Container]) -> str:
    """A network name made of the containers' names that no network has yet."""
    stem = "-".join(re.sub(r"[^A-Za-z0-9_.]+", "-", c.name).strip("-.") or c.id[:12] for c in containers)[
        :_LONGEST_NAME
    ]
    taken = {network.name for network in snapshot.networks}
    stem = stem if _plain(stem) else "network"
    number, name = 2, stem
    while name in taken:
        name, number = f"{stem}-{number}", number + 1
    return name


def _out_of_none(snapshot: Snapshot, container: Container) -> tuple[Call, ...]:
    """A container on ``none`` takes no other network until it is disconnected from there (engine 26.1, measured)."""
    if not container.none_mode or any(e.network_name != "none" for e in container.endpoints):
        return ()
    if not any(network.name == "none" for network in snapshot.networks):
        return ()
    return (disconnect("none", container_reference(container)),)


def own_network(
    snapshot: Snapshot,
    containers: Iterable[Container],
    aliases: Mapping[str, str] | None = None,
    *,
    ipv6: bool = False,
) -> tuple[str, tuple[Call, ...]]:
    """A new network with just these: its name and the calls. ``aliases`` maps a container's id to an alias there."""
    members = tuple({container.id: container for container in containers}.values())
    name = new_name(snapshot, members)
    calls: list[Call] = []
    for member in members:
        alias = (aliases or {}).get(member.id)
        calls += _out_of_none(snapshot, member)
        calls.append(connect(name, member, aliases=[alias] if alias else None))
    taken = (pool.subnet for network in snapshot.networks for pool in network.pools)
    subnets = available_subnets(_IPV6_PREFIX, 1, taken) if ipv6 else []
    return name, (create_network(name, next(iter(subnets), None)), *calls)


def share_network(
    snapshot: Snapshot,
    containers: Iterable[Container],
    aliases: Mapping[str, str] | None = None,
    *,
    ipv6: bool = False,
) -> Remedy:
    """Put them on a network of their own, which has IPv6 too where that is what they lack.

    A container that uses another's network, or the host's, cannot be connected to anything: then there is no call.
    """
    members = tuple(containers)
    stuck = [c.name for c in members if c.host_mode or c.shares_with]
    if stuck:
        names = ", ".join(stuck)
        return Remedy(f"Create {names} again with a network mode of its own: it cannot be connected to a network now.")
    name, calls = own_network(snapshot, members, aliases, ipv6=ipv6)
    named = " and ".join(c.name for c in members)
    if len(members) == 1:
        return Remedy(f"Put {named} on a network of its own, {name}; whoever joins it there knows it by name.", calls)
    return Remedy(f"Put {named} on a network of their own, {name}; there they know each other by name.", calls)


def way_out(snapshot: Snapshot, container: Container) -> Remedy:
    """Give the container a network that leads out."""
    if container.host_mode or container.shares_with:
        return share_network(snapshot, (container,))
    name, calls = own_network(snapshot, (container,))
    return Remedy(f"Connect {container.name} to a network that is not internal, such as a new one, {name}.", calls)


def reconnect(snapshot: Snapshot, network: Network, container: Container, endpoint: Endpoint) -> Remedy:
    """Take the endpoint away and make it anew, with the settings it has."""
    reference = network_reference(snapshot, network)
    again = connect(
        reference,
        container,
        aliases=list(endpoint.aliases),
        ipv4_address=endpoint.configured_ipv4,
        ipv6_address=endpoint.configured_ipv6,
        gateway_priority=endpoint.gateway_priority,
    )
    calls = (disconnect(reference, container_reference(container)), again)
    return Remedy(f"Disconnect {container.name} from {network.name} and connect it again.", calls)


def start_it(container: Container) -> Remedy:
    """Start a container that is stopped; a paused one goes on by the same call."""
    verb = "Unpause" if container.paused else "Start"
    return Remedy(f"{verb} {container.name}.", calls=(start(container),))


def any_address(snapshot: Snapshot, container: Container, endpoint: Endpoint, holder: str) -> Remedy:
    """Give up the fixed address that ``holder`` has, so that the container can start."""
    network = snapshot.networks_by_id.get(endpoint.network_id)
    calls: tuple[Call, ...] = ()
    if network is not None:
        reference = network_reference(snapshot, network)
        again = connect(reference, container, aliases=list(endpoint.aliases))
        calls = (disconnect(reference, container_reference(container)), again)
    return Remedy(f"Let {container.name} take any free address, or disconnect {holder}.", calls)


def revive_share(owner: Container, sharer: Container) -> Remedy:
    """Bring a shared network back: the owner first, if it is down, then the sharer, which must enter anew."""
    first = () if owner.running else (start(owner),)
    words = f"Restart {sharer.name}" if owner.running else f"Start {owner.name}, then restart {sharer.name}"
    return Remedy(f"{words}, so that it enters the network of {owner.name} as it is now.", (*first, restart(sharer)))
