"""The routes of kept expectations: ``/v1/expectations``."""

from __future__ import annotations

import re

from bridgework.http.contract import RequestContext, Resource, ViewResult
from bridgework.http.paging import page
from bridgework.http.resources.expectations.schemas import (
    ExpectationChangePageSchema,
    ExpectationSetBodySchema,
    ExpectationSetSchema,
    ExpectationSetSummaryPageSchema,
)
from bridgework.http.schemas.queries import PageQuery
from bridgework.model.errors import InputFault, invalid
from bridgework.model.expectations import ExpectationSet
from bridgework.use_cases.expectations import sets

RESOURCE = Resource("expectations", "Keep expectations about connectivity, and get told of each change with its cause.")
SET_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}")
FINDING = {404: "expectations-not-found", 503: "expectations-state-unavailable"}
CHANGING = {409: "expectations-from-file expectations-not-kept", 503: "expectations-state-unavailable"}
_LARGEST = 10**18


@RESOURCE.get(
    "/v1/expectations",
    ExpectationSetSummaryPageSchema,
    query=PageQuery(),
    problems={503: "expectations-state-unavailable"},
)
def list_expectations(context: RequestContext) -> ViewResult:
    """List the sets of expectations.

    The list holds the sets that were made by the API and those from files, sorted by name. Each has the number of its
    expectations that are met, violated and unknown.
    """
    found = page(sets.views(context.expectations), context, lambda view: (view.set.name, ""))
    return ViewResult({**found, "limited": sets.limits(context.expectations)})


@RESOURCE.get("/v1/expectations/{name}", ExpectationSetSchema, problems=FINDING)
def get_expectations(context: RequestContext) -> ViewResult:
    """Get a set of expectations.

    The answer holds each expectation with its status, since when it has that status, and the findings of its last
    measurement.
    """
    return ViewResult(sets.view(context.expectations, context.path["name"]))


@RESOURCE.change(
    "PUT",
    "/v1/expectations/{name}",
    {200: ExpectationSetSchema, 201: ExpectationSetSchema},
    body=ExpectationSetBodySchema(),
    problems=CHANGING,
)
def put_expectations(context: RequestContext) -> ViewResult:
    """Keep a set of expectations.

    The set replaces one of the same name; an expectation that is as before keeps its status. From then on the service
    predicts each expectation again when the engine or the host changes, measures it when the prediction changed and
    every `every_s` seconds, and tells each change of its status with the cause: in the changes of the set, in
    `GET /v1/events`, in the metrics, and to the webhooks in `notify`.

    With a token that is bound to a project, the set belongs to that project, and only tokens of the project or of none
    change it. The operation is idempotent. It needs `BRIDGEWORK_STATE_DIR`; a set from a file is changed in its file.
    """
    name = context.path["name"]
    if not SET_NAME.fullmatch(name):
        fault = InputFault("", "The name of a set has up to 63 letters, digits, '_', '.' and '-'.")
        raise invalid("The path", [fault])
    wanted = ExpectationSet(name, **context.body)
    view, is_new = sets.put_set(context.expectations, context.caller, wanted, dry_run=context.dry_run)
    return ViewResult(view, 201 if is_new else 200)


@RESOURCE.change("DELETE", "/v1/expectations/{name}", {204: None}, problems={**CHANGING, 404: "expectations-not-found"})
def delete_expectations(context: RequestContext) -> ViewResult:
    """Delete a set of expectations.

    The states and the changes of the set are deleted too, and no webhook gets a change of the set any more.
    """
    sets.delete_set(context.expectations, context.caller, context.path["name"], dry_run=context.dry_run)
    return ViewResult(status=204)


@RESOURCE.get("/v1/expectations/{name}/changes", ExpectationChangePageSchema, query=PageQuery(), problems=FINDING)
def list_expectation_changes(context: RequestContext) -> ViewResult:
    """List the changes of a set of expectations.

    Each change says which expectation went from which status to which, why, and what to do about it. The newest comes
    first. Changes are kept for `BRIDGEWORK_STATE_DAYS` days, and at most `BRIDGEWORK_STATE_CHANGES` of all sets.
    """
    ports = context.expectations
    numbers = sets.change_numbers(ports, context.path["name"])
    # Pages are sorted upwards, and the newest change comes first.
    found = page(
        numbers,
        context,
        lambda one: (f"{_LARGEST - one:018d}", ""),
        lambda one: sets.change(ports, one),
        lambda one: one is not None,
    )
    return ViewResult(found)
