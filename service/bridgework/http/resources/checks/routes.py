"""The route of one check: ``/v1/connectivity/checks``."""

from __future__ import annotations

from dataclasses import replace

from flask import Response

from bridgework.http.contract import Media, RequestContext, Resource, ViewResult
from bridgework.http.problems.documents import HttpProblem
from bridgework.http.resources.checks import pcapng
from bridgework.http.resources.checks.requests import CheckRequestSchema
from bridgework.http.resources.checks.schemas import CheckResultSchema
from bridgework.http.resources.checks.text import to_text
from bridgework.http.resources.nodes import is_forwarded
from bridgework.policy.access import Role
from bridgework.use_cases.connectivity import check
from bridgework.use_cases.connectivity.trace import require_trace

TEXT = "text/plain"
RESOURCE = Resource("connectivity", "Check whether one thing reaches another, and find out why not.")


@RESOURCE.operation(
    "POST",
    "/v1/connectivity/checks",
    {
        200: (
            CheckResultSchema,
            Media(TEXT, "The check as text, for a ticket or a terminal."),
            Media(
                pcapng.MEDIA_TYPE,
                "The traced packets at every interface on the way, with a comment for each one.",
                binary=True,
            ),
        )
    },
    role=Role.VIEWER,
    body=CheckRequestSchema(),
    concurrency_pool="checks",
    pool_of_field=("trace", "traces"),
    problems={
        400: "ambiguous-reference trace-required",
        403: "destination-not-allowed role-insufficient trace-not-allowed",
        404: "container-not-found",
        501: "trace-not-possible",
    },
)
def check_connectivity(context: RequestContext) -> ViewResult | Response:
    """Check whether a source reaches a destination.

    The probe runs in the network namespace of the source, so the image needs no tools. When the source is on another
    node of the swarm, the service on that node runs the check (`answered_by`). An unreachable destination is an answer
    with status 200: the check worked, and its findings say why the destination is unreachable and how to fix that.

    With `trace`, the answer also holds the way of the packet step by step: each interface where the kernel showed it,
    each firewall rule that it met, the translation, the route, and the same for the answer. For that, the service adds
    a table to nftables that marks this one flow, and the kernel deletes the table with the check. Packets are kept up
    to the end of their transport header. With a token that is bound to a project, only the namespaces of containers of
    that project are recorded, and `missing` names the others. `Accept` chooses JSON, text for a ticket, or a capture
    file that Wireshark opens.

    Without `trace`, the check traces a second probe where the destination was predicted reachable and is not, and the
    caller may trace.
    """
    wanted = replace(context.body, forwarded=is_forwarded(context))
    if wanted.trace:
        require_trace(context.services, context.caller)
    elif context.media_type == pcapng.MEDIA_TYPE:
        raise _no_capture("The check has no trace.")
    result = check.check(context.services, context.snapshot, wanted, context.caller)
    if context.media_type == TEXT:
        return Response(to_text(result), content_type=f"{TEXT}; charset=utf-8")
    if context.media_type != pcapng.MEDIA_TYPE:
        return ViewResult(result)
    if result.trace is None:
        raise _no_capture("The check sent no packet that could be seen.")
    return Response(pcapng.to_pcapng(result.trace.capture), content_type=pcapng.MEDIA_TYPE)


def _no_capture(why: str) -> HttpProblem:
    return HttpProblem("trace-required", f"{why} So there is no capture.")
