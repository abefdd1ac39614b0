"""The unit as docs/deployment.md installs it, under a systemd that booted: in both ways of checking.

The unit's restrictions are systemd's own here. One of them, RestrictSUIDSGID, takes away a system call that
SystemCallFilter allows, which no list shows (tests/deploy/test_systemd.py compares the lists).
"""

import re
import shutil

import pytest

from tests.support.api import Client, check, run, sweep_up
from tests.support.booted import booted, wheel
from tests.support.deployment import ROOT, wait_for
from tests.support.probe_image import make_probe_image
from tools.engine import ask

PAGE = ROOT / "docs" / "deployment.md"
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13, "CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21}


def blocks():
    """The commands of the page's part about systemd: those that install it, and those for helper containers."""
    part = PAGE.read_text().partition("\n## With systemd\n")[2].partition("\n## ")[0]
    return [
        re.findall(r"^# (.*)$", block, re.MULTILINE) for block in re.findall(r"```console\n(.*?)```", part, re.DOTALL)
    ]


@pytest.fixture(scope="module")
def machine(tokens_file, tmp_path_factory):
    """A machine with systemd and an engine, on which the commands of the page were run."""
    with booted() as made:
        checkout = made.path(made.root.checkout)
        (checkout / "dist").mkdir()
        shutil.copy(wheel(tmp_path_factory.mktemp("wheel")), checkout / "dist")
        shutil.copy(tokens_file, checkout / "tokens.json")
        for command in blocks()[0]:
            made.root.run("sh", "-c", command)
        yield made


@pytest.fixture
def client(machine):
    client = Client(machine.service)
    yield client
    sweep_up(client)


def capabilities_of(machine):
    """The numbers of the capabilities that the service has or can get."""
    main = machine.root.run("systemctl", "show", "--property=MainPID", "--value", "bridgework").strip()
    status = machine.path(f"/proc/{main}/status").read_text()
    sets = {name: int(value, 16) for name, value in re.findall(r"^Cap(\w+):\s(\w+)$", status, re.MULTILINE)}
    assert sets["Eff"] == sets["Bnd"], sets
    return {number for number in range(64) if sets["Bnd"] >> number & 1}


def checked_by_name(client):
    """Two containers in a network of theirs, and the check of the one's port by its name."""
    client.post("/v1/networks", {"name": "shop"}, status=201)
    run(client, "web", network_mode="shop")
    client.post("/v1/containers", {"name": "db", "image": "busybox", "network_mode": "shop",
                                   "command": ["httpd", "-f", "-p", "8080"]}, status=201)  # fmt: skip
    wait_for(lambda: check(client, "web", "db", protocol="tcp", port=8080)["verdict"] == "reachable", what="the server")
    return check(client, "web", {"name": "db"}, protocol="tcp", port=8080)


def test_it_checks_by_name_and_traces_in_namespaces(machine, client):
    assert machine.state("bridgework") == "active"
    assert capabilities_of(machine) == set(CAPABILITIES.values())
    answer = checked_by_name(client)
    assert answer["verdict"] == "reachable", answer
    assert client.get("/readyz")["probe_runner"] == {
        "kind": "namespace",
        "reason": "the network namespaces of containers can be entered from here",
        "missing": [],
    }
    traced = check(client, "web", {"name": "db"}, protocol="tcp", port=8080, trace=True)["trace"]
    assert traced["missing"] == []
    assert {step["kind"] for step in traced["steps"] if step["seen"]} >= {"interface", "rule"}
    assert "Traceback" not in machine.journal("bridgework")


def test_it_goes_on_after_a_reload_and_ends_when_told(machine, client):
    machine.root.run("systemctl", "reload", "bridgework")
    assert machine.state("bridgework") == "active"
    wait_for(lambda: machine.service.status("/readyz") == 200, what="new workers")
    machine.root.run("systemctl", "stop", "bridgework")
    shown = machine.root.run("systemctl", "show", "--property=ActiveState,Result,NRestarts", "bridgework")
    assert set(shown.split()) == {"ActiveState=inactive", "Result=success", "NRestarts=0"}
    machine.root.run("systemctl", "start", "bridgework")
    client.get("/readyz")


def test_it_checks_by_name_in_helper_containers(machine, client):
    image = make_probe_image(machine)
    status, said = ask(machine.socket, "POST", f"/images/{image}/tag?repo=bridgework&tag=local")
    assert status == 201, said
    for command in blocks()[1]:
        machine.root.run("sh", "-c", command)
    assert machine.state("bridgework") == "active"
    assert capabilities_of(machine) == set()
    answer = checked_by_name(client)
    assert answer["verdict"] == "reachable", answer
    runner = client.get("/readyz")["probe_runner"]
    assert runner["kind"] == "sidecar"
    assert {"CAP_SYS_ADMIN", "CAP_NET_RAW"} <= set(runner["missing"])
    assert "Traceback" not in machine.journal("bridgework")
