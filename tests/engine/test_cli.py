"""The command line as a person uses it: processes of their own, before a live service and a real engine."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.support.api import Client, run, sweep_up
from tests.support.neighbour import neighbour_of
from tests.support.service import Service

ROOT = Path(__file__).resolve().parents[2]
HTTPD = ["httpd", "-f", "-p", "8080"]


@pytest.fixture(scope="module")
def service(engine, tokens_file, tmp_path_factory, app):
    with Service(engine.docker_host, tmp_path_factory.mktemp("service"), tokens_file) as live:
        yield live
    sweep_up(Client(app))


@pytest.fixture
def scene(api, service):
    """web and db in their own networks, both in the default bridge."""
    for name in ("web", "db"):
        run(api, name, command=HTTPD)
    return service


def bridgework(service, *arguments, caller="admin", feed=None, **more):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BRIDGEWORK_")}
    environment |= {"BRIDGEWORK_TOKEN": f"token-of-{caller}", **more}
    if service:
        environment["BRIDGEWORK_URL"] = service.url
    command = [sys.executable, "-m", "bridgework_cli", *arguments]
    return subprocess.run(
        command, env=environment, input=feed, capture_output=True, text=True, check=False, timeout=120
    )


def test_a_fault_is_found_fixed_and_gone(scene):
    broken = bridgework(scene, "check", "web", "db:8080")
    assert broken.returncode == 1, broken.stderr
    assert broken.stdout.startswith("unreachable  web -> db:8080 (tcp)\n  blocking  db cannot be resolved in web")
    assert "[default-bridge-no-dns]" in broken.stdout
    assert "\x1b" not in broken.stdout, "no colours in a pipe"

    refused = bridgework(scene, "fix", "web", "db:8080", "--yes", caller="viewer")
    assert refused.returncode == 3
    assert "[role-insufficient]" in refused.stderr

    asked = bridgework(scene, "fix", "web", "db:8080", feed="n\n")
    assert asked.returncode == 130
    fixed = bridgework(scene, "fix", "web", "db:8080", feed="y\n")
    assert fixed.returncode == 0, fixed.stderr
    assert "\nreachable  web -> db:8080 (tcp)\n" in fixed.stdout
    assert bridgework(scene, "check", "web", "db:8080").returncode == 0


def test_forms_of_the_same_answer(scene):
    answer = json.loads(bridgework(scene, "check", "web", "container:db:8080", "-o", "json").stdout)
    assert answer["verdict"] == "reachable"
    report = ET.fromstring(bridgework(scene, "check", "web", "container:db:8080", "-o", "junit").stdout)
    assert report.get("failures") == "0"


def test_a_matrix_and_a_file_of_expectations(scene):
    matrix = bridgework(scene, "matrix", "web", "db", "--port", "8080")
    assert matrix.returncode == 0, matrix.stdout
    assert [line.split() for line in matrix.stdout.splitlines()[:3]] == [
        ["web", "db"], ["web", "-", "yes"], ["db", "yes", "-"]
    ]  # fmt: skip
    expectations = """
- {source: web, destination: "container:db:8080"}
- {source: web, destination: "container:db:9", expect: unreachable}
- {source: web, destination: "db:8080"}
"""
    checked = bridgework(scene, "assert", "-", "-o", "junit", feed=expectations)
    assert checked.returncode == 1
    assert [case.find("failure") is None for case in ET.fromstring(checked.stdout)] == [True, True, False]


def test_a_file_of_changes_is_planned_and_made(scene):
    changes = """
- create_network: {name: own}
- connect: {network: own, container: web}
- connect: {network: own, container: db, aliases: [database]}
- disconnect: {network: bridge, container: db}
"""
    planned = bridgework(scene, "plan", "-", feed=changes, caller="viewer")
    assert planned.returncode == 0, planned.stderr
    assert "Plan: 4 to change, 0 unchanged, 0 in conflict." in planned.stdout
    assert bridgework(scene, "check", "web", "database:8080").returncode == 1, "a plan changes nothing"
    applied = bridgework(scene, "apply", "-", "--yes", feed=changes)
    assert applied.returncode == 0, applied.stderr
    assert applied.stdout.count("\ndone  ") == 4
    assert applied.stdout.splitlines()[-1].startswith("applied: ")
    assert bridgework(scene, "check", "web", "database:8080").returncode == 0
    again = bridgework(scene, "apply", "-", "--yes", feed=changes)
    assert again.returncode == 0
    assert "Plan: 0 to change, 4 unchanged, 0 in conflict." in again.stdout
    other = bridgework(scene, "apply", "-", "--yes", feed="- create_network: {name: own, internal: true}")
    assert other.returncode == 1
    assert "[network-name-taken]" in other.stdout


def test_a_change_is_named_by_options_and_what_resolves_it_is_planned(scene):
    setup = "- create_network: {name: own}\n- connect: {network: own, container: web}"
    assert bridgework(scene, "apply", "-", "--yes", feed=setup).returncode == 0
    planned = bridgework(scene, "plan", "--delete-network", "own", caller="viewer")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert planned.stdout.startswith("The engine would refuse this: own is in use by web (active).")
    assert "Plan: 2 to change, 0 unchanged, 0 in conflict." in planned.stdout
    moved = bridgework(scene, "plan", "--connect", "own", "db", "--disconnect", "own", "web", "--stop", "web")
    calls = [line.split()[1:] for line in moved.stdout.splitlines()[:3]]
    assert calls == [
        ["PUT", "/v1/networks/own/endpoints/db"],
        ["DELETE", "/v1/networks/own/endpoints/web"],
        ["POST", "/v1/containers/web/stop"],
    ]
    applied = bridgework(scene, "apply", "--delete-network", "own", "--yes")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    assert applied.stdout.count("\ndone  ") == 2
    unnamed = bridgework(scene, "plan")
    assert unnamed.returncode == 2
    assert "Name a FILE of changes, a change such as --stop, or --upgrade." in unnamed.stderr


def test_a_packet_is_followed(scene):
    traced = bridgework(scene, "trace", "web", "container:db:8080", caller="operator")
    assert traced.returncode == 0, traced.stderr
    interfaces = [line for line in traced.stdout.splitlines() if " leaves by " in line or " comes in by " in line]
    assert [line.split()[0] for line in interfaces] == ["+"] * 8, "four interfaces, there and back"
    refused = bridgework(scene, "trace", "web", "container:db:8080", caller="viewer")
    assert refused.returncode == 3
    assert "[role-insufficient]" in refused.stderr


def test_what_there_is(scene):
    rows = [line.split() for line in bridgework(scene, "containers").stdout.splitlines()]
    assert [row[:3] for row in rows] == [
        ["NAME", "STATE", "IMAGE"], ["db", "running", "busybox"], ["web", "running", "busybox"]
    ]  # fmt: skip
    assert "bridge" in bridgework(scene, "networks").stdout
    assert bridgework(scene, "topology", "--output", "svg").stdout.startswith("<?xml")
    assert "default-bridge-no-dns" in bridgework(scene, "diagnose").stdout
    assert "Meaning" in bridgework(scene, "explain", "default-bridge-no-dns").stdout
    assert "status 409" in bridgework(scene, "explain", "network-in-use").stdout
    assert bridgework(scene, "explain", "no-such-code").returncode == 2
    assert bridgework(scene, "check", "web", "x", caller="nobody").returncode == 3


def test_who_reaches_a_port_and_what_a_container_reaches(engine, api, service):
    shop = {"com.docker.compose.project": "shop", "com.docker.compose.service": "db"}
    for name in ("front", "back"):
        api.post("/v1/networks", {"name": name}, status=201)
    run(api, "shop-db", network_mode="back", command=HTTPD, labels=shop,
        published_ports=[{"container_port": 8080, "host_port": 18099}])  # fmt: skip
    run(api, "shop-api", networks=[{"network": "front"}, {"network": "back"}], labels=shop)
    run(api, "blog", network_mode="front")

    with neighbour_of(engine):
        asked = bridgework(service, "reach", "shop-db:8080")
        whole = json.loads(bridgework(service, "reach", "shop-db", "-o", "json").stdout)
    assert asked.returncode == 0, asked.stderr
    rows = [line.split() for line in asked.stdout.splitlines()]
    assert ["reachable", "host", "host", "8080"] in [row[:4] for row in rows]
    assert ["reachable", "shop", "shop-api", "8080"] in [row[:4] for row in rows]
    assert ["unreachable", "-", "blog", "8080", "no-shared-network"] in [row[:5] for row in rows]
    lan = [row for row in rows if row[1:2] == ["LAN"]]
    assert lan
    assert all(row[3] == "8080" for row in lan)

    opened = bridgework(service, "reach", "shop-db:8080", "--open").stdout
    assert "unreachable" not in opened
    assert {row["container_port"] for row in whole["outside"]} == {8080}
    outwards = bridgework(service, "reach", "blog", "--from", "-p", "icmp", "--open").stdout
    assert [line.split()[:4] for line in outwards.splitlines()[1:]] == [["reachable", "shop", "shop-api", "-"]]
    assert bridgework(service, "reach", "shop-db:0").returncode == 2
    assert bridgework(service, "reach", "no-such").returncode == 2


def test_events_as_they_happen(scene, api):
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "bridgework_cli", "events", "--follow", "--type", "network", "--url", scene.url]
    environment |= {"BRIDGEWORK_TOKEN": "token-of-viewer"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as following:
        try:
            made = 0
            line = ""
            # The stream begins some time after the command, so that the first networks may come too early.
            os.set_blocking(following.stdout.fileno(), False)
            while not line and made < 100 and following.poll() is None:
                api.post("/v1/networks", {"name": f"seen-{made}"}, status=201)
                api.delete(f"/v1/networks/seen-{made}")
                made += 1
                line = following.stdout.readline()
        finally:
            following.terminate()
    assert "network create seen-" in line or "network destroy seen-" in line


@pytest.mark.usefixtures("scene")
def test_a_service_is_started_for_one_call(engine):
    done = bridgework(None, "check", "web", "container:db:8080", "--local", DOCKER_HOST=engine.docker_host)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("reachable  web -> db:8080 (tcp)")


def test_without_an_engine_a_local_service_says_so():
    done = bridgework(None, "networks", "--local", DOCKER_HOST="unix:///nowhere.sock")
    assert done.returncode == 3
    assert "unix:///nowhere.sock" in done.stderr


def test_serve_is_the_service(engine, tmp_path):
    socket = tmp_path / "service.sock"
    environment = {"DOCKER_HOST": engine.docker_host, "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "bridgework_cli", "serve", "--bind", f"unix:{socket}"]
    log = (tmp_path / "log").open("w")
    with log, subprocess.Popen(command, env=environment, stdout=log, stderr=log) as serving:
        try:
            from bridgework_client import Client as Remote  # noqa: PLC0415 - beside the tests' own client

            with Remote(f"unix:{socket}") as remote:
                assert remote.wait_until_ready()["status"] == "ready"
        finally:
            serving.terminate()
    assert serving.returncode == 0


def test_the_client_against_the_service(scene):
    from bridgework_client import Client as Remote  # noqa: PLC0415 - beside the tests' own client

    with Remote(scene.url, "token-of-admin") as remote:
        made = remote.create_network({"name": "own"}, idempotency_key="once")
        assert remote.create_network({"name": "own"}, idempotency_key="once")["id"] == made["id"]
        remote.connect_container("own", "web", {"aliases": ["www"]})
        remote.connect_container("own", "db")
        assert [one["name"] for one in remote.list_containers(limit=1)] == ["db", "web"]
        lines = [
            line["type"] for line in remote.measure_matrix_lines({"network": "own"}) if line["type"] != "heartbeat"
        ]
        assert lines == ["start", "row", "row", "end"]
        body = {"source": {"container": "db"}, "destination": {"name": "www"}, "protocol": "tcp", "port": 8080}
        assert remote.wait_for_verdict(body)["verdict"] == "reachable"
