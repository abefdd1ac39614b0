"""``?dry_run=true``: the answer that the change itself would have, and nothing changed, whatever is sent with it."""

import time

import pytest

from tests.support.api import container, run
from tests.support.raw_engine import Raw

KEY = {"Idempotency-Key": "once"}


@pytest.fixture
def raw(engine):
    return Raw(engine)


def rehearse(api, method, path, body=None, *, status=200, **sent):
    answer = api.send(method, f"{path}?dry_run=true", body, **sent)
    assert answer.status_code == status, answer.get_data(as_text=True)
    if status >= 400:
        return answer.get_json()["code"]
    assert answer.headers["Bridgework-Dry-Run"] == "true"
    assert "Location" not in answer.headers
    return answer.get_json()


def rehearse_creation(api, path, body, **sent):
    return rehearse(api, "POST", path, body, status=201, **sent)


def test_with_a_key_that_made_something_nothing_is_done_again(api, raw):
    lan = api.post("/v1/networks", {"name": "lan"}, status=201, headers=KEY)
    assert rehearse_creation(api, "/v1/networks", {"name": "lan"}, headers=KEY)["id"] == lan["id"]
    body = container("web", network_mode="lan")
    made = api.post("/v1/containers", body, status=201, headers=KEY)
    assert rehearse_creation(api, "/v1/containers", body, headers=KEY)["id"] == made["id"]
    api.call("DELETE", f"/v1/containers/{made['id']}?force=true", status=204)
    would = rehearse_creation(api, "/v1/containers", body, headers=KEY)
    assert (would["id"], would["name"], would["state"]) == (None, "web", "running")
    assert raw.containers() == {}


def test_with_the_key_of_a_create_that_was_cut_short_nothing_is_started(api, raw):
    # As after a worker's death between the create and the start: the same labels, but what was asked for is a start.
    wanted = container("late")
    late = api.post("/v1/containers", wanted, status=201, headers={"Idempotency-Key": "late"})
    api.call("DELETE", f"/v1/containers/{late['id']}?force=true", status=204)
    cut_short = raw.make("late", start=False, Labels=late["labels"])
    told = rehearse_creation(api, "/v1/containers", wanted, headers={"Idempotency-Key": "late"})
    assert (told["id"], told["state"]) == (cut_short, "running")
    assert raw.get(f"/containers/{cut_short}/json")["State"]["Status"] == "created"


def test_a_rename_answers_the_container_by_its_new_name(api):
    made = run(api, "old")
    path = "/v1/containers/old/rename"
    would = rehearse(api, "POST", path, {"name": "new"})
    assert (would["id"], would["name"]) == (made["id"], "new")
    assert [endpoint["container"]["name"] for endpoint in would["endpoints"]] == ["new"]
    assert rehearse(api, "POST", path, {"name": "old"}) == api.get("/v1/containers/old")


def test_what_would_be_made_has_no_id_and_no_time(api):
    """The same type as the change's answer (contract, revision 2, row 1), with the header that tells them apart."""
    body = {"name": "lan", "ipam": {"pools": [{"subnet": "10.93.7.0/24"}]}, "labels": {"team": "edge"}}
    would = rehearse_creation(api, "/v1/networks", body)
    made = api.post("/v1/networks", body, status=201)
    assert (would["id"], would["created_at"], would["bridge_name"]) == (None, None, None)
    assert {**would, **{name: made[name] for name in ("id", "created_at", "bridge_name", "ipam")}} == made
    body = container("web", network_mode="lan", published_ports=[{"container_port": 80, "host_port": 8098}])
    would = rehearse_creation(api, "/v1/containers", body)
    made = api.post("/v1/containers", body, status=201)
    assert (would["id"], would["image_id"], would["created_at"], would["started_at"]) == (None,) * 4
    assert would["endpoints"][0]["network"] == made["endpoints"][0]["network"]
    assert would.keys() == made.keys()
    same = ("name", "image", "state", "network_mode", "configured_ports", "labels", "command", "restart_policy")
    assert {name: would[name] for name in same} == {name: made[name] for name in same}


def test_a_connect_answers_the_endpoint_and_a_removal_nothing(api):
    api.post("/v1/networks", {"name": "lan"}, status=201)
    run(api, "web")
    path = "/v1/networks/lan/endpoints/web"
    would = rehearse(api, "PUT", path, {"aliases": ["db"]}, status=201)
    assert (would["state"], would["aliases"], would["ipv4_address"]) == ("active", ["db"], None)
    api.put(path, {"aliases": ["db"]})
    assert rehearse(api, "PUT", path, {"aliases": ["db"]})["endpoint_id"]
    for target in (path, "/v1/networks/lan", "/v1/containers/web"):
        force = "" if target == path else "&force=true"
        answer = api.send("DELETE", f"{target}?dry_run=true{force}")
        assert (answer.status_code, answer.get_data()) == (204, b"")
        assert answer.headers["Bridgework-Dry-Run"] == "true"
    assert api.get("/v1/containers/web")["endpoints"][1]["network"]["name"] == "lan"


def test_a_start_that_would_be_refused_is_refused(api):
    port = {"published_ports": [{"container_port": 80, "host_port": 8099}]}
    api.post("/v1/networks", {"name": "lan", "ipam": {"pools": [{"subnet": "10.93.0.0/24"}]}}, status=201)
    place = {"networks": [{"network": "lan", "ipv4_address": "10.93.0.9"}]}
    run(api, "owner", **port)
    run(api, "guest", network_mode="container:owner")
    api.post("/v1/containers/owner/stop?grace_s=0")
    assert rehearse(api, "POST", "/v1/containers/owner/start")["state"] == "running"
    assert rehearse(api, "POST", "/v1/containers/guest/restart", status=409) == "shared-network-owner-down"
    run(api, "rival", **port)
    assert rehearse(api, "POST", "/v1/containers/owner/start", status=409) == "port-taken"
    assert rehearse(api, "POST", "/v1/containers/rival/restart")["state"] == "running"
    run(api, "fixed", **place)
    assert rehearse(api, "POST", "/v1/containers/fixed/restart")["state"] == "running"
    api.post("/v1/containers/fixed/stop?grace_s=0")
    run(api, "squatter", **place)
    assert rehearse(api, "POST", "/v1/containers/fixed/start", status=409) == "static-address-taken"
    api.call("DELETE", "/v1/containers/squatter?force=true", status=204)
    api.post("/v1/containers", container("new", start=False, network_mode="lan"), status=201)
    assert rehearse(api, "POST", "/v1/containers/new/start")["state"] == "running"


def test_a_port_that_a_program_on_the_host_has_is_refused_before(api):
    run(api, "agent", network_mode="host", command=["httpd", "-f", "-p", "8097"])
    body = container("web", published_ports=[{"container_port": 80, "host_port": 8097}])
    for _ in range(50):
        answer = api.send("POST", "/v1/containers?dry_run=true", body)
        if answer.status_code == 409:
            break
        time.sleep(0.05)  # until it listens
    foreseen, refused = answer.get_json(), api.post("/v1/containers", body, status=409)
    assert (foreseen["code"], foreseen["detail"]) == (refused["code"], refused["detail"])
    assert rehearse_creation(api, "/v1/containers", {**body, "start": False})["state"] == "created"
    api.post("/v1/containers", {**body, "start": False}, status=201)
    assert rehearse(api, "POST", "/v1/containers/web/start", status=409) == "port-taken"


@pytest.mark.parametrize("body", [
    {"driver": "overlay"}, {"scope": "swarm"}, {"ipv6_enabled": True}, {"driver": "overlay", "config_only": True},
    {"ipv6_enabled": True, "ipam": {"pools": [{"subnet": "10.94.0.0/24"}]}},
])  # fmt: skip
def test_a_network_that_this_engine_cannot_make_is_refused_as_the_engine_would(api, body):
    foreseen = api.post("/v1/networks?dry_run=true", {"name": "new", **body}, status=409)
    refused = api.post("/v1/networks", {"name": "new", **body}, status=409)
    assert (foreseen["code"], foreseen["remedy"]) == (refused["code"], refused["remedy"])


@pytest.mark.parametrize("body", [
    {"config_only": True, "ipv6_enabled": True}, {"ipv6_enabled": True, "ipam": {"pools": [{"subnet": "fd00:9::/64"}]}},
])  # fmt: skip
def test_what_it_can_make_is_foreseen_too(api, body):
    assert rehearse_creation(api, "/v1/networks", {"name": "new", **body})["name"] == "new"
    api.post("/v1/networks", {"name": "new", **body}, status=201)
