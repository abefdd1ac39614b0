"""How many calls to the engine an answer takes: warm the log and one for each container that does not run."""

import re
from collections import Counter

import pytest

from bridgework.app import RESOURCES, create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings
from tests.support.api import Client, container
from tests.support.engine_proxy import EngineProxy
from tests.support.raw_engine import Raw

READS = (
    "/v1/networks",
    "/v1/networks/lan",
    "/v1/networks/lan/endpoints",
    "/v1/networks/lan/endpoints/guest",
    "/v1/networks/lan/addresses",
    "/v1/containers",
    "/v1/containers/guest",
    "/v1/subnets/available",
    "/v1/topology",
)
INSIDE = ("interfaces", "routes", "neighbours", "sockets", "dns", "ports")
LOG, INSPECTION = "GET /events", "GET /containers/{id}/json"
COLD = {LOG: 1, "GET /networks": 1, "GET /containers/json": 1}


@pytest.fixture(scope="module")
def raw(engine):
    made = Raw(engine)
    made.sweep()
    made.make_network("lan", "10.77.0.0/24")
    made.make("guest", mode="lan")
    made.make("resting", start=False)
    yield made
    made.sweep()


@pytest.fixture
def service(engine, tokens_file, tmp_path):
    settings = Settings(tokens_file=tokens_file, state_dir=tmp_path)
    with EngineProxy(engine.socket) as proxy:
        yield Client(create_app(settings, EngineAddress(proxy.docker_host))), proxy


def grow(raw, containers, networks=0):
    """At least so many containers, and networks of the cheapest kind."""
    for index in range(containers - len(raw.containers())):
        raw.make(f"idle{containers}-{index}", start=False)
    for index in range(networks):
        raw.make_network(f"net{networks}-{index}", ConfigOnly=True)


def warm_calls(client, proxy, path):
    client.get(path)
    proxy.counted()
    client.get(path)
    return proxy.counted()


def warm(raw):
    """The calls of a proof: the log, and each container that does not run, since it can change without an event."""
    running = [found["State"]["Running"] for found in raw.containers().values()]
    return Counter({LOG: 1, INSPECTION: running.count(False)})


def beside_proofs(calls, raw):
    """The calls, with each proof as one of the log alone."""
    proofs = calls[LOG]
    return calls - Counter({INSPECTION: proofs * warm(raw)[INSPECTION]})


def test_reads_and_changes_speak_the_newest_api_that_both_know(service, api_version):
    client, proxy = service
    client.post("/v1/networks", {"name": "spoken"}, status=201)
    client.delete("/v1/networks/spoken", status=204)
    newest_known = (1, 55)  # Docker 29.6
    major, minor = min(api_version, newest_known)
    assert proxy.versions == {f"{major}.{minor}"}


@pytest.mark.parametrize("size", [2, 10, pytest.param(100, marks=pytest.mark.slow)])
def test_a_warm_read_asks_for_the_log_and_what_does_not_run(service, raw, size):
    grow(raw, size)
    client, proxy = service
    assert warm(raw) == {LOG: 1, INSPECTION: len(raw.containers()) - 1}
    for path in READS:
        assert warm_calls(client, proxy, path) == warm(raw), path


PAIR = {"source": {"container": "guest"}, "destination": {"address": "10.77.0.1"}}
KEPT = {"expectations": [{"name": "a", "expect": "reachable", **PAIR}]}
ASKED = {
    **{path: ("GET", path, None) for path in (
        "/", "/livez", "/readyz", "/metrics", "/v1/caller", "/v1/engine", "/v1/nodes", "/v1/explanations",
        "/v1/problems", "/problems/port-taken", "/v1/exposure",
        "/v1/diagnostics", "/v1/host/interfaces", *(f"/v1/containers/guest/{view}" for view in INSIDE), *READS,
        "/v1/expectations", "/v1/expectations/kept", "/v1/expectations/kept/changes",
        "/v1/connectivity/probe?source=guest&destination=address:10.77.0.1",
    )},
    "check": ("POST", "/v1/connectivity/checks", PAIR),
    "matrix": ("POST", "/v1/connectivity/matrix", {"containers": ["guest"]}),
    "assertions": ("POST", "/v1/connectivity/assertions", [{"name": "a", "expect": "reachable", **PAIR}]),
    "query": ("POST", "/v1/connectivity/queries", {"find": "sources", "of": {"container": "guest"}}),
    "plan": ("POST", "/v1/plans", {"changes": [{"method": "DELETE", "path": "/v1/networks/lan/endpoints/guest"}]}),
    "prune": ("POST", "/v1/network-prunes?dry_run=true", None),
}  # fmt: skip


@pytest.mark.slow
def test_no_route_asks_more_where_there_is_more(service, raw):
    """Every operation that can be asked twice alike; a diagnosis asks for each network."""
    client, proxy = service
    client.put("/v1/expectations/kept", KEPT)
    counts = {}
    for size in (2, 10, 100):
        grow(raw, size)
        for what, (method, path, body) in ASKED.items():
            for _ in range(2):
                proxy.counted()
                response = client.send(method, path, body)
                assert response.status_code == 200, response.get_data(as_text=True)
            counts.setdefault(what, []).append(beside_proofs(proxy.counted(), raw))
    assert {what: found for what, found in counts.items() if found != found[:1] * 3} == {}
    assert {what: found[0].total() for what, found in counts.items() if found[0].total() > 2} == {
        "/v1/diagnostics": 1 + len(raw.networks())
    }


def test_every_operation_is_counted_here():
    declared = {(operation.method, operation.path) for resource in RESOURCES for operation in resource.operations}
    asked = [(method, path) for method, path, _ in ASKED.values()] + [(method, path) for method, path, *_ in CHANGES]
    uncounted = {one for one in declared if not any(fits(*one, method, path) for method, path in asked)}
    assert uncounted == {("GET", "/v1/events")}  # a stream


def fits(method, template, asked_method, path):
    pattern = re.sub(r"{\w+}", "[^/]+", template)
    return method == asked_method and re.fullmatch(pattern, path.partition("?")[0]) is not None


def test_a_diagnosis_looks_into_each_network_for_stale_endpoints(service, raw):
    client, proxy = service
    assert warm_calls(client, proxy, "/v1/diagnostics") == {
        **warm(raw),
        "GET /networks/{id}": len(raw.networks()),
    }


@pytest.mark.parametrize("size", [2, 10, 30])
def test_a_cold_read_inspects_each_container_once(service, raw, size):
    grow(raw, size)
    client, proxy = service
    client.get("/v1/networks")
    containers = len(raw.containers())
    assert proxy.counted() == {"GET /version": 1, **COLD, INSPECTION: containers}


def test_a_change_is_read_alone(service, raw):
    client, proxy = service
    client.get("/v1/containers")
    proxy.counted()
    raw.do("POST", "/containers/guest/rename?name=other")
    client.get("/v1/containers")
    assert beside_proofs(proxy.counted(), raw) == {LOG: 1, INSPECTION: 1}
    raw.do("POST", "/containers/other/rename?name=guest")
    client.get("/v1/containers")
    proxy.counted()
    raw.make_network("second")
    client.get("/v1/containers")
    assert proxy.counted() == warm(raw) + Counter({"GET /networks/{id}": 1})
    raw.do("DELETE", "/networks/second")


def test_a_health_check_or_an_exec_costs_nothing(service, raw):
    client, proxy = service
    client.get("/v1/containers")
    made = raw.do("POST", "/containers/guest/exec", {"Cmd": ["true"]})["Id"]
    raw.do("POST", f"/exec/{made}/start", {"Detach": True})
    proxy.counted()
    client.get("/v1/containers")
    assert proxy.counted() == warm(raw)


CHANGES = [
    ("POST", "/v1/networks", {"name": "fresh"}, "POST /networks/create"),
    ("PUT", "/v1/networks/fresh/endpoints/guest", {}, "POST /networks/{id}/connect"),
    ("PUT", "/v1/networks/fresh/endpoints/guest", {}, None),
    ("DELETE", "/v1/networks/fresh/endpoints/guest", None, "POST /networks/{id}/disconnect"),
    ("DELETE", "/v1/networks/fresh/endpoints/guest", None, None),
    ("DELETE", "/v1/networks/fresh", None, "DELETE /networks/{id}"),
    ("POST", "/v1/containers", container("fresh", network_mode="none", start=False), "POST /containers/create"),
    ("POST", "/v1/containers/fresh/start", None, "POST /containers/{id}/start"),
    ("POST", "/v1/containers/fresh/start", None, None),
    ("POST", "/v1/containers/fresh/rename", {"name": "renamed"}, "POST /containers/{id}/rename"),
    ("POST", "/v1/containers/renamed/restart?grace_s=0", None, "POST /containers/{id}/restart"),
    ("POST", "/v1/containers/renamed/stop?grace_s=0", None, "POST /containers/{id}/stop"),
    ("DELETE", "/v1/containers/renamed", None, "DELETE /containers/{id}"),
    ("PUT", "/v1/expectations/fresh", KEPT, None),
    ("DELETE", "/v1/expectations/fresh", None, None),
]


def test_a_change_asks_the_engine_once_and_looks_before_and_after(service, raw):
    """A change takes its one command, and never more looks where there is more to see."""
    client, proxy = service
    client.get("/v1/engine")
    looks = {}
    for size in (10, 30):
        grow(raw, size)
        client.get("/v1/networks")
        for step, (method, path, body, command) in enumerate(CHANGES):
            proxy.counted()
            response = client.send(method, path, body)
            assert response.status_code < 300, response.get_data(as_text=True)
            calls = proxy.counted()
            commands = {call: count for call, count in calls.items() if not call.startswith("GET ")}
            assert commands == ({command: 1} if command else {})
            looks.setdefault(step, []).append(calls[LOG])
            assert beside_proofs(calls, raw).total() <= 12, calls
    assert all(len(set(counts)) == 1 for counts in looks.values()), looks


@pytest.mark.slow
def test_four_hundred_networks_take_as_many_calls_as_four(service, raw):
    client, proxy = service
    counts = []
    for networks in (4, 396):
        grow(raw, 2, networks=networks)
        counts.append(warm_calls(client, proxy, "/v1/networks?limit=1000"))
    # config-only networks, of which four hundred are soon made, go without an event: so their list is asked for
    assert [beside_proofs(found, raw) for found in counts] == [{LOG: 1, "GET /networks": 1}] * 2
    assert len(client.get("/v1/networks?type=custom&limit=1000")["items"]) > 400


def test_where_all_containers_run_a_warm_read_asks_for_the_log_alone(service, raw):
    """The last test here: it clears the engine."""
    client, proxy = service
    raw.sweep()
    raw.make("guest", mode="bridge")
    assert warm_calls(client, proxy, "/v1/containers") == {LOG: 1}
