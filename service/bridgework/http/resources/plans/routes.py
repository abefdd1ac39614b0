"""The route of plans: ``/v1/plans``."""

from __future__ import annotations

import json

from flask import Response

from bridgework.http.audit import recorder
from bridgework.http.caching import etag_of, matches, names_any
from bridgework.http.contract import Media, RequestContext, Resource, ViewResult
from bridgework.http.problems.documents import HttpProblem
from bridgework.http.progress import NDJSON, Ending, answered
from bridgework.http.resources.plans.requests import PlanRequestSchema
from bridgework.http.resources.plans.schemas import PlanLineSchema, PlanSchema, ShownPlan
from bridgework.model.errors import PreconditionFailed, Remedy
from bridgework.policy.access import Role, require_role
from bridgework.use_cases.plans.apply import apply_plan, require_applicable
from bridgework.use_cases.plans.make import Plan, make_plan

RESOURCE = Resource("plans", "Ask what changes would do to the connectivity of the engine, before you make them.")
_LINES = Media(NDJSON, "Progress line by line; the last line holds the plan or the problem.", PlanLineSchema)


@RESOURCE.operation(
    "POST",
    "/v1/plans",
    {200: (PlanSchema, _LINES)},
    role=Role.VIEWER,
    body=PlanRequestSchema(),
    conditional=True,
    judges_precondition=True,
    concurrency_pool="plans",
    problems={
        400: "precondition-not-supported",
        403: "role-insufficient",
        409: "plan-not-possible plan-not-undoable",
        422: "plan-not-applicable plan-too-large",
        428: "precondition-required",
    },
)
def plan_changes(context: RequestContext) -> ViewResult | Response:
    """Plan changes.

    The changes are requests to this API, in the words of the `calls` of a remedy. The service checks them in order
    against the state of the engine as it would be then, and answers what each would do, and what they would do
    together: which pairs become reachable or unreachable, what opens or closes at the host, and which findings appear
    and disappear. Nothing is changed and nothing is sent.

    The `ETag` stands for the plan and for the state of everything that it changes. With `If-Match`, the answer is 412
    when that state has changed. A port of an existing container cannot be published: delete the container and create it
    again, as two changes.

    The last change can be `upgrade_engine`: another release of Docker, or the same release with other settings. The
    answer then says what an upgrade would do to this host, with `notes` about what the release refuses, ignores or is
    known to break. Such a plan cannot be applied.

    With `apply` and the `ETag` in `If-Match`, the changes are made in order. Then the pairs that were to change are
    measured, and a sample of the others. When a change fails or a pair differs, all changes are undone, the last one
    first, unless `undo` is `never`. The status is 200 in each case, and `applied.outcome` says what happened. With
    `Accept: application/x-ndjson`, the service sends a line for each step.
    """
    if context.body.apply:
        require_role(context.caller, Role.OPERATOR, "Applying a plan")
    plan = make_plan(context.actor, context.body, context.snapshot)
    etag = _etag(plan)
    _require_match(context, etag)
    if not context.body.apply:
        shown = ShownPlan(plan)
        if context.media_type == NDJSON:
            return answered(context, lambda: shown, ending=Ending("plan", PlanSchema))
        return ViewResult(shown, headers={"ETag": etag})
    require_applicable(plan)
    record = recorder("planChanges", context.caller)

    def work() -> ShownPlan:
        return ShownPlan(plan, apply_plan(context.actor, plan, record))

    return answered(context, work, ending=Ending("plan", PlanSchema))


def _etag(plan: Plan) -> str:
    """Return the tag of the plan: of its answer, and of the state that it starts from."""
    answer = PlanSchema().dump(ShownPlan(plan))
    # A problem document names its request.
    for step in answer["steps"]:
        if step["problem"]:
            step["problem"]["request_id"] = ""
    return etag_of(json.dumps([plan.state, answer]).encode())


def _require_match(context: RequestContext, etag: str) -> None:
    wanted = context.headers.get("If-Match")
    if context.body.apply and (wanted is None or names_any(wanted)):
        # With * the gate would let every plan pass, also one whose state changed since somebody read it.
        raise HttpProblem(
            "precondition-required",
            "A plan is applied only with its own ETag in If-Match"
            + (", and * stands for any." if wanted is not None else "."),
            remedy="Send the same plan without apply, read what it would do, and send it with apply and its ETag.",
        )
    if wanted is not None and not matches(wanted, etag):
        raise PreconditionFailed(
            code="precondition-failed",
            detail=f"The plan's ETag is {etag} now, not {wanted}: what the plan changes is not as it was.",
            remedy=Remedy("Make the plan again without If-Match, read what it would do now, and decide again."),
        )
