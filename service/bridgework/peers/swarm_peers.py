"""The implementation of the port ``bridgework.model.peers.Peers``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridgework.model.checks import CheckRequest, CheckResult, Finding, Limitation, Question, WantedMatrix
from bridgework.model.peers import Gap, Survey, World
from bridgework.model.probe_port import ProbeRunner
from bridgework.model.snapshot import Container, NodePlace, Snapshot
from bridgework.model.topology_graph import Topology, TopologyFilter
from bridgework.peers.node_findings import findings_between_nodes
from bridgework.peers.remote_check import check_elsewhere, world_of_check
from bridgework.peers.remote_rows import Rows, begin_rows, world_of_matrix
from bridgework.peers.survey import Sources, look
from bridgework.peers.swarm_topology import swarm_topology


@dataclass(frozen=True, slots=True)
class SwarmPeers:
    """Implements ``Peers``; safe to use from any thread."""

    sources: Sources
    runner: ProbeRunner

    def world_of_check(self, snapshot: Snapshot, request: CheckRequest) -> World:
        """See ``Peers``."""
        return world_of_check(self.sources, snapshot, request)

    def check(self, world: World, request: CheckRequest, question: Question, place: NodePlace) -> CheckResult:
        """See ``Peers``."""
        return check_elsewhere(self.sources, world, request, question, place)

    def world_of_matrix(self, snapshot: Snapshot, request: WantedMatrix) -> World:
        """See ``Peers``."""
        return world_of_matrix(self.sources, snapshot, request)

    def rows(self, world: World, request: WantedMatrix, chosen: Sequence[Container]) -> Rows:
        """See ``Peers``."""
        return begin_rows(self.sources, world, request, chosen)

    def survey(self, snapshot: Snapshot, *, forwarded: bool = False) -> Survey:
        """See ``Peers``."""
        return look(self.sources, snapshot, forwarded=forwarded)[0]

    def findings(self, snapshot: Snapshot) -> tuple[tuple[Finding, ...], tuple[Limitation, ...]]:
        """See ``Peers``."""
        return findings_between_nodes(self.sources, self.runner, snapshot)

    def topology(self, snapshot: Snapshot, own: Topology, chosen: TopologyFilter) -> tuple[Topology, tuple[Gap, ...]]:
        """See ``Peers``."""
        return swarm_topology(self.sources, snapshot, own, chosen)
