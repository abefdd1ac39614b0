"""The port to the other nodes of a swarm, and the values that pass it.

``Peers`` is the port. The package ``bridgework.peers`` implements it, and only the composition root imports that
package: the service of a single engine runs without it. ``Swarm`` is what the local engine itself knows of its swarm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bridgework.model import references
from bridgework.model.checks import CheckRequest, CheckResult, Finding, Limitation, Question, WantedMatrix
from bridgework.model.errors import NotFound
from bridgework.model.snapshot import Container, Network, NodePlace, Reference, Snapshot
from bridgework.model.topology_graph import Topology, TopologyFilter

FORWARDED_HEADER = "Bridgework-Forwarded"
"""The header of a request from a peer. Such a request is answered for this node alone and is not forwarded again."""


@dataclass(frozen=True, slots=True)
class OverlayPlace:
    """An overlay network as one node knows it; ``peers`` are the addresses of the nodes that take part in it."""

    network: Reference
    attachable: bool
    subnets: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the swarm.

    ``id`` is the node's id in its swarm; outside of a swarm it is the engine's id. ``reachable`` says whether an
    instance of this service answers on the node, and ``reason`` why not. ``state`` is what a manager reports
    (``ready``, ``down``…), or ``unknown`` when no manager answered.
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
        """Where a container of this node is."""
        return NodePlace(self.id, self.hostname, self.address, reachable=self.reachable)


@dataclass(frozen=True, slots=True)
class Membership:
    """The local engine as a member of a swarm; ``node_id`` is ``None`` outside of one."""

    node_id: str | None = None
    address: str | None = None
    manager: bool = False


@dataclass(frozen=True, slots=True)
class Holder:
    """An endpoint that holds an address of an overlay network, from the gossip between the engines."""

    name: str
    address: str
    endpoint_id: str
    node_address: str


@dataclass(frozen=True, slots=True)
class OverlayGossip:
    """What the engine's gossip says about one overlay network."""

    peers: tuple[str, ...] = ()
    holders: tuple[Holder, ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """A node whose part of the answer is missing, and why."""

    node: str
    reason: str


@dataclass(frozen=True, slots=True)
class Survey:
    """Every known node, this one first; ``gaps`` names those that do not answer."""

    nodes: tuple[Node, ...]
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class World:
    """A snapshot, which other nodes may have widened, and what is missing in it.

    ``instances`` maps the id of each other node that answered to its instance, as ``host:port``.
    """

    snapshot: Snapshot
    gaps: tuple[Gap, ...] = ()
    instances: Mapping[str, str] = field(default_factory=dict)

    def container(self, local: Snapshot, reference: str) -> Container:
        """Resolve a reference, first among the containers of this engine.

        Raises ``AmbiguousReference``, or ``NotFound`` with the nodes that did not answer.
        """
        try:
            return references.container(local, reference)
        except NotFound:
            return self._elsewhere(reference)

    def _elsewhere(self, reference: str) -> Container:
        try:
            return references.container(self.snapshot, reference)
        except NotFound as error:
            if not self.gaps:
                raise
            silent = ", ".join(gap.node for gap in self.gaps)
            detail = f"{error.detail} These nodes did not answer: {silent}."
            raise NotFound(error.code, detail, error.remedy, error.facts) from error


@dataclass(frozen=True, slots=True)
class RemoteRow:
    """One source's row of a matrix, measured by the node of the source; columns as in the request.

    ``reasons`` has the reason of each inconclusive column.
    """

    source_id: str
    verdicts: tuple[str, ...]
    rtt_ms: tuple[float | None, ...]
    reasons: Mapping[int, str] = field(default_factory=dict)

    def reason(self, column: int) -> str:
        """Return the reason of an inconclusive column. A peer of an older version tells none."""
        return self.reasons.get(column, "analysis-limited")


@dataclass(frozen=True, slots=True)
class RemoteEnd:
    """A peer's summary of its rows: what it counted, and what else the peer wrote of single pairs (JSON).

    ``address_count`` is the number of pairs whose addresses differ. ``limited`` is what the peer could not observe.
    """

    surprise_count: int
    surprises: tuple[Mapping[str, Any], ...]
    address_count: int = 0
    addresses: tuple[Mapping[str, Any], ...] = ()
    limited: tuple[Limitation, ...] = ()


Delivered = RemoteRow | RemoteEnd | Gap


class RemoteRows(Protocol):
    """The rows that other nodes measure. They have begun when this value exists."""

    def __iter__(self) -> Iterator[Delivered | None]:
        """Iterate over what arrives, until every instance has ended; ``None`` about once a second in between."""
        ...

    def close(self) -> None:
        """Close the connections to the instances, which stops their measuring."""
        ...


class Swarm(Protocol):
    """What the local engine knows about its swarm. Every method raises the ``Engine*`` errors."""

    def membership(self) -> Membership:
        """Return whether the engine is in a swarm now."""
        ...

    def members(self) -> tuple[Node, ...]:
        """Return every node by the manager's list; empty where the engine is no manager."""
        ...

    def gossip(self, network_id: str) -> OverlayGossip | None:
        """Return what the engine knows about an overlay network; ``None`` when it does not take part in it."""
        ...


class Peers(Protocol):
    """Everything beyond this engine: the other nodes and the instances of this service there.

    Every method is bounded in time. None of them asks a peer on behalf of another peer.
    """

    def world_of_check(self, snapshot: Snapshot, request: CheckRequest) -> World:
        """Return the snapshot, widened where something that the check names is, or may be, beyond this engine."""
        ...

    def check(self, world: World, request: CheckRequest, question: Question, place: NodePlace) -> CheckResult:
        """Let the source's node make the check; inconclusive where its instance does not answer.

        Raises ``NotFound`` for a check that was forwarded here, and the problem that the instance answered with.
        """
        ...

    def world_of_matrix(self, snapshot: Snapshot, request: WantedMatrix) -> World:
        """Return the snapshot, widened where a network or a container of the matrix is beyond this engine."""
        ...

    def rows(self, world: World, request: WantedMatrix, chosen: Sequence[Container]) -> RemoteRows:
        """Let every other node begin with its own rows; none of them for a matrix that was forwarded here."""
        ...

    def survey(self, snapshot: Snapshot, *, forwarded: bool = False) -> Survey:
        """Ask all nodes; a forwarded request is about this node and its manager's list alone."""
        ...

    def findings(self, snapshot: Snapshot) -> tuple[tuple[Finding, ...], tuple[Limitation, ...]]:
        """Return what is wrong between the nodes, and what could not be inspected."""
        ...

    def topology(self, snapshot: Snapshot, own: Topology, chosen: TopologyFilter) -> tuple[Topology, tuple[Gap, ...]]:
        """Join this engine's graph with those of all other nodes; the gaps are the nodes that did not answer."""
        ...


def overlays(snapshot: Snapshot) -> Iterator[Network]:
    """Return the overlay networks of containers and services, without the routing mesh."""
    return (n for n in snapshot.networks if n.driver == "overlay" and not n.ingress)
