"""Destinations whose verdict depends on more than classes: on the single source, or on the address that it uses.

There are two kinds. A name that several containers use may resolve to another container in each network. And the host
has an address on each bridge, while a port of it may be open at one address only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from bridgework.analysis.name_lookup import link_parts
from bridgework.model.endpoint_names import names_of, normal
from bridgework.model.observations import Observations
from bridgework.model.snapshot import Container, Snapshot

# A socket that is bound to one of these answers at every address of the host.
_EVERYWHERE = frozenset({"", "0.0.0.0", "::", "*"})


def non_uniform(
    snapshot: Snapshot, container_ids: Sequence[str], port: int | None, observations: Observations, *, by_name: bool
) -> Mapping[int, frozenset[int]]:
    """Map the position of each such destination to the positions of the sources that their group does not decide."""
    containers = [snapshot.containers_by_id.get(container_id) for container_id in container_ids]
    found: dict[int, frozenset[int]] = {}
    if _host_differs(snapshot, port, observations):
        # Containers in host mode are tried at the host's address on the source's own bridge, which differs by source.
        on_host = (at for at, container in enumerate(containers) if container and _lives_on_host(snapshot, container))
        found = dict.fromkeys(on_host, frozenset())
    return found | _by_name(snapshot, containers) if by_name else found


def _lives_on_host(snapshot: Snapshot, container: Container) -> bool:
    owner = snapshot.network_owner_of(container)
    return owner is not None and owner.host_mode


def _host_differs(snapshot: Snapshot, port: int | None, observations: Observations) -> bool:
    """Whether the host's addresses differ at the port: it is published, or a program listens at one address only."""
    if port is None:
        return False
    # At its own bridge a publisher is reached by hairpin, and from other bridges it may be dropped.
    if any(p.host_port == port for c in snapshot.containers for p in c.published_ports):
        return True
    seen = [observations.inside[c.id] for c in snapshot.containers if c.host_mode and c.id in observations.inside]
    seen += [observations.host.observation] if observations.host is not None else []
    # A program bound to one address of the host answers only the sources that use this address.
    bound = {socket.address for one in seen for socket in one.sockets or () if socket.port == port}
    return not bound <= _EVERYWHERE


def _by_name(snapshot: Snapshot, containers: Sequence[Container | None]) -> dict[int, frozenset[int]]:
    """Map the containers whose name others use too to all containers that use it."""
    users: dict[str, set[str]] = defaultdict(set)
    for container in snapshot.containers:
        for name in _names_used(container):
            users[name].add(container.id)
    found: dict[int, frozenset[int]] = {}
    for at, asked in enumerate(containers):
        name = normal(asked.name) if asked is not None else ""
        # A name with a dot may also be a name in the form name.network, or of an upstream server.
        if len(users[name]) > 1 or "." in name:
            found[at] = frozenset(
                # A container resolves its own name to itself, and so does one that reads the same hosts file.
                i
                for i, c in enumerate(containers)
                if c is not None and users[name] & _with_owner(snapshot, c)
            )
    return found


def _with_owner(snapshot: Snapshot, container: Container) -> set[str]:
    """Return the container and the owner of its namespace, whose hosts file it reads."""
    owner = snapshot.network_owner_of(container)
    return {container.id, owner.id if owner is not None else container.id}


def _names_used(container: Container) -> set[str]:
    """Return every name that the container has on a network, in its hosts file or in a link."""
    links = (*container.links, *(link for endpoint in container.endpoints for link in endpoint.links))
    return {
        *(name for endpoint in container.endpoints for name in names_of(endpoint)),
        *(normal(name) for name in (container.name, container.hostname, *container.extra_hosts)),
        *(normal(name) for link in links for name in link_parts(link)),
    }
