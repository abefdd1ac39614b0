"""Connections that are refused, for each cause: a finding names a cause only where something shows it."""

import contextlib
import os
import shlex
import signal
import socket
from pathlib import Path

import pytest

from bridgework.probes.kernel.setns import run_inside
from tests.support.api import check, codes, run
from tests.support.proves import proves, remedied
from tests.support.raw_engine import Raw
from tests.support.remedies import follow
from tools.engine import wait_until

HTTPD = ["httpd", "-f", "-p", "8080"]
PORT = {"container_port": 8080, "host_port": 18086}
BY_TCP = {"protocol": "tcp"}
RESET = "-p tcp --dport {} -j REJECT --reject-with tcp-reset"


@pytest.fixture
def raw(api, engine):
    """Two networks: ``web``, which publishes a port, and ``near`` on the one, ``far`` on the other."""
    for name in ("one", "two"):
        api.post("/v1/networks", {"name": name}, status=201)
    run(api, "web", network_mode="one", command=HTTPD, published_ports=[PORT])
    run(api, "near", network_mode="one")
    run(api, "far", network_mode="two")
    return Raw(engine)


@contextlib.contextmanager
def rule(raw, chain, matches, *table):
    """A rule of iptables on the engine's host."""
    raw.in_namespace("iptables", *table, "-I", chain, *shlex.split(matches))
    try:
        yield
    finally:
        raw.in_namespace("iptables", *table, "-D", chain, *shlex.split(matches))


def inside(raw, name, work):
    descriptor = os.open(f"/proc/{raw.get(f'/containers/{name}/json')['State']['Pid']}/ns/net", os.O_RDONLY)
    try:
        return run_inside(descriptor, work)
    finally:
        os.close(descriptor)


def blocking(answer):
    """The one blocking finding of a check that was refused."""
    assert (answer["verdict"], answer["measured"]["reason"]) == ("unreachable", "refused"), answer
    (found,) = [one for one in answer["findings"] if one["severity"] == "blocking"]
    return found


@pytest.mark.parametrize(
    ("source", "destination", "port", "chain"),
    [("far", {"host": True}, 18086, "INPUT"), ("near", "web", 8080, "FORWARD")],
)
def test_a_rule_of_the_host_that_resets_is_the_only_cause_told(api, raw, source, destination, port, chain):
    # Where Docker translates the port for other bridges (Docker 29), the packet passes FORWARD.
    with contextlib.ExitStack() as stack:
        for here, wanted in {(chain, port), ("FORWARD", 8080)}:
            stack.enter_context(rule(raw, here, RESET.format(wanted)))
        answer = check(api, source, destination, port=port, **BY_TCP)
    (found,) = [one for one in answer["findings"] if one["severity"] == "blocking"]
    assert (answer["verdict"], found["code"]) == ("unreachable", "user-firewall-drop")
    assert "REJECT" in found["evidence"]["rule"]


@proves("container-rule-drops")
def test_a_rule_inside_the_destination_is_not_taken_for_a_port_without_a_program(api, raw):
    pid = raw.get("/containers/web/json")["State"]["Pid"]
    raw.in_namespace("nsenter", f"--net=/proc/{pid}/ns/net", "iptables", "-I", "INPUT", *RESET.format(8080).split())
    for protocol in ("tcp", "http"):
        found = blocking(check(api, "near", "web", port=8080, **{**BY_TCP, "protocol": protocol}))
        assert found["code"] == "container-rule-drops"
        assert "--dport 8080" in found["message"]
    # A trace names the rule too.
    traced = check(api, "near", "web", port=8080, trace=True, **BY_TCP)["trace"]
    assert "tcp dpt:8080" in str(traced["lost"]) or "INPUT" in traced["lost"]["message"]


@proves("socket-bound-to-interface")
def test_a_socket_of_another_interface_is_not_taken_for_a_port_without_a_program(api, raw):
    api.put("/v1/networks/two/endpoints/near", {})

    def bind():
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth1")
        made.bind(("0.0.0.0", 8090))
        made.listen()
        return made

    with inside(raw, "near", bind):
        answer = check(api, "web", "near", port=8090, **BY_TCP)
        assert "socket-bound-to-interface" in codes(answer["findings"])
        assert "no-listener" not in codes(answer["findings"])
        # Both are on one network, so no finding says that they are not.
        assert "no-shared-network" not in codes(answer["findings"])
        served = check(api, "far", "near", port=8090, **BY_TCP)
    assert (served["verdict"], codes(served["findings"])) == ("reachable", [])


def test_a_published_port_that_a_rule_redirects_is_judged_by_where_it_leads(api, raw):
    with rule(raw, "PREROUTING", "-p tcp --dport 18086 -j REDIRECT --to-ports 18099", "-t", "nat"):
        found = blocking(check(api, "far", {"host": True}, port=18086, **BY_TCP))
        assert (found["code"], found["component"]["kind"]) == ("no-listener", "host")
        assert "--to-ports 18099" in found["evidence"]["rule"]
        run(api, "hosted", network_mode="host", command=["httpd", "-f", "-p", "18099"])
        served = check(api, "far", {"host": True}, port=18086, **BY_TCP)
    assert (served["predicted"]["verdict"], served["verdict"]) == ("reachable", "reachable")


@proves("docker-proxy-missing")
@remedied("docker-proxy-missing")
def test_a_docker_proxy_that_ended_is_named_and_comes_back_with_the_container(api, raw):
    for process in proxies(raw):
        os.kill(process, signal.SIGKILL)
    assert wait_until(lambda: not proxies(raw), 10)
    asked = {"port": 18086, **BY_TCP}
    found = blocking(check(api, "host", {"address": "127.0.0.1"}, **asked))
    assert (found["code"], found["component"]["name"]) == ("docker-proxy-missing", "web")
    assert blocking(check(api, "near", {"host": True}, **asked))["code"] == "docker-proxy-missing"
    follow(api, raw, found, between=("host", "web"))
    assert wait_until(lambda: check(api, "near", {"host": True}, **asked)["verdict"] == "reachable", 20)
    assert check(api, "host", {"address": "127.0.0.1"}, **asked)["verdict"] == "reachable"


def proxies(raw):
    """The processes of docker-proxy for the port in the engine's namespace."""
    engine = raw.in_namespace("readlink", "/proc/self/ns/net").strip()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"docker-proxy" in words[0] and b"18086" in words and str((entry / "ns/net").readlink()) == engine:
                found.append(int(entry.name))
    return found
