"""Measure after a plan was made: the pairs that were to change, and a sample of those that were not."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace

from bridgework.analysis.case import Case
from bridgework.analysis.predict import any_reachable
from bridgework.model.checks import (
    CheckRequest,
    ContainerDestination,
    Finding,
    HostDestination,
    Measurement,
    ProbeRequest,
    Question,
    Reason,
    Verdict,
)
from bridgework.model.errors import BridgeworkError, Refused
from bridgework.model.snapshot import Snapshot
from bridgework.plans.difference import ChangedPair
from bridgework.plans.reachability import PING, Pair, Reachability
from bridgework.use_cases.connectivity.check import check
from bridgework.use_cases.plans.make import Plan
from bridgework.use_cases.services import Services

MAX_MEASURED, SAMPLE, MAX_EXPLAINED = 200, 20, 10
"""Pairs that were to change, evenly spread if there are more; pairs that were not; and pairs that differ and are
checked, to say why."""
THREADS = 8
TIMEOUT_MS = 500
SETTLES_S = 3.0
"""How long a pair that differs is measured again: a program that was just started may not listen yet."""


@dataclass(frozen=True, slots=True)
class MeasuredPair:
    """A pair with its predicted and its measured verdict.

    ``agrees`` is ``None`` where the two cannot be compared: one of them is inconclusive, or the plan only assumed that
    a program listens there, and the connection was refused. ``findings`` are those of a check of the pair where the two
    differ.
    """

    pair: Pair
    was_to_change: bool
    predicted: Verdict
    measured: Verdict
    reason: Reason | None
    agrees: bool | None
    findings: tuple[Finding, ...] = ()


def measure(services: Services, snapshot: Snapshot, plan: Plan) -> tuple[MeasuredPair, ...]:
    """Measure on the engine as ``snapshot`` says it is. Ids are those of the plan."""
    changed = _spread(plan)
    pairs = [(one.pair, one.after, one.assumed, True) for one in changed]
    pairs += [(pair, verdict, False, False) for pair, verdict in _sample(plan)]
    open_before = {one.pair for one in changed if not one.pair.destination and one.before is Verdict.REACHABLE}
    real = _real_ids(plan, snapshot)
    found: list[MeasuredPair | None] = [None] * len(pairs)
    end = time.monotonic() + SETTLES_S
    with ThreadPoolExecutor(THREADS) as pool:
        left: Sequence[int] = range(len(pairs))
        while left:
            jobs = [
                pool.submit(copy_context().run, measure_pair, services, snapshot, _renamed(pair, real), was_open=was)
                for pair, was in ((pairs[at][0], pairs[at][0] in open_before) for at in left)
            ]
            for at, job in zip(left, jobs, strict=True):
                pair, predicted, assumed, was_to_change = pairs[at]
                seen = job.result()
                agrees = _agrees(predicted, seen, assumed=assumed)
                found[at] = MeasuredPair(pair, was_to_change, predicted, seen.verdict, seen.reason, agrees)
            left = [at for at in left if _is_off(found[at])] if time.monotonic() < end else []
    measured = [one for one in found if one is not None]
    differing = [at for at, one in enumerate(measured) if one.agrees is False][:MAX_EXPLAINED]
    for at in differing:
        measured[at] = replace(measured[at], findings=_why(services, snapshot, _renamed(measured[at].pair, real)))
    return tuple(measured)


def _why(services: Services, snapshot: Snapshot, pair: Pair) -> tuple[Finding, ...]:
    """Check the pair as it is now. The rules of the host may have changed since the plan was made."""
    aim = ContainerDestination(pair.destination) if pair.destination else HostDestination()
    probe = replace(pair.service.probe, timeout_ms=TIMEOUT_MS)
    try:
        return check(services, snapshot, CheckRequest(pair.source or None, aim, probe)).findings
    except BridgeworkError:
        return ()  # such as a port that is not published any more, which no check may probe


def _is_off(one: MeasuredPair | None) -> bool:
    return one is not None and (one.agrees is False or (one.agrees is None and one.reason is Reason.REFUSED))


def _spread(plan: Plan) -> Sequence[ChangedPair]:
    pairs = plan.difference.pairs
    if len(pairs) <= MAX_MEASURED:
        return pairs
    return [pairs[at * len(pairs) // MAX_MEASURED] for at in range(MAX_MEASURED)]


def _sample(plan: Plan) -> Iterable[tuple[Pair, Verdict]]:
    """Return pairs that were not to change, always the same ones for a plan."""
    changed = {one.pair for one in plan.difference.pairs}
    world = plan.after
    ids = sorted(container.id for container in world.snapshot.containers if container.node is None)
    every = len(ids) * (len(ids) - 1)
    reach = Reachability(world.snapshot, world.observations, ids)
    chance = random.Random(plan.wanted.id)  # noqa: S311  # a sample that can be repeated, not a secret
    for number in chance.sample(range(every), min(SAMPLE, every)):
        source, other = divmod(number, len(ids) - 1)
        pair = Pair(ids[source], ids[other + (other >= source)], PING)
        if pair not in changed:
            yield pair, reach.verdict(pair)


def _real_ids(plan: Plan, snapshot: Snapshot) -> dict[str, str]:
    """Map the ids that the plan made up to those of the engine, by the names of the containers."""
    planned = (
        container for container in plan.after.snapshot.containers if container.id not in snapshot.containers_by_id
    )
    names = snapshot.containers_by_name
    return {container.id: names[container.name][0].id for container in planned if container.name in names}


def _renamed(pair: Pair, real: dict[str, str]) -> Pair:
    source, destination = (real.get(end, end) for end in (pair.source, pair.destination))
    return replace(pair, source=source, destination=destination)


def measure_pair(services: Services, snapshot: Snapshot, pair: Pair, *, was_open: bool = False) -> Measurement:
    """Probe the pair, whose ids are those of the engine: its addresses in their order, until one is reached.

    ``was_open`` says that the port of the host was published before the plan. So it may be probed after the plan closed
    it, which the policy refuses otherwise.
    """
    aim = ContainerDestination(pair.destination) if pair.destination else HostDestination()
    question = Question(pair.source or None, aim, replace(pair.service.probe, timeout_ms=TIMEOUT_MS))
    case = Case.of(snapshot, question)
    source = snapshot.containers_by_id.get(pair.source)
    place = services.engine.place_of(snapshot, source) if source else services.engine.host_place(snapshot)
    found: Measurement | None = None
    plans = list(_probes(services, case, was_open=was_open))
    for probe in (plan for plan in plans if isinstance(plan, ProbeRequest)):
        seen = services.runner.check(place, probe)
        if found is None or any_reachable((found.verdict, seen.verdict)) is not found.verdict:
            found = seen
        if found.verdict is Verdict.REACHABLE:
            break
    # Where nothing can be sent to any address, the first one says why.
    return found or next(plan for plan in plans if isinstance(plan, Measurement))


def _probes(services: Services, case: Case, *, was_open: bool) -> Iterator[ProbeRequest | Measurement]:
    """Yield what to send to each address, or the measurement that stands for it."""
    try:
        first = case.probe_plan(services.policy)
    except Refused as refused:
        first = Measurement(Verdict.INCONCLUSIVE, reason=Reason.NOT_ALLOWED, detail=refused.detail)
    addresses = [candidate.address for candidate in case.candidate_addresses.candidates]
    if not addresses or (isinstance(first, Measurement) and first.reason is Reason.SOURCE_NOT_RUNNING):
        yield first
        return
    for at, address in enumerate(addresses):
        probe = first if at == 0 else case.probe_of(services.policy, address)
        if was_open and isinstance(probe, Measurement) and probe.verdict is Verdict.INCONCLUSIVE:
            probe = replace(case.question.probe, address=address)
        yield probe


def _agrees(predicted: Verdict, seen: Measurement, *, assumed: bool) -> bool | None:
    if Verdict.INCONCLUSIVE in {predicted, seen.verdict}:
        return None
    if assumed and predicted is Verdict.REACHABLE and seen.reason is Reason.REFUSED:
        return None
    return predicted is seen.verdict
