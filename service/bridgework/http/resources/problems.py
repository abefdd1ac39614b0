"""``/v1/problems`` and ``/problems/{code}``: the catalogue that every problem document's ``type`` refers to."""

from __future__ import annotations

from marshmallow import Schema

from bridgework.http.contract import RequestContext, Resource, ViewResult
from bridgework.http.paging import page
from bridgework.http.problems.catalogue import PROBLEMS
from bridgework.http.problems.documents import HttpProblem
from bridgework.http.schemas.answers import number, page_of, text
from bridgework.http.schemas.queries import PageQuery

RESOURCE = Resource("service")


class ProblemTypeSchema(Schema):
    """A type of problem: what its code means and what to do about it."""

    code = text("The stable code of the type, such as `port-taken`.")
    status = number("The HTTP status of such a problem, such as 409.", minimum=400, maximum=599)
    title = text("The title of every problem with this code.")
    meaning = text("When this problem occurs, in one or two sentences.")
    remedy = text("What you can do about the problem.")
    type = text(
        "The `type` of such problem documents, which is the path of this entry.",
        attribute="url",
        format="uri-reference",
    )


ProblemTypePageSchema = page_of(
    ProblemTypeSchema, "One page of the catalogue of problems, sorted by code.", "The types of problems on this page."
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
    problem = PROBLEMS.get(context.path["code"])
    if problem is None:
        raise HttpProblem("path-unknown", f"No problem has the code {context.path['code'][:100]}.")
    return ViewResult(problem)
