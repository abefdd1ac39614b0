"""The shapes of a matrix, of assertions, and of what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from bridgework.http.fields import Flag, ReferenceSchema, Strict, Text, Variants, Whole, described
from bridgework.http.findings import FindingSchema
from bridgework.http.resources.checks.schemas import (
    MAX_PORT,
    PORT_RULE,
    PROTOCOLS,
    REASONS,
    VERDICTS,
    WITH_PORT,
    CheckRequestSchema,
    CheckResultSchema,
)
from bridgework.http.resources.nodes import GapSchema

CELLS = ("reachable", "unreachable", "inconclusive", "self")
MAX_CONTAINERS = 1000
_PARTIAL = "Swarm nodes that did not measure or report; the cells that need them are `inconclusive`."


class Cell(fields.String):
    """A verdict in a matrix; a plain text in the spec, since generators cannot read enums in rows of rows."""

    def __init__(self) -> None:
        super().__init__(
            validate=validate.OneOf(CELLS),
            metadata=described("The verdict of one pair; `self` on the diagonal.", x_known_values=True),
        )


class MatrixRequestSchema(Strict):
    """A matrix to measure. Name exactly one of `containers`, `network` and `all`."""

    keywords: ClassVar[Mapping[str, Any]] = {
        "if": {"oneOf": [{"required": [name], "properties": {name: {}}} for name in ("containers", "network", "all")]},
        "then": PORT_RULE,
        "else": {"not": {}},
    }

    containers = fields.List(
        Text(min_length=1),
        validate=validate.Length(min=1, max=MAX_CONTAINERS),
        metadata=described("The containers to measure between, each by its name or id."),
    )
    network = Text(
        min_length=1, metadata=described("Measure between all containers that have an endpoint in this network.")
    )
    all = Flag(
        validate=validate.Equal(True), metadata=described("Measure between all containers. The only value is `true`.")
    )
    protocol = fields.String(
        load_default="icmp",
        validate=validate.OneOf(PROTOCOLS),
        metadata=described("The kind of probe to send; `icmp` sends ICMP echo requests."),
    )
    port = Whole(
        1,
        MAX_PORT,
        allow_none=True,
        load_default=None,
        metadata=described(
            "The destination port. tcp, udp and http need a port; dns uses 53 without one; icmp has none."
        ),
    )
    by = fields.String(
        load_default="address", validate=validate.OneOf(["address", "name"]),
        metadata=described("Whether to probe addresses, or names as each source resolves them."),
    )  # fmt: skip
    timeout_ms = Whole(
        1, 10_000, load_default=1000, metadata=described("Milliseconds to wait for the answer of each pair.")
    )
    max_packets_per_second = Whole(
        1,
        1_000_000,
        allow_none=True,
        load_default=None,
        metadata=described("The largest number of packets per second; null means 75,000."),
    )

    @validates_schema(skip_on_field_errors=True)
    def check(self, data: dict[str, Any], **_: Any) -> None:
        """What single fields cannot say."""
        if sum(name in data for name in ("containers", "network", "all")) != 1:
            raise ValidationError("Name exactly one of containers, network and all.")
        if data["protocol"] in WITH_PORT and data["port"] is None:
            raise ValidationError(f"The protocol {data['protocol']} needs a port.", "port")
        if data["protocol"] == "icmp" and data["port"] is not None:
            raise ValidationError("The protocol icmp has no port.", "port")


class MatrixSummarySchema(Schema):
    """The number of pairs in the matrix, by verdict."""

    pairs = fields.Integer(
        required=True, metadata=described("The number of pairs of two different containers.", minimum=0)
    )
    reachable = fields.Integer(
        required=True, metadata=described("The number of pairs where the destination answered.", minimum=0)
    )
    unreachable = fields.Integer(
        required=True, metadata=described("The number of pairs where the destination did not answer.", minimum=0)
    )
    inconclusive = fields.Integer(
        required=True, metadata=described("The number of pairs that could not be measured.", minimum=0)
    )
    surprises = fields.Integer(
        required=True,
        metadata=described(
            "The number of pairs where measurement and prediction differ, all of them counted.", minimum=0
        ),
    )


class SurpriseSchema(Schema):
    """A pair of containers where the measurement differs from the prediction."""

    source = fields.Nested(
        ReferenceSchema, required=True, metadata=described("The container that the probe was sent from.")
    )
    destination = fields.Nested(
        ReferenceSchema, required=True, metadata=described("The container that the probe was sent to.")
    )
    predicted = fields.String(
        required=True,
        validate=validate.OneOf(VERDICTS),
        metadata=described("The verdict that the engine's state predicts."),
    )
    measured = fields.String(
        required=True, validate=validate.OneOf(VERDICTS), metadata=described("The verdict that was measured.")
    )
    reason = fields.String(
        required=True,
        allow_none=True,
        validate=validate.OneOf([*REASONS, None]),
        metadata=described("Why the measurement failed; null when it succeeded.", x_known_values=True),
    )
    findings = fields.List(
        fields.Nested(FindingSchema), required=True, metadata=described("The findings that the prediction is based on.")
    )


class MatrixSchema(Schema):
    """A whole matrix: which container reaches which, with round-trip times."""

    containers = fields.List(
        fields.Nested(ReferenceSchema),
        required=True,
        metadata=described("The containers, in the order of the rows and of the columns."),
    )
    verdicts = fields.List(
        fields.List(Cell()),
        required=True,
        metadata=described("One row for each source; each row has one cell for each destination."),
    )
    rtt_ms = fields.List(
        fields.List(fields.Float()),
        required=True,
        metadata=described("Round-trip times in milliseconds, in the order of `verdicts`; 0 without an answer."),
    )
    summary = fields.Nested(
        MatrixSummarySchema, required=True, metadata=described("The number of pairs in the matrix, by verdict.")
    )
    surprises = fields.List(
        fields.Nested(SurpriseSchema),
        required=True,
        metadata=described("The pairs where measurement and prediction differ, at most 200 of them."),
    )
    duration_ms = fields.Float(
        required=True, metadata=described("How long the whole measurement took, in milliseconds.")
    )
    gaps = fields.List(fields.Nested(GapSchema), required=True, data_key="partial", metadata=described(_PARTIAL))


class MatrixStartSchema(Schema):
    """The first line of a streamed matrix: the containers and the number of rows."""

    type = fields.String(
        required=True, validate=validate.OneOf(["start"]), metadata=described("The kind of this line, `start`.")
    )
    containers = fields.List(
        fields.Nested(ReferenceSchema),
        required=True,
        metadata=described("In the first line: the containers, in the order of the rows and of the columns."),
    )
    rows_total = fields.Integer(required=True, metadata=described("The number of rows of the whole matrix."))


class MatrixRowSchema(Schema):
    """One row of a streamed matrix, sent as soon as the row is complete."""

    type = fields.String(
        required=True, validate=validate.OneOf(["row"]), metadata=described("The kind of this line, `row`.")
    )
    index = fields.Integer(
        required=True, metadata=described("The position of this row in the order of `containers`, from 0.")
    )
    verdicts = fields.List(
        Cell(), required=True, metadata=described("The verdicts of this row, one for each destination.")
    )
    rtt_ms = fields.List(
        fields.Float(),
        required=True,
        metadata=described("Round-trip times in milliseconds, one for each destination; 0 without an answer."),
    )
    rows_done = fields.Integer(required=True, metadata=described("The number of rows that are complete."))
    rows_total = fields.Integer(required=True, metadata=described("The number of rows of the whole matrix."))


class MatrixHeartbeatSchema(Schema):
    """A line that is sent about once a second while no row is complete."""

    type = fields.String(
        required=True, validate=validate.OneOf(["heartbeat"]), metadata=described("The kind of this line, `heartbeat`.")
    )
    rows_done = fields.Integer(required=True, metadata=described("The number of rows that are complete."))
    rows_total = fields.Integer(required=True, metadata=described("The number of rows of the whole matrix."))


class MatrixEndSchema(Schema):
    """The last line of a streamed matrix: the totals."""

    type = fields.String(
        required=True, validate=validate.OneOf(["end"]), metadata=described("The kind of this line, `end`.")
    )
    summary = fields.Nested(
        MatrixSummarySchema, required=True, metadata=described("The number of pairs in the matrix, by verdict.")
    )
    surprises = fields.List(
        fields.Nested(SurpriseSchema),
        required=True,
        metadata=described("The pairs where measurement and prediction differ, at most 200 of them."),
    )
    duration_ms = fields.Float(
        required=True, metadata=described("How long the whole measurement took, in milliseconds.")
    )
    gaps = fields.List(fields.Nested(GapSchema), required=True, data_key="partial", metadata=described(_PARTIAL))


class MatrixLineSchema(Variants):
    """One line of a streamed matrix. `type` names the kind of line."""

    variants: ClassVar = {
        "start": MatrixStartSchema,
        "row": MatrixRowSchema,
        "heartbeat": MatrixHeartbeatSchema,
        "end": MatrixEndSchema,
    }


class AssertionSchema(CheckRequestSchema):
    """A connectivity check with the verdict that is expected of it."""

    name = Text(
        required=True,
        min_length=1,
        max_length=255,
        metadata=described("Your name for this assertion, such as `web reaches the database`."),
    )
    expect = fields.String(
        required=True,
        validate=validate.OneOf(["reachable", "unreachable"]),
        metadata=described("The verdict that the assertion expects."),
    )


class AssertionOutcomeSchema(Schema):
    """The outcome of one assertion."""

    name = fields.String(required=True, metadata=described("The name of the assertion, as it was sent."))
    outcome = fields.String(
        required=True, validate=validate.OneOf(["passed", "failed", "error"]),
        metadata=described("The outcome. `error` means that the check could not be made, or was inconclusive."),
    )  # fmt: skip
    expect = fields.String(
        required=True, validate=validate.OneOf(VERDICTS), metadata=described("The expected verdict, as it was sent.")
    )
    message = fields.String(required=True, metadata=described("The outcome in one sentence."))
    duration_ms = fields.Float(required=True, metadata=described("How long the check took, in milliseconds."))
    result = fields.Nested(
        CheckResultSchema,
        required=True,
        allow_none=True,
        metadata=described("The result of the check; null when the check could not be made."),
    )


class AssertionsSchema(Schema):
    """The outcomes of all assertions of a request."""

    passed = fields.Boolean(required=True, metadata=described("Whether every assertion passed."))
    counts = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata=described("The number of assertions by outcome: `passed`, `failed` and `error`."),
    )
    items = fields.List(
        fields.Nested(AssertionOutcomeSchema),
        required=True,
        metadata=described("The outcomes, in the order of the assertions in the request."),
    )


class ProbeQuery(Strict):
    """One check, as a scrape configuration can say it."""

    source = Text(
        required=True, min_length=1, metadata=described("The container to check from, by name or id, or `host`.")
    )
    destination = Text(
        required=True,
        min_length=1,
        max_length=253,
        metadata=described(
            "What to reach: `container:web`, `name:web`, `address:10.77.0.3` or `host`; without a prefix, a container."
        ),
    )
    protocol = fields.String(
        load_default="icmp",
        validate=validate.OneOf(PROTOCOLS),
        metadata=described("The kind of probe to send; `icmp` sends ICMP echo requests."),
    )
    port = fields.Integer(
        load_default=None,
        validate=validate.Range(1, MAX_PORT),
        metadata=described(
            "The destination port. tcp, udp and http need a port; dns uses 53 without one; icmp has none."
        ),
    )
    timeout_ms = fields.Integer(
        load_default=1000,
        validate=validate.Range(1, 30_000),
        metadata=described("Milliseconds to wait for the answer."),
    )
