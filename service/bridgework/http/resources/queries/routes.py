"""The route of searches: ``/v1/connectivity/queries``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flask import Response

from bridgework.explanations.limitations import of_pairs
from bridgework.http.contract import Media, RequestContext, Resource, ViewResult, json_text
from bridgework.http.progress import NDJSON
from bridgework.http.resources.queries.schemas import (
    QueryGroupSchema,
    QueryLineSchema,
    QueryRequestSchema,
    QueryResultSchema,
)
from bridgework.http.schemas.findings import LimitationSchema
from bridgework.model.checks import Component, Verdict
from bridgework.plans.search import Found, counted, outcome_of, reasons_of
from bridgework.policy.access import Role
from bridgework.use_cases.connectivity.query import QueryRun, start_query

RESOURCE = Resource("connectivity")
_GROUP = QueryGroupSchema()


@RESOURCE.operation(
    "POST",
    "/v1/connectivity/queries",
    {200: (QueryResultSchema, Media(NDJSON, "One JSON object a line, a group at a time.", QueryLineSchema))},
    role=Role.VIEWER,
    body=QueryRequestSchema(),
    concurrency_pool="queries",
    problems={400: "ambiguous-reference", 404: "container-not-found network-not-found", 422: "query-too-large"},
)
def search_connectivity(context: RequestContext) -> ViewResult | Response:
    """Search for sources or destinations.

    The answer holds every source that reaches a container, or every destination that a container reaches, with a path
    for each kind of them. With `include_unreachable` it also holds the others, with the step that stops each kind. With
    `must_not` it is an assertion: the `outcome` is `failed` when one of these ends is reachable, and the groups that
    violate are the counterexamples. It is `inconclusive` when one of them may be.

    The search predicts and sends nothing. To measure a pair, check it with `POST /v1/connectivity/checks`.
    """
    run = start_query(context.services, context.snapshot, context.body)
    if context.media_type == NDJSON:
        return Response(_lines(run), content_type=NDJSON)
    found = tuple(run.groups)
    return ViewResult({**_totals(run, found), "groups": [_group(run, one) for one in found]})


def _lines(run: QueryRun) -> Iterator[str]:
    found: list[Found] = []
    for one in run.groups:
        found.append(one)
        shown: Any = _GROUP.dump(_group(run, one))
        yield json_text({"type": "group", **shown})
    yield json_text({"type": "end", **_totals(run, found)})


def _group(run: QueryRun, found: Found) -> Mapping[str, Any]:
    return {
        "ends": [_component(run, end) for end in found.ends],
        "protocol": found.service.protocol.value,
        "port": found.service.port,
        "verdict": found.verdict,
        "reason": found.reason or None,
        "violates": found.violates,
        "path": found.prediction.path,
        "addresses": found.prediction.addresses,
        "findings": found.prediction.findings if found.violates or found.verdict is not Verdict.REACHABLE else (),
    }


def _component(run: QueryRun, end: str) -> Component:
    return (
        Component("container", end, run.snapshot.containers_by_id[end].name) if end else Component("host", "", "host")
    )


def _totals(run: QueryRun, found: Sequence[Found]) -> Mapping[str, Any]:
    limited = LimitationSchema(many=True).dump((*of_pairs(reasons_of(found)), *run.limited))
    return {"outcome": outcome_of(found), "counts": counted(found), "limited": limited}
