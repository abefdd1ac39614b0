"""The route of plans: ``/v1/plans``."""

from __future__ import annotations

import json

from bridgework.http.caching import etag_of, matches
from bridgework.http.contract import RequestContext, Resource, ViewResult
from bridgework.http.resources.plans.requests import PlanRequestSchema
from bridgework.http.resources.plans.schemas import PlanSchema
from bridgework.model.errors import PreconditionFailed, Remedy
from bridgework.policy.access import Role
from bridgework.use_cases.plans.make import Plan, make_plan

RESOURCE = Resource("plans", "Ask what changes would do to the connectivity of the engine, before you make them.")


@RESOURCE.operation(
    "POST",
    "/v1/plans",
    {200: PlanSchema},
    role=Role.VIEWER,
    body=PlanRequestSchema(),
    conditional=True,
    judges_precondition=True,
    concurrency_pool="probes",
    problems={400: "precondition-not-supported"},
)
def plan_changes(context: RequestContext) -> ViewResult:
    """Plan changes.

    The changes are requests to this API, in the words of the `calls` of a remedy. The service checks them in order
    against the state of the engine as it would be then, and answers what each would do, and what they would do
    together: which pairs become reachable or unreachable, what opens or closes at the host, and which findings appear
    and disappear. Nothing is changed and nothing is sent.

    The `ETag` stands for the plan and for the state of everything that it changes. With `If-Match`, the answer is 412
    when that state has changed.

    A port of an existing container cannot be published: delete the container and create it again, as two changes.
    """
    plan = make_plan(context.actor, context.body, context.snapshot)
    etag = _etag(plan)
    _require_match(context, etag)
    return ViewResult(plan, headers={"ETag": etag})


def _etag(plan: Plan) -> str:
    """Return the tag of the plan: of its answer, and of the state that it starts from."""
    answer = PlanSchema().dump(plan)
    # A problem document names its request.
    for step in answer["steps"]:
        if step["problem"]:
            step["problem"]["request_id"] = ""
    return etag_of(json.dumps([plan.state, answer]).encode())


def _require_match(context: RequestContext, etag: str) -> None:
    wanted = context.headers.get("If-Match")
    if wanted is not None and not matches(wanted, etag):
        raise PreconditionFailed(
            code="precondition-failed",
            detail=f"The plan's ETag is {etag} now, not {wanted}: what the plan changes is not as it was.",
            remedy=Remedy("Make the plan again without If-Match, read what it would do now, and decide again."),
        )
