"""What was predicted is kept while nothing that it depends on has changed, and predicted again after each change."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from bridgework.analysis import case
from tests.support.api import check, run
from tests.support.raw_engine import Raw

pytestmark = pytest.mark.wide

HTTPD = ["httpd", "-f", "-p", "8080"]
PORT = 18089
SCRAPE = f"/v1/connectivity/probe?source=far&destination=host&protocol=tcp&port={PORT}&timeout_ms=2000"


@pytest.fixture
def raw(api, engine):
    """``web`` publishes a port, ``client`` is on its network, ``far`` is on another one."""
    for name in ("one", "two"):
        api.post("/v1/networks", {"name": name}, status=201)
    published = [{"container_port": 8080, "host_port": PORT}]
    run(api, "web", network_mode="one", command=HTTPD, published_ports=published)
    run(api, "client", network_mode="one")
    run(api, "far", network_mode="two")
    raw = Raw(engine)
    raw.settle()
    return raw


@pytest.fixture
def predicted(monkeypatch):
    """The addresses that were predicted, in their order."""
    addresses, predict_one = [], case.predict_one

    def counted(situation):
        addresses.append(situation.candidate and situation.candidate.address)
        return predict_one(situation)

    monkeypatch.setattr(case, "predict_one", counted)
    return addresses


def to_web(api):
    return check(api, "client", "web", protocol="tcp", port=8080)


def to_host(api):
    return check(api, "far", {"host": True}, protocol="tcp", port=PORT, ip_version="4")


def from_host(api):
    return check(api, "host", "web", protocol="tcp", port=8080)


@contextmanager
def a_rule(raw):
    raw.in_namespace("iptables", "-I", "DOCKER-USER", "-p", "udp", "--dport", "9", "-j", "DROP")
    yield
    raw.in_namespace("iptables", "-D", "DOCKER-USER", "-p", "udp", "--dport", "9", "-j", "DROP")


@contextmanager
def a_network(raw):
    raw.make_network("three")
    yield


@contextmanager
def a_socket(raw):
    pid = raw.get("/containers/web/json")["State"]["Pid"]
    command = [
        "nsenter",
        f"--net=/proc/{pid}/ns/net",
        sys.executable,
        "-m",
        "tests.support.servers",
        "tcp",
        "0.0.0.0",
        "8081",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout.readline().strip() == "ready"
        yield
        running.kill()


@contextmanager
def a_policy_rule(raw):
    address = raw.get("/containers/web/json")["NetworkSettings"]["Networks"]["one"]["IPAddress"]
    raw.in_namespace("ip", "rule", "add", "priority", "90", "to", f"{address}/32", "blackhole")
    yield
    raw.in_namespace("ip", "rule", "del", "priority", "90")


@contextmanager
def a_link(raw):
    pid = raw.get("/containers/web/json")["State"]["Pid"]
    inside = ["nsenter", f"--net=/proc/{pid}/ns/net", "ip", "link", "set", "eth0", "down"]
    subprocess.run(inside, check=True)
    yield


@pytest.mark.usefixtures("raw")
@pytest.mark.parametrize("ask", [to_web, to_host, from_host, lambda api: api.get(SCRAPE)])
def test_a_question_that_is_asked_again_is_not_predicted_again(api, predicted, ask):
    ask(api)
    # What is still learnt in the first answers, such as links, may change what is observed once.
    ask(api)
    del predicted[:]
    answers = [ask(api) for _ in range(3)]
    assert predicted == []
    assert all("reachable" in str(answer) or "probe_success 1.0" in answer for answer in answers)


def test_connections_that_wait_at_a_busy_program_change_no_prediction(api, raw, predicted):
    pid = raw.get("/containers/web/json")["State"]["Pid"]
    to_web(api)
    to_web(api)
    # The kernel connects the probes of a program that is stopped, and they wait, fewer than its backlog of 9.
    os.kill(pid, signal.SIGSTOP)
    try:
        del predicted[:]
        answers = [to_web(api) for _ in range(3)]
    finally:
        os.kill(pid, signal.SIGCONT)
    assert predicted == []
    assert [answer["verdict"] for answer in answers] == ["reachable"] * 3


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (a_rule, "reachable"),
        (a_network, "reachable"),
        (a_socket, "reachable"),
        (a_policy_rule, "unreachable"),
        (a_link, "unreachable"),
    ],
)
def test_after_each_kind_of_change_it_is_predicted_again(api, raw, predicted, change, verdict):
    assert [from_host(api)["verdict"] for _ in range(2)] == ["reachable"] * 2
    del predicted[:]
    with change(raw):
        answer = from_host(api)
        assert predicted != []
        assert (answer["verdict"], answer["predicted"]["verdict"]) == (verdict, verdict), answer
        if change is a_policy_rule:
            # The kernel gives the same answer about the route again.
            del predicted[:]
            assert from_host(api)["predicted"] == answer["predicted"]
            assert predicted == []


@pytest.mark.usefixtures("raw")
def test_other_questions_are_predicted_for_themselves(api, predicted):
    to_web(api)
    del predicted[:]
    check(api, "client", "web", protocol="tcp", port=8081)
    check(api, "web", "client")
    assert len(predicted) == 2
