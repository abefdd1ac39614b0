"""When a thread of gunicorn's worker takes a connection's next request itself, and when it leaves it to the loop."""

import io
import socket
from collections import deque
from types import SimpleNamespace

import pytest

from service.gunicorn_worker import Worker

NEXT = b"GET /v1/networks HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def wire():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def worker():
    made = Worker.__new__(Worker)
    made.alive, made.waiting, made.max_body_bytes = True, deque(), 1000
    return made


def connection(sock, read_ahead=b""):
    unreader = SimpleNamespace(buf=io.BytesIO(read_ahead))
    return SimpleNamespace(sock=sock, arrived=bytearray(), parser=SimpleNamespace(unreader=unreader))


def test_a_whole_request_that_follows_at_once_is_taken(wire, worker):
    ours, theirs = wire
    theirs.sendall(NEXT)
    conn = connection(ours)
    assert worker.follows(conn)
    assert conn.arrived == NEXT


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(NEXT[:-2], id="half a head"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf", id="half a body"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: 9999\r\n\r\n", id="too long a body"),
        pytest.param(b"GET /livez HTTP/1.1\r\n\r\n", id="health has a lane of its own"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_all_else_is_left_where_it_is(wire, worker, sent):
    ours, theirs = wire
    theirs.sendall(sent)
    conn = connection(ours)
    assert not worker.follows(conn)
    assert conn.arrived == b""
    ours.setblocking(False)
    assert not sent or ours.recv(1000) == sent


def test_others_that_wait_come_first(wire, worker):
    ours, theirs = wire
    theirs.sendall(NEXT)
    worker.waiting.append(object())
    assert not worker.follows(connection(ours))


def test_an_ending_worker_begins_nothing(wire, worker):
    ours, theirs = wire
    theirs.sendall(NEXT)
    worker.alive = False
    assert not worker.follows(connection(ours))


def test_requests_sent_ahead_are_put_together_by_the_loop(wire, worker):
    ours, theirs = wire
    theirs.sendall(NEXT)
    assert not worker.follows(connection(ours, read_ahead=NEXT[:9]))


def test_a_client_that_left_is_left_to_the_loop(wire, worker):
    ours, theirs = wire
    theirs.close()
    assert not worker.follows(connection(ours))
