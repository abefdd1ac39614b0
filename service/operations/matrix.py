"""All pairs: every source once, every destination from each, predicted by classes and measured in one sweep.

A pair's destination is the address that the source would use: on a network they share, else any of its own. What could
not be measured within the kernel's neighbour budget or the deadline is ``inconclusive``, never ``unreachable``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from service.core import references
from service.core.checks import Finding, Protocol, Reason, Verdict
from service.core.equivalence import VERDICTS, MatrixPrediction, predict_matrix
from service.core.errors import InputFault, InvalidInput
from service.core.evidence import Evidence
from service.core.observations import Observation
from service.core.ports import SweepOutcome, SweepPlan, SweepSource, SweepTarget
from service.core.probe_policy import allowed_subnets, host_open
from service.core.snapshot import Container, Endpoint, Reference, Snapshot
from service.operations.evidence import base_evidence
from service.operations.house import House

MAX_CONTAINERS = 1000
MAX_SURPRISES = 200
SELF = "self"
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class WantedMatrix:
    """A matrix as it came: exactly one of ``containers``, ``network`` and ``everything``."""

    containers: tuple[str, ...] = ()
    network: str | None = None
    everything: bool = False
    protocol: Protocol = Protocol.ICMP
    port: int | None = None
    by_name: bool = False
    timeout_ms: int = 1000
    max_packets_per_second: int | None = None
    deadline_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One source's row, as the columns stand."""

    index: int
    verdicts: tuple[str, ...]
    rtt_ms: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Surprise:
    """A pair where the prediction and the wire differ."""

    source: Reference
    destination: Reference
    predicted: Verdict
    measured: Verdict
    reason: str | None
    findings: tuple[Finding, ...]


@dataclass(slots=True)
class MatrixRun:
    """A matrix in the making. ``rows()`` may be iterated once; the totals are whole when it has ended."""

    house: House
    snapshot: Snapshot
    wanted: WantedMatrix
    chosen: tuple[Container, ...]
    prediction: MatrixPrediction
    surprises: list[Surprise] = field(default_factory=list)
    surprise_count: int = 0
    counts: dict[Verdict, int] = field(default_factory=lambda: dict.fromkeys(Verdict, 0))
    began: float = field(default_factory=time.monotonic)

    @property
    def containers(self) -> tuple[Reference, ...]:
        """The order of rows and columns."""
        return tuple(Reference(container.id, container.name) for container in self.chosen)

    @property
    def duration_ms(self) -> float:
        """Since the run began."""
        return round((time.monotonic() - self.began) * 1000, 1)

    def rows(self) -> Iterator[MatrixRow]:
        """Rows as they become whole. Closing the iterator stops the probes."""
        plan = SweepPlan(
            protocol=self.wanted.protocol,
            port=self.wanted.port,
            timeout_ms=self.wanted.timeout_ms,
            max_packets_per_second=self.wanted.max_packets_per_second,
            deadline_ms=self.wanted.deadline_ms,
            allowed_subnets=(
                *allowed_subnets(self.snapshot, self.house.policy, self.wanted.protocol, self.wanted.port),
                "127.0.0.0/8",
                "::1/128",
            ),
            sources=tuple(_sources(self.house, self.snapshot, self.chosen, self.wanted)),
        )
        planned = {source.index for source in plan.sources}
        yield from (self._finished(index, ()) for index in range(len(self.chosen)) if index not in planned)
        for row in self.house.runner.sweep(plan):
            yield self._finished(row.index, row.outcomes)

    def _finished(self, index: int, outcomes: Sequence[SweepOutcome]) -> MatrixRow:
        verdicts = [Verdict.UNREACHABLE.value] * len(self.chosen)
        rtts: list[float | None] = [None] * len(self.chosen)
        for outcome in outcomes:
            verdicts[outcome.index] = outcome.verdict.value
            rtts[outcome.index] = outcome.rtt_ms
        verdicts[index] = SELF
        for verdict in Verdict:
            self.counts[verdict] += verdicts.count(verdict.value)
        predicted = [VERDICTS[code].value for code in self.prediction.row(index)]
        predicted[index] = SELF
        if predicted != verdicts:
            self._compare(index, predicted, verdicts, outcomes)
        return MatrixRow(index, tuple(verdicts), tuple(rtts))

    def _compare(
        self, row: int, predicted: Sequence[str], measured: Sequence[str], outcomes: Sequence[SweepOutcome]
    ) -> None:
        """Note the pairs of a row where the two differ and neither is inconclusive."""
        reasons = {outcome.index: outcome.reason for outcome in outcomes}
        for column, pair in enumerate(zip(predicted, measured, strict=True)):
            if pair[0] == pair[1] or Verdict.INCONCLUSIVE.value in pair:
                continue
            self.surprise_count += 1
            if len(self.surprises) < MAX_SURPRISES:
                self.surprises.append(self._surprise(row, column, Verdict(pair[0]), Verdict(pair[1]), reasons))

    def _surprise(
        self, row: int, column: int, predicted: Verdict, measured: Verdict, reasons: Mapping[int, Reason | None]
    ) -> Surprise:
        source, destination = self.chosen[row], self.chosen[column]
        reason = reasons.get(column)
        return Surprise(
            source=Reference(source.id, source.name),
            destination=Reference(destination.id, destination.name),
            predicted=predicted,
            measured=measured,
            reason=reason.value if reason else None,
            findings=self.prediction.prediction(row, column).findings,
        )


def start_matrix(house: House, snapshot: Snapshot, wanted: WantedMatrix) -> MatrixRun:
    """Choose and predict; nothing is sent yet. Raises ``NotFound``, ``InvalidInput``…"""
    chosen = _chosen(snapshot, wanted)
    evidence = _evidence(house, snapshot, wanted, chosen)
    prediction = predict_matrix(
        snapshot,
        [container.id for container in chosen],
        wanted.protocol,
        wanted.port,
        "name" if wanted.by_name else "address",
        evidence,
    )
    return MatrixRun(house, snapshot, wanted, chosen, prediction)


def _evidence(house: House, snapshot: Snapshot, wanted: WantedMatrix, chosen: Sequence[Container]) -> Evidence:
    """Who listens, where a port is asked for; whose namespace is whose, where some are shared."""
    seen: dict[str, Observation] = {}
    inodes: dict[str, int] = {}
    shared = any(container.shares_with for container in chosen)
    for container in chosen:
        if not container.running:
            continue
        place = house.engine.place_of(snapshot, container)
        found = house.runner.observe(place, ("sockets",)) if wanted.protocol is Protocol.TCP else None
        if found is not None:
            seen[container.id] = found
        inode = house.runner.namespace_inode(place) if shared else None
        if inode is not None:
            inodes[container.id] = inode
    return replace(base_evidence(house), observations=seen, namespace_inodes=inodes)


def _chosen(snapshot: Snapshot, wanted: WantedMatrix) -> tuple[Container, ...]:
    if wanted.everything:
        found = snapshot.containers
    elif wanted.network is not None:
        network = references.network(snapshot, wanted.network)
        found = tuple(snapshot.containers_by_id[e.container_id] for e in snapshot.endpoints_of(network))
    else:
        found = tuple({c.id: c for c in (references.container(snapshot, ref) for ref in wanted.containers)}.values())
    if len(found) > MAX_CONTAINERS:
        fault = InputFault("/containers", f"At most {MAX_CONTAINERS} at once; these are {len(found)}.")
        raise InvalidInput(code="input-invalid", detail=f"The body is invalid: {fault.message}", faults=[fault])
    return found


def _sources(
    house: House, snapshot: Snapshot, chosen: Sequence[Container], wanted: WantedMatrix
) -> Iterator[SweepSource]:
    """Every row that can be measured, with the columns that have something to probe.

    In host mode a container's ports are the host's: but for published ones, there is nothing to probe.
    """
    host_closed = not host_open(snapshot, wanted.protocol, wanted.port)
    owners = [snapshot.network_owner_of(container) for container in chosen]
    for index, (container, owner) in enumerate(zip(chosen, owners, strict=True)):
        if not container.running or container.paused:
            continue
        reach = _Reach(owner or container)
        targets: list[SweepTarget] = []
        for column, (other, other_owner) in enumerate(zip(chosen, owners, strict=True)):
            if column == index or not other.running:
                continue
            if host_closed and (other_owner or other).host_mode:
                targets.append(SweepTarget(column))
                continue
            if wanted.by_name:
                targets.append(SweepTarget(column, name=other.name))
                continue
            address = reach.address_of(other_owner or other, shares=other_owner is owner)
            if address is not None:
                targets.append(SweepTarget(column, address=address))
        yield SweepSource(index, house.engine.place_of(snapshot, container), tuple(targets))


class _Reach:
    """From one source: at which address it would try another container."""

    def __init__(self, source: Container) -> None:
        self._source = source
        self._own: dict[str, Endpoint] = {endpoint.network_id: endpoint for endpoint in source.endpoints}

    def address_of(self, other: Container, *, shares: bool) -> str | None:
        """The address, or ``None`` where the other has none."""
        if shares:
            return next((a for endpoint in other.endpoints for a in endpoint.addresses), LOOPBACK)
        if other.host_mode:
            return next((e.gateway for e in self._source.endpoints if e.gateway), None)
        fallback = None
        for endpoint in other.endpoints:
            own = self._own.get(endpoint.network_id)
            if own is not None:
                if endpoint.ipv4_address and own.ipv4_address:
                    return endpoint.ipv4_address
                if endpoint.ipv6_address and own.ipv6_address:
                    return endpoint.ipv6_address
            fallback = fallback or endpoint.ipv4_address or endpoint.ipv6_address
        return fallback
