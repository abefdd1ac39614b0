"""A remedy that consists of changes is a plan: it says what the remedy would change, and can be applied as it is."""

import pytest

from tests.support.api import check, container, run

pytestmark = pytest.mark.wide

HTTPD = ["httpd", "-f", "-p", "8080"]
CHECKS = {"protocol": "tcp", "port": 8080}
SILENT = {**CHECKS, "timeout_ms": 400}


def no_dns(api):
    for name in ("web", "db"):
        run(api, name, command=HTTPD)
    return {"name": "db"}


def no_shared_network(api):
    for name, network in (("web", "front"), ("db", "back")):
        api.post("/v1/networks", {"name": network}, status=201)
        run(api, name, network_mode=network, command=HTTPD)
    return {"container": "db"}


def not_running(api):
    api.post("/v1/networks", {"name": "front"}, status=201)
    for name in ("web", "db"):
        run(api, name, network_mode="front", command=HTTPD)
    api.post("/v1/containers/db/stop?grace_s=0")
    return {"container": "db"}


def stale_sharer(api):
    api.post("/v1/networks", {"name": "front"}, status=201)
    for name in ("owner", "db"):
        run(api, name, network_mode="front", command=HTTPD)
    run(api, "web", network_mode="container:owner")
    api.post("/v1/containers/owner/restart?grace_s=0")
    return {"container": "db"}


FAULTS = {
    "default-bridge-no-dns": no_dns,
    "no-shared-network": no_shared_network,
    "destination-not-running": not_running,
    "shared-network-stale": stale_sharer,
}


def remedy_of(answer, code):
    (found,) = [one for one in answer["findings"] if one["code"] == code]
    return found["remedy"]


@pytest.mark.parametrize("code", FAULTS)
def test_the_plan_of_a_remedy_shows_its_effect_and_fixes_the_fault(api, code):
    destination = FAULTS[code](api)
    broken = check(api, "web", destination, **SILENT)
    assert broken["verdict"] == "unreachable"
    remedy = remedy_of(broken, code)
    assert remedy["plan"] == {"changes": remedy["calls"]}
    response = api.send("POST", "/v1/plans", remedy["plan"])
    plan = response.get_json()
    assert (response.status_code, plan["possible"]) == (200, True), plan
    opened = {
        (one["source"]["name"], one["destination"]["name"], one["protocol"])
        for one in plan["difference"]["pairs"]
        if one["after"] == "reachable" and one["before"] != "reachable"
    }
    # The difference is about addresses: on the default bridge only the name was missing.
    assert (("web", "db", "icmp") in opened) == (code != "default-bridge-no-dns"), plan["difference"]
    assert [step["outcome"] for step in plan["steps"]] == ["changes"] * len(remedy["calls"])
    # Only reading was done so far.
    assert check(api, "web", destination, **SILENT)["verdict"] == "unreachable"
    applied = api.call(
        "POST", "/v1/plans", {**remedy["plan"], "apply": True}, headers={"If-Match": response.headers["ETag"]}
    )
    assert applied["applied"]["outcome"] == "applied", applied
    assert check(api, "web", destination, **CHECKS)["verdict"] == "reachable"


def test_the_remedy_of_a_problem_is_a_plan_too(api):
    api.post("/v1/networks", {"name": "front"}, status=201)
    run(api, "web", network_mode="front", command=HTTPD)
    refused = api.delete("/v1/networks/front", status=409)
    assert refused["code"] == "network-in-use"
    plan = api.post("/v1/plans", refused["remedy"]["plan"])
    assert {step["outcome"] for step in plan["steps"]} == {"changes"}


def findings_of(api):
    items = api.get("/v1/diagnostics?limit=1000")["items"]
    return {(one["code"], one["component"]["name"]) for one in items}


def restart_of_the_sharer(api):
    stale_sharer(api)
    return [("POST", "/containers/web/restart?grace_s=0", None)]


def restart_of_the_owner(api):
    stale_sharer(api)
    api.post("/v1/containers/web/restart?grace_s=0")
    return [("POST", "/containers/owner/restart?grace_s=0", None)]


def a_new_sharer(api):
    run(api, "owner", command=HTTPD)
    return [("POST", "/containers", container("web", network_mode="container:owner"))]


def a_move(api):
    no_shared_network(api)
    return [
        ("PUT", "/networks/back/endpoints/web", {}),
        ("DELETE", "/networks/front/endpoints/web", None),
        ("POST", "/containers/db/stop?grace_s=0", None),
    ]


def a_published_port(_):
    port = {"container_port": 8080, "host_port": 8143}
    return [("POST", "/containers", container("web", command=HTTPD, published_ports=[port]))]


@pytest.mark.parametrize("made", [restart_of_the_sharer, restart_of_the_owner, a_new_sharer, a_move, a_published_port])
def test_the_findings_of_a_plan_are_those_of_the_diagnosis_afterwards(api, made):
    changes = [{"method": method, "path": f"/v1{path}", "body": body} for method, path, body in made(api)]
    before = findings_of(api)
    planned = api.send("POST", "/v1/plans", {"changes": changes})
    plan = planned.get_json()
    body, etag = {"changes": changes, "apply": True, "undo": "never"}, {"If-Match": planned.headers["ETag"]}
    assert api.call("POST", "/v1/plans", body, status=200, headers=etag)["applied"]["outcome"] == "applied"
    after = findings_of(api)
    foreseen = [
        {(one["code"], one["component"]["name"]) for one in plan[f"{word}_findings"]}
        for word in ("appearing", "disappearing")
    ]
    assert foreseen == [after - before, before - after]
    assert plan["limited"] == []
