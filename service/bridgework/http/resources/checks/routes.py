"""The paths under ``/v1/connectivity``: one check."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bridgework.http.contract import RequestContext, Resource, ViewResult
from bridgework.http.resources.checks.schemas import CheckRequestSchema, CheckResultSchema
from bridgework.http.resources.nodes import is_forwarded
from bridgework.model.check_request import CheckRequest
from bridgework.model.checks import ProbeRequest, Protocol
from bridgework.policy.access import Role
from bridgework.use_cases.connectivity import check

RESOURCE = Resource("connectivity", "Check whether one thing reaches another, and find out why not.")
DNS_PORT = 53


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
    wanted = replace(wanted_check(context.body), forwarded=is_forwarded(context))
    return ViewResult(check.check(context.services, context.snapshot, wanted))


def wanted_check(body: dict[str, Any]) -> CheckRequest:
    """The typed check of a loaded body."""
    protocol = Protocol(body["protocol"])
    probe = ProbeRequest(
        protocol=protocol,
        port=body["port"] or (DNS_PORT if protocol is Protocol.DNS else None),
        ip_version={"4": 4, "6": 6}.get(body["ip_version"]),
        count=body["count"],
        interval_ms=body["interval_ms"],
        timeout_ms=body["timeout_ms"],
        payload_bytes=body["payload_bytes"],
        dont_fragment=body["dont_fragment"],
        http_path=body["path"],
        expected_status=body["expected_status"],
        dns_question=body["question"],
    )
    destination = body["destination"]
    return CheckRequest(
        probe=probe,
        source_container=body["source"].get("container"),
        destination_container=destination.get("container"),
        destination_name=destination.get("name"),
        destination_address=destination.get("address"),
    )
