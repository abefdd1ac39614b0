"""Traces leave nothing behind: no table, socket or thread, not even when their worker is killed."""

import contextlib
import os
import random
import signal
import subprocess
import threading
import time
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.faults.conftest import inside
from tests.support.raw_engine import Raw
from tests.support.service import until

LONG = {"count": 1, "timeout_ms": 2000}
NOBODY = "10.85.0.200"
"""An address of the network that no container has: a traced ping of it waits for its whole time-out."""


@pytest.fixture
def traced(serve, own_engine):
    """A service, and two containers on one network."""
    links, _ = inside(own_engine)
    live = serve(MAX_TRACES=8)
    net = {"name": "traced", "ipam": {"pools": [{"subnet": "10.85.0.0/24"}]}}
    assert live.ask("POST", "/v1/networks", net).status == 201
    for name in ("left", "right"):
        made = {"name": name, "image": "busybox", "command": ["sleep", "3600"], "network_mode": "traced"}
        assert live.ask("POST", "/v1/containers", made).status == 201
    yield live
    for name in ("left", "right"):
        live.ask("DELETE", f"/v1/containers/{name}?force=true")
    live.ask("DELETE", "/v1/networks/traced")
    assert inside(own_engine)[0] == links


def trace(live, destination, **more):
    body = {"source": {"container": "left"}, "destination": destination, "trace": True, **more}
    with contextlib.suppress(OSError, HTTPException):
        return live.ask("POST", "/v1/connectivity/checks", body)
    return None


def namespaces(own_engine):
    """The engine's host, and the namespaces of both containers."""
    found = [own_engine.namespace]
    for name in ("left", "right"):
        pid = Raw(own_engine).get(f"/containers/{name}/json")["State"]["Pid"]
        found.append(f"/proc/{pid}/ns/net")
    return found


def tables(spaces):
    """The tables of traces in these namespaces."""
    said = [subprocess.run(["nsenter", f"--net={space}", "nft", "list", "tables"], capture_output=True, text=True,
                           check=True).stdout for space in spaces]  # fmt: skip
    return [line for text in said for line in text.splitlines() if "bridgework-trace" in line]


def packet_sockets(spaces):
    """How many packet sockets are open in these namespaces."""
    said = [subprocess.run(["nsenter", f"--net={space}", "cat", "/proc/net/packet"], capture_output=True, text=True,
                           check=True).stdout for space in spaces]  # fmt: skip
    return sum(len(text.splitlines()) - 1 for text in said)


def held(pid):
    """Descriptors and threads of a worker."""
    return tuple(len(list(Path(f"/proc/{pid}/{kind}").iterdir())) for kind in ("fd", "task"))


def test_a_worker_killed_during_traces_leaves_no_table_and_no_socket(traced, own_engine):
    spaces, chance = namespaces(own_engine), random.Random(19)
    assert (tables(spaces), packet_sockets(spaces)) == ([], 0)
    seen = 0
    for _ in range(50):
        asking = [threading.Thread(target=trace, args=(traced, {"address": NOBODY}), kwargs=LONG) for _ in range(4)]
        for thread in asking:
            thread.start()
        until(lambda: tables(spaces[:1]), 10, "a trace that runs")
        seen += 1
        time.sleep(chance.random() / 20)
        for worker in traced.workers():
            os.kill(worker, signal.SIGKILL)
        for thread in asking:
            thread.join(20)
        until(lambda: not tables(spaces) and packet_sockets(spaces) == 0, 10, "no table and no packet socket")
        until(traced.workers, 20, "new workers")
    assert seen == 50


@pytest.mark.long
def test_a_thousand_traces_leave_no_table_socket_or_thread(traced, own_engine):
    spaces = namespaces(own_engine)
    for _ in range(50):
        assert trace(traced, {"container": "right"}).status == 200
    before = {pid: held(pid) for pid in traced.workers()}
    for number in range(1000):
        answer = trace(traced, {"container": "right"})
        assert answer.status == 200, number
        assert answer.json["trace"]["lost"] is None
    until(lambda: (tables(spaces), packet_sockets(spaces)) == ([], 0), 10, "nothing left")
    after = {pid: held(pid) for pid in traced.workers()}
    assert before.keys() == after.keys()
    for pid, (descriptors, threads) in after.items():
        assert descriptors <= before[pid][0] + 2, Path(f"/proc/{pid}/fd")
        assert threads <= before[pid][1] + 1
