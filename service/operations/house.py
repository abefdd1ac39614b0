"""What every use case is handed: the engine, the probe runner and the policy in force."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.core.access import Policy
from service.core.engine_port import Engine
from service.core.ports import ProbeRunner
from service.core.siblings import Siblings, Swarm
from service.operations.engine_rules import RulesMemory
from service.operations.links import LinkMemory


@dataclass(frozen=True, slots=True)
class House:
    """Made once for each worker by the composition root; ``siblings`` and ``swarm`` lead beyond this engine."""

    engine: Engine
    runner: ProbeRunner
    policy: Policy
    stop_grace_s: int = 10
    links: LinkMemory = field(default_factory=LinkMemory)
    rules: RulesMemory = field(default_factory=RulesMemory)
    siblings: Siblings | None = None
    swarm: Swarm | None = None
