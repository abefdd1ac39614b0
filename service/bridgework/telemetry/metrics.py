"""Prometheus metrics about the service's own work: requests, calls to the engine, checks and matrices.

The composition root wraps the engine and the runner, so no other package counts anything. With several workers, each
writes files into one folder, and each of them can add up all files. prometheus_client decides that by
``PROMETHEUS_MULTIPROC_DIR`` when it is first imported, so gunicorn's settings set it before a worker starts.
"""

from __future__ import annotations

import threading
import time
from collections import Counter as Counts
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from bridgework.model.checks import Measurement, ProbeRequest
from bridgework.model.engine_port import Engine
from bridgework.model.errors import BridgeworkError
from bridgework.model.expectations import HostWatch
from bridgework.model.observations import FirewallRules, HostObservation, Observation, RouteAnswer, RouteQuestion
from bridgework.model.probe_port import Aspect, Place, ProbeRunner, RunnerStatus, SweepPlan, SweepRow, TracePlan
from bridgework.model.trace import TraceRecord

# The "_created" series would double the number of series, and nothing reads them.
_disable_created: Callable[[], None] = disable_created_metrics
_disable_created()

REGISTRY = CollectorRegistry()
_QUICK = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SLOW = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

REQUESTS = Counter(
    "bridgework_http_requests_total", "Requests answered, by operation and status", ["operation", "status"],
    registry=REGISTRY,
)  # fmt: skip
REQUEST_SECONDS = Histogram(
    "bridgework_http_request_duration_seconds", "From the request to the last byte of its answer", ["operation"],
    buckets=_QUICK, registry=REGISTRY,
)  # fmt: skip
IN_PROGRESS = Gauge(
    "bridgework_http_requests_in_progress", "Requests being answered now, open streams among them",
    multiprocess_mode="livesum", registry=REGISTRY,
)  # fmt: skip
THREADS = Gauge(
    "bridgework_http_threads", "How many requests can be answered at once", multiprocess_mode="livesum",
    registry=REGISTRY,
)  # fmt: skip
ENGINE_SECONDS = Histogram(
    "bridgework_engine_call_duration_seconds", "Duration of a call to the engine, by call", ["call"],
    buckets=_QUICK, registry=REGISTRY,
)  # fmt: skip
ENGINE_FAILURES = Counter(
    "bridgework_engine_call_failures_total", "Calls to the engine that failed, by the problem's code", ["call", "code"],
    registry=REGISTRY,
)  # fmt: skip
SNAPSHOT_READS = Counter(
    "bridgework_snapshot_reads_total", "HTTP requests to the engine that snapshots took", registry=REGISTRY
)
SNAPSHOT_REBUILDS = Counter(
    "bridgework_snapshot_rebuilds_total", "Snapshots read whole, since the event log could not prove continuity",
    registry=REGISTRY,
)  # fmt: skip
LOG_QUERIES = Counter(
    "bridgework_event_log_queries_total", "Queries of the engine's event log, one for each fresh read",
    registry=REGISTRY,
)  # fmt: skip
CHECKS = Counter(
    "bridgework_checks_total", "Single checks measured, by what the wire said", ["protocol", "verdict", "reason"],
    registry=REGISTRY,
)  # fmt: skip
CHECK_SECONDS = Histogram(
    "bridgework_check_duration_seconds", "How long a single check measured", ["protocol"], buckets=_SLOW,
    registry=REGISTRY,
)  # fmt: skip
PAIRS = Counter(
    "bridgework_matrix_pairs_total", "Pairs of matrices measured, by what the wire said", ["protocol", "verdict"],
    registry=REGISTRY,
)  # fmt: skip
MATRIX_SECONDS = Histogram(
    "bridgework_matrix_duration_seconds", "How long a matrix measured", buckets=_SLOW, registry=REGISTRY
)

# Methods of the engine that ask it nothing, or that go on until their reader closes them.
_NOT_TIMED = frozenset({"place_of", "host_place", "subscribe", "counters"})


def metered_engine(engine: Engine) -> Engine:
    """Wrap an engine, so that each of its calls is timed and counted."""
    return cast("Engine", _MeteredEngine(engine))


class _MeteredEngine:
    """Times the calls of the port; everything else is the engine's own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._counted: Mapping[str, int] = {}
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._engine, name)
        if name in _NOT_TIMED or not callable(attribute):
            return attribute
        timed = self._timed(name, attribute)
        setattr(self, name, timed)
        return timed

    def _timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        seconds = ENGINE_SECONDS.labels(name)

        @wraps(call)
        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return call(*args, **kwargs)
            except BridgeworkError as error:
                ENGINE_FAILURES.labels(name, error.code).inc()
                raise
            finally:
                seconds.observe(time.perf_counter() - began)
                if name == "snapshot":
                    self._count_snapshots()

        return timed

    def _count_snapshots(self) -> None:
        """Add what the engine counted since the last time; its counters are zero again with each session."""
        counters: Callable[[], Mapping[str, int]] = getattr(self._engine, "counters", dict)
        with self._lock:
            now = counters()
            for key, counter in _COUNTERS.items():
                before, value = self._counted.get(key, 0), now.get(key, 0)
                if value != before:
                    counter.inc(value - before if value > before else value)
            self._counted = now


_COUNTERS: Mapping[str, Counter] = {
    "reads": SNAPSHOT_READS,
    "rebuilds": SNAPSHOT_REBUILDS,
    "log_queries": LOG_QUERIES,
}


class MeteredRunner:
    """A ``ProbeRunner`` that counts what another measures."""

    def __init__(self, runner: ProbeRunner) -> None:
        self._runner = runner

    def status(self) -> RunnerStatus:
        """See ``ProbeRunner``."""
        return self._runner.status()

    def check(self, place: Place, request: ProbeRequest) -> Measurement:
        """See ``ProbeRunner``."""
        began = time.perf_counter()
        measured = self._runner.check(place, request)
        _count_check(request, measured, began)
        return measured

    def trace(
        self, place: Place, request: ProbeRequest, plan: TracePlan, meanwhile: Callable[[Measurement], None]
    ) -> tuple[Measurement, TraceRecord | None]:
        """See ``ProbeRunner``."""
        began = time.perf_counter()
        measured, record = self._runner.trace(place, request, plan, meanwhile)
        _count_check(request, measured, began)
        return measured, record

    def observe(self, place: Place, aspects: Sequence[Aspect]) -> Observation | None:
        """See ``ProbeRunner``."""
        return self._runner.observe(place, aspects)

    def observe_host(self) -> HostObservation | None:
        """See ``ProbeRunner``."""
        return self._runner.observe_host()

    def firewall_state(self) -> str | None:
        """See ``ProbeRunner``."""
        return self._runner.firewall_state()

    def read_firewall(self) -> FirewallRules | None:
        """See ``ProbeRunner``."""
        return self._runner.read_firewall()

    def routes(self, questions: Sequence[RouteQuestion]) -> Mapping[RouteQuestion, RouteAnswer]:
        """See ``ProbeRunner``."""
        return self._runner.routes(questions)

    def watch_host(self) -> HostWatch | None:
        """See ``ProbeRunner``."""
        return self._runner.watch_host()

    def namespace_inode(self, place: Place) -> int | None:
        """See ``ProbeRunner``."""
        return self._runner.namespace_inode(place)

    def sweep(self, plan: SweepPlan) -> Iterator[SweepRow | None]:
        """See ``ProbeRunner``."""
        began = time.perf_counter()
        rows = self._runner.sweep(plan)
        try:
            for row in rows:
                for verdict, number in Counts(outcome.verdict for outcome in (row.outcomes if row else ())).items():
                    PAIRS.labels(plan.protocol.value, verdict.value).inc(number)
                yield row
        finally:
            if isinstance(rows, Generator):
                rows.close()
            MATRIX_SECONDS.observe(time.perf_counter() - began)


def _count_check(request: ProbeRequest, measured: Measurement, began: float) -> None:
    CHECK_SECONDS.labels(request.protocol.value).observe(time.perf_counter() - began)
    reason = measured.reason.value if measured.reason else ""
    CHECKS.labels(request.protocol.value, measured.verdict.value, reason).inc()
