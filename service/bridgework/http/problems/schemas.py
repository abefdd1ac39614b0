"""The schema of a problem document (RFC 9457)."""

from __future__ import annotations

from marshmallow import Schema, fields

from bridgework.http.schemas.answers import number, text, word
from bridgework.http.schemas.fields import described
from bridgework.http.schemas.findings import RemedySchema


class FaultSchema(Schema):
    """One fault of an invalid request, and where in the request it is."""

    place = word("The part of the request that the fault is in.", "body query header", grows=True, data_key="in")
    pointer = fields.String(
        metadata=described("For a fault in the body: its JSON pointer (RFC 6901), such as `/ipam/pools/0/subnet`.")
    )
    name = fields.String(metadata=described("For a fault outside the body: the name of the query parameter or header."))
    message = text("What is wrong with the value, in one sentence.")


class ProblemSchema(Schema):
    """A problem document (RFC 9457): the body of every answer that reports a failure."""

    type = text("The path that describes this type of problem, such as `/problems/port-taken`.", format="uri-reference")
    title = text("The summary of this type of problem, the same for every problem with this `code`.")
    status = number("The HTTP status of the answer, such as 409.", minimum=400, maximum=599)
    detail = text("What went wrong with this request; the sentence names the resources concerned.")
    code = text("The stable code of the problem, such as `port-taken`. Programs decide on this code.")
    request_id = text("The id of the request, as in the header `X-Request-ID` and in the service's log.")
    remedy = fields.Nested(RemedySchema, metadata=described("How to fix the problem; absent when no fix is known."))
    errors = fields.List(
        fields.Nested(FaultSchema), metadata=described("Every fault of an invalid request; absent for other problems.")
    )
    facts = fields.Dict(
        keys=fields.String(), metadata=described("Further details for programs, by name. The names depend on `code`.")
    )
