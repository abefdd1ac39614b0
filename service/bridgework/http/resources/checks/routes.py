"""The route of one check: ``/v1/connectivity/checks``."""

from __future__ import annotations

from dataclasses import replace

from bridgework.http.contract import RequestContext, Resource, ViewResult
from bridgework.http.resources.checks.requests import CheckRequestSchema
from bridgework.http.resources.checks.schemas import CheckResultSchema
from bridgework.http.resources.nodes import is_forwarded
from bridgework.policy.access import Role
from bridgework.use_cases.connectivity import check

RESOURCE = Resource("connectivity", "Check whether one thing reaches another, and find out why not.")


@RESOURCE.operation(
    "POST",
    "/v1/connectivity/checks",
    {200: CheckResultSchema},
    role=Role.VIEWER,
    body=CheckRequestSchema(),
    problems={400: "ambiguous-reference", 403: "destination-not-allowed", 404: "container-not-found"},
)
def check_connectivity(context: RequestContext) -> ViewResult:
    """Check whether a source reaches a destination.

    The probe runs in the network namespace of the source, so the image needs no tools. When the source is on another
    node of the swarm, the service on that node runs the check (`answered_by`). An unreachable destination is an answer
    with status 200: the check worked, and its findings say why the destination is unreachable and how to fix that.
    """
    wanted = replace(context.body, forwarded=is_forwarded(context))
    return ViewResult(check.check(context.services, context.snapshot, wanted))
