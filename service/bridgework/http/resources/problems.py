"""``/v1/problems`` and ``/problems/{code}``: the catalogue that every problem document's ``type`` refers to."""

from __future__ import annotations

from marshmallow import Schema, fields

from bridgework.http.contract import RequestContext, Resource, ViewResult
from bridgework.http.fields import PageQuery, described
from bridgework.http.paging import page
from bridgework.http.problems.catalogue import PROBLEMS
from bridgework.http.problems.documents import HttpProblem

RESOURCE = Resource("service")


class ProblemTypeSchema(Schema):
    """A type of problem: what its code means and what to do about it."""

    code = fields.String(required=True, metadata=described("The stable code of the type, such as `port-taken`."))
    status = fields.Integer(
        required=True, metadata=described("The HTTP status of such a problem, such as 409.", minimum=400, maximum=599)
    )
    title = fields.String(required=True, metadata=described("The title of every problem with this code."))
    meaning = fields.String(required=True, metadata=described("When this problem occurs, in one or two sentences."))
    remedy = fields.String(required=True, metadata=described("What you can do about the problem."))
    type = fields.String(
        required=True,
        attribute="url",
        metadata=described(
            "The `type` of such problem documents, which is the path of this entry.", format="uri-reference"
        ),
    )


class ProblemTypePageSchema(Schema):
    """One page of the catalogue of problems, sorted by code."""

    items = fields.List(
        fields.Nested(ProblemTypeSchema), required=True, metadata=described("The types of problems on this page.")
    )
    next_cursor = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The `cursor` that the request for the next page needs; null on the last page."),
    )


@RESOURCE.get("/v1/problems", ProblemTypePageSchema, query=PageQuery())
def list_problems(context: RequestContext) -> ViewResult:
    """List the types of problems.

    The list holds each code that a problem document can have, with its status, its meaning and what to do about it.
    """
    items = [PROBLEMS[code] for code in sorted(PROBLEMS)]
    return ViewResult(page(items, context, lambda problem: (problem.code, "")))


@RESOURCE.get("/problems/{code}", ProblemTypeSchema, role=None, problems={404: "path-unknown"})
def get_problem(context: RequestContext) -> ViewResult:
    """Describe a type of problem.

    The `type` of a problem document refers to this path. No token is needed.
    """
    found = PROBLEMS.get(context.path["code"])
    if found is None:
        raise HttpProblem(404, "path-unknown", f"No problem has the code {context.path['code'][:100]}.")
    return ViewResult(found)
