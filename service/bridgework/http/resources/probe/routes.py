"""The route of a check for Prometheus: ``/v1/connectivity/probe``."""

from __future__ import annotations

import re
import time
from typing import Any

from flask import Response

from bridgework.http.contract import Media, RequestContext, Resource
from bridgework.http.resources.checks.requests import CheckRequestSchema
from bridgework.http.resources.matrix.routes import FINDING
from bridgework.http.resources.probe.exposition import CONTENT_TYPE, MEDIA_TYPE, exposition
from bridgework.http.resources.probe.schemas import ProbeQuery
from bridgework.model.errors import InputFault, invalid
from bridgework.telemetry import deadline
from bridgework.use_cases.connectivity import check

RESOURCE = Resource("connectivity")
SCRAPE_TIMEOUT = "X-Prometheus-Scrape-Timeout-Seconds"
MARGIN_S = 0.5
"""What is left for the answer on its way back. blackbox_exporter leaves as much (``--timeout-offset``)."""
LONGEST_WAIT_S = 5.0
"""How long a request waits for its turn that does not say when its client stops waiting."""
_CHECK = CheckRequestSchema()
_SECONDS = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,9})?")


def _left_s(context: RequestContext) -> float | None:
    """Return the seconds in which the answer must be ready; ``None`` if the request does not say it.

    Raises ``InvalidInput`` if the header holds no number of seconds.
    """
    text = context.headers.get(SCRAPE_TIMEOUT)
    if text is None:
        return None
    if not _SECONDS.fullmatch(text):
        raise invalid("The header", [InputFault(SCRAPE_TIMEOUT, "Must be a number of seconds, such as 10 or 7.5.")])
    return float(text) - MARGIN_S - (time.monotonic_ns() - deadline.asked_at_ns()) / 1e9


def _longest_wait_s(context: RequestContext) -> float:
    """Return how long the request may wait: until half of the scrape's time, or just its own time-out, is left."""
    left_s = _left_s(context)
    if left_s is None:
        return LONGEST_WAIT_S
    probe_s: float = context.query["timeout_ms"] / 1000
    return deadline.left(left_s - min(probe_s, left_s / 2))


@RESOURCE.get(
    "/v1/connectivity/probe",
    Media(MEDIA_TYPE, "The metrics of one check in the text format of Prometheus."),
    query=ProbeQuery(),
    concurrency_pool="probes",
    longest_wait_s=_longest_wait_s,
    problems={**FINDING, 403: "destination-not-allowed"},
)
def probe_for_prometheus(context: RequestContext) -> Response:
    """Run one check as Prometheus metrics.

    Use it as the target of a Prometheus scrape, as with other multi-target exporters. The metrics have the names that
    blackbox_exporter uses. If too many probes run, the request waits for its turn: for 5 seconds, or, where the header
    `X-Prometheus-Scrape-Timeout-Seconds` says when Prometheus stops waiting, until the probe has just enough time left.
    That header also limits `timeout_ms`.
    """
    query = context.query
    body: dict[str, Any] = {
        "source": {"host": True} if query["source"] == "host" else {"container": query["source"]},
        "destination": _destination(query["destination"]),
        "protocol": query["protocol"],
        "port": query["port"],
        "ip_version": query["ip_version"],
        "timeout_ms": _timeout_ms(query["timeout_ms"], _left_s(context)),
    }
    faults = _CHECK.validate(body)
    if faults:
        raise invalid(
            "The query", [InputFault(f"?{name}", str(text)) for name, texts in faults.items() for text in texts]
        )
    asked = _CHECK.load(body)
    began = time.perf_counter()
    result = check.check(context.services, context.snapshot, asked)
    return Response(exposition(result, asked, time.perf_counter() - began), content_type=CONTENT_TYPE)


def _timeout_ms(asked_ms: int, left_s: float | None) -> int:
    return asked_ms if left_s is None else max(1, min(asked_ms, int(left_s * 1000)))


def _destination(text: str) -> dict[str, Any]:
    if text == "host":
        return {"host": True}
    kind, colon, value = text.partition(":")
    if colon and kind in {"container", "name", "address"}:
        return {kind: value}
    return {"container": text}
