"""A matrix on a machine whose neighbour table others use: it is decided, and their traffic loses nothing.

The table belongs to the whole kernel, so other tests have less of it while one of these runs, half a minute at most.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings
from tests.support.api import Client
from tests.support.engine import folder_in_memory
from tools import engine as private_engine

CONTAINERS, NETWORKS = 150, 38
PAIRS = CONTAINERS * (CONTAINERS - 1)

ECHO = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 9999))
print("up", flush=True)
while True:
    data, sender = server.recvfrom(2048)
    server.sendto(data, sender)
"""
TALK = """
import json, os, select, socket, sys, time
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(5)
client.connect((sys.argv[1], 9999))
sent = lost = 0
print("up", flush=True)
while not select.select([0], [], [], 0.002)[0]:
    client.send(str(sent).encode())
    try:
        while client.recv(2048) != str(sent).encode():
            pass
    except TimeoutError:
        lost += 1
    sent += 1
print(json.dumps({"sent": sent, "lost": lost}))
"""


@pytest.fixture(scope="module")
def crowd(tokens_file):
    """A service before an engine of its own with 150 containers, of which each network has three or four."""
    directory = Path(tempfile.mkdtemp(prefix="bridgework-beside-", dir=folder_in_memory()))
    try:
        with private_engine.PrivateEngine(directory / "engine", f"bridgework-beside-{os.getpid()}") as engine:
            api = docker.APIClient(base_url=engine.docker_host, num_pools=8)
            with ThreadPoolExecutor(max_workers=4) as pool:
                list(pool.map(lambda number: fill(api, number), range(NETWORKS)))
            yield Client(create_app(Settings(tokens_file=tokens_file), EngineAddress(engine.docker_host)))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def fill(api, number):
    pool = docker.types.IPAMPool(subnet=f"10.211.{number}.0/24")
    api.create_network(f"net{number}", ipam=docker.types.IPAMConfig(pool_configs=[pool]))
    for index in range(number, CONTAINERS, NETWORKS):
        config = api.create_host_config(network_mode=f"net{number}")
        made = api.create_container(
            "busybox", ["sleep", "100000"], name=f"c{index}", host_config=config, stop_signal="SIGKILL"
        )
        api.start(made["Id"])


@pytest.fixture
def others():
    """Two namespaces that talk by a link of their own, and a function that gives the first one more entries."""
    names = [f"others{end}-{os.getpid()}" for end in "ab"]
    first, second = names
    try:
        for name in names:
            run("ip", "netns", "add", name)
        run("ip", "-n", first, "link", "add", "v0", "type", "veth", "peer", "name", "v0", "netns", second)
        for at, name in enumerate(names, 1):
            run("ip", "-n", name, "link", "set", "v0", "up")
            run("ip", "-n", name, "addr", "add", f"10.98.0.{at}/16", "dev", "v0")
        yield Others(first, second)
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False)


class Others:
    def __init__(self, first, second):
        self.first, self.second = first, second

    def hold(self, number, state):
        """Make entries. Those that are ``reachable`` stay so: the kernel's collector can take none of them."""
        set_ = "net.ipv4.neigh.v0.base_reachable_time_ms=3600000"
        run("ip", "netns", "exec", self.first, "sysctl", "-q", "-w", set_)
        lines = [
            f"neigh add 10.98.{1 + at // 250}.{1 + at % 250} lladdr 02:00:00:00:00:01 nud {state} dev v0"
            for at in range(number)
        ]
        subprocess.run(["ip", "-n", self.first, "-batch", "-"], input="\n".join(lines), text=True, check=True)

    def __enter__(self):
        self._server = started(self.second, ECHO)
        self._talker = started(self.first, TALK, "10.98.0.2")
        return self

    def __exit__(self, *_):
        self.talked = json.loads(self._talker.communicate("\n", timeout=30)[0])
        self._server.kill()
        self._server.wait()


def started(namespace, program, *arguments):
    command = ["ip", "netns", "exec", namespace, sys.executable, "-c", program, *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    return process


def run(*command):
    subprocess.run(command, check=True)


@pytest.mark.parametrize(
    ("number", "state"),
    [
        pytest.param(600, "permanent", id="which the kernel does not count"),
        pytest.param(1500, "permanent", id="more than the limit, which the kernel does not count"),
        pytest.param(900, "reachable", id="which the kernel counts and cannot collect"),
        pytest.param(900, "stale", id="which the kernel counts and collects"),
    ],
)
def test_a_matrix_beside_the_entries_of_others_is_decided(crowd, others, number, state):
    with others:
        others.hold(number, state)
        answer = crowd.post("/v1/connectivity/matrix", {"all": True, "timeout_ms": 1000})
    summary = answer["summary"]
    assert summary["inconclusive"] == 0, summary
    assert summary["pairs"] == PAIRS
    same = sum(
        len(range(at, CONTAINERS, NETWORKS)) * (len(range(at, CONTAINERS, NETWORKS)) - 1) for at in range(NETWORKS)
    )
    assert (summary["reachable"], summary["surprises"]) == (same, 0)
    assert others.talked["sent"] > 100
    assert others.talked["lost"] == 0
