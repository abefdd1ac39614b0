"""Clients that send requests ahead, before the earlier ones are answered: they keep no memory and get no more time."""

import contextlib
import resource
import socket
import time
from pathlib import Path

import pytest

from tests.support.service import Service, parsed

LIVE = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
CONNECTIONS, ROUNDS = 480, 20
WITHIN_KIB = 30 * 1024


@pytest.fixture(scope="module")
def live(tokens_file, tmp_path_factory):
    """The requests of these tests need no engine."""
    with Service("unix:///nowhere", tmp_path_factory.mktemp("ahead"), tokens_file, {"WORKERS": 1}) as one:
        yield one
        said = one.said()
        at = said.find("Traceback")
        assert at < 0, said[at - 400 : at + 2500]


def connected(live):
    return socket.create_connection(("127.0.0.1", live.port), 30)


def resident_kib(live):
    (worker,) = live.workers()
    status = Path(f"/proc/{worker}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def send_ahead(live, path):
    """One round: many connections that send as many requests as they can, and read nothing."""
    requests = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 5000
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connected(live)) for _ in range(CONNECTIONS)]
        for sock in socks:
            sock.setblocking(False)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            for sock in socks:
                with contextlib.suppress(OSError):
                    sock.send(requests)
            time.sleep(0.05)


@pytest.mark.parametrize("path", ["/openapi.yaml", "/livez"])
def test_clients_that_send_ahead_and_read_nothing_leave_nothing_in_memory(live, path):
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 2 * CONNECTIONS
    before = resident_kib(live)
    after = []
    for _ in range(ROUNDS):
        send_ahead(live, path)
        assert live.ask("GET", "/livez").status == 200
        after.append(resident_kib(live))
    assert max(after) - after[0] < WITHIN_KIB, after
    assert after[0] - before < 3 * WITHIN_KIB, (before, after)


def test_half_a_request_behind_another_one_has_to_arrive_in_time(live):
    for half in (LIVE[:20], b"POST /v1/networks HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"):
        with connected(live) as sock:
            sock.sendall(LIVE + half)
            answers = b"".join(iter(lambda sock=sock: sock.recv(65536), b""))
        first, second = answers[: answers.index(b"HTTP/1.1 4")], answers[answers.index(b"HTTP/1.1 4") :]
        assert (parsed(first).status, parsed(second).status) == (200, 408)
        assert parsed(second).json["code"] == "request-timed-out"


@pytest.mark.parametrize("leaves", [False, True], ids=["reads on", "sends no more"])
def test_every_request_that_was_sent_ahead_is_answered(live, leaves):
    """Also those that arrive in pieces, and those of a client that has closed its sending side."""
    count = 200
    with connected(live) as sock:
        requests = LIVE * (count - 1) + LIVE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        for at in range(0, len(requests), 777):
            sock.sendall(requests[at : at + 777])
        if leaves:
            sock.shutdown(socket.SHUT_WR)
        answers = b"".join(iter(lambda: sock.recv(65536), b""))
    assert answers.count(b"HTTP/1.1 200") == count
