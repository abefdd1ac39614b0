"""Beyond one engine: the nodes of a swarm, what lives on them, and the two ports by which operations learn of it.

``Swarm`` is what the local engine itself knows of the others: its manager's list, and the gossip of overlay networks.
``Peers`` are this service's other instances, one on each node. Both may be absent; then there is one node.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from bridgework.model.assembly import assembled
from bridgework.model.checks import CheckResult
from bridgework.model.snapshot import Container, Network, NodePlace, Reference, Snapshot

FORWARDED_HEADER = "Bridgework-Forwarded"
"""A request that carries it came from a peer. It is answered from here, and goes no further."""


@dataclass(frozen=True, slots=True)
class OverlayPlace:
    """An overlay network as one node knows it; ``peers`` are addresses of the nodes that take part in it."""

    network: Reference
    attachable: bool
    subnets: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the swarm. ``id`` is the swarm's, or the engine's outside of one.

    ``reachable`` says whether an instance of this service answers there; ``reason`` why not. ``state`` is the
    manager's word on the engine (``ready``, ``down``…), ``unknown`` where no manager was heard.
    """

    id: str
    hostname: str
    engine_id: str | None = None
    address: str | None = None
    instance: str | None = None
    engine_version: str | None = None
    state: str = "unknown"
    manager: bool = False
    here: bool = False
    reachable: bool = False
    reason: str | None = None
    overlays: tuple[OverlayPlace, ...] = ()

    @property
    def place(self) -> NodePlace:
        """The node as a container's whereabouts."""
        return NodePlace(self.id, self.hostname, self.address, reachable=self.reachable)


@dataclass(frozen=True, slots=True)
class Membership:
    """What the local engine says of itself as a member of a swarm; ``node_id`` is ``None`` outside of one."""

    node_id: str | None = None
    address: str | None = None
    manager: bool = False


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds an address of an overlay network, as gossiped between the engines."""

    name: str
    address: str
    endpoint_id: str
    node_address: str


@dataclass(frozen=True, slots=True)
class OverlayGossip:
    """What the engine knows of one overlay network beyond itself."""

    peers: tuple[str, ...] = ()
    holders: tuple[Holder, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What one peer said. When it did not answer, ``reason`` says why, and the rest is as it last said it."""

    instance: str
    node: Node | None = None
    members: tuple[Node, ...] = ()
    networks: tuple[Network, ...] = ()
    containers: tuple[Container, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A part of the answer that is missing: which node, and why."""

    node: str
    reason: str


@dataclass(frozen=True, slots=True)
class RemoteRow:
    """One source's row of a matrix, measured by the node it is on; columns as they were asked for."""

    source_id: str
    verdicts: tuple[str, ...]
    rtt_ms: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class RemoteEnd:
    """What a peer says of its rows as a whole: how many surprised it, and those themselves, as it wrote them."""

    surprise_count: int
    surprises: tuple[Mapping[str, Any], ...]


class PeerSilent(Exception):
    """A peer did not answer, or not sensibly; the message says why."""


class Swarm(Protocol):
    """The local engine's knowledge of the swarm. Raises the ``Engine*`` errors."""

    def membership(self) -> Membership:
        """Whether the engine is in a swarm now."""
        ...

    def members(self) -> tuple[Node, ...]:
        """Every node, by the manager's list; empty where the engine is no manager."""
        ...

    def gossip(self, network_id: str) -> OverlayGossip | None:
        """What the engine knows of an overlay network; ``None`` when it does not take part in it."""
        ...


class Peers(Protocol):
    """The other instances. Every method is bounded in time; none is ever asked on behalf of another peer's look."""

    def look(self) -> tuple[Report, ...]:
        """Every other instance: its node, networks and containers. Never raises."""
        ...

    def check(self, instance: str, body: Mapping[str, Any], seconds: float) -> CheckResult:
        """Let an instance make a check. Raises ``PeerSilent``, or the problem it answered with."""
        ...

    def matrix(self, instance: str, body: Mapping[str, Any], seconds: float) -> Generator[RemoteRow | RemoteEnd]:
        """Let an instance measure the rows of its own containers. Raises ``PeerSilent``."""
        ...

    def topologies(self, query: Mapping[str, str]) -> Sequence[tuple[Report, Mapping[str, Any] | None]]:
        """Every instance's own topology document; ``None`` with the report's reason where there is none."""
        ...


def placed(container: Container, place: NodePlace) -> Container:
    """The container as seen from another node: nothing of it can be entered from here."""
    return replace(container, node=place, namespace_path=None, resolver_path=None, hosts_path=None, pid=0)


def joined(snapshot: Snapshot, networks: Sequence[Network], containers: Sequence[Container]) -> Snapshot:
    """The local snapshot and what is elsewhere; what both know is as it is here."""
    known_networks, known = snapshot.networks_by_id, snapshot.containers_by_id
    more_networks = {n.id: n for n in networks if n.id not in known_networks}
    more = {c.id: c for c in containers if c.id not in known}
    return assembled((*snapshot.networks, *more_networks.values()), (*snapshot.containers, *more.values()))
