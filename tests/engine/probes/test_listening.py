"""Sockets that wait, against what iproute2's own ``ss`` says of the same namespace."""

import socket
import subprocess
from pathlib import Path

import pytest

from bridgework.probes.kernel import listeners
from bridgework.probes.kernel.setns import run_in_thread, run_inside


@pytest.fixture
def held(world):
    """Sockets of every kind in a namespace, those that wait and those that do not."""
    kinds = {
        ("tcp", "ipv4"): (socket.AF_INET, socket.SOCK_STREAM),
        ("tcp", "ipv6"): (socket.AF_INET6, socket.SOCK_STREAM),
        ("udp", "ipv4"): (socket.AF_INET, socket.SOCK_DGRAM),
        ("udp", "ipv6"): (socket.AF_INET6, socket.SOCK_DGRAM),
    }
    made = []

    def bind(kind, address, port, *, ipv6_only=False):
        sock = socket.socket(*kinds[kind])
        made.append(sock)
        if kind[1] == "ipv6":
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, ipv6_only)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        return sock

    def make():
        for kind, address, port in (
            (("tcp", "ipv4"), "127.0.0.1", 7001),
            (("tcp", "ipv4"), "0.0.0.0", 7002),
            (("tcp", "ipv6"), "::", 7003),
            (("tcp", "ipv6"), world.a.address6, 7004),
        ):
            bind(kind, address, port).listen()
        bind(("tcp", "ipv6"), "::", 7009, ipv6_only=True).listen()
        bind(("udp", "ipv6"), "::", 7010, ipv6_only=True)
        bind(("udp", "ipv4"), world.a.address, 7005)
        bind(("udp", "ipv6"), "::1", 7006)
        bind(("udp", "ipv4"), "127.0.0.1", 7007).connect(("127.0.0.1", 9))
        bind(("tcp", "ipv4"), "127.0.0.1", 7008)
        made.append(socket.create_connection(("127.0.0.1", 7001)))

    with Path(world.a.path).open() as namespace:
        run_inside(namespace.fileno(), make)
    yield
    for sock in made:
        sock.close()


WAITING = {
    ("tcp", "ipv4", "127.0.0.1", 7001),
    ("tcp", "ipv4", "0.0.0.0", 7002),
    ("tcp", "ipv6", "::", 7003),
    ("tcp", "ipv6", "fd77::2", 7004),
    ("udp", "ipv4", "10.77.0.2", 7005),
    ("udp", "ipv6", "::1", 7006),
    ("tcp", "ipv6", "::", 7009),
    ("udp", "ipv6", "::", 7010),
}
IPV6_ONLY = {7004, 7006, 7009, 7010}
"""The kernel sets the option also for a socket that is bound to one IPv6 address."""


@pytest.mark.usefixtures("held")
def test_those_that_wait_and_no_others_as_ss_has_them(world, runner):
    seen = runner.observe(world.place(world.a), ("sockets",)).sockets
    assert {(one.protocol, one.family, one.address, one.port) for one in seen} == WAITING
    assert {one.port for one in seen if one.ipv6_only} == IPV6_ONLY
    told = subprocess.run(
        ["nsenter", f"--net={world.a.path}", "ss", "-Hnltu"], capture_output=True, text=True, check=True
    ).stdout
    local = {line.split()[4].replace("[", "").replace("]", "").replace("*:", ":::") for line in told.splitlines()}
    assert {f"{one.address}:{one.port}" for one in seen} == local


def test_what_the_kernel_does_not_say_is_none_and_not_nothing(monkeypatch):
    nobodys = 200
    monkeypatch.setitem(listeners.LISTENING, "udp", (nobodys, 7))
    assert run_in_thread(lambda: listeners.sockets(None)) is None
