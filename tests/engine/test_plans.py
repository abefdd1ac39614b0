"""``POST /v1/plans``: what changes would do, said before they are made."""

import pytest

from tests.support.api import Client, container, run

PAGES = ["sh", "-c", "httpd -p 80; exec sleep 3600"]


def plan(api, *calls, status=200, **more):
    changes = [{"method": method, "path": f"/v1{path}", "body": body} for method, path, body in calls]
    return api.post("/v1/plans", {"changes": changes, **more}, status=status)


def changed(found, **wanted):
    """The pairs of a plan that become something, as (source, destination, protocol and port)."""
    pairs = found["difference"]["pairs"]
    return {
        (one["source"]["name"], one["destination"]["name"], f"{one['protocol']} {one['port'] or ''}".strip())
        for one in pairs
        if all(one[name] == value for name, value in wanted.items())
    }


@pytest.fixture
def two(api):
    """Two containers with pages, in two networks."""
    for name in ("left", "right"):
        api.post("/v1/networks", {"name": name}, status=201)
        run(api, f"in-{name}", network_mode=name, command=PAGES)
    return api


def test_a_connect_says_who_would_reach_whom(two):
    found = plan(two, ("PUT", "/networks/left/endpoints/in-right", {}))
    assert [step["outcome"] for step in found["steps"]] == ["changes"]
    assert found["possible"]
    assert found["undoable"]
    both = {("in-left", "in-right"), ("in-right", "in-left")}
    assert changed(found, before="unreachable", after="reachable") == {
        (one, other, how) for one, other in both for how in ("icmp", "tcp 80")
    }
    assert [undo["method"] for undo in found["steps"][0]["undo"]] == ["DELETE"]
    # Nothing was changed.
    assert [e["network"]["name"] for e in two.get("/v1/containers/in-right")["endpoints"]] == ["right"]
    assert found == plan(two, ("PUT", "/networks/left/endpoints/in-right", {}))


def test_a_plan_says_what_is_in_the_way_and_goes_on_with_the_rest(two):
    body = container("new", network_mode="nowhere")
    found = plan(
        two,
        ("POST", "/networks", {"name": "left"}),
        ("POST", "/containers", body),
        ("POST", "/networks", {"name": "third"}),
        ("PUT", "/networks/third/endpoints/in-left", {}),
        ("DELETE", "/networks/right", None),
    )
    problems = [step["problem"]["code"] if step["problem"] else step["outcome"] for step in found["steps"]]
    assert problems == ["network-name-taken", "network-not-found", "changes", "changes", "network-in-use"]
    assert not found["possible"]


@pytest.mark.usefixtures("two")
def test_a_viewer_may_ask_and_needs_an_admin_where_the_change_does(app):
    viewer = Client(app, "viewer")
    found = plan(
        viewer, ("PUT", "/networks/left/endpoints/in-right", {}), ("DELETE", "/containers/in-left?force=true", None)
    )
    codes = [step["problem"]["code"] if step["problem"] else step["outcome"] for step in found["steps"]]
    assert codes == ["changes", "role-insufficient"]
    beta = plan(Client(app, "beta"), ("PUT", "/networks/left/endpoints/in-right", {}))
    assert beta["steps"][0]["problem"]["code"] == "project-mismatch"


def test_a_call_that_is_no_change_is_refused_with_its_pointer(api):
    found = plan(
        api, ("POST", "/containers/web/rename", {"name": "x"}), ("DELETE", "/networks/a?forse=1", None), status=422
    )
    assert [error["pointer"] for error in found["errors"]] == ["/changes/0/path", "/changes/1/path"]
    found = plan(api, ("POST", "/networks", {"name": "a", "driver": 3}), status=422)
    assert [error["pointer"] for error in found["errors"]] == ["/changes/0/body/driver"]


def test_a_remedy_is_a_plan(two):
    """The calls of a finding fit as they stand."""
    check = {"source": {"container": "in-left"}, "destination": {"container": "in-right"}}
    answer = two.post("/v1/connectivity/checks", check)
    calls = next(f["remedy"]["calls"] for f in answer["findings"] if f["remedy"] and f["remedy"]["calls"])
    found = two.post("/v1/plans", {"changes": calls})
    assert found["possible"]
    assert ("in-left", "in-right", "icmp") in changed(found, after="reachable")


def test_what_a_plan_opens_to_the_outside(api):
    port = {"container_port": 80, "host_port": 8123}
    body = container("web", command=PAGES, published_ports=[port])
    found = plan(api, ("POST", "/containers", body))
    opened = found["difference"]["outside"]
    assert {(one["host_ip"], one["host_port"], one["becomes"]) for one in opened} == {
        ("0.0.0.0", 8123, "reachable"),
        ("::", 8123, "reachable"),
    }
    # Nobody can know yet what will listen there.
    assert ("host", "web", "tcp 80") in changed(found, after="reachable", assumes_listener=True)
    api.post("/v1/containers", body, status=201)
    closed = plan(api, ("POST", "/containers/web/stop", None))["difference"]["outside"]
    assert {one["becomes"] for one in closed} == {"unreachable"}


def test_the_etag_of_a_plan_tells_whether_the_world_moved(two):
    def ask(**headers):
        change = {"method": "PUT", "path": "/v1/networks/left/endpoints/in-right", "body": {}}
        return two.send("POST", "/v1/plans", {"changes": [change]}, headers=headers)

    etag = ask().headers["ETag"]
    assert ask(**{"If-Match": etag}).status_code == 200
    run(two, "bystander", network_mode="none")
    assert ask().headers["ETag"] == etag
    two.put("/v1/networks/left/endpoints/in-right", {"aliases": ["db"]})
    moved = ask(**{"If-Match": etag})
    assert (moved.status_code, moved.get_json()["code"]) == (412, "precondition-failed")
    refused = ask(**{"If-None-Match": etag})
    assert (refused.status_code, refused.get_json()["code"]) == (400, "precondition-not-supported")


def test_a_container_whose_first_network_is_gone_is_not_restarted_into_nothing(two):
    """The engine looks for the network that a container was created with at each start, and at each connect."""
    two.put("/v1/networks/left/endpoints/in-right", {})
    two.call("DELETE", "/v1/networks/right?force=true", status=204)
    restart = two.call("POST", "/v1/containers/in-right/restart", status=409)
    assert restart["code"] == "network-gone"
    assert two.get("/v1/containers/in-right")["state"] == "running"
    two.post("/v1/networks", {"name": "third"}, status=201)
    connect = two.call("PUT", "/v1/networks/third/endpoints/in-right", {}, status=409)
    assert connect["code"] == "network-gone"
    two.post("/v1/networks", {"name": "right"}, status=201)
    two.put("/v1/networks/third/endpoints/in-right", {})
