"""The shapes of a matrix, of assertions, and of what they answer."""

from __future__ import annotations

from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from service.api.connectivity_schemas import (
    MAX_PORT,
    PROTOCOLS,
    REASONS,
    VERDICTS,
    WITH_PORT,
    CheckRequestSchema,
    CheckResultSchema,
)
from service.api.fields import FindingSchema, Flag, ReferenceSchema, Strict, Text, Variants, Whole, described
from service.api.nodes import GapSchema

CELLS = ("reachable", "unreachable", "inconclusive", "self")
MAX_CONTAINERS = 1000
_PARTIAL = "Nodes whose rows, or what is known of them, are missing: those are `inconclusive`."


class Cell(fields.String):
    """A verdict in a matrix; a plain text in the spec, since generators cannot read enums in rows of rows."""

    def __init__(self) -> None:
        super().__init__(validate=validate.OneOf(CELLS), metadata=described("A cell.", x_known_values=True))


class MatrixRequestSchema(Strict):
    """A matrix to measure: exactly one of `containers`, `network` and `all`."""

    containers = fields.List(
        Text(min_length=1), validate=validate.Length(min=1, max=MAX_CONTAINERS), metadata=described("By name or id.")
    )
    network = Text(min_length=1, metadata=described("Every container with an endpoint in this network."))
    all = Flag(validate=validate.Equal(True), metadata=described("Every container; true."))
    protocol = fields.String(
        load_default="icmp", validate=validate.OneOf(PROTOCOLS), metadata=described("What is sent.")
    )
    port = Whole(1, MAX_PORT, allow_none=True, load_default=None, metadata=described("Of tcp, udp, http; of dns 53."))
    by = fields.String(
        load_default="address", validate=validate.OneOf(["address", "name"]),
        metadata=described("Probe addresses, or names as each source resolves them."),
    )  # fmt: skip
    timeout_ms = Whole(1, 10_000, load_default=1000, metadata=described("For each pair."))
    max_packets_per_second = Whole(
        1, 1_000_000, allow_none=True, load_default=None, metadata=described("Null for a polite default.")
    )

    @validates_schema(skip_on_field_errors=True)
    def check(self, data: dict[str, Any], **_: Any) -> None:
        """What single fields cannot say."""
        if sum(name in data for name in ("containers", "network", "all")) != 1:
            raise ValidationError("Name exactly one of containers, network and all.")
        if data["protocol"] in WITH_PORT and data["port"] is None:
            raise ValidationError(f"The protocol {data['protocol']} needs one.", "port")
        if data["protocol"] == "icmp" and data["port"] is not None:
            raise ValidationError("The protocol icmp has none.", "port")


class MatrixSummarySchema(Schema):
    """The matrix in numbers."""

    pairs = fields.Integer(required=True, metadata=described("Rows times columns, without the diagonal.", minimum=0))
    reachable = fields.Integer(required=True, metadata=described("How many answered.", minimum=0))
    unreachable = fields.Integer(required=True, metadata=described("How many did not.", minimum=0))
    inconclusive = fields.Integer(required=True, metadata=described("How many could not be found out.", minimum=0))
    surprises = fields.Integer(
        required=True, metadata=described("How many differ from the prediction (the list may be shorter).", minimum=0)
    )


class SurpriseSchema(Schema):
    """A pair where the prediction and the wire differ."""

    source = fields.Nested(ReferenceSchema, required=True, metadata=described("The row."))
    destination = fields.Nested(ReferenceSchema, required=True, metadata=described("The column."))
    predicted = fields.String(required=True, validate=validate.OneOf(VERDICTS), metadata=described("From the state."))
    measured = fields.String(required=True, validate=validate.OneOf(VERDICTS), metadata=described("From the wire."))
    reason = fields.String(
        required=True,
        allow_none=True,
        validate=validate.OneOf([*REASONS, None]),
        metadata=described("Why it failed.", x_known_values=True),
    )
    findings = fields.List(fields.Nested(FindingSchema), required=True, metadata=described("Behind the prediction."))


class MatrixSchema(Schema):
    """A whole matrix."""

    containers = fields.List(
        fields.Nested(ReferenceSchema), required=True, metadata=described("The order of rows and columns.")
    )
    verdicts = fields.List(
        fields.List(Cell()),
        required=True,
        metadata=described("A row per source."),
    )
    rtt_ms = fields.List(
        fields.List(fields.Float(allow_none=True)), required=True, metadata=described("Round trips, in the same order.")
    )
    summary = fields.Nested(MatrixSummarySchema, required=True, metadata=described("In numbers."))
    surprises = fields.List(
        fields.Nested(SurpriseSchema),
        required=True,
        metadata=described("Where prediction and wire differ; 200 at most."),
    )
    duration_ms = fields.Float(required=True, metadata=described("How long it took."))
    gaps = fields.List(fields.Nested(GapSchema), required=True, data_key="partial", metadata=described(_PARTIAL))


class MatrixStartSchema(Schema):
    """The first line of a streamed matrix."""

    type = fields.String(required=True, validate=validate.OneOf(["start"]), metadata=described("`start`."))
    containers = fields.List(
        fields.Nested(ReferenceSchema), required=True, metadata=described("The order of rows and columns.")
    )
    rows_total = fields.Integer(required=True, metadata=described("How many rows there will be."))


class MatrixRowSchema(Schema):
    """One source's row, as soon as it is whole."""

    type = fields.String(required=True, validate=validate.OneOf(["row"]), metadata=described("`row`."))
    index = fields.Integer(required=True, metadata=described("Which row, from 0."))
    verdicts = fields.List(Cell(), required=True, metadata=described("By destination."))
    rtt_ms = fields.List(fields.Float(allow_none=True), required=True, metadata=described("By destination."))
    rows_done = fields.Integer(required=True, metadata=described("How many rows are whole."))
    rows_total = fields.Integer(required=True, metadata=described("How many rows there will be."))


class MatrixHeartbeatSchema(Schema):
    """A sign of life, about once a second, where no row becomes whole."""

    type = fields.String(required=True, validate=validate.OneOf(["heartbeat"]), metadata=described("`heartbeat`."))
    rows_done = fields.Integer(required=True, metadata=described("How many rows are whole."))
    rows_total = fields.Integer(required=True, metadata=described("How many rows there will be."))


class MatrixEndSchema(Schema):
    """The last line of a streamed matrix."""

    type = fields.String(required=True, validate=validate.OneOf(["end"]), metadata=described("`end`."))
    summary = fields.Nested(MatrixSummarySchema, required=True, metadata=described("In numbers."))
    surprises = fields.List(
        fields.Nested(SurpriseSchema), required=True, metadata=described("Where both differ; 200 at most.")
    )
    duration_ms = fields.Float(required=True, metadata=described("How long it took."))
    gaps = fields.List(fields.Nested(GapSchema), required=True, data_key="partial", metadata=described(_PARTIAL))


class MatrixLineSchema(Variants):
    """A line of a streamed matrix; `type` says which."""

    variants: ClassVar = {
        "start": MatrixStartSchema,
        "row": MatrixRowSchema,
        "heartbeat": MatrixHeartbeatSchema,
        "end": MatrixEndSchema,
    }


class AssertionSchema(CheckRequestSchema):
    """A check and what is expected of it."""

    name = Text(required=True, min_length=1, max_length=255, metadata=described("What it means to you."))
    expect = fields.String(
        required=True, validate=validate.OneOf(["reachable", "unreachable"]), metadata=described("What must hold.")
    )


class AssertionOutcomeSchema(Schema):
    """What became of one assertion."""

    name = fields.String(required=True, metadata=described("As given."))
    outcome = fields.String(
        required=True, validate=validate.OneOf(["passed", "failed", "error"]),
        metadata=described("`error`: the check could not be made, or was inconclusive."),
    )  # fmt: skip
    expect = fields.String(required=True, validate=validate.OneOf(VERDICTS), metadata=described("As given."))
    message = fields.String(required=True, metadata=described("In a sentence."))
    duration_ms = fields.Float(required=True, metadata=described("How long it took."))
    result = fields.Nested(CheckResultSchema, required=True, allow_none=True, metadata=described("The check itself."))


class AssertionsSchema(Schema):
    """What became of all assertions."""

    passed = fields.Boolean(required=True, metadata=described("Whether every one passed."))
    counts = fields.Dict(
        keys=fields.String(), values=fields.Integer(), required=True, metadata=described("How many of each outcome.")
    )
    items = fields.List(fields.Nested(AssertionOutcomeSchema), required=True, metadata=described("In their order."))


class ProbeQuery(Strict):
    """One check, as a scrape configuration can say it."""

    source = Text(required=True, min_length=1, metadata=described("A container, or `host`."))
    destination = Text(
        required=True, min_length=1, max_length=253,
        metadata=described("`container:…`, `name:…`, `address:…` or `host`; a bare word is a container."),
    )  # fmt: skip
    protocol = fields.String(
        load_default="icmp", validate=validate.OneOf(PROTOCOLS), metadata=described("What is sent.")
    )
    port = fields.Integer(
        load_default=None, validate=validate.Range(1, MAX_PORT), metadata=described("Of tcp, udp and http.")
    )
    timeout_ms = fields.Integer(load_default=1000, validate=validate.Range(1, 30_000), metadata=described("At most."))
