"""How the server treats clients: those that leave, stall, send half of something, or are many; and its own restart."""

import contextlib
import http.client
import json
import resource
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.support.service import Service, assert_problem, parsed, until

AUTHORIZED = "Host: x\r\nAuthorization: Bearer token-of-admin\r\n"
READ = f"GET /v1/networks HTTP/1.1\r\n{AUTHORIZED}\r\n".encode()
GONE_S = 1.5
"""A stream looks whether its client is still there at least once a second."""


def connected(live, request=b"", timeout=20):
    sock = socket.create_connection(("127.0.0.1", live.port), timeout)
    sock.sendall(request)
    return sock


def in_progress(live):
    text = live.ask("GET", "/metrics").body.decode()
    return float(text.partition("\nbridgework_http_requests_in_progress ")[2].partition("\n")[0])


def two_apart(live):
    """Two containers that cannot reach each other, so that a matrix of both takes as long as it may."""
    for name in ("left", "right"):
        assert live.ask("POST", "/v1/networks", {"name": name}).status == 201
        body = {"name": name, "image": "busybox", "command": ["sleep", "600"], "network_mode": name}
        assert live.ask("POST", "/v1/containers", body).status == 201


def matrix(accept):
    body = json.dumps({"all": True, "protocol": "icmp", "timeout_ms": 10_000})
    return (
        f"POST /v1/connectivity/matrix HTTP/1.1\r\n{AUTHORIZED}Accept: {accept}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


STREAMS = {
    "events": f"GET /v1/events HTTP/1.1\r\n{AUTHORIZED}\r\n".encode(),
    "matrix in lines": matrix("application/x-ndjson"),
    "matrix": matrix("application/json"),
}


@pytest.mark.parametrize("request_", STREAMS.values(), ids=STREAMS.keys())
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.quiet
def test_a_client_that_leaves_gives_its_thread_back_within_a_second(serve, request_, reset):
    live = serve(WORKERS=1, THREADS=2, MAX_STREAMS=1, MAX_MATRICES=1)
    two_apart(live)
    for _ in range(5):  # more often than there are threads
        sock = connected(live, request_)
        until(lambda: in_progress(live) == 2, 5, "the stream")
        time.sleep(0.3)
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        left = time.monotonic()
        sock.close()
        until(lambda: in_progress(live) == 1, GONE_S, "the stream's end")
        assert time.monotonic() - left < GONE_S
    assert "Traceback" not in live.said()


@pytest.fixture
def hanging(tmp_path):
    """An engine that accepts connections and answers nothing."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "hanging.sock"))
        listener.listen(1000)
        yield f"unix://{tmp_path}/hanging.sock"


@pytest.mark.quiet
def test_health_is_answered_while_every_thread_waits_for_the_engine(serve, hanging):
    live = serve(hanging, WORKERS=1, THREADS=2, ENGINE_TIMEOUT_S=8)
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(connected(live, READ)) for _ in range(20)]
        time.sleep(0.5)
        for _ in range(3):
            began = time.monotonic()
            assert live.ask("GET", "/livez").status == 200
            assert time.monotonic() - began < 0.5
        ready = stack.enter_context(connected(live, b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
        for _ in range(20):
            began = time.monotonic()
            assert live.ask("GET", "/livez").status == 200
            assert time.monotonic() - began < 0.5
        assert ready.recv(100).startswith(b"HTTP/1.1 503")
        assert waiting[0].recv(100).startswith(b"HTTP/1.1 504")


def test_a_request_that_waited_too_long_for_a_thread_is_not_begun(serve, hanging):
    """The time that a request may take counts from its arrival."""
    live = serve(hanging, WORKERS=1, THREADS=2, ENGINE_TIMEOUT_S=3, REQUEST_TIMEOUT_S=4)
    with contextlib.ExitStack() as stack:
        began = time.monotonic()
        waiting = [stack.enter_context(connected(live, READ)) for _ in range(12)]
        for sock in waiting:
            assert sock.recv(100).startswith(b"HTTP/1.1 504")
        assert time.monotonic() - began < 7


def test_a_reload_under_load_answers_every_request(serve):
    live = serve(WORKERS=2)
    told, closed, over = [], [], threading.Event()

    def keep_asking(kept):
        connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=30)
        while not over.is_set():
            headers = {"Authorization": "Bearer token-of-admin", **({} if kept else {"Connection": "close"})}
            fresh = connection.sock is None
            try:
                connection.request("GET", "/v1/networks", headers=headers)
                answer = connection.getresponse()
                answer.read()
                told.append(answer.status)
            except (OSError, http.client.HTTPException) as error:
                # An idle connection may be closed at any time: the client asks again (RFC 9112, section 9.3.1).
                (told if fresh else closed).append(repr(error))
                connection.close()

    threads = [threading.Thread(target=keep_asking, args=(number % 2 == 0,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for _ in range(4):
        time.sleep(0.7)
        before = set(live.workers())
        live.process.send_signal(signal.SIGHUP)
        until(lambda before=before: len(live.workers()) == 2 and not before & set(live.workers()), 20, "new workers")
    over.set()
    for thread in threads:
        thread.join(30)
    assert set(told) == {200}, [one for one in told if one != 200]
    assert len(told) > 500
    assert len(closed) <= 4


HALF = f"POST /v1/networks HTTP/1.1\r\n{AUTHORIZED}Content-Type: application/json\r\n"
HALVES = [
    b"", b"P", b"POST /v1/networks HTTP/1.1\r\n", b"POST /v1/networks HTTP/1.1\r\nHost: x\r\nContent-Le",
    f"{HALF}Content-Length: 99\r\n\r\n{{".encode(),
    f"{HALF}Transfer-Encoding: chunked\r\n\r\n5\r\nab".encode(),
    READ + READ[:30],
]  # fmt: skip


def test_four_hundred_connections_that_send_half_stop_nobody(serve):
    live = serve(WORKERS=1, THREADS=2)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connected(live, HALVES[number % len(HALVES)])) for number in range(400)]
        took = []
        for _ in range(50):
            began = time.monotonic()
            assert live.ask("GET", "/v1/networks").status == 200
            took.append(time.monotonic() - began)
        assert sorted(took)[25] < 0.2, took
        answers = [sock.recv(100) for sock in socks[:6]]
    assert answers[0] == b""
    assert [answer[9:12] for answer in answers[1:]] == [b"408"] * 5
    assert live.ask("GET", "/v1/networks").status == 200


def test_more_connections_than_a_worker_holds_push_out_the_longest_waiting(own_engine, tokens_file, tmp_path):
    """With 300 descriptors a worker holds 150 connections."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (300, limits[1]))
        try:
            live = stack.enter_context(Service(own_engine.docker_host, tmp_path, tokens_file, {"WORKERS": 1}))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        socks = [stack.enter_context(connected(live)) for _ in range(700)]
        assert live.ask("GET", "/v1/networks").status == 200
        with contextlib.suppress(ConnectionResetError):
            assert socks[0].recv(1) == b""
        socks[-1].sendall(READ)
        assert socks[-1].recv(100).startswith(b"HTTP/1.1 200")
        assert "Traceback" not in live.said()


def resident_kib(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def test_closed_connections_leave_nothing_in_memory(serve):
    live = serve(WORKERS=1)
    worker = live.workers()[0]

    def come_and_go(times):
        for _ in range(times):
            with connected(live, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n") as sock:
                assert sock.recv(1000).startswith(b"HTTP/1.1 200")

    come_and_go(1000)
    before = resident_kib(worker)
    come_and_go(3000)
    assert resident_kib(worker) - before < 6000


def test_clients_that_take_nothing_of_their_answers_do_not_keep_the_threads(serve):
    live = serve(WORKERS=1, THREADS=2)
    for number in range(60):
        body = {"name": f"filling-{number}", "labels": {f"filling-{key}": "x" * 4000 for key in range(20)}}
        assert (
            live.ask("POST", "/v1/networks", {**body, "ipam": {"pools": [{"subnet": f"10.50.{number}.0/28"}]}}).status
            == 201
        )
    request = f"GET /v1/networks?limit=1000 HTTP/1.1\r\n{AUTHORIZED}\r\n".encode()
    with contextlib.ExitStack() as stack:
        for _ in range(6):
            sock = stack.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", live.port))
            sock.sendall(request)
        until(lambda: live.ask("GET", "/v1/networks/bridge", timeout=60).status == 200, 60, "an answer")
        until(lambda: in_progress(live) == 1, 60, "free threads")


def test_idle_connections_do_not_keep_a_service_that_ends(serve):
    live = serve(WORKERS=1)
    with contextlib.ExitStack() as stack:
        kept = [stack.enter_context(connected(live, READ)) for _ in range(20)]
        for sock in kept:
            assert sock.recv(65536).startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        assert live.end() == 0
        assert time.monotonic() - began < 5


def test_a_refused_client_reads_its_answer_though_it_still_sends(serve):
    live = serve()
    head = f"POST /v1/networks HTTP/1.1\r\n{AUTHORIZED}Content-Length: 3000000\r\n\r\n".encode()
    for _ in range(5):
        with connected(live, head) as sock:
            with contextlib.suppress(ConnectionError):
                for _ in range(10):
                    sock.sendall(b"x" * 100_000)
                    time.sleep(0.01)
            answer = b"".join(iter(lambda sock=sock: sock.recv(65536), b""))
        assert parsed(answer).status == 413
        assert_problem(parsed(answer))


REFUSED = {
    "a long line": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    "a long header": (b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 9000 + b"\r\n\r\n", 431),
    "many headers": (b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 100 + b"\r\n", 431),
    "60 headers that fit and are too large together": (
        b"GET /livez HTTP/1.1\r\nHost: x\r\n" + (b"X: " + b"y" * 8000 + b"\r\n") * 60 + b"\r\n", 431,
    ),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "another version": (b"GET /livez HTTP/3.0\r\nHost: x\r\n\r\n", 400),
    "an unknown expectation": (b"GET /livez HTTP/1.1\r\nHost: x\r\nExpect: y\r\n\r\n", 417),
    "a websocket": (
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"), 400,
    ),
    "a websocket of another version": (
        b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 400,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("request_", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_what_gunicorn_itself_refuses_is_a_problem_document_too(module_live, request_, status):
    answer = parsed(module_live.raw(request_))
    assert answer.status == status
    assert_problem(answer)


UNDERSTOOD = {
    "an old client": b"GET /livez HTTP/1.0\r\n\r\n",
    "an absolute URI": b"GET http://x/livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "an escaped path": b"GET /%6civez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "an upgrade that nobody knows": b"GET /livez HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("request_", UNDERSTOOD.values(), ids=UNDERSTOOD.keys())
def test_what_is_odd_and_valid_is_answered(module_live, request_):
    answer = parsed(module_live.raw(request_))
    assert (answer.status, answer.json) == (200, {"status": "live"})


def test_a_client_that_sends_no_more_still_gets_its_answer(module_live):
    with connected(module_live, READ) as sock:
        sock.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert parsed(answer).status == 200


@pytest.fixture(scope="module")
def module_live(own_engine, tokens_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    with Service(own_engine.docker_host, folder, tokens_file, {"WORKERS": 1, "THREADS": 2}) as one:
        yield one
        assert "Traceback" not in one.said()
