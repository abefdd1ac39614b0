"""What a use case works with: the engine, the probe runner, the policy in force, and for a change its caller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bridgework.model.engine_port import Engine
from bridgework.model.peers import Peers, Swarm, overlays
from bridgework.model.probe_port import ProbeRunner
from bridgework.model.snapshot import Snapshot
from bridgework.policy.access import Caller, Policy
from bridgework.use_cases.connectivity.case_memory import CaseMemory
from bridgework.use_cases.connectivity.link_memory import LinkMemory
from bridgework.use_cases.connectivity.rules_memory import RulesMemory


@dataclass(frozen=True, slots=True)
class Services:
    """Made once for each worker by the composition root.

    ``peers`` returns the port to the other nodes of a swarm; its first call imports the code about them. ``has_peers``
    says whether instances on other nodes are configured. ``swarm`` is ``None`` where a test replaces the engine.
    """

    engine: Engine
    runner: ProbeRunner
    policy: Policy
    peers: Callable[[], Peers]
    has_peers: bool = False
    swarm: Swarm | None = None
    stop_grace_s: int = 10
    links: LinkMemory = field(default_factory=LinkMemory)
    rules: RulesMemory = field(default_factory=RulesMemory)
    cases: CaseMemory = field(default_factory=CaseMemory)

    def peers_beyond(self, snapshot: Snapshot) -> Peers | None:
        """Return the port to the other nodes; ``None`` where there can be none, so that their code is not imported.

        There can be some where peers are configured, and where an overlay network may reach another node.
        """
        return self.peers() if self.has_peers or any(True for _ in overlays(snapshot)) else None


@dataclass(frozen=True, slots=True)
class Actor:
    """The caller of a change, and whether the change is only rehearsed (``dry_run``)."""

    services: Services
    caller: Caller
    dry_run: bool = False
