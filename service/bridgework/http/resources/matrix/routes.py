"""The paths under ``/v1/connectivity`` for many checks at once: matrix, assertions, and a Prometheus probe."""

from __future__ import annotations

import itertools
import select
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from xml.etree import ElementTree as ET

from flask import Response, request

from bridgework.http.contract import JSON, Media, RequestContext, Resource, ViewResult, json_text
from bridgework.http.fields import ReferenceSchema
from bridgework.http.reading import invalid
from bridgework.http.resources.checks.prometheus import CONTENT_TYPE, exposition
from bridgework.http.resources.checks.prometheus import MEDIA_TYPE as METRICS
from bridgework.http.resources.checks.routes import wanted_check
from bridgework.http.resources.checks.schemas import CheckRequestSchema
from bridgework.http.resources.matrix.schemas import (
    AssertionSchema,
    AssertionsSchema,
    MatrixLineSchema,
    MatrixRequestSchema,
    MatrixSchema,
    ProbeQuery,
    SurpriseSchema,
)
from bridgework.http.resources.nodes import GapSchema, is_forwarded
from bridgework.model.check_request import WantedMatrix
from bridgework.model.checks import Protocol, Verdict
from bridgework.model.errors import InputFault
from bridgework.policy.access import Role
from bridgework.use_cases.connectivity import assertions, check, matrix

RESOURCE = Resource(
    "connectivity", "Check all pairs at once, check assertions in a pipeline, or serve one check to Prometheus."
)
NDJSON = "application/x-ndjson"
XML = "application/xml"
_FINDING = {400: "ambiguous-reference", 404: "container-not-found network-not-found"}


@RESOURCE.operation(
    "POST",
    "/v1/connectivity/matrix",
    {200: (MatrixSchema, Media(NDJSON, "One JSON object a line, sent row by row.", MatrixLineSchema))},
    role=Role.VIEWER,
    body=MatrixRequestSchema(),
    concurrency_pool="matrices",
    problems=_FINDING,
)
def measure_matrix(context: RequestContext) -> ViewResult | Response:
    """Measure the connectivity between all pairs.

    Each source is measured from inside its network namespace. No process and no container is started for a pair. By
    default the service sends at most 75,000 packets per second. It also respects the size of the kernel's neighbour
    table: a pair that does not fit is `inconclusive`, never `unreachable`. If you close the connection, the measurement
    stops.

    In a swarm, each node measures the rows of its own containers. `partial` names the nodes that did not.
    """
    body = context.body
    wanted = WantedMatrix(
        containers=tuple(body.get("containers", ())),
        network=body.get("network"),
        everything=body.get("all", False),
        protocol=Protocol(body["protocol"]),
        port=body["port"],
        by_name=body["by"] == "name",
        timeout_ms=body["timeout_ms"],
        max_packets_per_second=body["max_packets_per_second"],
        forwarded=is_forwarded(context),
    )
    run = matrix.start_matrix(context.services, context.snapshot, wanted)
    if context.media_type == NDJSON:
        return Response(_lines(run), content_type=NDJSON)
    rows = _while_waited_for(run)
    whole = {
        "containers": ReferenceSchema(many=True).dump(run.containers),
        "verdicts": [row.verdicts for row in rows],
        "rtt_ms": [_times(row) for row in rows],
        **_totals(run),
    }
    return Response(json_text(whole), content_type=JSON)


def _times(row: matrix.MatrixRow) -> list[float]:
    """The round trips of a row, 0 where none was measured.

    Not null: the Rust and C# clients of openapi-generator 7.26 read every number of a list as one, and fail at a null.
    """
    return [time or 0.0 for time in row.rtt_ms]


def _while_waited_for(run: matrix.MatrixRun) -> list[matrix.MatrixRow]:
    """All rows in their order, or those until the client left."""
    with closing(run.rows()) as rows:
        found = [row for row in itertools.takewhile(lambda row: row is not None or not _client_left(), rows) if row]
    return sorted(found, key=lambda row: row.index)


def _client_left() -> bool:
    """Whether the client closed its end of the connection, as far as the server hands that over."""
    connection = request.environ.get("gunicorn.socket")
    if connection is None:
        return False
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return bool(poll.poll(0))


def _lines(run: matrix.MatrixRun) -> Iterator[str]:
    """A sign of life now and then, so that writing fails once the client has left, and the iterator is closed."""
    total, done = len(run.chosen), 0
    names = ReferenceSchema(many=True).dump(run.containers)
    yield json_text({"type": "start", "containers": names, "rows_total": total})
    with closing(run.rows()) as rows:
        for row in rows:
            line: dict[str, Any] = {"type": "heartbeat"}
            if row is not None:
                done += 1
                line = {"type": "row", "index": row.index, "verdicts": row.verdicts, "rtt_ms": _times(row)}
            yield json_text({**line, "rows_done": done, "rows_total": total})
    yield json_text({"type": "end", **_totals(run)})


def _totals(run: matrix.MatrixRun) -> dict[str, Any]:
    counts = {verdict.value: run.counts[verdict] for verdict in Verdict}
    return {
        "summary": {"pairs": sum(counts.values()), **counts, "surprises": run.surprise_count},
        "surprises": SurpriseSchema(many=True).dump(run.surprises),
        "duration_ms": run.duration_ms,
        "partial": GapSchema(many=True).dump(run.gaps),
    }


@RESOURCE.operation(
    "POST",
    "/v1/connectivity/assertions",
    {200: (AssertionsSchema, Media(XML, "The outcomes as JUnit XML, which most pipelines can read."))},
    role=Role.VIEWER,
    body=AssertionSchema(many=True),
    max_items=1000,
    concurrency_pool="matrices",
    problems=_FINDING,
)
def check_assertions(context: RequestContext) -> ViewResult | Response:
    """Check a list of assertions about connectivity.

    At most 1,000 assertions are checked, in their order. They can expect `unreachable` too, so that a pipeline fails on
    a leak between tenants as well as on an outage. An assertion that cannot be checked has the outcome `error`; the
    others are still checked.
    """
    wanted = [assertions.Assertion(item["name"], wanted_check(item), Verdict(item["expect"])) for item in context.body]
    outcomes = assertions.run_assertions(context.services, context.snapshot, wanted)
    if context.media_type == XML:
        return Response(_junit(outcomes), content_type=f"{XML}; charset=utf-8")
    counts = Counter({"passed": 0, "failed": 0, "error": 0})
    counts.update(outcome.outcome for outcome in outcomes)
    passed = counts["passed"] == len(outcomes)
    return ViewResult({"passed": passed, "counts": dict(counts), "items": outcomes})


def _junit(outcomes: list[assertions.Outcome]) -> bytes:
    failed = sum(outcome.outcome == "failed" for outcome in outcomes)
    errors = sum(outcome.outcome == "error" for outcome in outcomes)
    numbers = {"tests": str(len(outcomes)), "failures": str(failed), "errors": str(errors)}
    suite = ET.Element("testsuite", {"name": "bridgework", **numbers})
    for outcome in outcomes:
        seconds = f"{outcome.duration_ms / 1000:.3f}"
        case = ET.SubElement(suite, "testcase", {"name": outcome.name, "classname": "connectivity", "time": seconds})
        if outcome.outcome != "passed":
            tag = "failure" if outcome.outcome == "failed" else "error"
            told = ET.SubElement(case, tag, {"message": outcome.message, "type": outcome.outcome})
            findings = outcome.result.findings if outcome.result else ()
            told.text = "\n".join(f"{finding.code}: {finding.message}" for finding in findings)
    return bytes(ET.tostring(suite, encoding="utf-8", xml_declaration=True)) + b"\n"


@RESOURCE.get(
    "/v1/connectivity/probe",
    Media(METRICS, "The metrics of one check in the text format of Prometheus."),
    query=ProbeQuery(),
    concurrency_pool="probes",
    problems={**_FINDING, 403: "destination-not-allowed"},
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
        "timeout_ms": query["timeout_ms"],
    }
    faults = CheckRequestSchema().validate(body)
    if faults:
        raise invalid(
            [InputFault(f"?{name}", str(text)) for name, texts in faults.items() for text in texts], "The query"
        )
    wanted = wanted_check(CheckRequestSchema().load(body))
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
