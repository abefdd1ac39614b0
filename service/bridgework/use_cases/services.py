"""What every use case is handed: the engine, the probe runner and the policy in force."""

from __future__ import annotations

from dataclasses import dataclass, field

from bridgework.model.engine_port import Engine
from bridgework.model.peers import Peers, Swarm
from bridgework.model.probe_port import ProbeRunner
from bridgework.policy.access import Policy
from bridgework.use_cases.connectivity.engine_rules import RulesMemory
from bridgework.use_cases.connectivity.link_memory import LinkMemory


@dataclass(frozen=True, slots=True)
class Services:
    """Made once for each worker by the composition root; ``peers`` and ``swarm`` lead beyond this engine."""

    engine: Engine
    runner: ProbeRunner
    policy: Policy
    stop_grace_s: int = 10
    links: LinkMemory = field(default_factory=LinkMemory)
    rules: RulesMemory = field(default_factory=RulesMemory)
    peers: Peers | None = None
    swarm: Swarm | None = None
