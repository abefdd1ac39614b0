"""Every success that the document has, asked of a real engine; a hook of conftest.py holds each against it."""

import json

import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings
from tests.support.api import WIDE, Client, container, run, sweep_up
from tests.support.spec_validator import DOCUMENT, agreed, validate_line

QUERIES = {"probeForPrometheus": "?source=one&destination=two"}
READS = [
    (operation["operationId"], path)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method == "get" and "304" in operation["responses"]
]
REHEARSED = [
    (operation["operationId"], method.upper(), path)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method != "parameters" and {"$ref": "#/components/parameters/DryRun"} in operation["parameters"]
]
MAKING = {"connectContainer", "createContainer"}
"""Their 200 is another form of the answer; making something is a 201."""
PAIR = {"source": {"container": "one"}, "destination": {"container": "two"}}
MEET = {"name": "meet", "expect": "reachable", **PAIR}
BODIES = {
    "createNetwork": {"name": "rehearsed"},
    "createContainer": container("rehearsed"),
    "connectContainer": {},
    "renameContainer": {"name": "renamed"},
    "putExpectations": {"expectations": [{**MEET, "expect": "unreachable"}]},
}


@pytest.fixture(scope="module")
def world(engine, tokens_file, tmp_path_factory):
    """Two containers in a network, a network that is empty, and a kept set of expectations."""
    settings = Settings(tokens_file=tokens_file, stop_grace_s=1, state_dir=tmp_path_factory.mktemp("state"), **WIDE)
    api = Client(create_app(settings, EngineAddress(engine.docker_host)))
    for name in ("busy", "other"):
        api.post("/v1/networks", {"name": name}, status=201)
    for name in ("one", "two"):
        run(api, name, network_mode="busy")
    api.put("/v1/expectations/kept", {"expectations": [MEET]})
    yield api
    sweep_up(api)


@pytest.mark.parametrize(("name", "path"), READS, ids=[name for name, _ in READS])
def test_a_read_answers_and_then_has_nothing_new(world, name, path):
    url = path.format(network="busy", container="one", name="kept") + QUERIES.get(name, "")
    etags = set()
    for _ in range(5):
        first = world.send("GET", url)
        assert first.status_code == 200, first.get_data(as_text=True)
        again = world.send("GET", url, headers={"If-None-Match": first.headers["ETag"]})
        if again.status_code == 304:
            assert again.get_data() == b""
            return
        etags.add(first.headers["ETag"])
    # What counts packets or measures is new each time; it knows its own answer all the same.
    assert len(etags) == 5, etags
    assert world.send("GET", url, headers={"If-None-Match": "*"}).status_code == 304


@pytest.mark.parametrize(("name", "method", "path"), REHEARSED, ids=[name for name, _, _ in REHEARSED])
def test_a_rehearsal_answers_and_changes_nothing(world, name, method, path):
    before = everything(world)
    network = "other" if name in {"connectContainer", "deleteNetwork"} else "busy"
    url = path.format(network=network, container="one", name="kept") + "?dry_run=true"
    url += "&force=true" if name == "deleteContainer" else ""
    answer = world.send(method, url, BODIES.get(name))
    assert answer.status_code == (201 if name in MAKING else successes(path, method)), answer.get_data()
    assert answer.headers["Bridgework-Dry-Run"] == "true"
    assert everything(world) == before


def everything(world):
    return [world.get(path) for path in ("/v1/networks", "/v1/containers", "/v1/expectations/kept")]


def successes(path, method):
    """The status of the change itself, which the rehearsal has too."""
    return int(min(DOCUMENT["paths"][path][method.lower()]["responses"]))


def test_without_an_engine_readiness_says_so(tmp_path, tokens_file):
    app = create_app(Settings(tokens_file=tokens_file), EngineAddress(f"unix://{tmp_path}/docker.sock"))
    assert Client(app).send("GET", "/readyz").status_code == 503
    assert Client(app).call("GET", "/v1/networks", status=503)["code"] == "engine-unreachable"


@pytest.mark.parametrize(
    "path", ["/", "/livez", "/readyz", "/openapi.json", "/openapi-3.0.json", "/openapi.yaml", "/docs", "/console"]
)
def test_what_is_open_needs_no_token(app, path):
    assert app.test_client().get(path).status_code == 200


def test_every_line_of_a_streamed_matrix_is_one_of_the_documents_lines(world):
    sent = {"Accept": "application/x-ndjson"}
    response = world.send("POST", "/v1/connectivity/matrix", {"network": "busy"}, headers=sent)
    lines = [json.loads(line) for line in response.get_data(as_text=True).splitlines()]
    assert [line["type"] for line in lines] == ["start", "row", "row", "end"]
    for line in lines:
        validate_line("MatrixLine", line)


def test_the_stream_of_changes_is_of_events(world):
    response = world.send("GET", "/v1/events?type=network&container=one")
    world.put("/v1/networks/other/endpoints/one", {})
    told = next(part for part in response.iter_encoded() if part.startswith(b"id: "))
    response.close()
    world.delete("/v1/networks/other/endpoints/one")
    data = next(line for line in told.decode().splitlines() if line.startswith("data: "))
    validate_line("Event", json.loads(data.removeprefix("data: ")))


def test_the_lines_of_a_change_are_sent_while_it_is_made(api):
    run(api, "slow")  # its shell waits for no SIGTERM
    sent = {"Authorization": "Bearer token-of-admin", "Accept": "application/x-ndjson"}
    response = api.app.test_client().post("/v1/containers/slow/stop?grace_s=2", headers=sent)
    lines = response.iter_encoded()
    assert json.loads(next(lines))["type"] in {"heartbeat", "progress"}
    assert api.get("/v1/containers/slow")["state"] == "running"
    assert json.loads(list(lines)[-1])["container"]["state"] == "exited"
    response.close()


def test_checks_of_every_kind_answer_as_the_document_says(world):
    world.post("/v1/connectivity/checks", PAIR)
    world.post("/v1/connectivity/matrix", {"network": "busy"})
    world.post("/v1/connectivity/assertions", [MEET])


def test_changes_answer_what_they_made(api):
    made = api.post("/v1/networks", {"name": "made"}, status=201)
    run(api, "mover")
    api.put("/v1/networks/made/endpoints/mover", {})
    api.put("/v1/networks/made/endpoints/mover", {}, status=200)
    for step in ("stop?grace_s=0", "start", "restart?grace_s=0"):
        api.post(f"/v1/containers/mover/{step}")
    api.post("/v1/containers/mover/rename", {"name": "moved"})
    api.delete("/v1/networks/made/endpoints/moved")
    api.delete("/v1/containers/moved?force=true")
    assert made["id"] in {network["id"] for network in api.post("/v1/network-prunes")["removed"]}
    api.delete(f"/v1/networks/{api.post('/v1/networks', {'name': 'made'}, status=201)['id']}")


WITHOUT_JSON = {"getReferencePage", "getConsole", "followEvents", "getMetrics", "probeForPrometheus"}
LEAST_ANSWERS = 200


def test_both_documents_allow_two_hundred_answers_of_all_operations(world):
    """The hook of conftest.py holds each answer against 3.1 and 3.0, and counts those that both allow."""
    before = agreed.copy()
    for network in ("busy", "other", "bridge", "host", "none", "absent"):
        for name in ("one", "two", "absent"):
            for operation, path in READS:
                if "{network}" in path or "{container}" in path or network == name == "absent":
                    url = path.format(network=network, container=name, name="kept")
                    world.send("GET", url + QUERIES.get(operation, ""))
    for name, method, path in REHEARSED:
        for network, one, kept in (("busy", "one", "kept"), ("other", "two", "kept"), ("absent",) * 3):
            url = path.format(network=network, container=one, name=kept) + "?dry_run=true"
            world.send(method, url, BODIES.get(name))
    for path in ("/", "/livez", "/readyz", "/problems/port-taken", "/problems/absent"):
        world.send("GET", path)
    for protocol in ({"protocol": "icmp"}, {"protocol": "tcp", "port": 80}, {"protocol": "udp", "port": 53}):
        world.post("/v1/connectivity/checks", {**PAIR, **protocol, "timeout_ms": 300})
    world.post("/v1/connectivity/matrix", {"network": "busy"})
    world.post("/v1/connectivity/assertions", [MEET])
    world.post("/v1/connectivity/queries", {"find": "sources", "of": {"container": "two"}})
    leave = {"method": "DELETE", "path": "/v1/networks/busy/endpoints/one"}
    world.post("/v1/plans", {"changes": [leave]})
    answered = agreed - before
    assert answered.total() >= LEAST_ANSWERS
    assert {
        operation["operationId"]
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
        if method != "parameters" and (method, path) not in answered
    } == WITHOUT_JSON
