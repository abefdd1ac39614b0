"""The same change twice, by fifty clients at once, and after a lost answer: one thing exists, all answers agree."""

import threading
from collections import Counter

import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings
from tests.support.api import Client, container
from tests.support.engine_proxy import EngineProxy
from tests.support.raw_engine import Raw
from tests.support.service import Service

CLIENTS = 50
KEY = {"Idempotency-Key": "once"}
NETWORK = {"name": "once", "ipam": {"pools": [{"subnet": "10.77.0.0/24"}]}}
CONTAINER = container("once", network_mode="lan", networks=[{"network": "lan", "ipv4_address": "10.99.0.7"}])


@pytest.fixture
def raw(engine):
    made = Raw(engine)
    made.make_network("lan", "10.99.0.0/24")
    yield made
    made.sweep()


@pytest.fixture(scope="module")
def workers(engine, tokens_file, tmp_path_factory):
    """Two worker processes, which share nothing."""
    settings = {"workers": 2, "threads": 16}
    with Service(engine.docker_host, tmp_path_factory.mktemp("workers"), tokens_file, settings) as made:
        yield made


@pytest.fixture(params=["in-process", "two-workers"])
def send(request, app):
    """How to send: status, whether it was a replay, parsed body."""
    if request.param == "in-process":
        client = Client(app)

        def local(method, path, body=None, headers=None):
            response = client.send(method, path, body, headers=headers)
            return response.status_code, response.headers.get("Idempotent-Replayed"), response.get_json(silent=True)

        return local
    workers = request.getfixturevalue("workers")

    def over_http(*args, **kwargs):
        answer = workers.ask(*args, **kwargs)
        return answer.status, answer.headers.get("idempotent-replayed"), answer.json

    return over_http


def all_at_once(act, clients=CLIENTS):
    """What so many threads get when they act at the same moment."""
    start, answers = threading.Barrier(clients), []

    def one():
        start.wait()
        answers.append(act())

    threads = [threading.Thread(target=one) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == clients
    return answers


def custom(raw):
    return [network["Name"] for network in raw.networks().values() if network["Name"] not in {"bridge", "host", "none"}]


def test_fifty_creates_of_one_network(send, raw):
    answers = all_at_once(lambda: send("POST", "/v1/networks", NETWORK, headers=KEY))
    assert Counter(status for status, _, _ in answers) == {201: CLIENTS}
    assert len({body["id"] for _, _, body in answers}) == 1
    assert Counter(replayed for _, replayed, _ in answers) == {None: 1, "true": CLIENTS - 1}
    assert sorted(custom(raw)) == ["lan", "once"]


def test_fifty_creates_without_a_key_make_one_and_name_it(send, raw):
    answers = all_at_once(lambda: send("POST", "/v1/networks", NETWORK))
    assert Counter(status for status, _, _ in answers) == {201: 1, 409: CLIENTS - 1}
    made = next(body for status, _, body in answers if status == 201)
    refused = [body for status, _, body in answers if status == 409]
    assert {(body["code"], body["facts"]["network"]["id"]) for body in refused} == {("network-name-taken", made["id"])}
    assert sorted(custom(raw)) == ["lan", "once"]


def test_fifty_creates_of_one_container(send, raw):
    answers = all_at_once(lambda: send("POST", "/v1/containers", CONTAINER, headers=KEY))
    assert Counter(status for status, _, _ in answers) == {201: CLIENTS}, answers[-1]
    assert len({body["id"] for _, _, body in answers}) == 1
    assert Counter(replayed for _, replayed, _ in answers) == {None: 1, "true": CLIENTS - 1}
    (found,) = raw.containers().values()
    assert found["State"]["Running"]
    assert found["NetworkSettings"]["Networks"]["lan"]["IPAddress"] == "10.99.0.7"


def test_fifty_creates_without_a_name(send, raw):
    nameless = container(None, network_mode="none")
    answers = all_at_once(lambda: send("POST", "/v1/containers", nameless, headers=KEY))
    assert Counter(status for status, _, _ in answers) == {201: CLIENTS}
    assert {body["id"] for _, _, body in answers} == set(raw.containers())


def test_creates_that_cannot_start_leave_nothing(send, raw):
    broken = container("once", command=["no-such-program"], network_mode="none")
    answers = all_at_once(lambda: send("POST", "/v1/containers", broken, headers=KEY), clients=8)
    assert {status for status, _, _ in answers} == {409}
    assert {body["code"] for _, _, body in answers} <= {"command-not-runnable", "earlier-request-failed"}
    assert raw.containers() == {}


def test_fifty_connects_and_disconnects(send, raw):
    guest = raw.make("guest", mode="bridge")
    path, wish = "/v1/networks/lan/endpoints/guest", {"aliases": ["web"], "ipv4_address": "10.99.0.9"}
    answers = all_at_once(lambda: send("PUT", path, wish))
    assert Counter(status for status, _, _ in answers) == {201: 1, 200: CLIENTS - 1}, answers[-1]
    assert len({body["endpoint_id"] for _, _, body in answers}) == 1
    assert raw.get(f"/containers/{guest}/json")["NetworkSettings"]["Networks"]["lan"]["IPAddress"] == "10.99.0.9"
    answers = all_at_once(lambda: send("DELETE", path))
    assert Counter(status for status, _, _ in answers) == {204: CLIENTS}
    assert "lan" not in raw.get(f"/containers/{guest}/json")["NetworkSettings"]["Networks"]
    assert raw.get("/networks/lan")["Containers"] == {}


def test_fifty_connects_of_a_stopped_container(send, raw):
    raw.make("guest", mode="bridge", start=False)
    path = "/v1/networks/lan/endpoints/guest"
    answers = all_at_once(lambda: send("PUT", path, {"aliases": ["web"]}))
    assert {status for status, _, _ in answers} <= {200, 201}
    assert {tuple(body["aliases"]) for _, _, body in answers} == {("web",)}
    assert {status for status, _, _ in all_at_once(lambda: send("DELETE", path))} == {204}


def test_fifty_starts_stops_and_deletes(send, raw):
    guest = raw.make("guest", start=False)
    for verb, state in (("start", "running"), ("stop?grace_s=0", "exited")):
        answers = all_at_once(lambda verb=verb: send("POST", f"/v1/containers/guest/{verb}"))
        assert Counter(status for status, _, _ in answers) == {200: CLIENTS}, answers[-1]
        assert {body["state"] for _, _, body in answers} == {state}
    answers = all_at_once(lambda: send("DELETE", f"/v1/containers/{guest}"))
    assert Counter(status for status, _, _ in answers)[204] >= 1
    assert {body["code"] for status, _, body in answers if status != 204} <= {
        "container-not-found",
        "container-removing",
    }
    assert raw.containers() == {}


@pytest.mark.usefixtures("raw")
def test_another_body_with_the_same_key(send):
    assert send("POST", "/v1/networks", NETWORK, headers=KEY)[:2] == (201, None)
    assert send("POST", "/v1/networks", NETWORK, headers=KEY)[:2] == (201, "true")
    status, _, problem = send("POST", "/v1/networks", {**NETWORK, "internal": True}, headers=KEY)
    assert (status, problem["code"]) == (422, "idempotency-key-reused")
    assert send("POST", "/v1/containers", CONTAINER, headers=KEY)[:2] == (201, None)
    status, _, problem = send("POST", "/v1/containers", {**CONTAINER, "name": "other"}, headers=KEY)
    assert (status, problem["code"]) == (422, "idempotency-key-reused")
    assert send("POST", "/v1/networks", {"name": "other"}, headers={"Idempotency-Key": "twice"})[:2] == (201, None)


def test_a_key_is_its_callers_own(api):
    assert api.post("/v1/networks", NETWORK, status=201, headers=KEY)
    problem = api.as_("operator").post("/v1/networks", NETWORK, status=409, headers=KEY)
    assert problem["code"] == "network-name-taken"


@pytest.mark.parametrize("key", ["", "x" * 256, "ä"])
def test_a_key_that_is_none(api, key):
    problem = api.post("/v1/networks", NETWORK, status=422, headers={"Idempotency-Key": key})
    assert problem["errors"][0]["name"] == "Idempotency-Key"


def test_a_network_from_a_configuration_takes_no_labels_and_is_retried_all_the_same(send, raw):
    raw.make_network("settings", "10.90.0.0/24", ConfigOnly=True)
    assert send("POST", "/v1/networks", {"name": "keyed", "config_only": True}, headers=KEY)[:2] == (201, None)
    made = {"name": "made", "config_from": "settings"}
    other = {"Idempotency-Key": "other"}
    answers = all_at_once(lambda: send("POST", "/v1/networks", made, headers=other))
    assert Counter(replayed for _, replayed, _ in answers) == {None: 1, "true": CLIENTS - 1}
    assert send("POST", "/v1/networks", {**made, "internal": True}, headers=other)[0] == 409
    raw.make_network("heir", ConfigFrom={"Network": "keyed"})  # the engine copies the labels, the key's too
    status, replayed, body = send("POST", "/v1/networks", {"name": "keyed", "config_only": True}, headers=KEY)
    assert (status, replayed, body["name"]) == (201, "true", "keyed")


def test_a_key_holds_across_a_restart_of_the_service(engine, tokens_file, raw):
    ids = set()
    for expected in (None, "true"):
        client = Client(create_app(Settings(tokens_file=tokens_file), EngineAddress(engine.docker_host)))
        for path, body in (("/v1/networks", NETWORK), ("/v1/containers", CONTAINER)):
            response = client.send("POST", path, body, headers=KEY)
            assert (response.status_code, response.headers.get("Idempotent-Replayed")) == (201, expected)
            ids.add(response.get_json()["id"])
    assert len(ids) == 2
    assert len(raw.containers()) == 1


@pytest.fixture
def behind_proxy(engine, tokens_file):
    """A service whose engine's answers can be lost."""
    with EngineProxy(engine.socket) as proxy:
        settings = Settings(tokens_file=tokens_file, engine_timeout_s=2)
        yield Client(create_app(settings, EngineAddress(proxy.docker_host))), proxy


@pytest.mark.parametrize(
    ("hang", "status", "code"), [(False, 503, "engine-unreachable"), (True, 504, "engine-too-slow")]
)
@pytest.mark.parametrize(
    ("lost", "path", "body"),
    [
        ("/networks/create", "/v1/networks", NETWORK),
        ("/containers/create", "/v1/containers", CONTAINER),
        ("/start$", "/v1/containers", CONTAINER),
    ],
)
def test_a_create_whose_answer_was_lost(behind_proxy, raw, hang, status, code, lost, path, body):
    client, proxy = behind_proxy
    client.get("/v1/networks")
    proxy.lose("POST", lost, hang=hang)
    problem = client.send("POST", path, body, headers=KEY)
    if "start" in lost:  # it runs, which the service finds out before it would remove it
        assert problem.status_code == 201
    else:
        assert (problem.status_code, problem.get_json()["code"]) == (status, code)
    again = client.send("POST", path, body, headers=KEY)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    if path == "/v1/containers":
        assert list(raw.containers()) == [again.get_json()["id"]]
        assert again.get_json()["state"] == "running"
    assert custom(raw).count("once") == (path == "/v1/networks")


@pytest.mark.parametrize("hang", [False, True])
def test_a_connect_and_a_disconnect_whose_answer_was_lost(behind_proxy, raw, hang):
    client, proxy = behind_proxy
    guest = raw.make("guest", mode="bridge")
    path, wish = "/v1/networks/lan/endpoints/guest", {"ipv4_address": "10.99.0.9"}
    proxy.lose("POST", "/connect$", hang=hang)
    assert client.send("PUT", path, wish).status_code in {503, 504}
    assert client.put(path, wish, status=200)["state"] == "active"
    proxy.lose("POST", "/disconnect$", hang=hang)
    assert client.send("DELETE", path).status_code in {503, 504}
    client.delete(path)
    assert "lan" not in raw.get(f"/containers/{guest}/json")["NetworkSettings"]["Networks"]


def test_a_start_that_fails_while_the_engine_is_lost_says_what_is_left_behind(behind_proxy, raw):
    client, proxy = behind_proxy
    client.get("/v1/networks")
    broken = container("once", command=["no-such-program"], network_mode="none")
    proxy.lose("DELETE", "/containers/", hang=True)
    problem = client.post("/v1/containers", broken, status=409)
    assert problem["code"] == "command-not-runnable"
    assert problem["facts"]["left_behind"]["name"] == "once"
    assert "still there" in problem["detail"]
    raw.sweep()
