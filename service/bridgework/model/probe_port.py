"""The two seams of the house, as core sees them: a place to stand, and a runner that probes from there.

``service/bridgework/probes`` implements the runner (in the namespace itself, or in a helper container); operations are
handed one and never ask which.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from bridgework.model.checks import Measurement, ProbeRequest, Reason, Verdict
from bridgework.model.checks import Protocol as ProbeProtocol
from bridgework.model.observations import HostObservation, Observation

Aspect = Literal["interfaces", "routes", "neighbours", "neighbour_table", "sockets", "processes", "resolver", "sysctls"]
"""What to look at. ``processes`` names the owners of ``sockets``; that looks through every process, so only to show."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a probe stands: a running container's network namespace, or the engine's host (``container_id`` None).

    ``pid`` is the process whose ``/proc/<pid>/ns/net`` is the truth; ``namespace_path`` the engine's own handle on it
    (the owner's, for ``container:X``). The two paths to resolver files are on the engine's host.
    """

    container_id: str | None
    name: str
    pid: int = 0
    namespace_path: str | None = None
    resolver_path: str | None = None
    hosts_path: str | None = None


@dataclass(frozen=True, slots=True)
class RunnerStatus:
    """How checks can run: ``kind`` in force, why that one, and what is missing for a better one."""

    kind: Literal["namespace", "sidecar", "unavailable"]
    reason: str
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SweepTarget:
    """A column of a matrix, as one source sees it: a literal address, or a name; neither where it may not be probed."""

    index: int
    address: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class SweepSource:
    """A row of a matrix: where to stand and what to probe from there."""

    index: int
    place: Place
    targets: tuple[SweepTarget, ...]


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """A whole matrix. ``max_packets_per_second`` of ``None`` is the polite default of the runner.

    ``alive_every_ms`` asks for a sign of life where no row becomes whole for so long.
    """

    protocol: ProbeProtocol
    sources: tuple[SweepSource, ...]
    port: int | None = None
    timeout_ms: int = 1000
    max_packets_per_second: int | None = None
    deadline_ms: int = 60_000
    allowed_subnets: tuple[str, ...] | None = None
    alive_every_ms: int | None = None

    @property
    def alive_every_s(self) -> float | None:
        """The same in seconds."""
        return None if self.alive_every_ms is None else self.alive_every_ms / 1000


@dataclass(frozen=True, slots=True)
class SweepOutcome:
    """What one target answered to one source."""

    index: int
    verdict: Verdict
    rtt_ms: float | None = None
    reason: Reason | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class SweepRow:
    """All outcomes of one source, in the order of its targets."""

    index: int
    outcomes: tuple[SweepOutcome, ...] = field(default_factory=tuple)


class ProbeRunner(Protocol):
    """Runs probes where the source stands. Every method may be called from any thread."""

    def status(self) -> RunnerStatus:
        """How checks run, found out once at start and again whenever the engine came back."""
        ...

    def check(self, place: Place, request: ProbeRequest) -> Measurement:
        """One probe. A namespace that cannot be entered is ``inconclusive``/``namespace-out-of-reach``."""
        ...

    def observe(self, place: Place, aspects: Sequence[Aspect]) -> Observation | None:
        """Look inside; ``None`` when the place cannot be entered."""
        ...

    def observe_host(self, *, firewall: bool = False) -> HostObservation | None:
        """Look at the engine's host; ``None`` when it is out of reach."""
        ...

    def namespace_inode(self, place: Place) -> int | None:
        """The identity of the place's namespace, without entering it; ``None`` when out of sight."""
        ...

    def sweep(self, plan: SweepPlan) -> Iterator[SweepRow | None]:
        """A row as soon as it is whole, ``None`` for a sign of life; closing the iterator stops the work."""
        ...
