"""Whether the service can serve requests, and what the engine is."""

from __future__ import annotations

from dataclasses import dataclass

from bridgework.ipam.usage import DOCKER_POOLS
from bridgework.model.engine_port import EngineFacts
from bridgework.model.errors import BridgeworkError, EngineMisbehaved, EngineTooSlow, EngineUnreachable
from bridgework.model.probe_port import RunnerStatus
from bridgework.use_cases.services import Services


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the service can serve requests now; ``problem`` says why not."""

    ready: bool
    runner: RunnerStatus
    problem: BridgeworkError | None = None


def readiness(services: Services) -> Readiness:
    """Ask the engine whether it answers now. Never raises."""
    try:
        services.engine.ping()
    except (EngineUnreachable, EngineTooSlow, EngineMisbehaved) as error:
        return Readiness(ready=False, runner=services.runner.status(), problem=error)
    return Readiness(ready=True, runner=services.runner.status())


@dataclass(frozen=True, slots=True)
class EngineDescription:
    """The facts of the engine, how checks run, and the kernel's limits that bound a matrix."""

    facts: EngineFacts
    probe_runner: RunnerStatus
    neighbour_limit: int | None
    neighbours_in_use: int | None

    @property
    def default_address_pools(self) -> tuple[tuple[str, int], ...]:
        """The pools in force. An engine whose configuration names none reports none, and uses Docker's own."""
        # Podman tells none, and its pools are others (containers.conf, default_subnet_pools).
        own = () if self.facts.product == "podman" else DOCKER_POOLS
        return self.facts.default_address_pools or own


def describe_engine(services: Services) -> EngineDescription:
    """Describe the engine and its host. Raises the ``Engine*`` errors."""
    host = services.engine.host_place(services.engine.snapshot())
    seen = services.runner.observe(host, ("neighbour_table",))
    table = seen.neighbour_table if seen else None
    return EngineDescription(
        facts=services.engine.facts(),
        probe_runner=services.runner.status(),
        neighbour_limit=table.limit if table else None,
        neighbours_in_use=table.in_use if table else None,
    )
