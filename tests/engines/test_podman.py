"""Podman behind the service: what works, and what is refused with a sentence (docs/engines.md has each line)."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings
from tests.support.api import Client, codes, sweep_up
from tests.support.podman import PodmanEngine, missing

pytestmark = pytest.mark.skipif(missing() != "", reason=f"Podman cannot run here: {missing()} is not installed")
WIRE_TRUTH = Path(__file__).with_name("wire_truth.py")
SERVE = ["httpd", "-f", "-p", "80", "-h", "/www"]
LACKED = [
    ({"config_only": True}, "configuration networks"),
    ({"driver": "overlay"}, "network driver overlay"),
    ({"attachable": True}, "attachable networks"),
    ({"ipv4_enabled": False, "ipv6_enabled": True}, "network without IPv4"),
    ({"ipam": {"options": {"a": "b"}}}, "IPAM options"),
    (
        {"ipam": {"pools": [{"subnet": "10.97.0.0/24", "auxiliary_addresses": {"a": "10.97.0.9"}}]}},
        "auxiliary addresses",
    ),
    ({"options": {"com.docker.network.bridge.enable_icc": "false"}}, "enable_icc"),
]


@pytest.fixture(scope="module")
def podman():
    with PodmanEngine() as engine:
        yield engine


@pytest.fixture(scope="module")
def service(podman, tokens_file):
    settings = Settings(tokens_file=tokens_file, stop_grace_s=1, rate_per_minute=10_000_000)
    return Client(create_app(settings, EngineAddress(podman.docker_host)))


@pytest.fixture
def api(service, podman):
    yield service
    # Podman's removal by force waits ten seconds for a program that ignores SIGTERM.
    podman.kill_containers()
    sweep_up(service)


@pytest.fixture
def lans(api):
    """Alpha and beta (which publishes a port) on lan, gamma on other, delta on the default network."""
    for name, subnet in (("lan", "10.77.0.0/24"), ("other", "10.78.0.0/24")):
        network(api, name, subnet)
    run(api, "alpha", networks=[{"network": "lan"}])
    run(api, "beta", networks=[{"network": "lan", "aliases": ["web"]}], published_ports=[published(8080)])
    run(api, "gamma", networks=[{"network": "other"}])
    run(api, "delta")
    return api


def network(api, name, subnet, **more):
    return api.post("/v1/networks", {"name": name, "ipam": {"pools": [{"subnet": subnet}]}, **more}, status=201)


def published(port):
    return {"container_port": 80, "host_port": port}


def run(api, name, **more):
    body = {"name": name, "image": "busybox:latest", "command": SERVE, **more}
    return api.post("/v1/containers", body, status=201)


def check(api, source, destination, **probe):
    source = {"host": True} if source == "host" else {"container": source}
    return api.post("/v1/connectivity/checks", {"source": source, "destination": destination, **probe})


def reaches(podman, source, address, port):
    """The truth: a program in the source's namespace connects."""
    if source == "host":
        where = f"--net={podman.namespace}"
    else:
        where = f"--net=/proc/{podman.call('GET', f'/containers/{source}/json')[1]['State']['Pid']}/ns/net"
    asked = json.dumps([["tcp", address, port]])
    command = ["nsenter", where, sys.executable, str(WIRE_TRUTH)]
    return json.loads(subprocess.run(command, input=asked, capture_output=True, text=True, check=True).stdout)[0]


def address_of(api, container, at=0):
    return api.get(f"/v1/containers/{container}")["endpoints"][at]["ipv4_address"]


def test_it_is_ready_and_says_what_it_is(api):
    assert api.get("/readyz")["status"] == "ready"
    told = api.get("/v1/engine")
    assert (told["product"], told["api_version"], told["default_address_pools"]) == ("podman", "1.41", [])
    assert told["probe_runner"]["kind"] == "namespace"
    assert api.get("/v1/engine")["id"] == told["id"]  # Podman makes up another for each answer


def test_networks_name_their_bridges_and_gateways(api):
    made = network(api, "lan", "10.77.0.0/24", labels={"a": "b"})
    assert made["bridge_name"].startswith("podman")
    assert made["ipam"]["pools"][0]["gateway"] == "10.77.0.1"
    assert (made["labels"], made["driver"], made["internal"]) == ({"a": "b"}, "bridge", False)
    named = network(api, "named", "10.79.0.0/24", options={"com.docker.network.bridge.name": "br-named"})
    assert named["bridge_name"] == "br-named"
    problem = api.post("/v1/networks", {"name": "lan"}, status=409)
    assert problem["code"] == "network-name-taken"
    api.delete("/v1/networks/lan")
    assert api.call("GET", "/v1/networks/lan", status=404)["code"] == "network-not-found"


def test_endpoints_of_running_and_stopped_containers(lans):
    found = lans.get("/v1/containers/beta")
    (endpoint,) = found["endpoints"]
    assert (found["network_mode"], endpoint["state"], endpoint["endpoint_id"]) == ("lan", "active", None)
    assert endpoint["aliases"] == ["web"]
    assert set(endpoint["dns_names"]) == {"beta", "web", found["id"][:12]}
    assert lans.get("/v1/containers/delta")["network_mode"] == "bridge"
    made = lans.put("/v1/networks/other/endpoints/alpha", {"ipv4_address": "10.78.0.50", "aliases": ["x"]})
    assert (made["ipv4_address"], made["aliases"], made["state"]) == ("10.78.0.50", ["x"], "active")
    lans.delete("/v1/networks/other/endpoints/alpha")
    assert [e["network"]["name"] for e in lans.get("/v1/containers/alpha")["endpoints"]] == ["lan"]
    lans.post("/v1/containers/alpha/stop")
    stopped = lans.get("/v1/containers/alpha")
    assert (stopped["state"], stopped["endpoints"][0]["state"]) == ("exited", "configured")
    lans.post("/v1/containers/alpha/start")
    assert lans.get("/v1/containers/alpha")["endpoints"][0]["state"] == "active"


def test_modes_without_a_network_of_their_own(lans):
    run(lans, "hosted", network_mode="host")
    run(lans, "lonely", network_mode="none")
    run(lans, "sharer", network_mode="container:alpha", command=["sleep", "600"])
    for name, mode in (("hosted", "host"), ("lonely", "none")):
        found = lans.get(f"/v1/containers/{name}")
        assert (found["network_mode"], found["endpoints"]) == (mode, [])
    found = lans.get("/v1/containers/sharer")
    assert (found["shares_network_with"]["name"], found["endpoints"]) == ("alpha", [])
    problem = lans.call("DELETE", "/v1/containers/alpha?force=true", status=409)
    assert (problem["code"], found["id"] in problem["detail"]) == ("container-is-shared", True)
    lans.delete("/v1/containers/sharer?force=true")


@pytest.mark.parametrize("change", ["connect", "disconnect", "create", "remove", "rename"])
def test_a_read_sees_each_change_of_another_client_at_once(lans, podman, change):
    """Podman's event log proves nothing, so everything is read again: 20 times, without a pause."""
    for round_ in range(20):
        if change == "create":
            assert podman.call("POST", "/networks/create", {"Name": f"new{round_}"})[0] == 201
            assert f"new{round_}" in {n["name"] for n in lans.get("/v1/networks?limit=1000")["items"]}
        elif change == "remove":
            podman.call("POST", "/networks/create", {"Name": "going"})
            assert podman.call("DELETE", "/networks/going")[0] == 204
            assert "going" not in {n["name"] for n in lans.get("/v1/networks?limit=1000")["items"]}
        elif change == "rename":
            assert podman.call("POST", f"/containers/delta/rename?name=d{round_}")[0] == 204
            assert lans.get(f"/v1/containers/d{round_}")["name"] == f"d{round_}"
            podman.call("POST", f"/containers/d{round_}/rename?name=delta")
        else:
            podman.call("POST", "/networks/other/connect", {"Container": "alpha", "EndpointConfig": {}})
            if change == "connect":
                assert len(lans.get("/v1/containers/alpha")["endpoints"]) == 2
            assert podman.call("POST", "/networks/other/disconnect", {"Container": "alpha"})[0] == 200
            if change == "disconnect":
                assert len(lans.get("/v1/containers/alpha")["endpoints"]) == 1
    assert lans.get("/v1/networks?limit=1000") == lans.get("/v1/networks?limit=1000")


def test_predictions_of_checks_are_what_the_wire_does(lans, podman):
    """Each pair of containers and the host, by the containers' own addresses: prediction, measurement and truth."""
    for source, target in itertools.permutations(("alpha", "beta", "gamma", "delta"), 2):
        found = check(lans, source, {"container": target}, protocol="tcp", port=80)
        truth = reaches(podman, source, address_of(lans, target), 80)
        told = (found["predicted"]["verdict"], found["verdict"])
        assert told == (("reachable",) * 2 if truth else ("unreachable",) * 2), (source, target, found)
        assert "prediction-inconsistent" not in codes(found["findings"])
    # Networks that the Docker-compatible API makes are isolated from each other; the default network is not.
    isolated = check(lans, "alpha", {"container": "gamma"}, protocol="tcp", port=80)
    assert codes(isolated["findings"]) == ["bridges-isolated"]
    assert "NETAVARK-ISOLATION" in isolated["findings"][0]["message"]
    lans.send_remedy(isolated["findings"][0]["remedy"])
    assert check(lans, "alpha", {"container": "gamma"}, protocol="tcp", port=80)["verdict"] == "reachable"


@pytest.mark.parametrize(("source", "address"), [("alpha", "10.77.0.1"), ("gamma", "10.78.0.1"), ("delta", "10.88.0.1"),
                                                 ("gamma", "10.77.0.1"), ("host", "10.77.0.1")])  # fmt: skip
def test_published_ports_are_predicted_by_the_rules_of_netavark(lans, podman, source, address):
    found = check(lans, source, {"address": address}, protocol="tcp", port=8080)
    truth = "reachable" if reaches(podman, source, address, 8080) else "unreachable"
    predicted = "inconclusive" if source == "host" else truth  # the host's own ports are measured alone
    assert (found["predicted"]["verdict"], found["verdict"]) == (predicted, truth), found


def test_a_closed_port_and_pings(lans):
    closed = check(lans, "alpha", {"container": "beta"}, protocol="tcp", port=81)
    assert (closed["verdict"], codes(closed["findings"])) == ("unreachable", ["no-listener"])
    for target, verdict in (("beta", "reachable"), ("gamma", "unreachable")):
        found = check(lans, "alpha", {"container": target}, protocol="icmp")
        assert (found["predicted"]["verdict"], found["verdict"]) == (verdict, verdict)


def test_names_are_measured_and_not_predicted(lans):
    for name, verdict in (
        ("beta", "reachable"),
        ("web", "reachable"),
        ("gamma", "unreachable"),
        ("nobody", "unreachable"),
    ):
        found = check(lans, "alpha", {"name": name}, protocol="tcp", port=80)
        assert (found["predicted"]["verdict"], found["verdict"]) == ("inconclusive", verdict), name
        assert codes(found["findings"]) == ["analysis-limited"]
        assert "aardvark-dns" in found["findings"][0]["message"]


def test_a_container_on_several_networks_is_not_predicted_beyond_them(lans):
    lans.put("/v1/networks/other/endpoints/alpha", {})
    for target in ("beta", "gamma"):
        assert (
            check(lans, "alpha", {"container": target}, protocol="tcp", port=80)["predicted"]["verdict"] == "reachable"
        )
    beyond = check(lans, "alpha", {"container": "delta"}, protocol="tcp", port=80)
    assert beyond["predicted"]["verdict"] == "inconclusive"
    assert "several networks" in json.dumps(beyond["findings"])


def test_a_matrix_is_what_its_checks_are(lans):
    names = ["alpha", "beta", "gamma", "delta"]
    body = {"containers": names, "protocol": "tcp", "port": 80}
    found = lans.post("/v1/connectivity/matrix", body)
    order = [container["name"] for container in found["containers"]]
    for source, target in itertools.permutations(order, 2):
        single = check(lans, source, {"container": target}, protocol="tcp", port=80)
        assert found["verdicts"][order.index(source)][order.index(target)] == single["verdict"]
    assert (found["summary"]["surprises"], found["summary"]["inconclusive"]) == (0, 0)


def test_a_healthy_podman_has_no_finding(lans):
    lans.delete("/v1/containers/delta?force=true")  # a container on the default network is told that it has no names
    assert lans.get("/v1/diagnostics")["items"] == []
    assert {node["name"] for node in lans.get("/v1/topology")["nodes"]} >= {"alpha", "beta", "gamma", "lan", "other"}


@pytest.mark.parametrize(("fields", "what"), LACKED, ids=[what for _, what in LACKED])
def test_what_podman_would_ignore_is_refused(api, fields, what):
    for query in ("", "?dry_run=true"):
        problem = api.post(f"/v1/networks{query}", {"name": "refused", **fields}, status=501)
        assert (problem["code"], what in problem["detail"]) == ("engine-lacks-function", True), problem
    assert "refused" not in {n["name"] for n in api.get("/v1/networks")["items"]}


@pytest.mark.parametrize("fields", [{"gateway_priority": 5}, {"link_local_addresses": ["169.254.9.9"]},
                                    {"driver_options": {"com.docker.network.endpoint.ifname": "x"}}])  # fmt: skip
def test_endpoint_settings_that_podman_would_ignore_are_refused(lans, fields):
    problem = lans.put("/v1/networks/other/endpoints/alpha", fields, status=501)
    assert problem["code"] == "engine-lacks-function"
    assert len(lans.get("/v1/containers/alpha")["endpoints"]) == 1


def test_the_stream_of_changes_is_refused(api):
    assert api.call("GET", "/v1/events", status=501)["code"] == "engine-lacks-function"


def test_plans_and_traces_are_refused(lans):
    plan = {"changes": [{"method": "DELETE", "path": "/v1/containers/delta?force=true", "body": None}]}
    assert lans.post("/v1/plans", plan, status=501)["code"] == "engine-lacks-function"
    assert lans.call("GET", "/v1/exposure", status=501)["code"] == "engine-lacks-function"
    traced = {"source": {"container": "alpha"}, "destination": {"container": "beta"}, "protocol": "icmp", "trace": True}
    assert lans.post("/v1/connectivity/checks", traced, status=501)["code"] == "trace-not-possible"


def test_refusals_in_podmans_words(lans):
    def connect(body):
        return lans.call("PUT", "/v1/networks/lan/endpoints/gamma", body, status=409)["code"]

    taken = address_of(lans, "alpha")
    assert connect({"ipv4_address": taken}) == "static-address-taken"
    assert lans.call("DELETE", "/v1/networks/lan", status=409)["code"] == "network-in-use"
    again = lans.call("POST", "/v1/containers", {"name": "alpha", "image": "busybox:latest"}, status=409)
    assert again["code"] == "container-name-taken"
    absent = lans.call("POST", "/v1/containers", {"name": "epsilon", "image": "absent:latest"}, status=404)
    assert absent["code"] == "image-not-found"
    overlap = {"name": "twice", "ipam": {"pools": [{"subnet": "10.77.0.0/25"}]}}
    assert lans.call("POST", "/v1/networks", overlap, status=409)["code"] == "subnet-overlaps"


def test_a_restarted_service_of_podman_is_read_anew(lans, podman):
    before = lans.get("/v1/containers/alpha")["id"]
    os.kill(podman.process.pid, signal.SIGTERM)
    podman.process.wait()
    podman.serve()
    for _ in range(50):
        if lans.send("GET", "/readyz").status_code == 200:
            break
        time.sleep(0.1)
    assert lans.get("/v1/containers/alpha")["id"] == before
    assert check(lans, "alpha", {"container": "beta"}, protocol="tcp", port=80)["verdict"] == "reachable"
