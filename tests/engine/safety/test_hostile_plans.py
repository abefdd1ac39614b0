"""Plans that make no sense or do harm: each gets an answer that names what is wrong, and changes nothing."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from bridgework.plans.changes import planned_id
from tests.support.api import container, run
from tests.support.random_plans import call
from tests.support.raw_engine import Raw

pytestmark = pytest.mark.slow


def ask(api, *calls, status=200, **more):
    return api.post("/v1/plans", {"changes": list(calls), **more}, status=status)


def outcomes(found):
    return [step["problem"]["code"] if step["problem"] else step["outcome"] for step in found["steps"]]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/v1/networks/../containers/web"),
        ("DELETE", "/v1/networks/"),
        ("DELETE", "/v1/networks//"),
        ("DELETE", "/v1/containers/web#x"),
        ("DELETE", "http://elsewhere/v1/containers/web"),
        ("DELETE", "//elsewhere/v1/containers/web"),
        ("DELETE", "/v1/containers/%2e%2e%2fnetworks%2fleft"),
        ("DELETE", "/v1/containers/%00"),
        ("DELETE", "/v1/containers/%ff%fe"),
        ("DELETE", "/v1/containers/web?force=true&force=false"),
        ("DELETE", "/v1/containers/web?dry_run=true"),
        ("DELETE", "/v1/containers/web?force=%00"),
        ("POST", "/v1/containers/web/stop?grace_s=-1"),
        ("POST", "/v1/containers/web/stop?grace_s=99999999999999999999"),
        ("POST", "/v1/containers/web/exec"),
        ("POST", "/v1/plans"),
        ("POST", "/v1/connectivity/matrix"),
        ("POST", "/v1/network-prunes?until=yesterday"),
    ],
)
def test_a_strange_path_is_refused_or_names_nothing(api, method, path):
    run(api, "web", network_mode="none")
    sent = api.send("POST", "/v1/plans", {"changes": [{"method": method, "path": path, "body": None}]})
    if sent.status_code == 200:
        # What is not there needs no deletion.
        assert outcomes(sent.get_json()) == ["unchanged"]
    else:
        assert (sent.status_code, sent.get_json()["errors"][0]["pointer"]) == (422, "/changes/0/path")
    assert api.get("/v1/containers/web")["state"] == "running"


def test_a_thing_that_the_plan_makes_is_named_by_its_name(api):
    made, network_id = container("new", network_mode="third", start=False), planned_id("network", "third")
    calls = [
        call("POST", "/networks", {"name": "third"}),
        call("POST", "/containers", made),
        call("PUT", f"/networks/bridge/endpoints/{planned_id('container', 'new')}", {}),
        call("DELETE", f"/networks/{network_id}/endpoints/new"),
        call("DELETE", f"/networks/{network_id[:12]}"),
        call("POST", "/containers", {**made, "name": "other", "network_mode": network_id}),
        call("PUT", "/networks/bridge/endpoints/new", {}),
    ]
    found = ask(api, *calls)
    missing = ["container-not-found", *["network-not-found"] * 3]
    assert outcomes(found) == ["changes", "changes", *missing, "changes"]
    assert "third" in found["steps"][4]["problem"]["remedy"]["summary"]
    # The name of a container may be the beginning of the id of another.
    beginning = planned_id("container", "new")[:2]
    run(api, beginning, network_mode="none")
    found = ask(api, calls[0], calls[1], call("POST", f"/containers/{beginning}/stop?grace_s=0"))
    assert outcomes(found) == ["changes"] * 3


def test_the_same_change_twice_is_made_once(api):
    run(api, "web", network_mode="bridge")
    connect = call("PUT", "/networks/third/endpoints/web", {})
    network = call("POST", "/networks", {"name": "third"})
    stop = call("POST", "/containers/web/stop?grace_s=0")
    found = ask(api, network, network, connect, connect, stop, stop)
    assert outcomes(found) == ["changes", "network-name-taken", "changes", "unchanged", "changes", "unchanged"]


def test_a_plan_of_as_many_changes_as_a_plan_may_have(api):
    run(api, "web", network_mode="bridge")
    steps = [
        step
        for number in range(50)
        for step in (
            call("POST", "/networks", {"name": f"n{number}", "ipam": {"pools": [{"subnet": f"10.201.{number}.0/24"}]}}),
            call("PUT", f"/networks/n{number}/endpoints/web", {}),
            call("DELETE", f"/networks/n{number}/endpoints/web"),
            call("DELETE", f"/networks/n{number}"),
        )
    ]
    found = ask(api, *steps)
    assert outcomes(found) == ["changes"] * 200
    assert found["difference"]["pairs_total"] == 0
    assert ask(api, *steps, steps[0], status=422)["errors"][0]["pointer"] == "/changes"


@pytest.mark.parametrize("tag", ['"0"', 'W/"0"', "0", "", '"', '"0", "1"'])
def test_a_plan_is_not_applied_with_another_tag(api, tag):
    body = {"changes": [call("POST", "/networks", {"name": "third"})], "apply": True}
    sent = api.send("POST", "/v1/plans", body, headers={"If-Match": tag})
    assert sent.status_code in {400, 412, 428}, sent.get_json()
    assert "third" not in {one["name"] for one in api.get("/v1/networks")["items"]}


def test_plans_that_are_applied_at_the_same_time_do_not_undo_each_other(api, engine):
    run(api, "web", network_mode="bridge")
    bodies = [
        {"changes": [call("POST", "/networks", {"name": name}), call("PUT", f"/networks/{name}/endpoints/web", {})]}
        for name in ("first", "second", "third", "first")
    ]
    tags = [api.send("POST", "/v1/plans", body).headers["ETag"] for body in bodies]

    def apply(at):
        sent = api.send("POST", "/v1/plans", {**bodies[at], "apply": True}, headers={"If-Match": tags[at]})
        return sent.status_code, sent.get_json()

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(apply, range(4)))
    # A plan that was made before another one changed the container is refused. The others are applied in full.
    done = {
        bodies[at]["changes"][0]["body"]["name"] for at, (status, found) in enumerate(answers)
        if status == 200 and found["applied"]["outcome"] == "applied"
    }  # fmt: skip
    assert all(status in {200, 412} for status, _ in answers), answers
    assert all(found["applied"]["outcome"] in {"applied", "undone"} for status, found in answers if status == 200)
    assert done
    connected = set(Raw(engine).get("/containers/web/json")["NetworkSettings"]["Networks"])
    assert connected == {"bridge", *done}
