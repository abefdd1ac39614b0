"""The surface of kept expectations, without an engine: what is refused, what is answered again, and what is said."""

import json

import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.model.checks import Verdict
from bridgework.model.expectations import Cause, ExpectationState, Judgement, Status
from bridgework.settings import Settings
from tests.support.api import TOKENS, Client, entry
from tests.support.fake_engine import BlindRunner, FakeEngine

ONE = {"source": {"container": "alpha-run"}, "destination": {"container": "beta-run"}, "expect": "unreachable"}
BODY = {"expectations": [{"name": "apart", **ONE}, {"name": "still apart", **ONE, "protocol": "tcp", "port": 80}]}
PATH = "/v1/expectations/shop"


@pytest.fixture
def make(tmp_path):
    def make(name="admin", **settings):
        tokens = tmp_path / "tokens.json"
        tokens.write_text(json.dumps({"tokens": [entry(name, *what) for name, what in TOKENS.items()]}))
        given = Settings(tokens_file=tokens, **settings)
        app = create_app(given, EngineAddress("unix:///nowhere"), engine=FakeEngine(), runner=BlindRunner())
        return Client(app, name)

    return make


@pytest.fixture
def client(make, tmp_path):
    (tmp_path / "state").mkdir()
    return make(state_dir=tmp_path / "state")


def as_caller(client, name):
    return Client(client.app, name)


def record(client, status, name="apart"):
    """Let the watch have measured."""
    store = client.app.config["EXPECTATIONS"].store
    [of] = [one for one in store.sets() if one.name == "shop"]
    [assertion] = [one for one in of.expectations if one.name == name]
    at = "2026-01-01T00:00:00.000000Z"
    state = ExpectationState(status, Verdict.REACHABLE, at, at, "It was measured.")
    return store.record([Judgement(of, assertion, state, Cause("no-shared-network", "They share a network now."))])


def test_a_set_is_kept_once_and_answered_again(client):
    made = client.send("PUT", PATH, BODY)
    again = client.send("PUT", PATH, BODY)
    assert (made.status_code, again.status_code) == (201, 200)
    assert made.headers["ETag"] == again.headers["ETag"] == client.send("GET", PATH).headers["ETag"]
    kept = client.get(PATH)
    assert [one["expectation"] for one in kept["expectations"]] == BODY["expectations"]
    assert (kept["met"], kept["violated"], kept["unknown"], kept["limited"]) == (0, 0, 2, [])


def test_what_a_set_answers_is_what_was_sent(client):
    """The `expectation` of each item, put again, changes nothing."""
    client.send("PUT", PATH, {**BODY, "every_s": 60})
    kept = client.get(PATH)
    record(client, Status.MET)
    body = {"expectations": [one["expectation"] for one in kept["expectations"]], "every_s": kept["every_s"]}
    assert client.call("PUT", PATH, body, status=200)["met"] == 1


def test_preconditions_are_honoured(client):
    etag = client.send("PUT", PATH, BODY).headers["ETag"]
    other = {"expectations": BODY["expectations"][:1]}
    assert client.send("PUT", PATH, other, headers={"If-None-Match": "*"}).status_code == 412
    assert client.send("PUT", PATH, other, headers={"If-Match": etag}).status_code == 200
    assert client.send("DELETE", PATH, headers={"If-Match": etag}).status_code == 412
    assert client.send("DELETE", PATH).status_code == 204
    assert client.call("GET", PATH, status=404)["code"] == "expectations-not-found"


@pytest.mark.parametrize("path", [PATH, f"{PATH}/changes"])
def test_what_did_not_change_is_not_sent_again(client, path):
    client.send("PUT", PATH, BODY)
    etag = client.send("GET", path).headers["ETag"]
    again = client.send("GET", path, headers={"If-None-Match": etag})
    assert (again.status_code, again.get_data()) == (304, b"")


def test_a_dry_run_shows_the_set_and_keeps_nothing(client):
    shown = client.call("PUT", f"{PATH}?dry_run=true", BODY, status=201)
    assert len(shown["expectations"]) == 2
    assert client.get("/v1/expectations")["items"] == []


@pytest.mark.parametrize(("body", "pointer"), [
    ({}, "/expectations"), ({"expectations": []}, "/expectations"),
    ({"expectations": [BODY["expectations"][0]] * 2}, "/expectations/1/name"),
    ({**BODY, "every_s": 1}, "/every_s"), ({**BODY, "notify": ["absent"]}, "/notify/0"),
    ({**BODY, "url": "https://elsewhere"}, "/url"),
    ({"expectations": [{**BODY["expectations"][0], "expect": "maybe"}]}, "/expectations/0/expect"),
])  # fmt: skip
def test_bad_input_is_a_422(client, body, pointer):
    refused = client.call("PUT", PATH, body, status=422)
    assert [one["pointer"] for one in refused["errors"]] == [pointer]


@pytest.mark.parametrize("name", [".hidden", "a b", "x" * 64, "ä"])
def test_a_bad_name_is_a_422(client, name):
    assert client.call("PUT", f"/v1/expectations/{name}", BODY, status=422)["code"] == "input-invalid"


def test_a_set_belongs_to_the_project_of_its_caller(client):
    made = as_caller(client, "alpha").call("PUT", PATH, BODY, status=201)
    assert made["project"] == "alpha"
    for method, body in (("PUT", BODY), ("DELETE", None)):
        assert as_caller(client, "beta").call(method, PATH, body, status=403)["code"] == "project-mismatch"
    client.call("PUT", PATH, {**BODY, "every_s": 60}, status=200)
    assert client.get(PATH)["project"] == "alpha"


def test_without_a_folder_a_set_is_refused_and_the_answers_say_why(make):
    client = make()
    assert client.call("PUT", PATH, BODY, status=409)["code"] == "expectations-not-kept"
    [limit] = client.get("/v1/expectations")["limited"]
    assert limit["code"] == "expectations-not-kept"
    assert "BRIDGEWORK_STATE_DIR" in limit["remedy"]
    assert client.get("/readyz")["expectations"] == {"kind": "memory", "problem": None}


def test_a_set_of_a_file_is_changed_in_its_file(make, tmp_path):
    folder = tmp_path / "sets"
    folder.mkdir()
    (folder / "shop.yaml").write_text("- {source: alpha-run, destination: 'container:beta-run', expect: unreachable}")
    client = make(expectations_dir=folder)
    assert client.get(PATH)["file"] == "shop.yaml"
    for method, body in (("PUT", BODY), ("DELETE", None)):
        refused = client.call(method, PATH, body, status=409)
        assert refused["code"] == "expectations-from-file"
        assert "shop.yaml" in refused["detail"]
    (folder / "shop.yaml").write_text("- {source")
    codes = [one["code"] for one in client.get(PATH)["limited"]]
    assert codes == ["expectations-not-kept", "expectations-file-invalid"]


def test_a_damaged_file_is_said_and_the_sets_of_files_go_on(make, tmp_path):
    for name in ("sets", "state"):
        (tmp_path / name).mkdir()
    (tmp_path / "sets" / "edge.yaml").write_text("- {source: alpha-run, destination: beta-run}")
    (tmp_path / "state" / "expectations.sqlite3").write_bytes(b"This is no database." * 500)
    client = make(state_dir=tmp_path / "state", expectations_dir=tmp_path / "sets")
    ready = client.get("/readyz")
    assert ready["status"] == "ready"
    assert "cannot be used" in ready["expectations"]["problem"]
    assert [one["name"] for one in client.get("/v1/expectations")["items"]] == ["edge"]
    assert client.call("PUT", PATH, BODY, status=503)["code"] == "expectations-state-unavailable"


def test_changes_come_newest_first_by_cursor(client):
    client.send("PUT", PATH, BODY)
    turns = [Status.VIOLATED, Status.MET] * 3
    made = [change.id for status in turns for change in record(client, status)]
    seen, cursor = [], ""
    while cursor is not None:
        page = client.get(f"{PATH}/changes?limit=4" + (f"&cursor={cursor}" if cursor else ""))
        seen += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert seen == made[::-1]
    newest = client.get(f"{PATH}/changes?limit=1")["items"][0]
    assert (newest["before"], newest["after"], newest["cause"]["code"]) == ("violated", "met", "no-shared-network")
    assert client.call("GET", "/v1/expectations/absent/changes", status=404)["code"] == "expectations-not-found"


def test_the_metrics_tell_each_expectation(client):
    client.send("PUT", PATH, BODY)
    record(client, Status.MET)
    record(client, Status.VIOLATED)
    lines = client.get("/metrics").splitlines()
    assert 'bridgework_expectation_met{name="apart",set="shop"} 0.0' in lines
    assert 'bridgework_expectation_met{name="still apart",set="shop"} NaN' in lines
    assert 'bridgework_expectation_changes_total{cause="no-shared-network",set="shop"} 1.0' in lines
    measured = 'bridgework_expectation_measured_timestamp_seconds{name="apart",set="shop"} 1.7672256e+09'
    assert measured in lines
