"""The watch over kept expectations: one worker predicts after each sign of change, and measures what may have changed.

An expectation is measured when its prediction changed, when the last measurement and the prediction differ (first after
half a second, then less often), and each ``every_s`` in any case. Measurements run in a pool while the watch goes on.
Where the prediction changes during one, another one begins, and the first counts no more: it may have seen a state in
between. The state is in the store, so another worker goes on where this one ended.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from queue import SimpleQueue

import structlog

from bridgework.model.checks import Prediction, Verdict
from bridgework.model.errors import BridgeworkError, StateUnavailable
from bridgework.model.expectations import (
    Assertion,
    ExpectationPorts,
    ExpectationSet,
    ExpectationState,
    Judgement,
    SignOfChange,
)
from bridgework.use_cases.connectivity.predict_many import predict_many
from bridgework.use_cases.expectations.judge import Measured, judged, measure
from bridgework.use_cases.expectations.notify import deliver
from bridgework.use_cases.expectations.signs import AWAY, Signs
from bridgework.use_cases.services import Services

AT_ONCE = 24
_TICK_S = 1.0
_SOON_S, _DIFFERING_S = 0.25, 10.0
"""How soon an expectation is measured again whose measurement differs from the prediction: at first, and at most."""
_AWAY_S = 20.0
"""How long the engine may be away before the expectations become unknown: a restart takes a few seconds."""
_RECENT_S, _BEFORE_S = 10.0, 0.5
"""How long events are kept, and how long before a change of the prediction one may be that made it so."""
Key = tuple[str, str]
log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Watched:
    """One expectation, as the watch knows it. ``due`` is when to measure it (``time.monotonic``).

    ``running`` is the measurement that counts, while there is one. ``earlier`` is the prediction before the newest
    one: its findings are newer than those of the last measurement where that was not made again in between.
    ``ends`` are the ids of both ends when they were last there. Events after ``events_from`` may explain a change.
    """

    of: ExpectationSet
    assertion: Assertion
    state: ExpectationState | None
    due: float = 0.0
    predicted: Prediction | None = None
    earlier: Prediction | None = None
    signature: Hashable = None
    running: Future[Measured] | None = None
    ends: frozenset[str] = frozenset()
    events_from: float = 0.0
    is_settled: bool = True
    differing: int = 0


@dataclass(slots=True)
class Watch:
    """The watch of one worker."""

    services: Services
    ports: ExpectationPorts
    _watched: dict[Key, _Watched] = field(default_factory=dict)
    _version: object = None
    _away_since: float | None = None
    _recent: list[tuple[float, SignOfChange]] = field(default_factory=list)
    _done: SimpleQueue[tuple[_Watched, Future[Measured]]] = field(default_factory=SimpleQueue)

    def run(self, ending: Callable[[], bool]) -> None:
        """Watch until ``ending``, as soon as no other worker does."""
        while not ending():
            try:
                if self.ports.store.lead():
                    self._lead(ending)
            except Exception:
                log.exception("watch-failed")
            time.sleep(_TICK_S)

    def _lead(self, ending: Callable[[], bool]) -> None:
        log.info("watch-begins")
        told = threading.Event()
        threading.Thread(target=deliver, args=(self.ports, told, ending), name="webhooks", daemon=True).start()
        signs = Signs(self.services, ending)
        with ThreadPoolExecutor(AT_ONCE, "expectations") as pool:
            while not ending():
                try:
                    self._turn(signs.gather(self._pause()))
                    self._keep(told)
                    self._measure(pool, signs.wake)
                except StateUnavailable as error:
                    log.warning("expectations-not-written", why=error.detail)
                    self._version = None
                    time.sleep(_TICK_S)

    def _pause(self) -> float:
        """Return how long to wait for signs, in seconds."""
        moment = time.monotonic()
        soonest = min((one.due for one in self._watched.values() if one.running is None), default=moment + _TICK_S)
        return min(_TICK_S, max(0.01, soonest - moment))

    def _turn(self, signs: Sequence[SignOfChange]) -> None:
        """Predict again where something changed."""
        is_new = self._read_sets()
        moment = time.monotonic()
        self._recent = [(at, sign) for at, sign in self._recent if moment - at < _RECENT_S]
        self._recent += [(moment, sign) for sign in signs if sign.kind != AWAY]
        links = {name for sign in signs if sign.kind in {"link", "address"} for name in sign.ids}
        if links:
            self.services.links.forget()
            self._measure_over(links)
        if self._watched and (signs or is_new):
            self._predict()

    def _measure_over(self, links: set[str]) -> None:
        """Let those be due whose packets pass one of these links: no prediction knows a bridge that is down."""
        for one in self._watched.values():
            if one.predicted is not None and any(hop.name in links for hop in one.predicted.path):
                # A measurement that runs may have been made before the link changed.
                one.due, one.running = 0.0, None

    def _read_sets(self) -> bool:
        """Follow the changes of the sets. Return whether there were any."""
        version = self.ports.store.version()
        if version == self._version:
            return False
        before, self._watched = self._watched, {}
        for one in self.ports.store.sets():
            states = self.ports.store.states(one.name)
            for assertion in one.expectations:
                key = (one.name, assertion.name)
                old = before.get(key)
                if old is not None and old.assertion == assertion:
                    old.of = one
                    self._watched[key] = old
                else:
                    self._watched[key] = _Watched(one, assertion, states.get(assertion.name))
        self._version = version
        return True

    def _predict(self) -> None:
        """Predict all expectations, and let those be due whose prediction is not as it was."""
        watched = list(self._watched.values())
        # The signs came before the predictions are made, which may take longer than _BEFORE_S.
        moment = time.monotonic()
        try:
            snapshot = self.services.engine.snapshot()
            predictions = predict_many(self.services, snapshot, [one.assertion.wanted for one in watched])
        except BridgeworkError as error:
            self._note_away(error)
            return
        self._away_since = None
        for one, predicted in zip(watched, predictions, strict=True):
            signature = _signature(predicted)
            if signature != one.signature:
                one.due, one.running, one.earlier, one.differing = 0.0, None, one.predicted, 0
                if one.is_settled:
                    one.is_settled, one.events_from = False, max(one.events_from, moment - _BEFORE_S)
            elif _differs(one.state, predicted):
                one.due = min(one.due, moment + _DIFFERING_S)
            one.predicted, one.signature = predicted, signature

    def _note_away(self, error: BridgeworkError) -> None:
        log.info("watch-without-engine", why=error.detail)
        self._away_since = self._away_since or time.monotonic()

    def _is_away(self) -> bool:
        """Whether the engine does not answer, and may only be restarting."""
        if self._away_since is None:
            return False
        try:
            self.services.engine.ping()
        except BridgeworkError:
            return time.monotonic() - self._away_since < _AWAY_S
        self._away_since = None
        self._predict()
        return False

    def _measure(self, pool: ThreadPoolExecutor, wake: Callable[[], None]) -> None:
        """Begin to measure what is due."""
        moment = time.monotonic()
        due = [one for one in self._watched.values() if one.due <= moment and one.running is None]
        if not due or self._is_away():
            return
        for one in due:
            one.running = job = pool.submit(
                measure, self.services, self.ports, one.of, one.assertion, one.predicted, one.state
            )

            job.add_done_callback(partial(self._note, one, wake))

    def _note(self, one: _Watched, wake: Callable[[], None], job: Future[Measured]) -> None:
        self._done.put((one, job))
        wake()

    def _keep(self, told: threading.Event) -> None:
        """Keep what was measured meanwhile, and tell the changes."""
        kept: list[tuple[_Watched, Measured]] = []
        while not self._done.empty():
            one, job = self._done.get()
            # The set may have been changed meanwhile, too.
            if one.running is job and self._watched.get((one.of.name, one.assertion.name)) is one:
                one.running = None
                kept.append((one, job.result()))
        if not kept:
            return
        judgements = [self._judged(one, measured) for one, measured in kept]
        if self.ports.store.record(judgements):
            told.set()
        for judgement, (one, _) in zip(judgements, kept, strict=True):
            if one.state is None or one.state.status is not judgement.state.status:
                one.events_from = time.monotonic()
            one.state, one.is_settled, one.earlier = judgement.state, True, None
            spread = random.uniform(0.9, 1.1)  # noqa: S311 - so that not all are measured at once
            # What was measured while something changed is soon measured again; what lasts, less often.
            one.differing = one.differing + 1 if _differs(one.state, one.predicted) else 0
            soon = min(_DIFFERING_S, _SOON_S * 2.0 ** min(one.differing, 8))
            pause = min(one.of.every_s, soon) if one.differing else one.of.every_s
            one.due = time.monotonic() + pause * spread

    def _judged(self, one: _Watched, measured: Measured) -> Judgement:
        # What is gone by now was there before.
        one.ends = measured.seen.ends or one.ends
        signs = [sign for at, sign in self._recent if at > one.events_from]
        measured = replace(measured, seen=replace(measured.seen, ends=one.ends))
        return judged(one.of, one.assertion, self._before(one), measured, signs)

    def _before(self, one: _Watched) -> ExpectationState | None:
        """Return the state of an expectation with the newest findings that explain it."""
        earlier = one.earlier
        if one.state is None or earlier is None or earlier.verdict is not one.state.verdict:
            return one.state
        return replace(one.state, findings=tuple(self.ports.findings_to_json(earlier.findings)))


def _signature(predicted: Prediction | None) -> Hashable:
    """Return what must be the same for a prediction to be as it was."""
    if predicted is None:
        return "not-there"
    found = tuple((one.code, one.severity, one.component.id) for one in predicted.findings)
    return predicted.verdict, predicted.path, found


def _differs(state: ExpectationState | None, predicted: Prediction | None) -> bool:
    """Whether a measurement is not what is predicted: it may have been made while something changed."""
    if state is None or predicted is None or predicted.verdict is Verdict.INCONCLUSIVE:
        return False
    return state.verdict is not predicted.verdict
