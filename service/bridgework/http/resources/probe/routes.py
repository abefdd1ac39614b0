"""The route of a check for Prometheus: ``/v1/connectivity/probe``."""

from __future__ import annotations

import time
from typing import Any

from flask import Response

from bridgework.http.contract import Media, RequestContext, Resource
from bridgework.http.resources.checks.requests import CheckRequestSchema
from bridgework.http.resources.matrix.routes import FINDING
from bridgework.http.resources.probe.exposition import CONTENT_TYPE, MEDIA_TYPE, exposition
from bridgework.http.resources.probe.schemas import ProbeQuery
from bridgework.model.errors import InputFault, invalid
from bridgework.use_cases.connectivity import check

RESOURCE = Resource("connectivity")
_CHECK = CheckRequestSchema()


@RESOURCE.get(
    "/v1/connectivity/probe",
    Media(MEDIA_TYPE, "The metrics of one check in the text format of Prometheus."),
    query=ProbeQuery(),
    concurrency_pool="checks",
    problems={**FINDING, 403: "destination-not-allowed"},
)
def probe_for_prometheus(context: RequestContext) -> Response:
    """Run one check as Prometheus metrics.

    Use it as the target of a Prometheus scrape, as with other multi-target exporters. The metrics have the names that
    blackbox_exporter uses.
    """
    query = context.query
    body: dict[str, Any] = {
        "source": {"host": True} if query["source"] == "host" else {"container": query["source"]},
        "destination": _destination(query["destination"]),
        "protocol": query["protocol"],
        "port": query["port"],
        "ip_version": query["ip_version"],
        "timeout_ms": query["timeout_ms"],
    }
    faults = _CHECK.validate(body)
    if faults:
        raise invalid(
            "The query", [InputFault(f"?{name}", str(text)) for name, texts in faults.items() for text in texts]
        )
    wanted = _CHECK.load(body)
    began = time.perf_counter()
    result = check.check(context.services, context.snapshot, wanted)
    return Response(exposition(result, wanted, time.perf_counter() - began), content_type=CONTENT_TYPE)


def _destination(text: str) -> dict[str, Any]:
    if text == "host":
        return {"host": True}
    kind, colon, value = text.partition(":")
    if colon and kind in {"container", "name", "address"}:
        return {kind: value}
    return {"container": text}
