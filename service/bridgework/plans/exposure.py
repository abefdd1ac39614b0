"""The rows of the exposure that open or close between two states: a port of a container, asked for from one place.

Rows of containers that are alike, as no rule of the host tells them apart, have one verdict, which is found once.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from bridgework.analysis.attachment import EngineState
from bridgework.analysis.exposure.judge import Judge
from bridgework.analysis.exposure.questions import (
    Origin,
    OriginKind,
    Question,
    Target,
    direct_targets,
    origins_of,
    published_targets,
    questions,
)
from bridgework.model.checks import Protocol, Verdict
from bridgework.model.observations import HostObservation
from bridgework.model.snapshot import Container
from bridgework.plans.difference import KnownWorlds, World, made_again
from bridgework.plans.effort import Effort
from bridgework.plans.reachability import Reachability, Service

MOST_ROWS = 200_000
"""More rows are not compared from networks: their ends are pairs of the difference."""


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """A row whose verdict changes; ``None`` where there is no such row then. ``reason`` is why it is not reachable."""

    question: Question
    before: Verdict | None
    after: Verdict | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ChangedExposure:
    """The rows that change. ``is_whole``: those from networks were compared, too."""

    rows: tuple[ChangedRow, ...] = ()
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class SeenWorld:
    """A state, with the links and routes of its host."""

    world: World
    host: HostObservation


def changed_exposure(
    before: SeenWorld,
    after: SeenWorld,
    affected: frozenset[str],
    effort: Effort,
    predicted: KnownWorlds | None = None,
) -> ChangedExposure:
    """Return the rows of the affected containers that open or close, and those from networks that come or go.

    ``predicted`` has the classes of containers that were made of the same worlds, if any.
    """
    states = [_State(one, affected, effort, predicted or {}) for one in (before, after)]
    is_whole = all(state.size <= MOST_ROWS for state in states)
    again = made_again(before.world.snapshot, after.world.snapshot)
    known = {one.name for one in before.world.snapshot.networks} & {one.name for one in after.world.snapshot.networks}
    was, now = (
        {_key(question, again): (state, question) for question in state.questions(known, from_networks=is_whole)}
        for state in states
    )
    rows = (_changed(was.get(key), now.get(key)) for key in {**was, **now})
    return ChangedExposure(tuple(row for row in rows if row is not None), is_whole)


def _changed(was: tuple[_State, Question] | None, now: tuple[_State, Question] | None) -> ChangedRow | None:
    old, new = (one[0].verdict(one[1]) if one is not None else None for one in (was, now))
    before, after = (one[0] if one is not None else None for one in (old, new))
    # What cannot be asked for is not reachable.
    if (before or Verdict.UNREACHABLE) is (after or Verdict.UNREACHABLE):
        return None
    question = (now or was or (None, None))[1]
    return ChangedRow(question, before, after, (new or old or (None, None))[1]) if question is not None else None


def _key(question: Question, again: Mapping[str, str]) -> Hashable:
    target, origin = question.target, question.origin
    port = target.published
    owner = again.get(target.container.id, target.container.id)
    published = (port.host_ip, port.host_port) if port is not None else None
    return owner, target.network.name, target.port, target.protocol, published, origin.kind, origin.name, origin.version


class _State:
    """One state: its questions, and their verdicts by kinds of containers."""

    def __init__(self, seen: SeenWorld, affected: frozenset[str], effort: Effort, predicted: KnownWorlds) -> None:
        world = seen.world
        observations = replace(world.observations, host=seen.host)
        self._state = EngineState(world.snapshot, observations)
        self._affected, self._effort = affected, effort
        ids = sorted(world.snapshot.containers_by_id)
        same = predicted.get((id(world.snapshot), id(world.observations)))
        self._classes = same or Reachability(world.snapshot, world.observations, ids, effort)
        self._judge = Judge(self._state)
        self._known: dict[Hashable, tuple[Verdict, str | None]] = {}
        self._origins = tuple(origins_of(world.snapshot, seen.host))
        self._targets = tuple(self._all_targets())

    @property
    def size(self) -> int:
        """How many rows there can be."""
        return len(self._targets) * len(self._origins)

    def _all_targets(self) -> Iterator[Target]:
        running: list[Container] = [one for one in self._state.snapshot.containers if one.running]
        yield from published_targets(self._state.snapshot, running)
        yield from direct_targets(self._state, running)

    def questions(self, known: set[str], *, from_networks: bool) -> Iterable[Question]:
        """Yield the rows of affected containers, and those from networks that are not ``known`` in both states."""
        for target in self._targets:
            origins: Iterable[Origin] = (one for one in self._origins if self._is_asked(target, one, known))
            if not from_networks:
                origins = (one for one in origins if one.kind is not OriginKind.NETWORK)
            yield from questions([target], origins)

    def _is_asked(self, target: Target, origin: Origin, known: set[str]) -> bool:
        is_new = origin.kind is OriginKind.NETWORK and origin.name not in known
        return is_new or target.container.id in self._affected

    def verdict(self, question: Question) -> tuple[Verdict, str | None]:
        """Return the verdict with its reason, which is that of the first row of its kind."""
        self._effort.pair()
        kind = self._kind(question)
        if kind not in self._known:
            self._effort.prediction()
            found = self._judge.exposure(question)
            self._known[kind] = found.verdict, found.stop.reason
        return self._known[kind]

    def _kind(self, question: Question) -> Hashable:
        target, origin, port = question.target, question.origin, question.target.published
        at = self._classes.position[target.container.id]
        group = self._classes.classes_of(Service(Protocol(target.protocol), target.port)).group_of[at]
        asked: Hashable = None
        if port is not None:
            publishers = self._state.snapshot.publishers_by_port.get((question.port, target.protocol), ())
            alone = {container.id for container, _ in publishers} == {target.container.id}
            is_named = not alone or self._classes.ports_named.holds(question.port)
            asked = (question.port if is_named else 0, port.host_ip, port.container_port)
        return group, target.network.id, target.port, target.protocol, asked, origin
