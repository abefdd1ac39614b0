"""The runner for namespaces that cannot be entered: the same probes in a helper container in the source's network."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any, Protocol

from bridgework.matrix.rows import RowProgress
from bridgework.model.checks import Measurement, ProbeRequest, Reason
from bridgework.model.expectations import HostWatch
from bridgework.model.observations import FirewallRules, HostObservation, Observation, RouteAnswer, RouteQuestion
from bridgework.model.probe_port import Aspect, Place, RunnerStatus, SweepPlan, SweepRow, SweepSource, TracePlan
from bridgework.model.trace import TraceRecord
from bridgework.probes.kinds.attempts import failed
from bridgework.runners import helper
from bridgework.runners.checking import longest_s
from bridgework.runners.codec import from_json, to_json
from bridgework.telemetry import deadline

AT_ONCE = 8
# For creating, starting and removing a helper.
START_S = 10.0
_HOST = Place(container_id=None, name="host")


class Launcher(Protocol):
    """Starts helpers; the engine package implements it."""

    def launch(self, place: Place, argument_json: str, timeout_s: float) -> Generator[str]:
        """Run the helper in the place's network with this argument and yield the lines of its standard output.

        The helper is removed when the generator ends or is closed, and after ``timeout_s`` at the latest. Until then
        its standard input is open. A place without a ``container_id`` is the host. Raises ``BridgeworkError``.
        """
        ...


class HelperRunner:
    """A ``ProbeRunner`` over helpers; ``reason`` and ``missing`` say why it is the one in force."""

    def __init__(self, launcher: Launcher, reason: str, missing: tuple[str, ...] = ()) -> None:
        self._launcher = launcher
        self._status = RunnerStatus("sidecar", reason, missing)

    def status(self) -> RunnerStatus:
        """Return the given status."""
        return self._status

    def check(self, place: Place, request: ProbeRequest) -> Measurement:
        """Probe once. A helper that does not answer is ``inconclusive``/``namespace-out-of-reach``."""
        timeout_s = START_S + longest_s(request)
        answer = self._ask(place, {"job": "check", "request": to_json(request)}, timeout_s)
        if "measurement" not in answer:
            return failed(Reason.NAMESPACE_OUT_OF_REACH, answer.get("error", "the helper ended without an answer"))
        return from_json(Measurement, answer["measurement"])

    def trace(
        self, place: Place, request: ProbeRequest, plan: TracePlan, meanwhile: Callable[[Measurement], None]
    ) -> tuple[Measurement, TraceRecord | None]:
        """Probe once, without a record: a helper is in one namespace only, and sees none of the others."""
        del plan
        measurement = self.check(place, request)
        meanwhile(measurement)
        return measurement, None

    def observe(self, place: Place, aspects: Sequence[Aspect]) -> Observation | None:
        """Observe the place, without the names of processes, which a helper cannot see."""
        answer = self._ask(place, {"job": "observe", "aspects": list(aspects)}, START_S)
        return from_json(Observation, answer["observation"]) if "observation" in answer else None

    def observe_host(self) -> HostObservation | None:
        """Observe the host from a helper in its network."""
        answer = self._ask(_HOST, {"job": "observe_host"}, START_S)
        return from_json(HostObservation, answer["host"]) if "host" in answer else None

    def firewall_state(self) -> str | None:
        """Return ``None``: a helper takes longer to start than a check may."""
        return None

    def read_firewall(self) -> FirewallRules | None:
        """Read the host's firewall from a helper in its network."""
        answer = self._ask(_HOST, {"job": "read_firewall"}, START_S)
        return from_json(FirewallRules, answer["firewall"]) if "firewall" in answer else None

    def routes(self, questions: Sequence[RouteQuestion]) -> Mapping[RouteQuestion, RouteAnswer]:
        """Return nothing: a helper takes longer to start than a check may."""
        del questions
        return {}

    def watch_host(self) -> HostWatch | None:
        """Return ``None``: a helper would have to run for as long as the service."""
        return None

    def namespace_inode(self, place: Place) -> int | None:
        """Return ``None``: a helper cannot tell the inode without being started."""
        del place
        return None

    def sweep(self, plan: SweepPlan) -> Iterator[SweepRow | None]:
        """Run a helper for each source, a few at a time. Closing the iterator ends them at their next sign of life."""
        rows: SimpleQueue[Future[SweepRow]] = SimpleQueue()
        stopped = Event()
        ends = time.monotonic() + plan.deadline_ms / 1000
        with ExitStack() as stack:
            threads = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="sidecar")
            stack.callback(threads.shutdown, wait=True, cancel_futures=True)
            stack.callback(stopped.set)
            for source in plan.sources:
                threads.submit(self._row, plan, source, stopped, ends).add_done_callback(rows.put)
            left = len(plan.sources)
            while left:
                try:
                    row = rows.get(timeout=plan.alive_every_s)
                except Empty:
                    yield None
                else:
                    left -= 1
                    yield row.result()

    def _row(self, plan: SweepPlan, source: SweepSource, stopped: Event, ends: float) -> SweepRow:
        left_s = ends - time.monotonic()
        if left_s <= 0 or stopped.is_set():
            return _given_up(source, Reason.DEADLINE)
        part = replace(
            plan, sources=(replace(source, place=helper.HERE),), deadline_ms=int(left_s * 1000), alive_every_ms=None
        )
        answer = self._ask(source.place, {"job": "sweep", "plan": to_json(part)}, START_S + left_s, stopped)
        if "row" not in answer:
            return _given_up(source, Reason.NAMESPACE_OUT_OF_REACH)
        return from_json(SweepRow, answer["row"])

    def _ask(
        self, place: Place, job: Mapping[str, Any], timeout_s: float, stopped: Event | None = None
    ) -> Mapping[str, Any]:
        """Return all that the helper said as one object; nothing without its ``done`` or ``error``."""
        argument = json.dumps(job, separators=(",", ":"))
        timeout_s = deadline.left(timeout_s)
        answer: dict[str, Any] = {}
        with closing(self._launcher.launch(place, argument, timeout_s)) as lines:
            for line in lines:
                if stopped is not None and stopped.is_set():
                    break
                answer.update(_read(line))
        return answer if answer.get("done") or "error" in answer else {}


def _read(line: str) -> Mapping[str, Any]:
    try:
        said = json.loads(line)
    except ValueError:
        return {}  # a warning of the interpreter
    return said if isinstance(said, Mapping) else {}


def _given_up(source: SweepSource, reason: Reason) -> SweepRow:
    row = RowProgress(source)
    row.fail_open(reason)
    return row.result()
