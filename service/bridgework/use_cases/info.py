"""Whether the service can serve requests, and what the engine is."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bridgework.ipam.usage import DOCKER_POOLS
from bridgework.model.engine_port import EngineFacts
from bridgework.model.errors import BridgeworkError, EngineMisbehaved, EngineTooSlow, EngineUnreachable
from bridgework.model.probe_port import RunnerStatus
from bridgework.use_cases.services import Services

TRIED_CONTAINERS = 3
NO_NAMESPACE = (
    "the network namespaces of running containers, none of which could be entered: share the host's process ids, or "
    "mount the engine's netns folder so that later mounts appear in it (rslave)"
)
NO_RESOLVER_FILES = (
    "the resolver files of running containers, none of which could be read, so that checks by name are inconclusive: "
    "share the host's process ids with CAP_SYS_PTRACE, or mount the engine's folder of containers"
)


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
    return Readiness(ready=True, runner=_tried(services))


def _tried(services: Services) -> RunnerStatus:
    """Return how checks run, after a look into running containers as a check does it. Nothing is started for it.

    Rights can be there and not suffice: a mount of the engine's folder can be one that later namespaces do not appear
    in, and a folder with the resolver files can be missing.
    """
    status = services.runner.status()
    if status.kind != "namespace":
        return status
    try:
        snapshot = services.engine.snapshot()
    except BridgeworkError:
        return status  # what the engine lacks is told by the requests that need it
    running = [container for container in snapshot.containers if container.running and container.node is None]
    entered = False
    # One that stopped meanwhile, or has a pipe for a resolver file, says nothing about the rights of the service.
    for container in running[:TRIED_CONTAINERS]:
        observation = services.runner.observe(services.engine.place_of(snapshot, container), ("resolver",))
        if observation is not None and observation.resolver is not None:
            return status
        entered = entered or observation is not None
    if not running:
        return status
    return replace(status, missing=(*status.missing, NO_RESOLVER_FILES if entered else NO_NAMESPACE))


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
        own = DOCKER_POOLS if self.facts.uses_dockers_pools else ()
        return self.facts.default_address_pools or own


def describe_engine(services: Services) -> EngineDescription:
    """Describe the engine and its host. Raises the ``Engine*`` errors."""
    host = services.engine.host_place(services.engine.snapshot())
    observation = services.runner.observe(host, ("neighbour_table",))
    table = observation.neighbour_table if observation else None
    return EngineDescription(
        facts=services.engine.facts(),
        probe_runner=_tried(services),
        neighbour_limit=table.limit if table else None,
        neighbours_in_use=table.in_use if table else None,
    )
