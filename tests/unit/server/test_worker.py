"""What a turn of gunicorn's worker and an answer do besides: garbage, and when a request counts as asked."""

import gc
import io
import os
import selectors
import socket
import subprocess
import time
from collections import deque
from types import SimpleNamespace

import pytest
from gunicorn.config import Config
from gunicorn.sock import TCPSocket

from bridgework.gunicorn_worker import Connection, Worker
from bridgework.lingering import Lingering
from bridgework.telemetry import deadline

NEXT = b"GET /v1/networks HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def wire():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def worker(monkeypatch):
    made = Worker.__new__(Worker)
    monkeypatch.setattr(made, "_accepting", True, raising=False)
    made.alive, made.max_body_bytes, made.nr_conns, made.worker_connections = True, 1000, 0, 10
    made.accepts_from_s, made.seen_ns, made.lanes, made.listens_no_more = 0.0, 0, {}, False
    made.keepalived_conns, made.pending_conns = deque(), deque()
    made.leadership = SimpleNamespace(waiting=deque())
    made.notify = lambda: None
    with selectors.DefaultSelector() as made.poller:
        made.lingering = Lingering(made.poller)
        yield made


@pytest.fixture
def connection(wire):
    made = Connection.__new__(Connection)
    made.sock, made.arrived, made.client = wire[0], bytearray(), ("192.0.2.1", 1)
    made.asked_ns, made.continued, made.timeout = 0, False, 0.0
    return made


@pytest.fixture
def listener(worker, monkeypatch):
    """The worker's own, open for connections; it alone holds it, as after its master closed it."""
    worker.cfg, worker.ppid = Config(), os.getppid()
    made = TCPSocket(("127.0.0.1", 0), worker.cfg, log=None)
    worker.sockets = [made]
    monkeypatch.setattr(worker, "_accepting", False)
    worker.set_accept_enabled(True)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _as_it_was_before():
    yield
    gc.enable()
    deadline.lift()


def test_within_an_answer_no_garbage_is_looked_for_and_after_the_next_turn_it_is(worker, connection, monkeypatch):
    seen = []
    connection.init = lambda: None
    connection.parser = SimpleNamespace(unreader=SimpleNamespace(unread=seen.append))
    connection.arrived += NEXT
    connection.asked_ns = 123
    monkeypatch.setattr(worker, "handle", lambda _: seen.append((gc.isenabled(), deadline.asked_at_ns())))
    worker.answer(connection)
    assert seen == [NEXT, (False, 123)]
    worker.turn(at_once=True)
    assert gc.isenabled()


def test_what_arrives_within_one_turn_was_asked_when_the_turn_saw_it(worker, connection, wire):
    worker.await_request(connection)
    wire[1].sendall(NEXT)
    before_ns = time.monotonic_ns()
    worker.turn(at_once=True)
    assert list(worker.leadership.waiting) == [connection]
    assert before_ns < connection.asked_ns == worker.seen_ns


def test_what_was_sent_ahead_was_asked_when_its_turn_came(worker, connection):
    """It may have arrived after the loop last looked: an older moment could lie before a change that it must see."""
    read_ahead = io.BytesIO(NEXT)
    connection.parser = SimpleNamespace(unreader=SimpleNamespace(take_buffered=read_ahead.read))
    before_ns = time.monotonic_ns()
    worker.enqueue_req(connection)
    assert list(worker.leadership.waiting) == [connection]
    assert connection.asked_ns > before_ns


def test_a_kept_connection_whose_next_request_is_half_there_waits_in_the_loop(worker, connection, wire):
    worker.keepalived_conns.append(connection)
    worker.poller.register(connection.sock, selectors.EVENT_READ)
    wire[1].sendall(NEXT[:-2])
    worker.on_client_socket_readable(connection, connection.sock)
    assert not worker.leadership.waiting
    assert list(worker.pending_conns) == [connection]
    wire[1].sendall(NEXT[-2:])
    worker.turn(at_once=True)
    assert list(worker.leadership.waiting) == [connection]
    assert connection.arrived == NEXT


def test_a_kept_connection_whose_client_left_is_closed(worker, connection, wire):
    worker.keepalived_conns.append(connection)
    worker.poller.register(connection.sock, selectors.EVENT_READ)
    worker.nr_conns = 1
    wire[1].close()
    worker.on_client_socket_readable(connection, connection.sock)
    assert worker.nr_conns == 0
    assert connection.sock.fileno() == -1


@pytest.mark.parametrize(("method", "lasts"), [(b"GET", False), (b"POST", True), (b"DELETE", True)])
def test_what_is_no_read_is_known_to_last(worker, connection, method, lasts):
    connection.arrived += NEXT.replace(b"GET", method)
    assert worker.lasts(connection) is lasts


def test_a_worker_told_to_end_takes_who_has_come_and_then_nobody(worker, listener):
    worker.alive = False
    port = listener.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)) as client:
        worker.turn(at_once=True)
        client.sendall(NEXT)
        worker.turn(at_once=False)
        assert [bytes(one.arrived) for one in worker.leadership.waiting] == [NEXT]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert worker.listens_no_more


def test_a_worker_whose_master_listens_on_leaves_who_has_come_to_the_next(worker, listener):
    worker.alive, worker.ppid = False, os.getpid()
    with listener.dup() as successor, socket.create_connection(listener.getsockname()) as client:
        worker.turn(at_once=True)
        assert not worker.pending_conns
        assert worker.listens_no_more
        taken, _ = successor.accept()
        with taken, socket.create_connection(successor.getsockname()):
            client.sendall(NEXT)
            assert taken.recv(1000) == NEXT


def test_a_worker_whose_master_was_killed_takes_who_has_come(worker, listener):
    with subprocess.Popen(["true"]) as master:
        pass
    worker.alive, worker.ppid = False, master.pid
    with socket.create_connection(listener.getsockname()):
        worker.turn(at_once=True)
        assert len(worker.pending_conns) == 1
