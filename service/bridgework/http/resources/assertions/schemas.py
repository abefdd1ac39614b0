"""The schemas of assertions and their outcomes."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load, pre_dump

from bridgework.http.resources.checks.requests import ProbeSchema, taken_apart
from bridgework.http.resources.checks.schemas import VERDICTS, CheckResultSchema
from bridgework.http.schemas.answers import decimal, flag, list_of, part, text, word
from bridgework.http.schemas.fields import Choice, Text, described, required
from bridgework.model.checks import Verdict
from bridgework.model.expectations import Assertion


class AssertionSchema(ProbeSchema):
    """A connectivity check with the verdict that is expected of it."""

    name = Text(
        min_length=1, max_length=255, **required("Your name for this assertion, such as `web reaches the database`.")
    )
    expect = Choice(["reachable", "unreachable"], **required("The verdict that the assertion expects."))

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Assertion:
        name, expect = data.pop("name"), Verdict(data.pop("expect"))
        return Assertion(name, super()._make(data), expect)

    @pre_dump
    def _taken_apart(self, assertion: Assertion, **_: Any) -> dict[str, Any]:
        return {**taken_apart(assertion.wanted), "name": assertion.name, "expect": assertion.expect.value}


class AssertionOutcomeSchema(Schema):
    """The outcome of one assertion."""

    name = text("The name of the assertion, as it was sent.")
    outcome = word(
        "The outcome. `error` means that the check could not be made, or was inconclusive.", "passed failed error"
    )
    expect = word("The expected verdict, as it was sent.", *VERDICTS)
    message = text("The outcome in one sentence.")
    duration_ms = decimal("How long the check took, in milliseconds.")
    result = part(CheckResultSchema, "The result of the check; null when the check could not be made.", null=True)


class AssertionsSchema(Schema):
    """The outcomes of all assertions of a request."""

    passed = flag("Whether every assertion passed.")
    counts = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata=described("The number of assertions by outcome: `passed`, `failed` and `error`."),
    )
    items = list_of(AssertionOutcomeSchema, "The outcomes, in the order of the assertions in the request.")
