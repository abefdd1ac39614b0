"""Several workers share the connections that come."""

import contextlib
import http.client
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.service import Service

ESTABLISHED = "01"
THREADS = 4
ROUNDS = 60


def sockets_served(port):
    """The inodes of established connections whose near end is this port (proc(5))."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[9] for row in rows if row[3] == ESTABLISHED and int(row[1].rpartition(":")[2], 16) == port}


def holders(inodes):
    """How many of these sockets each process holds."""
    found = Counter()
    for file in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            kind, _, inode = str(file.readlink()).partition(":")
            if kind == "socket" and inode.strip("[]") in inodes:
                found[file.parts[2]] += 1
    return found


def await_workers(remote, count):
    """The first that is ready answers; the others take a moment longer."""
    end = time.monotonic() + 20
    threads = f"\nbridgework_http_threads {count * THREADS}.0"
    while time.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", remote.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics", headers={"Authorization": "Bearer token-of-admin"})
            if threads in connection.getresponse().read().decode():
                break
        time.sleep(0.1)
    time.sleep(0.5)


def least_held(remote):
    """Of eight connections that come at once, how many the worker with fewer of them holds."""
    made = [http.client.HTTPConnection("127.0.0.1", remote.port, timeout=10) for _ in range(8)]
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(contextlib.closing(connection)) for connection in made]
        for connection in connections:
            connection.connect()
        for connection in connections:
            connection.request("GET", "/livez")
        for connection in connections:
            assert connection.getresponse().status == http.client.OK
        held = holders(sockets_served(remote.port))
        assert sum(held.values()) == len(connections)
        return min(held.values()) if len(held) > 1 else 0


@pytest.mark.quiet
def test_connections_that_come_at_once_are_shared_out(engine, tokens_file, tmp_path):
    """A worker accepts one connection in a turn, so the other worker can take the next one.

    Which worker the kernel wakes is chance, so many rounds count. In 186 rounds both workers held connections in 82 %
    (with three busy loops on two processors in 79 %); with asyncio's own number in a turn in 10 % of 124.
    """
    settings = {"workers": 2, "threads": THREADS}
    with Service(engine.docker_host, tmp_path, tokens_file, settings) as remote:
        await_workers(remote, 2)
        shared = sum(least_held(remote) > 0 for _ in range(ROUNDS))
        assert shared >= ROUNDS / 3
