"""Which family a listening socket answers, predicted and measured on a real engine."""

import contextlib
import os
import socket

import pytest

from bridgework.probes.kernel.setns import run_inside
from tests.support.api import check, codes, run
from tests.support.raw_engine import Raw

PORT = 8085
QUICK = {"protocol": "tcp", "port": PORT, "timeout_ms": 2000}
DUAL = {"name": "dual", "ipv6_enabled": True, "ipam": {"pools": [{"subnet": "fd00:e6::/64"}]}}


@contextlib.contextmanager
def listening(raw, name, address, *, ipv6_only):
    """A TCP socket in the namespace of the container."""

    def bind():
        sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, ipv6_only)
        sock.bind((address, PORT))
        sock.listen()
        return sock

    with inside(raw, name, bind):
        yield


@contextlib.contextmanager
def inside(raw, name, make):
    """A socket made in the namespace of the container; ``None`` where it was refused."""
    descriptor = os.open(f"/proc/{raw.get(f'/containers/{name}/json')['State']['Pid']}/ns/net", os.O_RDONLY)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, descriptor)
        try:
            made = stack.enter_context(run_inside(descriptor, make))
        except ConnectionRefusedError:
            made = None
        yield made


@pytest.fixture
def pair(api):
    api.post("/v1/networks", DUAL, status=201)
    run(api, "web", network_mode="dual")
    run(api, "db", network_mode="dual")


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize("ipv6_only", [True, False])
def test_ipv4_is_answered_by_a_socket_of_both_families_and_by_no_other(api, engine, ipv6_only):
    with listening(Raw(engine), "db", "::", ipv6_only=ipv6_only):
        answer = check(api, "web", "db", ip_version="4", **QUICK)
        (one,) = [s for s in api.get("/v1/containers/db/sockets")["items"] if s["port"] == PORT]
    said = [answer["predicted"]["verdict"], answer["measured"]["verdict"]]
    assert said == ["unreachable" if ipv6_only else "reachable"] * 2
    assert codes(answer["findings"]) == (["no-listener"] if ipv6_only else [])
    assert one["ipv6_only"] is ipv6_only


@pytest.mark.usefixtures("pair")
def test_a_socket_bound_to_an_ipv4_address_by_ipv6_answers_there(api, engine):
    address = api.get("/v1/networks/dual/endpoints/db")["ipv4_address"]
    with listening(Raw(engine), "db", f"::ffff:{address}", ipv6_only=False):
        answer = check(api, "web", "db", ip_version="4", **QUICK)
    assert [answer["predicted"]["verdict"], answer["measured"]["verdict"]] == ["reachable", "reachable"]


@pytest.mark.usefixtures("pair")
def test_the_engines_proxy_for_a_port_of_every_ipv6_address_is_read_as_it_answers_ipv4(api, engine):
    """The proxy of Docker 26 takes both families there, the one of Docker 28 IPv6 alone."""
    run(api, "hosted", network_mode="host")
    published = {"container_port": PORT, "host_port": 18085, "host_ip": "::", "protocol": "tcp"}
    run(api, "publisher", network_mode="dual", published_ports=[published])
    (proxy,) = [s for s in api.get("/v1/containers/hosted/sockets")["items"] if s["port"] == 18085]
    gateway = api.get("/v1/networks/dual/endpoints/web")["gateway"]
    with inside(Raw(engine), "web", lambda: socket.create_connection((gateway, 18085), timeout=5)) as answered:
        assert (answered is None) is proxy["ipv6_only"]
