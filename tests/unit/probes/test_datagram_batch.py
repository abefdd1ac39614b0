"""Many datagrams by one system call: where each goes, which the kernel refuses, and what waits for room."""

import errno
import socket
import struct

import pytest

from bridgework.matrix.datagram_batch import DatagramBatch
from bridgework.probes.kinds.sockaddr import destination_of

BROADCAST = "255.255.255.255"
"""The kernel refuses it with EACCES unless the socket asked for it (ip(7), SO_BROADCAST)."""


@pytest.fixture(params=["127.0.0.1", "::1"])
def pair(request):
    """A sender, and a receiver at a loopback address."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as receiver, socket.socket(family, socket.SOCK_DGRAM) as sender:
        receiver.bind((request.param, 0))
        receiver.settimeout(5)
        yield sender, receiver, destination_of(request.param, receiver.getsockname()[1])


def number(value):
    return struct.pack("!I", value)


def test_each_datagram_arrives_once_and_in_order(pair):
    sender, receiver, there = pair
    batch = DatagramBatch(8, 4)
    for start in (0, 8, 16):
        for value in range(start, start + 5):
            assert batch.add(sender.fileno(), number(value), there.structure)
        assert batch.send() == {}
        assert [receiver.recv(10) for _ in range(5)] == [number(value) for value in range(start, start + 5)]
    assert batch.send() == {}, "nothing is left"


def test_it_takes_one_socket_and_so_many(pair):
    sender, receiver, there = pair
    batch = DatagramBatch(2, 4)
    for value in range(2):
        assert batch.add(sender.fileno(), number(value), there.structure)
        assert not batch.add(receiver.fileno(), number(value), there.structure)
    assert not batch.add(sender.fileno(), number(3), there.structure)
    assert batch.send() == {}
    assert [receiver.recv(10) for _ in range(2)] == [number(0), number(1)]
    assert batch.add(receiver.fileno(), number(4), there.structure), "an empty one takes any socket"


def test_a_refused_one_stops_none_of_the_others():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, socket.socket(type=socket.SOCK_DGRAM) as sender:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        port = receiver.getsockname()[1]
        batch, wrong = DatagramBatch(8, 4), (0, 3, 4, 7)
        for value in range(8):
            there = destination_of(BROADCAST if value in wrong else "127.0.0.1", port)
            assert batch.add(sender.fileno(), number(value), there.structure)
        assert batch.send() == dict.fromkeys(wrong, errno.EACCES)
        assert [receiver.recv(10) for _ in range(4)] == [number(value) for value in range(8) if value not in wrong]


def test_what_finds_no_room_is_told_and_can_be_sent_again():
    """A receiver of the Unix family has room for so many datagrams (unix(7)), and the sender is not blocked."""
    name = b"\0" + b"batch".ljust(25, b"x")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(name)
        receiver.settimeout(5)
        batch, there, values = DatagramBatch(4096, 4), struct.pack("=H", socket.AF_UNIX) + name, range(4096)
        for value in values:
            assert batch.add(sender.fileno(), number(value), there)
        failed = batch.send()
        first = min(failed)
        assert 0 < first < len(values)
        assert failed == dict.fromkeys(range(first, len(values)), errno.EAGAIN)
        assert [receiver.recv(10) for _ in range(first)] == [number(value) for value in range(first)]
        assert batch.add(sender.fileno(), number(first), there)
        assert batch.send() == {}
        assert receiver.recv(10) == number(first)
