"""A matrix of 400 containers on a real engine: every verdict right, the neighbour table spared, traffic undisturbed."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.matrix.table_room import SHARE_OF_HARD_LIMIT
from bridgework.probes.kernel import links, netlink
from bridgework.probes.kernel.setns import run_inside
from bridgework.settings import Settings
from tests.support.api import Client
from tests.support.engine import neighbour_limit
from tools import engine as private_engine

NETWORKS, EACH = 20, 20
NOISE = 32
"""Entries that others on the machine, and the links themselves, may make meanwhile."""

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
import socket, sys, time, json
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(2)
client.connect((sys.argv[1], 9999))
sent = lost = 0
ends = time.monotonic() + float(sys.argv[2])
while time.monotonic() < ends:
    client.send(str(sent).encode())
    sent += 1
    try:
        client.recv(2048)
    except TimeoutError:
        lost += 1
    time.sleep(0.002)
print(json.dumps({"sent": sent, "lost": lost}))
"""


@pytest.fixture(scope="module")
def crowd(tokens_file):
    """An engine of its own with 400 containers in 20 networks, and a service before it."""
    directory = Path(tempfile.mkdtemp(prefix="bridgework-crowd-"))
    try:
        with private_engine.PrivateEngine(directory / "engine", f"bridgework-crowd-{os.getpid()}") as engine:
            api = docker.APIClient(base_url=engine.docker_host, num_pools=8)
            with ThreadPoolExecutor(max_workers=4) as pool:
                list(pool.map(lambda number: fill(api, number), range(NETWORKS)))
            app = create_app(Settings(tokens_file=tokens_file), EngineAddress(engine.docker_host))
            yield Client(app), api
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def fill(api, number):
    pool = docker.types.IPAMPool(subnet=f"10.210.{number}.0/24")
    api.create_network(f"net{number}", ipam=docker.types.IPAMConfig(pool_configs=[pool]))
    for index in range(EACH):
        config = api.create_host_config(network_mode=f"net{number}")
        made = api.create_container(
            "busybox", ["sleep", "100000"], name=f"c{number}-{index}", host_config=config, stop_signal="SIGKILL"
        )
        api.start(made["Id"])


def entries_in_use():
    """ARP entries over all namespaces of this machine (arp_cache: proc(5))."""
    row = Path("/proc/net/stat/arp_cache").read_text().splitlines()[1]
    return int(row.split()[0], 16)


def inside(api, name):
    inspected = api.inspect_container(name)
    address = next(iter(inspected["NetworkSettings"]["Networks"].values()))["IPAddress"]
    return ["nsenter", f"--net=/proc/{inspected['State']['Pid']}/ns/net", sys.executable, "-c"], address


def test_400_containers_are_all_right_within_the_neighbour_budget_and_disturb_nobody(crowd):
    client, api = crowd
    enter_server, address = inside(api, "c0-0")
    enter_talker, _ = inside(api, "c0-1")
    server = subprocess.Popen([*enter_server, ECHO], stdout=subprocess.PIPE)
    assert server.stdout.readline() == b"up\n"
    talker = subprocess.Popen([*enter_talker, TALK, address, "12"], stdout=subprocess.PIPE)
    time.sleep(0.5)
    for number in range(NETWORKS):
        know(api, f"c{number}-0", f"c{number}-1")
    own_before = entries_of_all(api)

    limit = neighbour_limit()
    before = entries_in_use()
    peak = [before]
    done = threading.Event()
    watcher = threading.Thread(target=watch, args=(peak, done))
    watcher.start()
    answer = client.post("/v1/connectivity/matrix", {"all": True, "timeout_ms": 2000})
    done.set()
    watcher.join()

    own_after = entries_of_all(api)
    talked = json.loads(talker.communicate(timeout=30)[0])
    server.kill()
    server.wait()
    assert answer["summary"]["reachable"] == NETWORKS * EACH * (EACH - 1) == 7600
    assert answer["summary"]["unreachable"] == 152_000
    assert answer["summary"]["inconclusive"] == 0
    assert answer["summary"]["surprises"] == 0
    assert SHARE_OF_HARD_LIMIT == 0.5
    assert before < peak[0] <= SHARE_OF_HARD_LIMIT * limit + NOISE, "everybody's together, at any moment"
    assert talked["sent"] > 500
    assert talked["lost"] == 0
    assert sum(map(len, own_before.values())) >= NETWORKS
    assert all(own_before[name] <= own_after[name] for name in own_before), "what was there is there"
    made = {name for name in own_before if own_after[name] - own_before[name]}
    # The kernel asks anew about an old entry that was used, seconds later, and whom it asks learns of the asker.
    assert made <= {f"/c{number}-1" for number in range(NETWORKS)}, "and nothing else"


def test_400_containers_are_all_decided_beside_entries_that_the_kernel_does_not_count(crowd, others):
    client, _ = crowd
    with others:
        others.hold(600, "permanent")
        answer = client.post("/v1/connectivity/matrix", {"all": True, "timeout_ms": 2000})
    summary = answer["summary"]
    assert summary["pairs"] == NETWORKS * EACH * (NETWORKS * EACH - 1) == 159_600
    assert (summary["reachable"], summary["unreachable"], summary["inconclusive"]) == (7600, 152_000, 0), summary
    assert summary["surprises"] == 0
    assert others.talked["sent"] > 100
    assert others.talked["lost"] == 0


def test_400_containers_beside_entries_that_use_the_table_up_are_right_or_say_why_not(crowd, others):
    """So many pairs may take more than the minute of a request then. Each one that is left has its prediction."""
    client, _ = crowd
    with others:
        others.hold(900, "stale")
        answer = client.post("/v1/connectivity/matrix", {"all": True, "timeout_ms": 2000})
    networks = [one["name"].partition("-")[0] for one in answer["containers"]]
    for network, row in zip(networks, answer["verdicts"], strict=True):
        for other, verdict in zip(networks, row, strict=True):
            expected = "reachable" if network == other else "unreachable"
            assert verdict in {expected, "inconclusive", "self"}
    summary = answer["summary"]
    assert summary["surprises"] == 0
    assert set(summary["reasons"]) <= {"budget-exhausted", "deadline"}
    left = [(one["predicted"], len(one["destinations"])) for one in answer["undecided"]]
    assert sum(number for _, number in left) == summary["inconclusive"] < summary["pairs"]
    assert {predicted for predicted, _ in left} <= {"reachable", "unreachable"}
    assert others.talked["sent"] > 100
    assert others.talked["lost"] == 0


def watch(peak, done):
    while not done.wait(0.005):
        peak[0] = max(peak[0], entries_in_use())


def know(api, name, other):
    """Give a container an entry of its own for another, as if they had spoken."""
    (endpoint,) = api.inspect_container(other)["NetworkSettings"]["Networks"].values()
    enter, _ = inside(api, name)
    entry = ["ip", "neigh", "replace", endpoint["IPAddress"], "lladdr", endpoint["MacAddress"]]
    subprocess.run([*enter[:2], *entry, "nud", "stale", "dev", "eth0"], check=True)


def entries_of_all(api):
    """Address and MAC of the IPv4 entries that each container has."""

    def look():
        with netlink.open_socket() as sock:
            return {(one.address, one.mac_address) for one in links.neighbours(sock) if ":" not in one.address}

    found = {}
    for container in api.containers():
        pid = api.inspect_container(container["Id"])["State"]["Pid"]
        with Path(f"/proc/{pid}/ns/net").open() as namespace:
            found[container["Names"][0]] = run_inside(namespace.fileno(), look)
    return found
