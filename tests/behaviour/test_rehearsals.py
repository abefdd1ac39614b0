"""``?dry_run=true``: the answer that the change itself would have, and nothing changed, whatever is sent with it."""

import time

import pytest
from conftest import container, run
from raw_engine import Raw

KEY = {"Idempotency-Key": "once"}


@pytest.fixture
def raw(engine):
    return Raw(engine)


def rehearse(api, method, path, body=None, *, status=200, **sent):
    answer = api.call(method, f"{path}?dry_run=true", body, status=status, **sent)
    return answer["changes"] if status == 200 else answer["code"]


def test_with_a_key_that_made_something_nothing_is_done_again(api, raw):
    api.post("/v1/networks", {"name": "lan"}, status=201, headers=KEY)
    assert rehearse(api, "POST", "/v1/networks", {"name": "lan"}, headers=KEY) == [
        "nothing: an earlier request with this key made the network lan"
    ]
    body = container("web", network_mode="lan")
    made = api.post("/v1/containers", body, status=201, headers=KEY)
    assert rehearse(api, "POST", "/v1/containers", body, headers=KEY) == [
        "nothing: an earlier request with this key made the container web"
    ]
    api.call("DELETE", f"/v1/containers/{made['id']}?force=true", status=204)
    assert rehearse(api, "POST", "/v1/containers", body, headers=KEY)[-1] == "start the container web"
    assert raw.containers() == {}


def test_with_the_key_of_a_create_that_was_cut_short_nothing_is_started(api, raw):
    # As after a worker's death between the create and the start: the same labels, but what was asked for is a start.
    wanted = container("late")
    late = api.post("/v1/containers", wanted, status=201, headers={"Idempotency-Key": "late"})
    api.call("DELETE", f"/v1/containers/{late['id']}?force=true", status=204)
    cut_short = raw.make("late", start=False, Labels=late["labels"])
    told = rehearse(api, "POST", "/v1/containers", wanted, headers={"Idempotency-Key": "late"})
    assert told == ["start late: an earlier request with this key made the container late"]
    assert raw.get(f"/containers/{cut_short}/json")["State"]["Status"] == "created"


def test_a_rename_says_both_names(api):
    run(api, "old")
    path = "/v1/containers/old/rename"
    assert rehearse(api, "POST", path, {"name": "new"}) == ["rename old to new"]
    assert rehearse(api, "POST", path, {"name": "old"}) == ["nothing: old is its name already"]


def test_a_start_that_would_be_refused_is_refused(api):
    port = {"published_ports": [{"container_port": 80, "host_port": 8099}]}
    api.post("/v1/networks", {"name": "lan", "ipam": {"pools": [{"subnet": "10.93.0.0/24"}]}}, status=201)
    place = {"networks": [{"network": "lan", "ipv4_address": "10.93.0.9"}]}
    run(api, "owner", **port)
    run(api, "guest", network_mode="container:owner")
    api.post("/v1/containers/owner/stop?grace_s=0")
    assert rehearse(api, "POST", "/v1/containers/owner/start") == ["start owner"]
    assert rehearse(api, "POST", "/v1/containers/guest/restart", status=409) == "shared-network-owner-down"
    run(api, "rival", **port)
    assert rehearse(api, "POST", "/v1/containers/owner/start", status=409) == "port-taken"
    assert rehearse(api, "POST", "/v1/containers/rival/restart") == ["restart rival"]
    run(api, "fixed", **place)
    assert rehearse(api, "POST", "/v1/containers/fixed/restart") == ["restart fixed"]
    api.post("/v1/containers/fixed/stop?grace_s=0")
    run(api, "squatter", **place)
    assert rehearse(api, "POST", "/v1/containers/fixed/start", status=409) == "static-address-taken"
    api.call("DELETE", "/v1/containers/squatter?force=true", status=204)
    api.post("/v1/containers", container("new", start=False, network_mode="lan"), status=201)
    assert rehearse(api, "POST", "/v1/containers/new/start") == ["start new"]


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
    assert rehearse(api, "POST", "/v1/containers", {**body, "start": False}) == ["create the container web in bridge"]
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
    assert rehearse(api, "POST", "/v1/networks", {"name": "new", **body})
    api.post("/v1/networks", {"name": "new", **body}, status=201)
