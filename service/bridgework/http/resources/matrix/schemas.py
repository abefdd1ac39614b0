"""The schemas of a matrix and of its answers."""

from __future__ import annotations

from typing import ClassVar

from marshmallow import Schema, fields, validate

from bridgework.http.resources.checks.schemas import REASONS, VERDICTS, TriedAddressSchema
from bridgework.http.resources.nodes import GapSchema
from bridgework.http.schemas.answers import ReferenceSchema, Variants, decimal, list_of, number, part, text, word
from bridgework.http.schemas.fields import described
from bridgework.http.schemas.findings import FindingSchema, LimitationSchema

CELLS = ("reachable", "unreachable", "inconclusive", "self")
_UNDECIDED = "The inconclusive pairs, with reason and prediction, in groups that are alike."
_LIMITED = "Why pairs are inconclusive, the most frequent reason first, and what could not be observed."
_ADDRESSES = (
    "The pairs whose addresses have different predictions, at most 200 of them; the pair is reachable if any is."
    " `summary.addresses_differ` counts all."
)
_SURPRISES = (
    "The pairs where measurement and prediction differ, at most 200 of them; `summary.surprises` counts all of them."
)
_PARTIAL = "Swarm nodes that did not measure or report; the cells that need them are `inconclusive`."


class Cell(fields.String):
    """A verdict in a matrix; a plain text in the spec, since generators cannot read enums in rows of rows."""

    def __init__(self) -> None:
        super().__init__(
            validate=validate.OneOf(CELLS),
            metadata=described("The verdict of one pair; `self` on the diagonal.", x_known_values=True),
        )


class MatrixSummarySchema(Schema):
    """The number of pairs in the matrix, by verdict."""

    pairs = number("The number of pairs of two different containers.", minimum=0)
    reachable = number("The number of pairs where the destination answered.", minimum=0)
    unreachable = number("The number of pairs where the destination did not answer.", minimum=0)
    inconclusive = number("The number of pairs that could not be measured.", minimum=0)
    surprises = number("The number of pairs where measurement and prediction differ, all of them counted.", minimum=0)
    addresses_differ = number(
        "The number of pairs whose addresses have different predictions, all of them counted.", minimum=0
    )
    reasons = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata=described("The number of inconclusive pairs by the reason code; empty when every pair is decided."),
    )


class SurpriseSchema(Schema):
    """A pair of containers where the measurement differs from the prediction."""

    source = part(ReferenceSchema, "The container that the probe was sent from.")
    destination = part(ReferenceSchema, "The container that the probe was sent to.")
    predicted = word("The verdict that the engine's state predicts.", *VERDICTS)
    measured = word("The verdict that was measured.", *VERDICTS)
    reason = word("Why the measurement failed; null when it succeeded.", *REASONS, grows=True, null=True)
    findings = list_of(FindingSchema, "The findings that the prediction is based on.")


class PairAddressesSchema(Schema):
    """A pair of containers, with each address of the destination."""

    source = part(ReferenceSchema, "The container that the probes were sent from.")
    destination = part(ReferenceSchema, "The container that has the addresses.")
    addresses = list_of(
        TriedAddressSchema, "The addresses of the destination that the source can send to, in the order of a check."
    )


class UndecidedSchema(Schema):
    """The inconclusive pairs of one source that have the same reason and the same predicted verdict."""

    source = number("The position of the source in the order of `containers`, from 0.")
    reason = text("Why these pairs are inconclusive, as a code: the reason of a measurement or the code of a finding.")
    predicted = word("The verdict that the engine's state predicts for these pairs.", *VERDICTS)
    destinations = fields.List(
        fields.Integer(),
        required=True,
        metadata=described("The positions of the destinations in the order of `containers`, from 0."),
    )


class MatrixSchema(Schema):
    """A whole matrix: which container reaches which, with round-trip times."""

    containers = list_of(ReferenceSchema, "The containers, in the order of the rows and of the columns.")
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
    undecided = list_of(UndecidedSchema, _UNDECIDED)
    summary = part(MatrixSummarySchema, "The number of pairs in the matrix, by verdict.")
    surprises = list_of(SurpriseSchema, _SURPRISES)
    addresses = list_of(PairAddressesSchema, _ADDRESSES)
    duration_ms = decimal("How long the whole measurement took, in milliseconds.")
    gaps = list_of(GapSchema, _PARTIAL, data_key="partial")
    limited = list_of(LimitationSchema, _LIMITED)


class MatrixStartSchema(Schema):
    """The first line of a streamed matrix: the containers and the number of rows."""

    type = word("The kind of this line, `start`.", "start")
    containers = list_of(
        ReferenceSchema, "In the first line: the containers, in the order of the rows and of the columns."
    )
    rows_total = number("The number of rows of the whole matrix.")


class MatrixRowSchema(Schema):
    """One row of a streamed matrix, sent as soon as the row is complete."""

    type = word("The kind of this line, `row`.", "row")
    index = number("The position of this row in the order of `containers`, from 0.")
    verdicts = fields.List(
        Cell(), required=True, metadata=described("The verdicts of this row, one for each destination.")
    )
    rtt_ms = fields.List(
        fields.Float(),
        required=True,
        metadata=described("Round-trip times in milliseconds, one for each destination; 0 without an answer."),
    )
    undecided = list_of(UndecidedSchema, _UNDECIDED)
    rows_done = number("The number of rows that are complete.")
    rows_total = number("The number of rows of the whole matrix.")


class MatrixHeartbeatSchema(Schema):
    """A line that is sent about once a second while no row is complete."""

    type = word("The kind of this line, `heartbeat`.", "heartbeat")
    rows_done = number("The number of rows that are complete.")
    rows_total = number("The number of rows of the whole matrix.")


class MatrixEndSchema(Schema):
    """The last line of a streamed matrix: the totals."""

    type = word("The kind of this line, `end`.", "end")
    summary = part(MatrixSummarySchema, "The number of pairs in the matrix, by verdict.")
    surprises = list_of(SurpriseSchema, _SURPRISES)
    addresses = list_of(PairAddressesSchema, _ADDRESSES)
    duration_ms = decimal("How long the whole measurement took, in milliseconds.")
    gaps = list_of(GapSchema, _PARTIAL, data_key="partial")
    limited = list_of(LimitationSchema, _LIMITED)


class MatrixLineSchema(Variants):
    """One line of a streamed matrix. `type` names the kind of line."""

    variants: ClassVar = {
        "start": MatrixStartSchema,
        "row": MatrixRowSchema,
        "heartbeat": MatrixHeartbeatSchema,
        "end": MatrixEndSchema,
    }
