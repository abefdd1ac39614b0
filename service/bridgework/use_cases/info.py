"""What the engine is, whether it answers, and how checks can run."""

from __future__ import annotations

from dataclasses import dataclass

from bridgework.ipam.usage import DOCKER_POOLS
from bridgework.model.engine_port import EngineFacts
from bridgework.model.errors import BridgeworkError, EngineMisbehaved, EngineTooSlow, EngineUnreachable
from bridgework.model.probe_port import RunnerStatus
from bridgework.use_cases.services import Services


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests can be served now; ``problem`` is why not."""

    ready: bool
    runner: RunnerStatus
    problem: BridgeworkError | None = None


def readiness(services: Services) -> Readiness:
    """Ask the engine now."""
    try:
        services.engine.ping()
    except (EngineUnreachable, EngineTooSlow, EngineMisbehaved) as error:
        return Readiness(ready=False, runner=services.runner.status(), problem=error)
    return Readiness(ready=True, runner=services.runner.status())


@dataclass(frozen=True, slots=True)
class EngineDescription:
    """The engine's facts beside the runner in force and the kernel limits that bound a matrix."""

    facts: EngineFacts
    runner: RunnerStatus
    neighbour_limit: int | None
    neighbours_in_use: int | None

    @property
    def default_address_pools(self) -> tuple[tuple[str, int], ...]:
        """Those in force: an engine whose configuration names none has Docker's own, and does not say so."""
        return self.facts.default_address_pools or DOCKER_POOLS


def describe_engine(services: Services) -> EngineDescription:
    """Everything about the engine that does not change from call to call."""
    host = services.engine.host_place(services.engine.snapshot())
    seen = services.runner.observe(host, ("neighbour_table",))
    table = seen.neighbour_table if seen else None
    return EngineDescription(
        facts=services.engine.facts(),
        runner=services.runner.status(),
        neighbour_limit=table.limit if table else None,
        neighbours_in_use=table.in_use if table else None,
    )
