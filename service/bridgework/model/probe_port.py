"""The port between the use cases and the probes: places, the plan of a matrix, and the runner.

``bridgework.runners`` implements the runner, in the namespace itself or in a helper container. A use case does
not know which one it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from bridgework.model.checks import Measurement, ProbeRequest, Reason, Verdict
from bridgework.model.checks import Protocol as ProbeProtocol
from bridgework.model.expectations import HostWatch
from bridgework.model.observations import FirewallRules, HostObservation, Observation, RouteAnswer, RouteQuestion
from bridgework.model.trace import End, TraceRecord

Aspect = Literal[
    "interfaces",
    "routes",
    "neighbours",
    "neighbour_table",
    "sockets",
    "processes",
    "resolver",
    "own_rules",
    "sysctls",
    "embedded_dns",
    "routing",
    "firewall",
    "frame_rules",
    "xfrm",
]
"""What to observe. ``processes`` adds the owners to ``sockets``; it reads all processes, so use it only for display."""


@dataclass(frozen=True, slots=True)
class Place:
    """A network namespace to probe from: a running container's, or the engine's host's (``container_id`` is ``None``).

    ``pid`` is the container's main process. ``namespace_path`` is the engine's own file of the namespace (with
    ``container:X``: that of X). The paths of the resolver files are paths on the engine's host.
    """

    container_id: str | None
    name: str
    pid: int = 0
    namespace_path: str | None = None
    resolver_path: str | None = None
    hosts_path: str | None = None


@dataclass(frozen=True, slots=True)
class RunnerStatus:
    """How checks run: the ``kind`` in use, the ``reason`` for it, and what is ``missing`` for a better one."""

    kind: Literal["namespace", "sidecar", "unavailable"]
    reason: str
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SweepTarget:
    """A column of a matrix for one source: an address, or a name to resolve; neither where it must not be probed."""

    index: int
    address: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class SweepSource:
    """A row of a matrix: where to probe from, and the targets."""

    index: int
    place: Place
    targets: tuple[SweepTarget, ...]


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """A whole matrix. ``max_packets_per_second`` of ``None`` is the runner's default.

    With ``alive_every_ms`` the runner yields ``None`` when no row was complete for so long.
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
        """``alive_every_ms`` in seconds."""
        return None if self.alive_every_ms is None else self.alive_every_ms / 1000


# Not frozen: a matrix of 400 containers makes 159,600, and a frozen one takes three times as long to make.
@dataclass(slots=True)
class SweepOutcome:
    """The result of one source and one target."""

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


@dataclass(frozen=True, slots=True)
class TracePlan:
    """Where to record a traced probe, beside its source.

    ``destination`` is the container that would answer, where there is one on this machine. ``answerers`` are the
    addresses and ports to which the probe may be translated (``Flow.answerers``). With ``by_proxy``, docker-proxy leads
    the probe to the destination over a connection of its own. ``payload_bytes`` are kept of each packet behind its
    transport header. ``left_out`` are sentences about the namespaces that the caller may not trace.
    """

    host: Place | None
    destination: Place | None = None
    answerers: tuple[End, ...] = ()
    by_proxy: bool = False
    payload_bytes: int = 0
    left_out: tuple[str, ...] = ()


class ProbeRunner(Protocol):
    """Runs probes inside network namespaces. Every method may be called from any thread."""

    def status(self) -> RunnerStatus:
        """Return how checks run."""
        ...

    def check(self, place: Place, request: ProbeRequest) -> Measurement:
        """Probe once. A namespace that cannot be entered is ``inconclusive``/``namespace-out-of-reach``."""
        ...

    def trace(
        self, place: Place, request: ProbeRequest, plan: TracePlan, meanwhile: Callable[[Measurement], None]
    ) -> tuple[Measurement, TraceRecord | None]:
        """Probe a literal address once, and record what the kernel does with it.

        ``meanwhile`` is called once, after the probe, while the kernel closes what recorded it. The record is ``None``
        where nothing can be recorded, such as in a helper container.
        """
        ...

    def observe(self, place: Place, aspects: Sequence[Aspect]) -> Observation | None:
        """Observe the place; ``None`` when it cannot be entered."""
        ...

    def observe_host(self) -> HostObservation | None:
        """Observe the engine's host, without its firewall; ``None`` when it cannot be entered."""
        ...

    def firewall_state(self) -> str | None:
        """Return a text that differs after every change of the rules in force on the engine's host.

        It takes some tens of microseconds. ``None`` where it cannot be had in that time: by a helper container, or
        without CAP_NET_ADMIN.
        """
        ...

    def read_firewall(self) -> FirewallRules | None:
        """Read the rules in force on the engine's host; ``None`` when it cannot be entered. It takes about 20 ms."""
        ...

    def routes(self, questions: Sequence[RouteQuestion]) -> Mapping[RouteQuestion, RouteAnswer]:
        """Return the packets that the host's kernel routes otherwise than expected, each with what it does instead.

        A question takes about 10 microseconds. Nothing is returned where the kernel cannot be asked in that time: by a
        helper container, or before the first ``read_firewall``.
        """
        ...

    def watch_host(self) -> HostWatch | None:
        """Begin to tell what changes in the namespace of the engine's host; ``None`` where nothing can be told."""
        ...

    def namespace_inode(self, place: Place) -> int | None:
        """Return the identity of the place's namespace, without entering it; ``None`` when it is not visible."""
        ...

    def sweep(self, plan: SweepPlan) -> Iterator[SweepRow | None]:
        """Yield each row as soon as it is complete; closing the iterator stops the probes."""
        ...
