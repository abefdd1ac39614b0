"""Requests as the clients send them that once were turned away: each is understood, or refused with the reason."""

import gzip
import json
import time
from dataclasses import replace

import pytest

from bridgework.model.errors import Conflict
from bridgework.model.observations import FirewallRules
from bridgework.model.snapshot import PublishedPort
from bridgework.probes.kernel.firewall import parse
from tests.support.fake_engine import FACTS, BlindRunner, FakeEngine, hex_id
from tests.support.spec_validator import validate_line

JSON = "application/json"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("value", ["True", "true", "TRUE", "1"])
def test_python_requests_sends_force_true(client, value):
    """``requests.delete(url, params={"force": True})`` sends ``force=True``; Docker's own client sends ``force=1``."""
    assert client.send("DELETE", f"/v1/networks/beta-unused?force={value}").status_code == 204


@pytest.mark.parametrize("value", ["False", "false", "0"])
def test_and_false_is_false(client, value):
    answer = client.send("DELETE", f"/v1/networks/beta-net?force={value}")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "network-in-use")


@pytest.mark.parametrize("body", [b"", b"{}", b" {} "])
@pytest.mark.parametrize("path", ["/v1/containers/alpha-run/stop", "/v1/network-prunes?dry_run=true"])
def test_axios_sends_an_empty_object_on_a_post_without_a_body(client, path, body):
    assert client.send("POST", path, data=body, content_type=JSON).status_code == 200


@pytest.mark.parametrize("sent", [{"data": b""}, {"data": b"{}", "content_type": JSON}])
def test_a_connect_needs_no_body(client, sent):
    assert client.send("PUT", "/v1/networks/beta-unused/endpoints/beta-run?dry_run=true", **sent).status_code == 201


def test_a_body_that_is_required_may_not_be_missing(client):
    answer = client.send("POST", "/v1/networks", data=b"")
    assert (answer.status_code, answer.get_json()["code"]) == (415, "media-type-unsupported")


@pytest.mark.parametrize("field", [
    {"command": ["sh", "-c", "set -e\nwhile true; do\n\tdate\ndone\n"]},
    {"environment": {"TLS_CERT": CERTIFICATE, "BELL": "\x07"}},
    {"labels": {"note": "two\nlines", "large": "x" * 131_072}},
])  # fmt: skip
def test_free_text_holds_any_character_but_nul(client, field):
    body = {"name": "free", "image": "busybox", "network_mode": "none", **field}
    assert client.send("POST", "/v1/containers?dry_run=true", body).status_code == 201
    name, value = next(iter(field.items()))
    bad = [*value, "a\0b"] if isinstance(value, list) else {**value, "N": "a\0b"}
    refused = client.send("POST", "/v1/containers?dry_run=true", {**body, name: bad})
    assert (refused.status_code, refused.get_json()["code"]) == (422, "input-invalid")


def test_a_network_called_prune_is_a_network(client):
    """Nothing in the id space of a resource is a verb (contract, revision 2, row 12)."""
    assert client.send("POST", "/v1/networks?dry_run=true", {"name": "prune"}).status_code == 201
    assert client.send("GET", "/v1/networks/prune").get_json()["code"] == "network-not-found"
    assert client.send("DELETE", "/v1/networks/prune").get_json()["code"] == "network-not-found"
    assert client.send("POST", "/v1/networks/prune").status_code == 405


def test_a_cursor_of_one_list_is_refused_by_another(client):
    cursor = client.get("/v1/containers?limit=1")["next_cursor"]
    assert client.send("GET", f"/v1/containers?limit=2&cursor={cursor}").status_code == 200
    for other in (f"/v1/networks?cursor={cursor}", f"/v1/containers?state=running&cursor={cursor}"):
        assert client.send("GET", other).get_json()["code"] == "input-invalid"


def test_a_filter_given_twice_lets_either_pass(client):
    every = {network["name"] for network in client.get("/v1/networks")["items"]}
    some = sorted(every)[:2]
    found = client.get("/v1/networks?" + "&".join(f"name={name}" for name in some))["items"]
    assert {name for name in every if any(part in name for part in some)} == {network["name"] for network in found}
    assert client.get("/v1/networks?type=builtin&type=custom")["items"] == client.get("/v1/networks")["items"]


@pytest.mark.parametrize(("parameter", "hint"), [("filters={}", "driver=bridge"), ("all=1", "stopped"),
                                                 ("drivr=bridge", "`driver`")])  # fmt: skip
def test_a_parameter_of_dockers_api_gets_a_hint(client, parameter, hint):
    answer = client.send("GET", f"/v1/networks?{parameter}")
    assert answer.status_code == 422
    assert hint in answer.get_json()["errors"][0]["message"]


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize(("method", "path", "body"), [
    ("POST", "/v1/networks", {"name": "new"}), ("POST", "/v1/containers", {"name": "new", "image": "busybox"}),
    ("POST", "/v1/network-prunes", None),
    ("POST", "/v1/connectivity/checks", {"source": {"container": "alpha-run"}, "destination": {"host": True}}),
])  # fmt: skip
def test_a_precondition_that_is_not_understood_is_refused(client, method, path, body, header):
    answer = client.send(method, path, body, headers={header: '"0"'})
    assert (answer.status_code, answer.get_json()["code"]) == (400, "precondition-not-supported")
    assert client.engine.changes == []


@pytest.mark.parametrize(("method", "path", "body"), [
    ("DELETE", "/v1/networks/beta-unused", None), ("POST", "/v1/containers/alpha-run/stop", None),
    ("POST", "/v1/containers/alpha-run/rename", {"name": "other"}), ("DELETE", "/v1/containers/alpha-run", None),
])  # fmt: skip
def test_a_precondition_is_held_on_every_change_of_a_resource(client, method, path, body):
    resource = path.removesuffix("/stop").removesuffix("/rename")
    etag = client.send("GET", resource).headers["ETag"]
    for headers in ({"If-Match": '"0"'}, {"If-None-Match": etag}, {"If-None-Match": "*"}):
        answer = client.send(method, path, body, headers=headers)
        assert (answer.status_code, answer.get_json()["code"]) == (412, "precondition-failed"), headers
    assert client.engine.changes == []
    allowed = client.send(method, f"{path}?dry_run=true", body, headers={"If-Match": etag})
    assert allowed.status_code < 300 or allowed.get_json()["code"] == "container-running"


def test_a_read_honours_if_match(client):
    etag = client.send("GET", "/v1/networks/beta-net").headers["ETag"]
    assert client.send("GET", "/v1/networks/beta-net", headers={"If-Match": etag}).status_code == 200
    assert client.send("GET", "/v1/networks/beta-net", headers={"If-Match": '"0"'}).status_code == 412


def test_large_answers_are_compressed_for_those_who_take_it(client):
    plain = client.send("GET", "/openapi.json")
    packed = client.send("GET", "/openapi.json", headers={"Accept-Encoding": "gzip, deflate"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.get_data()) == plain.get_data()
    assert len(packed.get_data()) < len(plain.get_data()) / 4
    again = {"Accept-Encoding": "gzip", "If-None-Match": packed.headers["ETag"]}
    assert client.send("GET", "/openapi.json", headers=again).status_code == 304
    for refused in ("identity", "gzip;q=0", ""):
        assert (
            "Content-Encoding" not in client.send("GET", "/openapi.json", headers={"Accept-Encoding": refused}).headers
        )


LINES = {"Accept": "application/x-ndjson"}


def test_a_creation_tells_its_progress_and_ends_with_the_container(client):
    body = {"name": "slow", "image": "busybox", "network_mode": "none"}
    answer = client.send("POST", "/v1/containers", body, headers=LINES)
    assert (answer.status_code, answer.mimetype) == (201, "application/x-ndjson")
    lines = [json.loads(line) for line in answer.get_data(as_text=True).splitlines()]
    for line in lines:
        validate_line("ContainerLine", line)
    assert [line["type"] for line in lines if line["type"] != "heartbeat"] == ["progress", "progress", "container"]
    assert lines[-1]["container"]["name"] == "slow"


def test_what_is_refused_before_the_first_line_is_a_problem_with_its_status(client):
    body = {"name": "slow", "image": "busybox", "network_mode": "no-such-network"}
    refused = client.send("POST", "/v1/containers", body, headers=LINES)
    assert (refused.status_code, refused.get_json()["code"]) == (404, "network-not-found")


def test_what_fails_later_is_the_last_line(client, monkeypatch):
    def fail(_container_id):
        time.sleep(0.7)
        raise Conflict(code="port-taken", detail="Port 80 of the host is taken already.")

    monkeypatch.setattr(client.engine, "start_container", fail, raising=False)
    body = {"name": "slow", "image": "busybox", "network_mode": "none"}
    answer = client.send("POST", "/v1/containers", body, headers=LINES)
    last = json.loads(answer.get_data(as_text=True).splitlines()[-1])
    validate_line("ContainerLine", last)
    assert (last["type"], last["problem"]["code"], last["problem"]["status"]) == ("problem", "port-taken", 409)


ORIGIN = "https://portal.example"
PREFLIGHT = {"Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "authorization"}


def test_a_page_of_an_allowed_origin_may_call(make):
    client = make(cors_origins=(ORIGIN,))
    asked = client.app.test_client().options("/v1/networks/beta-net", headers={"Origin": ORIGIN, **PREFLIGHT})
    assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (204, ORIGIN)
    assert "DELETE" in asked.headers["Access-Control-Allow-Methods"]
    answer = client.send("GET", "/v1/networks", headers={"Origin": ORIGIN})
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
    other = client.send("GET", "/v1/networks", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in other.headers
    assert "Origin" in other.vary


def test_by_default_no_page_of_another_origin_may(client):
    assert not [name for name, _ in client.send("GET", "/v1/networks", headers={"Origin": ORIGIN}).headers
                if name.startswith("Access-Control")]  # fmt: skip


def test_the_exposure_of_podman_is_refused(make):
    engine = FakeEngine()
    engine.facts = lambda: replace(FACTS, product="podman", writes_dockers_rules=False)
    assert make(engine).call("GET", "/v1/exposure", status=501)["code"] == "engine-lacks-function"


def test_the_exposure_says_what_was_not_visible(make):
    """The runner of this test enters nothing: what is published is still listed, without a verdict."""
    engine = FakeEngine()
    port = PublishedPort(80, host_ip="0.0.0.0", host_port=8080)
    engine.containers = {
        key: replace(
            one,
            published_ports=(port,),
            endpoints=tuple(replace(e, ipv4_address="10.16.0.2") for e in one.endpoints),
        )
        for key, one in engine.containers.items()
        if one.name == "alpha-run"
    }
    answer = make(engine).get("/v1/exposure")
    assert {(row["origin"]["kind"], row["address"], row["reason"]) for row in answer["items"]} == {
        ("host", "127.0.0.1", "rules-unseen"), ("network", "10.16.0.1", "rules-unseen"),
        ("host", "10.16.0.2", "rules-unseen"),
    }  # fmt: skip
    assert {(row["verdict"], row["listening"]) for row in answer["items"]} == {("inconclusive", None)}
    assert [(one["code"], one["what"]) for one in answer["limited"]] == [
        ("host-out-of-reach", "the host's firewall rules"),
        ("namespace-out-of-reach", "the network namespace of alpha-run"),
        ("host-out-of-reach", "the host's links and routes"),
    ]


def test_the_exposure_quotes_rules_with_their_owners(make, monkeypatch):
    text = """
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:ufw-user-input - [0:0]
[0:0] -A INPUT -j ufw-user-input
[0:0] -A ufw-user-input -p tcp -m tcp --dport 8080 -j DROP
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
[0:0] -A PREROUTING -j DOCKER
[0:0] -A DOCKER -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.16.0.2:80
COMMIT
"""
    monkeypatch.setattr(BlindRunner, "read_firewall", lambda _: FirewallRules(chains=parse(text)))
    engine = FakeEngine()
    (run,) = (one for one in engine.containers.values() if one.name == "alpha-run")
    endpoints = tuple(replace(e, ipv4_address="10.16.0.2") for e in run.endpoints)
    port = PublishedPort(80, host_ip="0.0.0.0", host_port=8080)
    apart = replace(run, id=hex_id(0x99), name="apart", network_mode="host", endpoints=())
    engine.containers = {run.id: replace(run, endpoints=endpoints, published_ports=(port,)), apart.id: apart}
    answer = make(engine).get("/v1/exposure?origin=network&published=1")
    assert ("port-of-host", "the ports of apart") in [(one["code"], one["what"]) for one in answer["limited"]]
    (row,) = answer["items"]
    assert row["stopped_by"] == {
        "table": "ip filter", "chain": "FORWARD", "rule": None, "effect": "drop", "owner": None,
    }  # fmt: skip
    assert [(one["effect"], one["owner"]) for one in row["rules"]] == [("dnat", "Docker")]
    assert (row["host_firewall"]["owner"], row["past_host_firewall"]) == ("ufw", False)
