"""How a connection ends: the client reads what it was sent, whatever it still sends, but not for ever."""

import selectors
import socket
import time
from types import SimpleNamespace

import pytest

from bridgework.lingering import LINGER_S, MAX_DRAINED_BYTES, Lingering

ANSWER = b"HTTP/1.1 413 Content Too Large\r\n\r\n"


class Connection(SimpleNamespace):
    __hash__ = object.__hash__


@pytest.fixture
def poller():
    with selectors.DefaultSelector() as made:
        yield made


@pytest.fixture
def wire():
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname(), 5) as theirs,
    ):
        ours, _ = listener.accept()
        with ours:
            yield ours, theirs


@pytest.fixture
def lingering(poller, wire):
    ours, theirs = wire
    made = Lingering(poller)
    ours.sendall(ANSWER)
    theirs.sendall(b"unread")
    made.begin(Connection(sock=ours, close=ours.close))
    return made


def turn(poller):
    for key, _ in poller.select(1):
        key.data(key.fileobj)


@pytest.mark.usefixtures("lingering")
def test_a_client_that_still_sends_reads_its_answer_and_then_the_end(poller, wire):
    ours, theirs = wire
    turn(poller)
    theirs.sendall(b"more")
    turn(poller)
    assert theirs.recv(1000) == ANSWER
    assert theirs.recv(1000) == b""
    assert ours.fileno() != -1
    theirs.close()
    turn(poller)
    assert ours.fileno() == -1
    assert not poller.get_map()


def test_nobody_lingers_for_long(lingering, poller, wire):
    began_s = time.monotonic()
    lingering.end_late(began_s + LINGER_S / 2)
    assert wire[0].fileno() != -1
    lingering.end_late(began_s + LINGER_S)
    assert wire[0].fileno() == -1
    assert not poller.get_map()


@pytest.mark.usefixtures("lingering")
def test_nobody_is_read_for_ever(poller, wire):
    ours, theirs = wire
    sent, piece = 0, b"x" * 65_536
    while ours.fileno() != -1 and sent < 2 * MAX_DRAINED_BYTES:
        theirs.sendall(piece)
        sent += len(piece)
        turn(poller)
    assert MAX_DRAINED_BYTES < sent < 2 * MAX_DRAINED_BYTES
    assert not poller.get_map()


def test_a_client_that_is_gone_is_not_waited_for(poller, wire):
    ours, theirs = wire
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    theirs.close()
    with pytest.raises(ConnectionResetError):
        ours.recv(1)
    Lingering(poller).begin(Connection(sock=ours, close=ours.close))
    assert ours.fileno() == -1
    assert not poller.get_map()
