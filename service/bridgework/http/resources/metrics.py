"""``GET /metrics``: the metrics of the service in Prometheus's text format.

Requests are counted here by operation, calls of the engine and checks in ``bridgework.telemetry.metrics``. Whether the
engine answers and how checks run is found out at each scrape. No label holds a value that a
caller sent, but for the names of kept expectations.
"""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Callable, Collection, Iterator
from datetime import datetime

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from bridgework import __version__
from bridgework.http.contract import Media, RequestContext, Resource
from bridgework.model.errors import StateUnavailable
from bridgework.model.expectations import ExpectationPorts, Status
from bridgework.telemetry import metrics
from bridgework.use_cases import info
from bridgework.use_cases.expectations import sets
from bridgework.use_cases.services import Services

RESOURCE = Resource("service")
_MET = {Status.MET: 1.0, Status.VIOLATED: 0.0, Status.UNKNOWN: math.nan}
UNMATCHED = "unmatched"


@RESOURCE.get("/metrics", Media("text/plain", "All metrics in the text format of Prometheus, version 0.0.4."))
def get_metrics(context: RequestContext) -> Response:
    """Get the metrics of the service.

    The answer has the text format of Prometheus. It counts requests, engine calls and checks of all workers, and says
    whether the engine answers now and how checks run. For one check as metrics, use `GET /v1/connectivity/probe`.
    """
    return Response(exposition(context.services, context.expectations), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def exposition(services: Services, expectations: ExpectationPorts) -> bytes:
    """Return the metrics of all workers."""
    registry = CollectorRegistry()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        summed: Callable[[CollectorRegistry], object] = MultiProcessCollector
        summed(registry)
    else:
        registry.register(metrics.REGISTRY)
        ProcessCollector(registry=registry)
    registry.register(_Now(services))
    registry.register(_Expectations(expectations))
    return bytes(generate_latest(registry))


class _Now(Collector):
    """The gauges that are read at the moment of the scrape."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges."""
        found = info.readiness(self._services)
        yield GaugeMetricFamily("bridgework_engine_up", "Whether the engine answers now", float(found.ready))
        runner = GaugeMetricFamily("bridgework_probe_runner_info", "How checks run now", labels=["kind"])
        runner.add_metric([found.runner.kind], 1)
        yield runner
        build = GaugeMetricFamily("bridgework_build_info", "What is running", labels=["version", "python"])
        build.add_metric([__version__, platform.python_version()], 1)
        yield build


class _Expectations(Collector):
    """The state of kept expectations, which every worker reads from the store at the moment of the scrape."""

    def __init__(self, ports: ExpectationPorts) -> None:
        self._ports = ports

    def collect(self) -> Iterator[Metric]:
        """Yield one series for each expectation, and one for each cause of changes."""
        met = GaugeMetricFamily(
            "bridgework_expectation_met", "1 while the expectation is met, 0 while violated, NaN while unknown",
            labels=["set", "name"],
        )  # fmt: skip
        measured = GaugeMetricFamily(
            "bridgework_expectation_measured_timestamp_seconds", "When the expectation was last measured",
            labels=["set", "name"],
        )  # fmt: skip
        changes = CounterMetricFamily(
            "bridgework_expectation_changes", "Changes of the status of expectations, by the code of their cause",
            labels=["set", "cause"],
        )  # fmt: skip
        try:
            for view in sets.views(self._ports):
                for assertion, state in view.expectations:
                    labels = [view.set.name, assertion.name]
                    met.add_metric(labels, _MET[state.status])
                    if state.measured_at is not None:
                        measured.add_metric(labels, datetime.fromisoformat(state.measured_at).timestamp())
            for (name, cause), number in self._ports.store.counts().items():
                changes.add_metric([name, cause], number)
        except StateUnavailable:
            return  # /readyz says why
        yield from (met, measured, changes)


def watch(app: Flask, threads: int, elsewhere: Collection[str]) -> None:
    """Count and time every request of ``app``, to the last byte of its answer.

    The operations ``elsewhere`` have threads of their own, so they are not among the requests in progress.
    """
    metrics.THREADS.set(threads)

    @app.before_request
    def begin() -> None:
        g.metered_from = time.perf_counter()
        if request.endpoint not in elsewhere:
            metrics.IN_PROGRESS.inc()

    @app.after_request
    def end(response: Response) -> Response:
        began = g.pop("metered_from", None)
        operation = request.endpoint or UNMATCHED
        status = str(response.status_code)

        def closed() -> None:
            metrics.REQUEST_SECONDS.labels(operation).observe(time.perf_counter() - began)
            metrics.REQUESTS.labels(operation, status).inc()
            if operation not in elsewhere:
                metrics.IN_PROGRESS.dec()

        if began is not None:
            response.call_on_close(closed)
        return response
