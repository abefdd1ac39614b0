"""The paths under ``/v1/connectivity`` for many checks at once: matrix, assertions, and a Prometheus probe."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

from flask import Response

from bridgework.http.contract import JSON, Media, RequestContext, Resource, ViewResult, json_text
from bridgework.http.resources.matrix.requests import MatrixRequestSchema
from bridgework.http.resources.matrix.schemas import MatrixLineSchema, MatrixSchema, PairAddressesSchema, SurpriseSchema
from bridgework.http.resources.nodes import GapSchema, is_forwarded
from bridgework.http.schemas.answers import ReferenceSchema
from bridgework.http.schemas.findings import LimitationSchema
from bridgework.lifetime import client_left
from bridgework.model.checks import Verdict
from bridgework.policy.access import Role
from bridgework.use_cases.connectivity import matrix

RESOURCE = Resource(
    "connectivity", "Check all pairs at once, check assertions in a pipeline, or serve one check to Prometheus."
)
NDJSON = "application/x-ndjson"
FINDING = {400: "ambiguous-reference", 404: "container-not-found network-not-found"}


@RESOURCE.operation(
    "POST",
    "/v1/connectivity/matrix",
    {200: (MatrixSchema, Media(NDJSON, "One JSON object a line, sent row by row.", MatrixLineSchema))},
    role=Role.VIEWER,
    body=MatrixRequestSchema(),
    concurrency_pool="matrices",
    problems=FINDING,
)
def measure_matrix(context: RequestContext) -> ViewResult | Response:
    """Measure the connectivity between all pairs.

    Each source is measured from inside its network namespace. No process and no container is started for a pair. By
    default the service sends at most 75,000 packets per second. It also respects the size of the kernel's neighbour
    table: a pair that does not fit is `inconclusive`, never `unreachable`. `undecided` has the reason and the predicted
    verdict of each inconclusive pair, and `limited` says what to change. If you close the connection, the measurement
    stops.

    In a swarm, each node measures the rows of its own containers. `partial` names the nodes that did not.
    """
    run = matrix.start_matrix(
        context.services, context.snapshot, replace(context.body, forwarded=is_forwarded(context))
    )
    if context.media_type == NDJSON:
        return Response(_lines(run), content_type=NDJSON)
    rows = _while_waited_for(run)
    whole = {
        "containers": ReferenceSchema(many=True).dump(run.containers),
        "verdicts": [row.verdicts for row in rows],
        "rtt_ms": [_times(row) for row in rows],
        "undecided": [group for row in rows for group in row.undecided],
        **_totals(run),
    }
    return Response(json_text(whole), content_type=JSON)


def _times(row: matrix.MatrixRow) -> list[float]:
    """Return the round trips of a row in ms, 0 where none was measured.

    Not null: the Rust and C# clients of openapi-generator 7.26 read every number of a list as one, and fail at a null.
    """
    return [time or 0.0 for time in row.rtt_ms]


def _while_waited_for(run: matrix.MatrixRun) -> list[matrix.MatrixRow]:
    """Return all rows in order, or those that were ready when the client left."""
    with closing(run.rows()) as rows:
        ready = [row for row in itertools.takewhile(lambda row: row is not None or not client_left(), rows) if row]
    return sorted(ready, key=lambda row: row.index)


def _lines(run: matrix.MatrixRun) -> Iterator[str]:
    """Yield the lines, with heartbeats: writing one fails once the client has left, which closes the iterator."""
    total, done = len(run.chosen), 0
    names = ReferenceSchema(many=True).dump(run.containers)
    yield json_text({"type": "start", "containers": names, "rows_total": total})
    with closing(run.rows()) as rows:
        for row in rows:
            line: dict[str, Any] = {"type": "heartbeat"}
            if row is not None:
                done += 1
                line = {"type": "row", "index": row.index, "verdicts": row.verdicts, "rtt_ms": _times(row)}
                line["undecided"] = row.undecided
            yield json_text({**line, "rows_done": done, "rows_total": total})
    yield json_text({"type": "end", **_totals(run)})


def _totals(run: matrix.MatrixRun) -> dict[str, Any]:
    counts = {verdict.value: run.counts[verdict] for verdict in Verdict}
    return {
        "summary": {
            "pairs": sum(counts.values()),
            **counts,
            "surprises": run.surprise_count,
            "addresses_differ": run.address_count,
            "reasons": dict(sorted(run.reasons.items())),
        },
        "surprises": SurpriseSchema(many=True).dump(run.surprises),
        "addresses": PairAddressesSchema(many=True).dump(run.addresses),
        "duration_ms": run.duration_ms,
        "partial": GapSchema(many=True).dump(run.gaps),
        "limited": LimitationSchema(many=True).dump(run.limited),
    }
