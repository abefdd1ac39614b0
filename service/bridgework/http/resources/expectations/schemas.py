"""The schemas of kept expectations: what a client sends, the sets, and their changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, pre_dump, validates_schema

from bridgework.http.reading import flattened
from bridgework.http.resources.assertions.schemas import AssertionSchema
from bridgework.http.resources.checks.schemas import VERDICTS
from bridgework.http.schemas.answers import any_values, list_of, number, page_of, part, text, texts, word
from bridgework.http.schemas.fields import Items, Strict, Text, Whole, optional, required
from bridgework.http.schemas.findings import ComponentSchema, FindingSchema, LimitationSchema
from bridgework.model.errors import invalid
from bridgework.model.expectations import ExpectationSet, Status, StatusChange
from bridgework.use_cases.expectations.sets import SetView

MAX_EXPECTATIONS, MAX_WEBHOOKS = 1000, 16
SHORTEST_S, LONGEST_S = 5, 86_400
STATUSES = tuple(status.value for status in Status)
EXPECTED = ("reachable", "unreachable")


class ExpectationSetBodySchema(Strict):
    """A set of expectations to keep."""

    expectations = Items(
        fields.Nested(AssertionSchema),
        MAX_EXPECTATIONS,
        least=1,
        **required("What to expect: the items of `POST /v1/connectivity/assertions`. Each has a name of its own."),
    )
    every_s = Whole(
        SHORTEST_S,
        LONGEST_S,
        **optional(
            "How often each expectation is measured when nothing that decides about it changes, in seconds.", 300
        ),
    )
    notify = Items(
        Text(min_length=1),
        MAX_WEBHOOKS,
        load_default=(),
        metadata={
            "description": "The webhooks that each change is sent to, by their names in the file of the operator."
        },
    )

    @validates_schema(skip_on_field_errors=True)
    def check_names(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse two expectations with one name."""
        names = [one.name for one in data["expectations"]]
        twice = {
            at: {"name": ["Another expectation of the set has this name."]}
            for at, name in enumerate(names)
            if name in names[:at]
        }
        if twice:
            raise ValidationError({"expectations": twice})


_BODY = ExpectationSetBodySchema()


def set_of_file(name: str, body: Mapping[str, Any], file: str) -> ExpectationSet:
    """Return the set that a file holds. Raises ``InvalidInput``."""
    try:
        return ExpectationSet(name, file=file, **_BODY.load(body))
    except ValidationError as error:
        raise invalid("The file", flattened(error.messages)) from error


class ExpectationSchema(Schema):
    """One expectation of a set, and what is known of it."""

    name = text("The name of the expectation within its set.")
    expectation = any_values("The expectation as it was sent, without the fields that have their defaults.")
    expect = word("The verdict that the expectation expects.", *EXPECTED)
    status = word(
        "Whether the expectation is met. `unknown`: it was not measured yet, the check could not be made, or it was "
        "inconclusive; `message` says which.",
        *STATUSES,
    )
    verdict = word("The verdict of the last measurement; null where there is none.", *VERDICTS, null=True)
    since = text(
        "When the status became this one, RFC 3339 in UTC; null before the first measurement.",
        null=True, format="date-time",
    )  # fmt: skip
    measured_at = text("When it was last measured, RFC 3339 in UTC; null before that.", null=True, format="date-time")
    message = text("The outcome of the last measurement in one sentence.")
    findings = list_of(FindingSchema, "The findings of the last measurement, the most severe first.")

    @pre_dump
    def render(self, pair: Any, **_: Any) -> Mapping[str, Any]:
        """Join an expectation and its state."""
        assertion, state = pair
        return {
            "name": assertion.name, "expectation": _ASSERTION.dump(assertion), "expect": assertion.expect,
            "status": state.status, "verdict": state.verdict, "since": state.since,
            "measured_at": state.measured_at, "message": state.message, "findings": state.findings,
        }  # fmt: skip


_ASSERTION = AssertionSchema()


class ExpectationSetSummarySchema(Schema):
    """A set of expectations in short."""

    name = text("The name of the set of expectations.")
    project = text("The project that the set belongs to; null when it belongs to none.", null=True)
    file = text(
        "The file that the set is from. It is changed there, not by the API; null for a set of the API.", null=True
    )
    every_s = number("How often each expectation is measured when nothing changes, in seconds.")
    notify = texts("The names of the webhooks that each change is sent to.")
    met = number("How many expectations are met.")
    violated = number("How many expectations are violated.")
    # marshmallow's schemas have an attribute of the name "unknown".
    not_known = fields.Integer(
        data_key="unknown", attribute="unknown", **required("How many expectations have an unknown status.")
    )
    since = text(
        "When the status of an expectation last changed, RFC 3339 in UTC; null before the first measurement.",
        null=True, format="date-time",
    )  # fmt: skip
    limited = list_of(
        LimitationSchema, "What is not kept, or which files of sets cannot be used; empty when all is well."
    )

    @pre_dump
    def render(self, view: SetView, **_: Any) -> Mapping[str, Any]:
        """Join a set and the states of its expectations."""
        one = view.set
        return {
            "name": one.name, "project": one.project, "file": one.file, "every_s": one.every_s, "notify": one.notify,
            **{status.value: view.count(status) for status in Status}, "since": view.since, "limited": view.limited,
            "expectations": view.expectations,
        }  # fmt: skip


class ExpectationSetSchema(ExpectationSetSummarySchema):
    """A set of expectations, and what is known of each."""

    expectations = list_of(ExpectationSchema, "The expectations, in the order in which they were sent.")


ExpectationSetSummaryPageSchema = page_of(
    ExpectationSetSummarySchema,
    "A page of sets of expectations.",
    "The sets, sorted by name.",
    limited=list_of(
        LimitationSchema, "What is not kept, or which files of sets cannot be used; empty when all is well."
    ),
)


class CauseEventSchema(Schema):
    """A change on the host or in the engine, as the kernel or the engine told it."""

    kind = word("What told it.", "engine rules link address route policy-rule setting", grows=True)
    at = text("When it happened, RFC 3339 in UTC.", format="date-time")
    message = text(
        "What happened in one sentence, such as `iptables (process 4711) removed 1 firewall rule (filter).`.",
        attribute="what",
    )


class CauseSchema(Schema):
    """Why the status of an expectation changed."""

    code = text(
        "The code of the finding that appeared or disappeared (`GET /v1/explanations`), or the code of what kept the "
        "check from being made. `not-known` where no evidence shows a cause."
    )
    message = text(
        "The cause in one or two sentences. For `not-known`, where the packet was last seen, if that is known."
    )
    component = part(ComponentSchema, "The component that the finding is about; null where there is none.", null=True)
    event = part(
        CauseEventSchema, "The event that made it so; null where none was seen that fits, or more than one.", null=True
    )


class ExpectationChangeSchema(Schema):
    """A change of the status of one expectation."""

    id = text("The id of the change. A webhook has it in the header `webhook-id`.")
    at = text("When the change was measured, RFC 3339 in UTC.", format="date-time")
    set = text("The name of the set of expectations.")
    expectation = text("The name of the expectation.")
    project = text("The project that the set belongs to; null when it belongs to none.", null=True)
    expect = word("The verdict that the expectation expects.", *EXPECTED)
    before = word("The status of the expectation before.", *STATUSES)
    after = word("The status of the expectation from then on.", *STATUSES)
    verdict = word("The verdict that was measured; null where none was.", *VERDICTS, null=True)
    message = text("The outcome of the measurement in one sentence.")
    cause = part(CauseSchema, "Why the status of the expectation changed.")
    findings = list_of(FindingSchema, "The findings of the measurement with their remedies, the most severe first.")


ExpectationChangePageSchema = page_of(
    ExpectationChangeSchema,
    "A page of changes of the status of expectations.",
    "The changes of the set, the newest first.",
)
_CHANGE = ExpectationChangeSchema()


def change_to_json(change: StatusChange) -> Mapping[str, Any]:
    """Return a change as the API answers it."""
    dumped: Mapping[str, Any] = _CHANGE.dump(change)
    return dumped
