"""Whether a container and another, or a program, can have a port of the host: each answer beside the engine's."""

import contextlib
import subprocess
import sys

import pytest

from tests.support.api import codes, container, run

PORT = 18077
LISTEN = """
import socket, sys
sock = socket.socket(socket.AF_INET6)
sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(sys.argv[1]))
sock.bind(("::", int(sys.argv[2])))
sock.listen()
print("listening", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def listening(engine, *, ipv6_only):
    """A program of the host that listens on every IPv6 address."""
    command = ["nsenter", f"--net={engine.namespace}", sys.executable, "-c", LISTEN, str(int(ipv6_only)), str(PORT)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout.readline() == "listening\n"
        yield
        program.stdin.close()


def ports(host_ip):
    return [{"container_port": 80, "host_port": PORT, **({"host_ip": host_ip} if host_ip else {})}]


def foreseen_and_done(api, *, diagnosed=True):
    """Hold the diagnosis, the rehearsal of a start, the rehearsal of a creation and the start against each other."""
    wants = api.get("/v1/containers/wants")
    said = {api.send("POST", "/v1/containers/wants/start?dry_run=true").status_code == 409}
    said |= {"host-port-taken" in codes(wants["findings"])} if diagnosed else set()
    body = container(
        "twin", network_mode=wants["network_mode"], published_ports=ports(wants["configured_ports"][0]["host_ip"])
    )
    said |= {api.send("POST", "/v1/containers?dry_run=true", body).status_code == 409}
    refused = api.send("POST", "/v1/containers/wants/start")
    assert refused.status_code in {200, 409}, refused.get_data(as_text=True)
    done = refused.status_code == 409
    assert not done or refused.get_json()["code"] == "port-taken"
    assert said == {done}
    return done


@pytest.mark.parametrize(
    ("wanted", "taken", "clashes"),
    [
        ("0.0.0.0", "::", False),
        ("::", "0.0.0.0", False),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", "::", False),
        ("", "::", True),
        ("127.0.0.1", "0.0.0.0", True),
        ("0.0.0.0", "127.0.0.1", True),
        ("::1", "::", True),
    ],
)
def test_two_published_ports(api, wanted, taken, clashes):
    run(api, "holder", published_ports=ports(taken))
    api.post("/v1/containers", container("wants", published_ports=ports(wanted), start=False), status=201)
    assert foreseen_and_done(api) is clashes


@pytest.mark.parametrize(
    ("network", "taken", "clashes"),
    [
        ({"internal": True}, "0.0.0.0", False),
        ({"options": {"com.docker.network.bridge.host_binding_ipv4": "127.0.0.2"}}, "127.0.0.1", False),
        ({"options": {"com.docker.network.bridge.host_binding_ipv4": "127.0.0.2"}}, "127.0.0.2", True),
    ],
)
def test_a_network_decides_whether_and_where_a_port_is_published(api, network, taken, clashes):
    api.post("/v1/networks", {"name": "net", **network}, status=201)
    run(api, "holder", published_ports=ports(taken))
    api.post(
        "/v1/containers", container("wants", network_mode="net", published_ports=ports(""), start=False), status=201
    )
    assert foreseen_and_done(api) is clashes


@pytest.mark.parametrize(("ipv6_only", "clashes"), [(True, False), (False, True)])
def test_a_program_on_every_ipv6_address(api, engine, ipv6_only, clashes):
    api.post("/v1/containers", container("wants", published_ports=ports("0.0.0.0"), start=False), status=201)
    with listening(engine, ipv6_only=ipv6_only):
        assert foreseen_and_done(api, diagnosed=False) is clashes
