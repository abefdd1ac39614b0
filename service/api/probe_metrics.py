"""One check as Prometheus text, with blackbox_exporter's metric names where it has them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from service.core.checks import CheckResult, Verdict
from service.operations.wanted import WantedCheck

MEDIA_TYPE = "text/plain"
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


def exposition(result: CheckResult, wanted: WantedCheck) -> bytes:
    """The metrics of one check; times are in seconds, as Prometheus has them."""
    registry = CollectorRegistry()
    measured = result.measured
    reached = Gauge("probe_success", "Whether the destination was reached", registry=registry)
    reached.set(result.verdict is Verdict.REACHABLE)
    known = Gauge("probe_conclusive", "Whether the check found out", registry=registry)
    known.set(result.verdict is not Verdict.INCONCLUSIVE)
    predicted = Gauge("probe_predicted_success", "Whether the engine's state predicts success", registry=registry)
    predicted.set(result.predicted.verdict is Verdict.REACHABLE)
    duration = Gauge("probe_duration_seconds", "How long the answer took", registry=registry)
    duration.set((measured.rtt_ms.avg if measured.rtt_ms else 0.0) / 1000)
    lookup = Gauge("probe_dns_lookup_time_seconds", "How long the name took to resolve", registry=registry)
    lookup.set((measured.phases_ms.resolve or 0.0) / 1000)
    version = Gauge("probe_ip_protocol", "The IP version used", registry=registry)
    version.set(6 if ":" in (measured.address or "") else 4)
    if measured.reason is not None:
        failed = Gauge("probe_failure_info", "Why it failed", ["reason", "finding"], registry=registry)
        finding = result.findings[0].code if result.findings else ""
        failed.labels(measured.reason.value, finding).set(1)
    if wanted.probe.protocol == "http":
        status = Gauge("probe_http_status_code", "The status of the answer", registry=registry)
        status.set(measured.status or 0)
    return bytes(generate_latest(registry))
