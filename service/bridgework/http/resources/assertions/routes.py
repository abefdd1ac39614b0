"""The route of assertions: ``/v1/connectivity/assertions``."""

from __future__ import annotations

from collections import Counter
from xml.etree import ElementTree as ET

from flask import Response

from bridgework.http.contract import Media, RequestContext, Resource, ViewResult
from bridgework.http.resources.assertions.schemas import AssertionSchema, AssertionsSchema
from bridgework.http.resources.matrix.routes import FINDING
from bridgework.policy.access import Role
from bridgework.printable import printable
from bridgework.use_cases.connectivity import assertions

RESOURCE = Resource("connectivity")
XML = "application/xml"


@RESOURCE.operation(
    "POST",
    "/v1/connectivity/assertions",
    {200: (AssertionsSchema, Media(XML, "The outcomes as JUnit XML, which most pipelines can read."))},
    role=Role.VIEWER,
    body=AssertionSchema(many=True),
    max_items=1000,
    concurrency_pool="matrices",
    problems=FINDING,
)
def check_assertions(context: RequestContext) -> ViewResult | Response:
    """Check a list of assertions about connectivity.

    At most 1,000 assertions are checked, in their order. They can expect `unreachable` too, so that a pipeline fails on
    a leak between tenants as well as on an outage. An assertion that cannot be checked has the outcome `error`; the
    others are still checked.
    """
    outcomes = assertions.run_assertions(context.services, context.snapshot, context.body)
    if context.media_type == XML:
        return Response(to_junit(outcomes), content_type=f"{XML}; charset=utf-8")
    counts = Counter({"passed": 0, "failed": 0, "error": 0})
    counts.update(outcome.outcome for outcome in outcomes)
    passed = counts["passed"] == len(outcomes)
    return ViewResult({"passed": passed, "counts": dict(counts), "items": outcomes})


def to_junit(outcomes: list[assertions.Outcome]) -> bytes:
    """Write the outcomes as JUnit XML: a failed one has the element ``failure``, one without an answer ``error``."""
    failed = sum(outcome.outcome == "failed" for outcome in outcomes)
    errors = sum(outcome.outcome == "error" for outcome in outcomes)
    numbers = {"tests": str(len(outcomes)), "failures": str(failed), "errors": str(errors)}
    suite = ET.Element("testsuite", {"name": "bridgework", **numbers})
    for outcome in outcomes:
        seconds = f"{outcome.duration_ms / 1000:.3f}"
        case = ET.SubElement(
            suite, "testcase", {"name": printable(outcome.name), "classname": "connectivity", "time": seconds}
        )
        if outcome.outcome != "passed":
            tag = "failure" if outcome.outcome == "failed" else "error"
            element = ET.SubElement(case, tag, {"message": printable(outcome.message), "type": outcome.outcome})
            result = outcome.result
            lines = [f"{finding.code}: {finding.message}" for finding in result.findings] if result else []
            lines += [f"{one.code}: {one.what}. {one.why}" for one in result.limited] if result else []
            element.text = "\n".join(map(printable, lines))
    return bytes(ET.tostring(suite, encoding="utf-8", xml_declaration=True)) + b"\n"
