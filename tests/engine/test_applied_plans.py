"""``POST /v1/plans`` with ``apply``: the changes in order, measured afterwards, and undone when something differs."""

import json

import pytest

from tests.support.api import Client, container, run
from tests.support.raw_engine import Raw

PAGES = ["sh", "-c", "httpd -p 80; exec sleep 3600"]


def call(method, path, body=None):
    return {"method": method, "path": f"/v1{path}", "body": body}


def apply(api, *calls, status=200, undo="on-failure", etag=None, **headers):
    body = {"changes": list(calls)}
    etag = etag or api.send("POST", "/v1/plans", body).headers["ETag"]
    sent = api.send("POST", "/v1/plans", {**body, "apply": True, "undo": undo}, headers={"If-Match": etag, **headers})
    assert sent.status_code == status, sent.get_data(as_text=True)
    return sent.get_json() if "ndjson" not in sent.content_type else sent.get_data(as_text=True)


@pytest.fixture
def two(api):
    for name in ("left", "right"):
        api.post("/v1/networks", {"name": name}, status=201)
        run(api, f"in-{name}", network_mode=name, command=PAGES)
    return api


def networks_of(api, name):
    return sorted(endpoint["network"]["name"] for endpoint in api.get(f"/v1/containers/{name}")["endpoints"])


def test_what_was_to_change_is_measured(two):
    found = apply(
        two,
        call("POST", "/networks", {"name": "third"}),
        call("PUT", "/networks/third/endpoints/in-left", {}),
        call("PUT", "/networks/third/endpoints/in-right", {}),
        call("POST", "/containers", container("new", network_mode="third", command=PAGES)),
    )["applied"]
    assert (found["outcome"], [step["outcome"] for step in found["steps"]]) == ("applied", ["done"] * 4)
    changed = [one for one in found["pairs"] if one["was_to_change"]]
    assert {one["agrees"] for one in changed if one["protocol"] == "icmp"} == {True}
    assert ("in-left", "in-right", 80) in {(p["source"]["name"], p["destination"]["name"], p["port"]) for p in changed}
    assert found["undone"] == []


def test_a_failure_undoes_what_was_made_the_last_first(two, engine):
    raw = Raw(engine)
    calls = (
        call("POST", "/networks", {"name": "third"}),
        call("PUT", "/networks/third/endpoints/in-left", {"aliases": ["db"]}),
        call("DELETE", "/networks/right/endpoints/in-right"),
        call("POST", "/containers/in-left/stop?grace_s=0"),
        # The engine refuses this when it is made: no such program.
        call("POST", "/containers", container("new", network_mode="left", command=["no-such-program"])),
        call("DELETE", "/networks/right"),
    )
    found = apply(two, *calls)["applied"]
    assert [step["outcome"] for step in found["steps"]] == [*["done"] * 4, "failed", "not-made"]
    assert found["steps"][4]["problem"]["code"] == "command-not-runnable"
    assert found["outcome"] == "undone"
    assert [one["call"]["method"] for one in found["undone"]] == ["POST", "PUT", "DELETE", "DELETE"]
    assert (networks_of(two, "in-left"), networks_of(two, "in-right")) == (["left"], ["right"])
    assert two.get("/v1/containers/in-left")["state"] == "running"
    assert "third" not in {network["Name"] for network in raw.get("/networks")}


def test_what_cannot_be_undone_is_refused_before(two):
    calls = (call("POST", "/containers/in-left/stop?grace_s=0"), call("DELETE", "/containers/in-left"))
    refused = apply(two, *calls, status=409)
    assert (refused["code"], refused["facts"]["steps"]) == ("plan-not-undoable", [1])
    assert two.get("/v1/containers/in-left")["state"] == "running"
    assert apply(two, *calls, undo="never")["applied"]["outcome"] == "applied"
    two.call("GET", "/v1/containers/in-left", status=404)


def test_a_plan_is_applied_only_with_its_tag_and_only_if_it_is_possible(two, app):
    body = {"changes": [call("PUT", "/networks/left/endpoints/in-right", {})], "apply": True}
    assert two.call("POST", "/v1/plans", body, status=428)["code"] == "precondition-required"
    for any_tag in ("*", ' "0" , *', "W/*"):
        refused = two.call("POST", "/v1/plans", body, status=428, headers={"If-Match": any_tag})
        assert (refused["code"], "*" in refused["detail"]) == ("precondition-required", True)
    moved = two.call("POST", "/v1/plans", body, status=412, headers={"If-Match": '"0"'})
    assert moved["code"] == "precondition-failed"
    viewer = Client(app, "viewer").call("POST", "/v1/plans", body, status=403, headers={"If-Match": "*"})
    assert viewer["code"] == "role-insufficient"
    impossible = apply(two, call("DELETE", "/networks/left"), status=409)
    assert impossible["code"] == "plan-not-possible"
    assert networks_of(two, "in-right") == ["right"]


def test_the_same_plan_again_leaves_what_is_done_as_it_is(two):
    calls = (
        call("POST", "/networks", {"name": "third"}),
        call("POST", "/containers", {**container("x", network_mode="third", command=PAGES), "name": None}),
        call("PUT", "/networks/third/endpoints/in-left", {}),
        call("DELETE", "/networks/right/endpoints/in-right"),
        call("DELETE", "/networks/right"),
    )
    first = apply(two, *calls)["applied"]
    assert [step["outcome"] for step in first["steps"]] == ["done"] * 5
    again = apply(two, *calls)["applied"]
    assert (again["outcome"], [step["outcome"] for step in again["steps"]]) == ("applied", ["unchanged"] * 5)


def test_the_lines_say_each_step_and_the_audit_names_the_plan(two, capfd):
    calls = (call("POST", "/networks", {"name": "third"}), call("PUT", "/networks/third/endpoints/in-left", {}))
    capfd.readouterr()
    lines = [json.loads(line) for line in apply(two, *calls, Accept="application/x-ndjson").splitlines()]
    assert [line["message"] for line in lines if line["type"] == "progress"][:2] == [
        "1 of 2: POST /v1/networks",
        "2 of 2: PUT /v1/networks/third/endpoints/in-left",
    ]
    assert (lines[-1]["type"], lines[-1]["plan"]["applied"]["outcome"]) == ("plan", "applied")
    told = [json.loads(line) for line in capfd.readouterr().err.splitlines() if '"plan"' in line]
    assert [(line["plan"], line["step"], line["outcome"]) for line in told] == [
        (lines[-1]["plan"]["id"], step, outcome) for step in (0, 1) for outcome in ("begun", "done")
    ]
    assert {line["caller"] for line in told} == {"admin"}
