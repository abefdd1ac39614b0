"""Predictions of many checks at once, which share everything that is observed. Nothing is sent.

A thousand checks look into each namespace once, ask the kernel for all routes at once, and share one state of the
engine, so that the walks of like packets are made once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bridgework.analysis.attachment import EngineState
from bridgework.analysis.case import Case
from bridgework.analysis.endpoint_links import unsettled
from bridgework.model.checks import CheckRequest, NameDestination, Prediction, Question
from bridgework.model.errors import AmbiguousReference, InvalidInput, NotFound
from bridgework.model.observations import HostObservation, Observation, Observations
from bridgework.model.peers import World
from bridgework.model.probe_port import Aspect
from bridgework.model.snapshot import Container, Snapshot
from bridgework.use_cases.connectivity.check import question_of
from bridgework.use_cases.connectivity.observe import Ends, Observer, base_observations, inodes_of
from bridgework.use_cases.services import Services


def predict_many(services: Services, snapshot: Snapshot, requests: Sequence[CheckRequest]) -> list[Prediction | None]:
    """Predict each request; ``None`` for one whose ends are not there. Raises the ``Engine*`` errors."""
    questions = [_question(snapshot, request) for request in requests]
    asked = [question for question in dict.fromkeys(questions) if question is not None]
    state = EngineState(snapshot, _observe(services, snapshot, asked))
    cases = {question: Case.within(state, question) for question in asked}
    routes = services.runner.routes(
        tuple(dict.fromkeys(one for case in cases.values() for one in case.route_questions))
    )
    if routes:
        # Only where the kernel routes otherwise than expected.
        state = EngineState(snapshot, replace(state.observations, routes=routes))
        cases = {question: Case.within(state, question) for question in asked}
    return [cases[question].predict() if question is not None else None for question in questions]


def _question(snapshot: Snapshot, request: CheckRequest) -> Question | None:
    try:
        return question_of(snapshot, World(snapshot), request)
    except (NotFound, AmbiguousReference, InvalidInput):
        return None


def _observe(services: Services, snapshot: Snapshot, questions: Sequence[Question]) -> Observations:
    """Observe what ``observe_quick`` does, for all questions together."""
    observer = Observer(services, snapshot)
    ends = [Ends.of(snapshot, question) for question in questions]
    sockets: dict[str, Container] = {}
    resolvers: dict[str, Container] = {}
    for question, both in zip(questions, ends, strict=True):
        if question.probe.protocol.transport is not None and both.target is not None:
            sockets[both.target.id] = both.target
        if isinstance(question.destination, NameDestination) and both.source is not None:
            resolvers[both.source.id] = both.source
    for key, container in {**sockets, **resolvers}.items():
        aspects: tuple[Aspect, ...] = ("sockets",) if key in sockets else ()
        observer.look(container, (*aspects, "resolver") if key in resolvers else aspects)
    involved = {container.id: container for both in ends for container in both}
    inodes: dict[str, int] = {}
    for container in involved.values():
        if container.shares_with:
            inodes |= inodes_of(services, snapshot, container)
    base = base_observations(services, snapshot)
    inside, host = _with_links(services, snapshot, involved, observer.inside)
    return replace(
        base,
        namespace_inodes=inodes,
        inside=inside,
        host=host,
        limited=(*base.limited, *observer.limited),
        unsettled=unsettled(host.observation if host else None, *inside.values()),
    )


def _with_links(
    services: Services, snapshot: Snapshot, involved: dict[str, Container], inside: dict[str, Observation]
) -> tuple[dict[str, Observation], HostObservation | None]:
    if services.runner.status().kind != "namespace":
        return inside, None
    seen = dict(inside)
    for container in involved.values():
        if container.running and container.node is None:
            links = services.links.of(services.runner, snapshot, services.engine.place_of(snapshot, container))
            if links is not None:
                seen[container.id] = replace(seen.get(container.id, links), interfaces=links.interfaces).whole()
    host = services.links.of(services.runner, snapshot, services.engine.host_place(snapshot))
    return seen, HostObservation(host) if host else None
