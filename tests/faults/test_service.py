"""The service itself is killed, ended, and overrun."""

import contextlib
import json
import os
import random
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.conftest import inside
from tests.faults.load import Client, Maker, percentile, told_by
from tests.support.service import Service, parsed, until


def kill_workers(serve, times):
    live = serve(WORKERS=2)
    maker = Maker(live, "shot", 0.0)
    readers = [Client(live, "GET", "/v1/containers", 0.01) for _ in range(2)]
    chance = random.Random(7)
    maker.start()
    for reader in readers:
        reader.start()
    for _ in range(times):
        time.sleep(chance.uniform(0.02, 0.25))
        with contextlib.suppress(ProcessLookupError, IndexError):
            os.kill(chance.choice(live.workers()), signal.SIGKILL)
        if len(maker.made) > 60:
            maker.stop()
            settle(live, maker)
            maker = Maker(live, "shot", 0.0)
            maker.start()
    maker.stop()
    for reader in readers:
        assert {one.status for one in reader.stop()} <= {0, 200}
    settle(live, maker)
    assert "accident" not in live.said()


def settle(live, maker):
    until(lambda: len(live.workers()) == 2, 20, "two workers")
    assert maker.settle() == {}
    maker.delete()
    assert live.ask("GET", "/v1/networks?type=custom").json["items"] == []
    assert live.ask("GET", "/v1/containers").json["items"] == []


def test_workers_killed_in_mid_request(serve, own_engine):
    before = inside(own_engine)
    kill_workers(serve, 10)
    assert inside(own_engine) == before


@pytest.mark.long
def test_workers_killed_two_hundred_times(serve, own_engine):
    before = inside(own_engine)
    kill_workers(serve, 200)
    assert inside(own_engine) == before


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.quiet
def test_no_accepted_request_is_dropped_at_the_end(serve, workers):
    """A connection may be refused; one that was taken is answered."""
    live = serve(WORKERS=workers)
    told, lock, over = [], threading.Lock(), threading.Event()

    def keep_asking(number):
        while not over.is_set():
            answer = one_request(live.port, number % 2 == 0)
            with lock:
                told.append(answer)
            if answer == "refused":
                return

    with ThreadPoolExecutor(12) as pool:
        clients = [pool.submit(keep_asking, number) for number in range(12)]
        time.sleep(1.5)
        began = time.monotonic()
        assert live.end() == 0
        ended_s = time.monotonic() - began
        over.set()
        for client in clients:
            client.result()
    dropped = [answer for answer in told if answer not in {"200", "201", "refused"}]
    assert dropped == [], f"{len(dropped)} of {len(told)} requests were dropped"
    assert len(told) - told.count("refused") > 50
    assert ended_s < 15


def one_request(port, changes):
    method, path = ("POST", "/v1/networks?dry_run=true") if changes else ("GET", "/v1/networks")
    body = json.dumps({"name": "rehearsed", "ipam": {"pools": [{"subnet": "10.9.0.0/24"}]}}) if changes else ""
    request = (
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token-of-admin\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )
    try:
        sock = socket.create_connection(("127.0.0.1", port), timeout=30)
    except ConnectionRefusedError:
        return "refused"
    with sock:
        try:
            sock.sendall(request.encode())
            answer = sock.recv(65536)
        except OSError as error:
            return type(error).__name__
    return answer[9:12].decode() or "closed"


SLOW = [
    b"", b"GET", b"GET /livez HTTP/1.1\r\n", b"GET /livez HTTP/1.1\r\nHost: x\r\nX: ",
    b"POST /v1/networks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n{",
]  # fmt: skip


def half_open(port, count):
    made = []
    for number in range(count):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.sendall(SLOW[number % len(SLOW)])
        made.append(sock)
    return made


def trickle(socks, over):
    while not over.wait(1):
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.send(b"a")


def overrun(live, seconds):
    """300 half-open connections, made anew as they are ended, and 32 long matrices; what others see meanwhile."""
    for network in ("left", "right"):
        assert live.ask("POST", "/v1/networks", {"name": network}).status == 201
        for number in range(3):
            body = {
                "name": f"{network}-{number}",
                "image": "busybox",
                "command": ["sleep", "600"],
                "network_mode": network,
            }
            assert live.ask("POST", "/v1/containers", body).status == 201
    over = threading.Event()
    socks = half_open(live.port, 300)
    matrix = {"all": True, "timeout_ms": 5000}
    matrices = [Client(live, "POST", "/v1/connectivity/matrix", 0.2, body=matrix) for _ in range(32)]
    threads = [*matrices, threading.Thread(target=trickle, args=(socks, over), daemon=True)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    alive, reader = Client(live, "GET", "/livez", 0.01), Client(live, "GET", "/v1/networks", 0.01)
    alive.start()
    reader.start()
    time.sleep(seconds)
    lives, reads = alive.stop(), reader.stop()
    over.set()
    statuses = [one.status for thread in matrices for one in thread.stop()]
    for sock in socks:
        sock.close()
    assert {one.status for one in lives} == {200}
    assert {one.status for one in reads} == {200}
    assert set(statuses) <= {200, 429}
    assert 200 in statuses
    return [one.seconds for one in lives], [one.seconds for one in reads]


@pytest.mark.quiet
def test_reads_are_served_while_others_stall_it(serve):
    lives, reads = overrun(serve(), 3)
    assert len(lives) > 20
    assert percentile(lives, 0.99) < 0.5
    assert percentile(reads, 0.99) < 1.5


@pytest.mark.long
def test_overrun_for_half_a_minute(serve):
    lives, reads = overrun(serve(), 30)
    assert percentile(lives, 0.99) < 0.1, (percentile(lives, 0.5), percentile(lives, 0.99))
    assert percentile(reads, 0.99) < 1


def test_a_slow_request_is_told_so_and_a_silent_connection_closed(serve):
    live = serve()
    began = time.monotonic()
    with (
        socket.create_connection(("127.0.0.1", live.port), timeout=20) as slow,
        socket.create_connection(("127.0.0.1", live.port), timeout=20) as silent,
    ):
        slow.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nX: ")
        answer = slow.recv(65536)
        assert b"408 Request Timeout" in answer
        assert b'"code": "request-timed-out"' in answer
        assert silent.recv(1) == b""
    assert 9 < time.monotonic() - began < 14


def test_pieces_and_requests_sent_ahead_are_put_together(serve):
    live = serve()
    one = b"POST /v1/networks?dry_run=true HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token-of-admin\r\n"
    body = b'{"name": "piecewise"}'
    head = one + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    last = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", live.port), timeout=20) as sock:
        for piece in (head[:30], head[30:], body[:5], body[5:] + head + body + last[:20], last[20:]):
            sock.sendall(piece)
            time.sleep(0.1)
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    assert answer.count(b"HTTP/1.1 201 ") == 2
    assert answer.count(b"Bridgework-Dry-Run: true") == 2
    assert answer.endswith(b'{"status": "live"}\n')


def test_a_client_that_waits_to_be_told_is_told(serve):
    live = serve()
    body = b'{"name": "expecting"}'
    head = (
        b"POST /v1/networks?dry_run=true HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token-of-admin\r\n"
        b"Expect: 100-continue\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        % len(body)
    )
    with socket.create_connection(("127.0.0.1", live.port), timeout=5) as sock:
        sock.sendall(head)
        assert sock.recv(100).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        sock.sendall(body)
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    assert b"HTTP/1.1 201 " in answer


READ = b"GET /v1/networks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token-of-admin\r\n\r\n"


def test_who_ask_again_at_once_do_not_keep_every_thread(serve):
    live = serve(WORKERS=1, THREADS=2)
    over, answered = threading.Event(), []

    def hurry():
        with socket.create_connection(("127.0.0.1", live.port), timeout=20) as sock:
            while not over.is_set():
                sock.sendall(READ)
                answered.append(sock.recv(1_000_000))

    hurried = [threading.Thread(target=hurry) for _ in range(3)]
    for thread in hurried:
        thread.start()
    try:
        until(lambda: len(answered) > 100, 20, "answers")
        seen = [live.ask("GET", "/v1/networks").status for _ in range(20)]
    finally:
        over.set()
        for thread in hurried:
            thread.join(20)
    assert seen == [200] * 20


def test_half_a_request_behind_a_whole_one_holds_no_thread(serve):
    live = serve(WORKERS=1, THREADS=2)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.create_connection(("127.0.0.1", live.port), timeout=20)) for _ in range(4)]
        for sock in socks:
            sock.sendall(READ + READ[:40])
            assert sock.recv(1_000_000).startswith(b"HTTP/1.1 200 OK")
        assert live.ask("GET", "/v1/networks").status == 200
        for sock in socks:
            sock.sendall(READ[40:] + READ)
            told = b""
            while told.count(b"HTTP/1.1 200 OK") < 2 and (piece := sock.recv(1_000_000)):
                told += piece
            assert told.count(b"HTTP/1.1 200 OK") == 2


def test_a_unix_socket_serves_as_well(own_engine, tokens_file, tmp_path):
    path = own_engine.runtime / "http.sock"

    class OnSocket(Service):
        def raw(self, request):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(path))
                sock.sendall(request)
                return parsed(b"".join(iter(lambda: sock.recv(65536), b"")))

        def lives(self):
            with contextlib.suppress(OSError):
                return self.raw(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").status == 200
            return False

    with OnSocket(own_engine.docker_host, tmp_path, tokens_file, {"BIND": f"unix:{path}"}) as live:
        assert live.raw(b"GET /v1/networks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").status == 401
        assert live.raw(b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n").status == 400
    assert told_by(live, "GET", "/livez").status == 0
