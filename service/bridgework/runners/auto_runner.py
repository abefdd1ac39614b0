"""Chooses the runner: in the namespace itself where it can be entered, in a helper container where it cannot.

The choice is repeated every few seconds, since an engine can appear or be replaced while the service runs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from bridgework.model.checks import Measurement, ProbeRequest
from bridgework.model.expectations import HostWatch
from bridgework.model.observations import FirewallRules, HostObservation, Observation, RouteAnswer, RouteQuestion
from bridgework.model.probe_port import Aspect, Place, ProbeRunner, RunnerStatus, SweepPlan, SweepRow, TracePlan
from bridgework.model.trace import TraceRecord
from bridgework.runners.helper_runner import HelperRunner, Launcher

DECISION_HOLDS_S = 5.0


class AutoRunner:
    """A ``ProbeRunner`` that forwards every call to the chosen one."""

    def __init__(self, namespace: ProbeRunner, launcher: Launcher | None) -> None:
        self._namespace = namespace
        self._launcher = launcher
        self._lock = threading.Lock()
        self._decided: tuple[float, ProbeRunner, RunnerStatus] | None = None

    def status(self) -> RunnerStatus:
        """Return which runner was chosen, and why."""
        return self._decision()[2]

    def check(self, place: Place, request: ProbeRequest) -> Measurement:
        """Forward."""
        return self._decision()[1].check(place, request)

    def trace(
        self, place: Place, request: ProbeRequest, plan: TracePlan, meanwhile: Callable[[Measurement], None]
    ) -> tuple[Measurement, TraceRecord | None]:
        """Forward."""
        return self._decision()[1].trace(place, request, plan, meanwhile)

    def observe(self, place: Place, aspects: Sequence[Aspect]) -> Observation | None:
        """Forward."""
        return self._decision()[1].observe(place, aspects)

    def observe_host(self) -> HostObservation | None:
        """Forward."""
        return self._decision()[1].observe_host()

    def firewall_state(self) -> str | None:
        """Forward."""
        return self._decision()[1].firewall_state()

    def read_firewall(self) -> FirewallRules | None:
        """Forward."""
        return self._decision()[1].read_firewall()

    def routes(self, questions: Sequence[RouteQuestion]) -> Mapping[RouteQuestion, RouteAnswer]:
        """Forward."""
        return self._decision()[1].routes(questions)

    def watch_host(self) -> HostWatch | None:
        """Forward."""
        return self._decision()[1].watch_host()

    def namespace_inode(self, place: Place) -> int | None:
        """Forward."""
        return self._decision()[1].namespace_inode(place)

    def sweep(self, plan: SweepPlan) -> Iterator[SweepRow | None]:
        """Forward."""
        return self._decision()[1].sweep(plan)

    def _decision(self) -> tuple[float, ProbeRunner, RunnerStatus]:
        decided = self._decided
        if decided is not None and time.monotonic() - decided[0] <= DECISION_HOLDS_S:
            return decided
        # The decision enters a namespace. One thread decides; meanwhile the others use the last decision.
        if self._lock.acquire(blocking=decided is None):
            try:
                if self._decided is decided:
                    self._decided = (time.monotonic(), *self._decide())
            finally:
                self._lock.release()
        return self._decided or self._decision()

    def _decide(self) -> tuple[ProbeRunner, RunnerStatus]:
        direct = self._namespace.status()
        if direct.kind == "namespace" or self._launcher is None:
            return self._namespace, direct
        helper = HelperRunner(self._launcher, f"a helper container, since {direct.reason}", direct.missing)
        return helper, helper.status()
