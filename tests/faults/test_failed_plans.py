"""A step of a plan fails after the engine made a part of it, or all: the engine is then as it was before the plan.

The engine makes the change, and its answer is lost on the way (``EngineProxy``). So the service sees a failed step
and has to find out what that step did.
"""

from dataclasses import replace

import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings
from tests.support.api import Client, container, run
from tests.support.engine_proxy import EngineProxy
from tests.support.random_plans import call, shape
from tests.support.raw_engine import Raw
from tests.support.service import until


@pytest.fixture
def proxied(own_engine, tokens_file, serve):
    del serve  # it removes what the test made
    with EngineProxy(own_engine.socket) as proxy:
        settings = Settings(tokens_file=tokens_file, engine_timeout_s=2)
        client = Client(create_app(settings, EngineAddress(proxy.docker_host)))
        client.post("/v1/networks", {"name": "left"}, status=201)
        client.post("/v1/networks", {"name": "right"}, status=201)
        run(client, "one", network_mode="left")
        run(client, "two", networks=[{"network": "left", "aliases": ["db"]}, {"network": "right"}])
        run(client, "idle", network_mode="left", start=False)
        yield client, proxy
        for name in ("one", "two", "idle"):
            client.call("DELETE", f"/v1/containers/{name}?force=true")
        for name in ("left", "right", "third"):
            client.call("DELETE", f"/v1/networks/{name}?force=true")


def engine_of(client):
    """The engine without addresses, which may be others after an undo; a container that ran once is never as before."""
    snapshot = client.app.config["SERVICES"].engine.snapshot()
    never_ran = [replace(one, state="exited" if one.state == "created" else one.state) for one in snapshot.containers]
    return shape(replace(snapshot, containers=tuple(never_ran)), {"left", "right"})


def apply(client, calls, meanwhile=lambda: None):
    planned = client.send("POST", "/v1/plans", {"changes": calls})
    assert planned.get_json()["possible"], planned.get_json()
    meanwhile()
    headers = {"If-Match": planned.headers["ETag"]}
    return client.post("/v1/plans", {"changes": calls, "apply": True}, headers=headers)["applied"]


FAILING = {
    "create a network": (call("POST", "/networks", {"name": "third"}), "POST", "/networks/create"),
    "create a container": (
        call("POST", "/containers", container("new", network_mode="left")),
        "POST",
        "/containers/create",
    ),
    "connect": (call("PUT", "/networks/right/endpoints/one", {"aliases": ["web"]}), "POST", "/connect$"),
    "disconnect": (call("DELETE", "/networks/left/endpoints/two"), "POST", "/disconnect$"),
    "start": (call("POST", "/containers/idle/start"), "POST", "/start$"),
    "stop": (call("POST", "/containers/one/stop?grace_s=0"), "POST", "/stop"),
    "delete a network and disconnect first": (call("DELETE", "/networks/left?force=true"), "POST", "/disconnect$"),
    "delete a network": (call("DELETE", "/networks/left?force=true"), "DELETE", "/networks/"),
}


@pytest.mark.parametrize("failing", FAILING)
def test_what_a_failed_step_did_is_undone_too(proxied, failing):
    client, proxy = proxied
    last, method, path = FAILING[failing]
    before = engine_of(client)
    # The first change is undone as well, after what is left of the second one.
    first = call("POST", "/networks", {"name": "fourth"})
    if path == "/networks/create":
        first = call("DELETE", "/networks/right/endpoints/two")
    found = apply(client, [first, last], lambda: proxy.lose(method, path))
    assert [step["outcome"] for step in found["steps"]] == ["done", "failed"], found
    assert (found["outcome"], {one["problem"] and one["problem"]["code"] for one in found["undone"]} - {None}) == (
        "undone",
        set(),
    )
    assert engine_of(client) == before


def test_a_step_that_failed_because_the_name_was_taken_undoes_nothing_of_others(proxied, own_engine, monkeypatch):
    client, _ = proxied
    raw, real = Raw(own_engine), client.app.config["SERVICES"].engine
    create_network, create_container = real.create_network, real.create_container

    def too_late(make, create):
        def create_after_another_client(spec):
            make(spec.name)
            return create(spec)

        return create_after_another_client

    monkeypatch.setattr(real, "create_network", too_late(raw.make_network, create_network))
    monkeypatch.setattr(real, "create_container", too_late(raw.make, create_container))
    for change in (
        call("POST", "/networks", {"name": "third"}),
        call("POST", "/containers", container("new", network_mode="left")),
    ):
        found = apply(client, [change])
        assert (found["steps"][0]["outcome"], found["outcome"], found["undone"]) == ("failed", "undone", [])
    assert client.get("/v1/networks/third")["name"] == "third"
    assert client.get("/v1/containers/new")["network_mode"] == "none"


def test_a_container_that_removes_itself_is_not_stopped_in_a_plan_with_undo(proxied, own_engine):
    client, _ = proxied
    Raw(own_engine).make("once", host={"AutoRemove": True})
    stop = call("POST", "/containers/once/stop?grace_s=0")
    planned = client.send("POST", "/v1/plans", {"changes": [stop]})
    assert planned.get_json()["steps"][0]["undoable"] is False
    headers = {"If-Match": planned.headers["ETag"]}
    body = {"changes": [stop], "apply": True}
    refused = client.call("POST", "/v1/plans", body, status=409, headers=headers)
    assert refused["code"] == "plan-not-undoable"
    assert client.get("/v1/containers/once")["state"] == "running"
    client.post("/v1/plans", {"changes": [call("POST", "/containers/once/restart?grace_s=0")]})
    found = client.post("/v1/plans", {**body, "undo": "never"}, headers=headers)["applied"]
    assert found["outcome"] == "applied"
    # The engine removes it after it answered the stop.
    until(lambda: client.send("GET", "/v1/containers/once").status_code == 404, 10, "the removal")
