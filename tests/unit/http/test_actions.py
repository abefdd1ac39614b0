"""Every action of a remedy is a request that this API takes, and only the HTTP package knows paths of the API."""

import ast
import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from bridgework.app import RESOURCES
from bridgework.http.resources.plans.requests import PlanRequestSchema
from bridgework.http.schemas.actions import call_of
from bridgework.http.schemas.findings import RemedySchema
from bridgework.model import actions
from bridgework.model.actions import Action, Call, Change, Read
from bridgework.model.create_specs import EndpointSpec, NetworkSpec
from bridgework.model.errors import Remedy
from bridgework.model.snapshot import Pool

OPERATIONS = [operation for resource in RESOURCES for operation in resource.operations]
PACKAGE = Path(actions.__file__).parents[1]
KNOWING = {"http", "peers"}
"""The packages that may hold paths of the API: the routes, and the client of other nodes."""
ACTIONS = [
    actions.CreateNetwork(NetworkSpec("lan", ipv6_enabled=True, pools=(Pool("fd00::/64"),))),
    actions.DeleteNetwork("lan"),
    actions.RehearsePrune(),
    actions.Connect("lan", "web", EndpointSpec(aliases=("db",), ipv4_address="10.1.0.9")),
    actions.Disconnect("lan", "web"),
    actions.Disconnect("lan", "gone", force=True),
    actions.StartContainer("web"),
    actions.StopContainer("web"),
    actions.RestartContainer("web"),
    actions.DeleteContainer("web"),
    actions.FindFreeSubnets(24),
    *(Read(resource, "web") for resource in get_args(get_type_hints(Read)["resource"]) if resource != "document"),
]


def test_there_is_an_example_of_every_action():
    assert {type(action) for action in ACTIONS} == set(get_args(Action)) - {Call}


@pytest.mark.parametrize("action", ACTIONS, ids=str)
def test_an_action_is_a_request_that_an_operation_takes(action):
    call = call_of(action)
    path, _, query = call.path.partition("?")
    fitting = [
        operation
        for operation in OPERATIONS
        if operation.method == call.method and re.fullmatch(re.sub(r"{\w+}", "[^/]+", operation.path), path)
    ]
    assert len(fitting) == 1, call
    (operation,) = fitting
    given = dict(pair.split("=") for pair in query.split("&") if pair)
    assert given.pop("dry_run", "true") == "true"
    assert not given or operation.query.validate(given) == {}
    assert (call.body is None) == (operation.body is None)
    if call.body is not None:
        assert operation.body.load(call.body) == action.spec


def test_what_another_node_rendered_stays_as_it_is():
    call = Call("POST", "/v1/something-new", {"a": 1})
    assert call_of(call) is call


CHANGES = [action for action in ACTIONS if isinstance(action, get_args(Change))]


def test_a_remedy_of_changes_offers_itself_as_a_plan():
    shown = RemedySchema().dump(Remedy("Do it.", tuple(CHANGES)))
    assert shown["plan"] == {"changes": shown["calls"]}
    planned = PlanRequestSchema().load(shown["plan"])
    assert [one.change for one in planned.changes] == CHANGES


@pytest.mark.parametrize("remedy", [
    Remedy("Only words."), Remedy("A command.", commands=("ip link",)), Remedy("A read.", (Read("networks"),)),
    Remedy("Both.", (CHANGES[0], Read("networks"))), Remedy("A rehearsal.", (actions.RehearsePrune(),)),
    Remedy("Of another node.", (Call("DELETE", "/v1/networks/lan"),)),
    {"summary": "Of a node of an older version.", "calls": [], "commands": []},
], ids=str)  # fmt: skip
def test_any_other_remedy_offers_no_plan(remedy):
    assert RemedySchema().dump(remedy)["plan"] is None


def test_no_path_of_the_api_is_written_down_elsewhere():
    """Docstrings may name a path; the engine's own API has a version prefix, such as /v1.44."""
    found = []
    for file in PACKAGE.rglob("*.py"):
        if file.relative_to(PACKAGE).parts[0] in KNOWING:
            continue
        tree = ast.parse(file.read_text())
        prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in prose)
        found += [f"{file.name}:{text.lineno}" for text in texts if "/v1/" in str(text.value)]
    assert found == []
