"""A connectivity matrix: every pair of the chosen containers, predicted by classes and measured in one run.

A pair's destination is the address that a check of the pair would use first (``Reach``), and each other one whose
prediction differs (``matrix_addresses``). A pair that was not measured within
the neighbour budget or the deadline is ``inconclusive``, never ``unreachable``. A pair to which nothing can be sent (a
stopped container, one without an address) has the predicted verdict, as in a check.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from functools import cache, partial
from ipaddress import ip_address
from operator import attrgetter
from typing import Any

from bridgework.analysis.address_choice import Reach
from bridgework.analysis.all_pairs.all_pairs import VERDICTS, MatrixPrediction, predict_matrix
from bridgework.analysis.attachment import IPV4, IPV6
from bridgework.analysis.rules.overlay import silent_pair
from bridgework.analysis.rules.table import LIMIT
from bridgework.explanations.limitations import of_pairs
from bridgework.explanations.overlay import NODE_UNREACHABLE
from bridgework.model.checks import Finding, Limitation, Reason, Verdict, WantedMatrix
from bridgework.model.peers import Delivered, Gap, RemoteEnd, World
from bridgework.model.probe_port import SweepOutcome, SweepPlan, SweepSource, SweepTarget
from bridgework.model.snapshot import Container, Reference, Snapshot
from bridgework.policy.probe_policy import allowed_subnets, host_open
from bridgework.telemetry import deadline
from bridgework.use_cases.connectivity.matrix_addresses import (
    PairAddresses,
    addresses_of_pair,
    one_a_column,
    other_addresses,
)
from bridgework.use_cases.connectivity.matrix_scope import chosen_containers, observed
from bridgework.use_cases.connectivity.observe import missing_rights, with_kernel_routes
from bridgework.use_cases.connectivity.undecided import Undecided, grouped
from bridgework.use_cases.services import Services

MAX_SURPRISES = MAX_ADDRESSES = 200
ALIVE_EVERY_MS = 1000
SELF = "self"
WORDS = tuple(verdict.value for verdict in VERDICTS)
UNANSWERED = frozenset({Reason.TIMED_OUT, Reason.HOST_UNREACHABLE})


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One source's row, in the order of the columns."""

    index: int
    verdicts: tuple[str, ...]
    rtt_ms: tuple[float | None, ...]
    undecided: tuple[Undecided, ...] = ()


@dataclass(frozen=True, slots=True)
class Surprise:
    """A pair whose measured verdict differs from the predicted one."""

    source: Reference
    destination: Reference
    predicted: Verdict
    measured: Verdict
    reason: str | None
    findings: tuple[Finding, ...]


@dataclass(slots=True)
class MatrixRun:
    """A running matrix. ``rows()`` may be iterated once; the totals are complete when it has ended.

    Surprises and addresses of another node are kept as that node wrote them. ``gaps`` are the nodes that delivered
    nothing or not all. ``address_count`` counts the pairs that ``addresses`` has no place for, too.
    """

    services: Services
    world: World
    wanted: WantedMatrix
    chosen: tuple[Container, ...]
    prediction: MatrixPrediction
    surprises: list[Surprise | Mapping[str, Any]] = field(default_factory=list)
    addresses: list[PairAddresses | Mapping[str, Any]] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    limited_elsewhere: list[Limitation] = field(default_factory=list)
    surprise_count: int = 0
    address_count: int = 0
    counts: dict[Verdict, int] = field(default_factory=lambda: dict.fromkeys(Verdict, 0))
    reasons: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=time.monotonic)

    @property
    def containers(self) -> tuple[Reference, ...]:
        """The containers in the order of rows and columns."""
        return tuple(Reference(container.id, container.name) for container in self.chosen)

    @property
    def limited(self) -> tuple[Limitation, ...]:
        """Why pairs are inconclusive, and what could not be observed here and on the other nodes."""
        seen = (*self.prediction.state.observations.limited, *self.limited_elsewhere)
        return (*of_pairs(self.reasons, missing_rights(self.services)), *dict.fromkeys(seen))

    @property
    def duration_ms(self) -> float:
        """Milliseconds since the run began."""
        return round((time.monotonic() - self.began) * 1000, 1)

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot of the prediction, with the containers of other nodes."""
        return self.world.snapshot

    def rows(self) -> Generator[MatrixRow | None]:
        """Yield each row as soon as it is complete: this node's, then those of the others, which run at the same time.

        ``None`` comes once a second while no row is complete, so that the caller can see whether its client is still
        there. Closing the iterator stops the probes. A forwarded matrix has this node's rows only.
        """
        peers = self.services.peers_beyond(self.snapshot)
        others = peers.rows(self.world, self.wanted, self.chosen) if peers else None
        left = {index for index, container in enumerate(self.chosen) if container.node is not None}
        with closing(others) if others else nullcontext(()) as delivered:
            yield from self._own_rows(left)
            for arrived in self._arriving(delivered):
                if arrived is not None:
                    left.discard(arrived.index)
                yield arrived
        if not self.wanted.forwarded:
            yield from (self._unmeasured(index) for index in sorted(left))

    def _own_rows(self, elsewhere: set[int]) -> Iterator[MatrixRow | None]:
        plan = SweepPlan(
            protocol=self.wanted.protocol,
            port=self.wanted.port,
            timeout_ms=self.wanted.timeout_ms,
            max_packets_per_second=self.wanted.max_packets_per_second,
            deadline_ms=int(deadline.left(self.wanted.deadline_ms / 1000) * 1000),
            allowed_subnets=self._allowed_subnets(),
            alive_every_ms=None if self.wanted.forwarded else ALIVE_EVERY_MS,
            sources=tuple(_sources(self.services, self.prediction, self.chosen, self.wanted)),
        )
        planned = {source.index for source in plan.sources}
        idle = (index for index in range(len(self.chosen)) if index not in planned and index not in elsewhere)
        yield from (self._finished(index, ()) for index in idle)
        for row in self.services.runner.sweep(plan):
            if row is not None:
                self._note_addresses(row.index, row.outcomes)
            yield None if row is None else self._finished(row.index, one_a_column(row.outcomes, len(self.chosen)))

    def _note_addresses(self, index: int, outcomes: Sequence[SweepOutcome]) -> None:
        """Keep the pairs of a row whose addresses have different predictions."""
        source = self.chosen[index]
        for column, other in enumerate(self.chosen) if self.prediction.differ else ():
            if column == index or not self.prediction.others(index, column):
                continue
            self.address_count += 1
            if len(self.addresses) < MAX_ADDRESSES:
                tried = addresses_of_pair(self.prediction, outcomes, index, column, len(self.chosen))
                ends = Reference(source.id, source.name), Reference(other.id, other.name)
                self.addresses.append(PairAddresses(*ends, tried))

    def _allowed_subnets(self) -> tuple[str, ...]:
        """Return the subnets to which a name may lead, from every source."""
        # A container's own loopback is harmless. The host's is not, so one source in host mode excludes it for all.
        on_host = any(self.prediction.state.attachment_of(container.id).is_host for container in self.chosen)
        loopback = () if on_host else ("127.0.0.0/8", "::1/128")
        subnets = allowed_subnets(self.snapshot, self.services.policy, self.wanted.protocol, self.wanted.port)
        return (*subnets, *loopback)

    def _arriving(self, delivered: Iterable[Delivered | None]) -> Iterator[MatrixRow | None]:
        """Yield the rows that the other nodes deliver, and record their surprises and gaps."""
        rows = {container.id: index for index, container in enumerate(self.chosen)}
        for found in delivered:
            if found is None:
                yield None
            elif isinstance(found, Gap):
                self.gaps.append(found)
            elif isinstance(found, RemoteEnd):
                self.surprise_count += found.surprise_count
                self.address_count += found.address_count
                self.limited_elsewhere += found.limited
                self.surprises.extend(found.surprises[: MAX_SURPRISES - len(self.surprises)])
                self.addresses.extend(found.addresses[: MAX_ADDRESSES - len(self.addresses)])
            elif found.source_id in rows and len(found.verdicts) == len(self.chosen):
                yield self._row(rows[found.source_id], found.verdicts, found.rtt_ms, found.reason)

    def _unmeasured(self, index: int) -> MatrixRow:
        verdicts = [Verdict.INCONCLUSIVE.value] * len(self.chosen)
        verdicts[index] = SELF
        return self._row(index, verdicts, (None,) * len(self.chosen), lambda _: NODE_UNREACHABLE.code)

    def _row(
        self, index: int, verdicts: Sequence[str], rtt_ms: Sequence[float | None], why: Callable[[int], str]
    ) -> MatrixRow:
        """Count a row and return it. ``why`` returns the reason of an inconclusive column."""
        for verdict in Verdict:
            self.counts[verdict] += verdicts.count(verdict.value)
        undecided: tuple[Undecided, ...] = ()
        if Verdict.INCONCLUSIVE.value in verdicts:
            undecided = grouped(index, verdicts, [WORDS[code] for code in self.prediction.row(index)], why)
            for group in undecided:
                self.reasons[group.reason] += len(group.destinations)
        return MatrixRow(index, tuple(verdicts), tuple(rtt_ms), undecided)

    def _finished(self, index: int, outcomes: Sequence[SweepOutcome]) -> MatrixRow:
        predicted = [WORDS[code] for code in self.prediction.row(index)]
        # A pair to which nothing was sent keeps the predicted verdict.
        verdicts = predicted.copy()
        rtts: list[float | None] = [None] * len(self.chosen)
        for outcome in outcomes:
            verdicts[outcome.index] = outcome.verdict.value
            rtts[outcome.index] = outcome.rtt_ms
        for column, other in enumerate(self.chosen):
            # This container's node did not answer, so what the node knows about the container is missing.
            if other.node and not other.node.reachable and verdicts[column] == Verdict.UNREACHABLE.value:
                verdicts[column] = Verdict.INCONCLUSIVE.value
        verdicts[index] = SELF
        predicted[index] = SELF
        if predicted != verdicts:
            self._compare(index, predicted, verdicts, outcomes)
        return self._row(index, verdicts, rtts, partial(self._why, index, outcomes))

    def _why(self, row: int, outcomes: Sequence[SweepOutcome], column: int) -> str:
        """Return why a pair of this node is inconclusive."""
        # The outcomes are in the order of the columns, and only some columns have one.
        at = bisect_left(outcomes, column, key=attrgetter("index"))
        outcome = outcomes[at] if at < len(outcomes) else None
        if outcome is not None and outcome.index == column and outcome.verdict is Verdict.INCONCLUSIVE:
            return outcome.reason.value if outcome.reason else LIMIT
        node = self.chosen[column].node
        if node is not None and not node.reachable:
            return NODE_UNREACHABLE.code
        return self.prediction.why_undecided(row, column)

    def _compare(
        self, row: int, predicted: Sequence[str], measured: Sequence[str], outcomes: Sequence[SweepOutcome]
    ) -> None:
        """Record the pairs of a row whose two verdicts differ, when neither is inconclusive."""
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
        tunnel = silent_pair(self.snapshot, source, destination) if reason in UNANSWERED else ()
        # The routes may have changed since the prediction.
        case = with_kernel_routes(self.services, self.prediction.case(row, column))
        return Surprise(
            source=Reference(source.id, source.name),
            destination=Reference(destination.id, destination.name),
            predicted=predicted,
            measured=measured,
            reason=reason.value if reason else None,
            findings=(*case.predict().findings, *tunnel),
        )


def start_matrix(services: Services, snapshot: Snapshot, wanted: WantedMatrix) -> MatrixRun:
    """Choose the containers and predict; nothing is sent yet. Raises ``NotFound`` and ``InvalidInput``."""
    peers = services.peers_beyond(snapshot)
    world = peers.world_of_matrix(snapshot, wanted) if peers else World(snapshot)
    chosen = chosen_containers(snapshot, world, wanted)
    observations = observed(services, world.snapshot, wanted, chosen)
    prediction = predict_matrix(
        world.snapshot,
        [container.id for container in chosen],
        wanted.protocol,
        wanted.port,
        wanted.by,
        observations,
    )
    return MatrixRun(services, world, wanted, chosen, prediction, gaps=list(world.gaps))


def _sources(
    services: Services, prediction: MatrixPrediction, chosen: Sequence[Container], wanted: WantedMatrix
) -> Iterator[SweepSource]:
    """Yield every row that can be measured, with the columns that have an address or a name to probe."""
    # The ports of a container in host mode are the host's, of which only published ones may be probed. A name's
    # addresses are judged by the plan's subnets when it is resolved.
    state = prediction.state
    may = partial(host_open, state.snapshot, wanted.protocol, wanted.port)
    reach = Reach(state, (IPV4, IPV6))
    attachments = [state.attachment_of(container.id) for container in chosen]
    hosts = {column for column, destination in enumerate(attachments) if destination.is_host}
    named = [SweepTarget(column, name=other.name) for column, other in enumerate(chosen)]

    # Most sources probe the same address of a destination.
    @cache
    def target(column: int, address: str, nth: int = 0) -> SweepTarget:
        # A target with neither address nor name is not probed.
        index = column + nth * len(chosen)
        return SweepTarget(index, address if column not in hosts or may(ip_address(address)) else None)

    for index, (container, addresses) in enumerate(zip(chosen, reach.rows(attachments), strict=True)):
        if not container.running or container.paused or container.node is not None:
            continue
        if wanted.by == "name":
            targets = named[:index] + named[index + 1 :]
        else:
            targets = [
                target(column, address)
                for column, address in enumerate(addresses)
                if address is not None and column != index
            ]
        others = other_addresses(prediction, reach, attachments, index)
        targets += [target(column, address, nth) for column, nth, address in others]
        yield SweepSource(index, services.engine.place_of(state.snapshot, container), tuple(targets))
