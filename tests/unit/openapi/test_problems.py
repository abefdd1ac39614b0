"""The catalogue of problems, the document, and the codes that the service raises say the same, in every direction."""

import ast
import re
from pathlib import Path

import pytest

from bridgework.engine.errors import TABLE
from bridgework.http.problems.catalogue import PROBLEMS
from bridgework.settings import Settings
from tests.support.spec_validator import DOCUMENT, PROBLEM

RAISING = {"code"}
"""The keyword by which an error is given its code."""
POSITIONAL = {"HttpProblem": 0, "problem": 1, "PreconditionFailed": 0, "NotFound": 0, "Conflict": 0, "Refused": 0,
              "InvalidInput": 0}  # fmt: skip
"""Errors that may be given their code by position."""
CODE = re.compile(r"[a-z]+(-[a-z0-9]+)+")


def documented():
    holders = [PROBLEM, *(o for item in DOCUMENT["paths"].values() for name, o in item.items() if name != "parameters")]
    found = {}
    for holder in holders:
        for status, codes in holder.get("x-problem-codes", {}).items():
            for code in codes:
                found.setdefault(code, set()).add(int(status))
    return found


def raised():
    """Every code that the source gives to an error."""
    found = {row.code for row in TABLE}
    for file in Path("service").rglob("*.py"):
        if file.name == "catalogue.py":
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                found.update(_codes_of(node))
    return {code for code in found if CODE.fullmatch(code)}


def _codes_of(call):
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in {"finding", "Finding", "Explanation", "ProblemType"}:
        return
    for keyword in call.keywords:
        if keyword.arg in RAISING:
            yield from (
                node.value
                for node in ast.walk(keyword.value)
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            )
    place = POSITIONAL.get(name)
    if place is not None and len(call.args) > place and isinstance(call.args[place], ast.Constant):
        yield str(call.args[place].value)


def test_the_catalogue_and_the_document_hold_the_same_codes():
    assert documented().keys() == PROBLEMS.keys()


def test_a_code_has_one_status():
    assert {code: {PROBLEMS[code].status} for code in PROBLEMS} == documented()


def test_what_is_raised_is_in_the_catalogue():
    assert raised() - PROBLEMS.keys() == set()


def test_what_is_in_the_catalogue_can_be_raised():
    text = "\n".join(file.read_text() for file in Path("service").rglob("*.py") if file.name != "catalogue.py")
    made_of_parts = {f"too-many-{noun}" for noun in Settings().pools}
    assert {code for code in PROBLEMS if f'"{code}"' not in text} - made_of_parts == set()


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_an_entry_tells_something(problem):
    assert not problem.title.endswith(".")
    assert len(problem.meaning) >= 25
    for text in (problem.meaning, problem.remedy):
        assert text.endswith("."), text


def test_the_type_of_a_problem_answers(make):
    client = make().app.test_client()
    problem = client.get("/v1/nowhere").get_json()
    assert problem["type"] == "/problems/path-unknown"
    entry = client.get(problem["type"]).get_json()
    assert (entry["code"], entry["title"], entry["type"]) == ("path-unknown", problem["title"], problem["type"])
    assert client.get("/problems/no-such-code").status_code == 404
