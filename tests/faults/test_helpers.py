"""Helper containers and whoever asked for them: nobody's death leaves one behind."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.client import HTTPException

import docker
import pytest

from bridgework.engine import helper_launcher
from bridgework.engine.client import EngineAddress
from bridgework.model.probe_port import Place
from bridgework.model.snapshot import HELPER_LABEL
from tests.faults.conftest import inside
from tests.support.probe_image import make_probe_image
from tests.support.service import ROOT, until

GONE_S = 5.0
"""The bound: what a killed asker's helper may still live. It takes about 0.2 s on an idle machine."""
LONG = {"count": 30, "interval_ms": 1000, "timeout_ms": 500}
CHECK = {"source": {"container": "asked"}, "destination": {"container": "asked"}, "protocol": "icmp", **LONG}
MATRIX = {"all": True, "protocol": "icmp", "timeout_ms": 10_000}


@pytest.fixture(scope="module")
def image(own_engine):
    return make_probe_image(own_engine)


@pytest.fixture(scope="module")
def client(own_engine):
    return docker.APIClient(base_url=own_engine.docker_host)


def helpers(client, state=None):
    filters = {"label": HELPER_LABEL, **({"status": state} if state else {})}
    return client.containers(all=True, filters=filters)


@pytest.fixture
def asked(serve, image, client, own_engine):
    """A service by helpers, containers to ask about, and a request that takes long, with its helpers at work."""
    links, _ = inside(own_engine)

    def start(path, body, at_work):
        live = serve(PROBE_RUNNER="sidecar", PROBE_IMAGE=image)
        assert live.ask("GET", "/v1/engine").json["probe_runner"]["kind"] == "sidecar"
        for network, name in (("left", "asked"), ("right", "other")):
            assert live.ask("POST", "/v1/networks", {"name": network}).status == 201
            made = {"name": name, "image": "busybox", "command": ["sleep", "600"], "network_mode": network}
            assert live.ask("POST", "/v1/containers", made).status == 201
        # The first check looks at the rules of the engine's host, by a helper of its own, which is gone after that.
        assert live.ask("POST", "/v1/connectivity/checks", {**CHECK, "count": 1}).status == 200
        thread = threading.Thread(target=ask_and_be_dropped, args=(live, path, body))
        thread.start()
        until(lambda: len(helpers(client, "running")) == at_work, 20, "helpers at work")
        time.sleep(0.5)
        assert len(helpers(client, "running")) == at_work, "their work takes long"
        return live, thread

    yield start
    for container in client.containers(all=True):
        client.remove_container(container["Id"], force=True)
    client.prune_networks()
    assert inside(own_engine)[0] == links


def ask_and_be_dropped(live, path, body):
    with contextlib.suppress(OSError, HTTPException):
        live.ask("POST", path, body)


REQUESTS = [
    pytest.param("/v1/connectivity/checks", CHECK, 1, id="check"),
    pytest.param("/v1/connectivity/matrix", MATRIX, 2, id="matrix"),
]


@pytest.mark.parametrize(("path", "body", "at_work"), REQUESTS)
def test_they_are_gone_with_the_worker_that_asked(asked, client, path, body, at_work):
    live, thread = asked(path, body, at_work)
    (worker,) = live.workers()
    os.kill(worker, signal.SIGKILL)
    until(lambda: helpers(client) == [], GONE_S, "the helpers' end")
    thread.join(10)
    until(lambda: live.workers() not in ([], [worker]) and live.lives(), 20, "another worker")
    short = {**CHECK, "count": 1}
    assert live.ask("POST", "/v1/connectivity/checks", short).json["verdict"] == "reachable"
    assert helpers(client) == []


@pytest.mark.parametrize(("path", "body", "at_work"), REQUESTS)
def test_they_are_gone_with_the_whole_service(asked, client, path, body, at_work):
    live, thread = asked(path, body, at_work)
    for process in (live.process.pid, *live.workers()):
        os.kill(process, signal.SIGKILL)
    until(lambda: helpers(client) == [], GONE_S, "the helpers' end")
    thread.join(10)
    assert live.process.wait(10) == -signal.SIGKILL


@pytest.fixture
def short_times(monkeypatch):
    monkeypatch.setattr(helper_launcher, "START_WITHIN_S", 1)
    monkeypatch.setattr(helper_launcher, "TIDY_EVERY_S", 0.2)


KILLED_IN_BETWEEN = """
import os, sys, docker
from bridgework.model.probe_port import Place
from bridgework.engine import helper_launcher
from bridgework.engine.client import EngineAddress

docker.APIClient.attach_socket = lambda *_, **__: os.kill(os.getpid(), 9)
helper_launcher.START_WITHIN_S = 1
launcher = helper_launcher.HelperLauncher(EngineAddress(sys.argv[1]), sys.argv[2])
list(launcher.launch(Place(None, "host"), "{}", 60.0))
"""


@pytest.mark.usefixtures("short_times")
def test_one_that_was_never_started_is_swept_up(client, image, own_engine):
    command = [sys.executable, "-c", KILLED_IN_BETWEEN, own_engine.docker_host, image]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    assert [one["State"] for one in helpers(client)] == ["created"]
    helper_launcher.HelperLauncher(EngineAddress(own_engine.docker_host), image)
    until(lambda: helpers(client) == [], 5, "the sweep")


@pytest.mark.usefixtures("short_times")
@pytest.mark.quiet
def test_one_at_work_is_spared(client, image, own_engine):
    launcher = helper_launcher.HelperLauncher(EngineAddress(own_engine.docker_host), image)
    request = {"protocol": "icmp", "address": "127.0.0.1", "count": 4, "interval_ms": 1000}
    lines = launcher.launch(Place(None, "host"), json.dumps({"job": "check", "request": request}), 60.0)
    assert json.loads(list(lines)[-1]) == {"done": True}
    assert helpers(client) == []


def test_one_that_says_nothing_is_ended_after_its_time(client, image, own_engine, monkeypatch):
    monkeypatch.setattr(helper_launcher, "COMMAND", ("python3", "-c", "import time; time.sleep(600)"))
    launcher = helper_launcher.HelperLauncher(EngineAddress(own_engine.docker_host), image)
    began = time.monotonic()
    assert list(launcher.launch(Place(None, "host"), "{}", 1.0)) == []
    assert time.monotonic() - began < 6
    assert helpers(client) == []
