"""One check as Prometheus text, with blackbox_exporter's metric names where it has them."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from bridgework.analysis.verdict import why_inconclusive
from bridgework.model.checks import CheckRequest, CheckResult, Measurement, Protocol, Verdict

MEDIA_TYPE = "text/plain"
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


def exposition(result: CheckResult, asked: CheckRequest, duration_s: float) -> bytes:
    """Return the metrics of one check in Prometheus's text format. All times are in seconds."""
    registry = CollectorRegistry()
    measured = result.measured
    reached = Gauge("probe_success", "Whether the destination was reached", registry=registry)
    reached.set(result.verdict is Verdict.REACHABLE)
    by_address = Gauge("probe_address_success", "Whether the destination was reached at the address; where it was not "
                       "measured, whether that is predicted", ["address", "by"], registry=registry)  # fmt: skip
    for tried in result.addresses:
        by = "measurement" if tried.measured is not None else "prediction"
        by_address.labels(tried.address, by).set((tried.measured or tried.predicted) is Verdict.REACHABLE)
    known = Gauge("probe_conclusive", "Whether the check found out", registry=registry)
    known.set(result.verdict is not Verdict.INCONCLUSIVE)
    if result.verdict is Verdict.INCONCLUSIVE:
        unknown = Gauge("probe_inconclusive_info", "Why it is not known", ["reason", "predicted"], registry=registry)
        unknown.labels(why_inconclusive(result), result.predicted.verdict.value).set(1)
    predicted = Gauge("probe_predicted_success", "Whether the engine's state predicts success", registry=registry)
    predicted.set(result.predicted.verdict is Verdict.REACHABLE)
    duration = Gauge("probe_duration_seconds", "How long the whole check took", registry=registry)
    duration.set(duration_s)
    lookup = Gauge("probe_dns_lookup_time_seconds", "How long the name took to resolve", registry=registry)
    lookup.set((measured.phases_ms.resolve or 0.0) / 1000)
    version = Gauge("probe_ip_protocol", "The IP version used, 0 for none", registry=registry)
    version.set(0 if measured.address is None else 6 if ":" in measured.address else 4)
    phases = Gauge(f"probe_{asked.probe.protocol.value}_duration_seconds", "By phase", ["phase"], registry=registry)
    for phase, took_ms in _phases(measured, asked.probe.protocol).items():
        if took_ms is not None:
            phases.labels(phase).set(took_ms / 1000)
    if measured.reason is not None:
        failed = Gauge("probe_failure_info", "Why it failed", ["reason", "finding"], registry=registry)
        finding = result.findings[0].code if result.findings else ""
        failed.labels(measured.reason.value, finding).set(1)
    if asked.probe.protocol == "http":
        status = Gauge("probe_http_status_code", "The status of the answer", registry=registry)
        status.set(measured.status or 0)
    return bytes(generate_latest(registry))


def _phases(measured: Measurement, protocol: Protocol) -> Mapping[str, float | None]:
    """Under the names that blackbox_exporter gives them; tcp and udp, for which it has none, likewise."""
    phases = measured.phases_ms
    if protocol.transport is None:
        return {"resolve": phases.resolve, "rtt": measured.rtt_ms.avg if measured.rtt_ms else None}
    if protocol.transport == "udp":
        return {"resolve": phases.resolve, "request": phases.first_byte}
    return {"resolve": phases.resolve, "connect": phases.connect, "processing": phases.first_byte}
