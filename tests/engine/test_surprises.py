"""Checks that turn out otherwise than predicted: each traces itself, names what stopped the packet or where it was last
seen, and no cause that was not seen. Whether the packet passes is the word of busybox's ping in the same namespace."""

import subprocess

import pytest

from tests.support.api import Client, check, codes, run
from tests.support.proves import proves
from tests.support.raw_engine import Raw

pytestmark = pytest.mark.wide

NETWORK = "lab"
RIGHTS = "the role operator"
NOT_UNDERSTOOD = "-p icmp -m length --length 20:1500"
"""A match that the service does not understand, of every ping. What it understands is no surprise (tests/causes)."""


@pytest.fixture(scope="module")
def raw(engine):
    return Raw(engine)


@pytest.fixture(scope="module")
def pair(module_api):
    """Two containers on one network."""
    module_api.post("/v1/networks", {"name": NETWORK}, status=201)
    run(module_api, "web", network_mode=NETWORK)
    run(module_api, "client", network_mode=NETWORK)
    return module_api


class Place:
    """Where the commands of a fault run, and what their words stand for."""

    def __init__(self, raw):
        self._raw = raw
        self.pids = {name: raw.get(f"/containers/{name}/json")["State"]["Pid"] for name in ("web", "client")}
        self.address = self.endpoint("web")["IPAddress"]
        self.words = {
            "WEB": self.address,
            "CLIENT": self.endpoint("client")["IPAddress"],
            "WEB_PORT": self.port("web"),
            "CLIENT_PORT": self.port("client"),
        }

    def endpoint(self, name):
        return self._raw.get(f"/containers/{name}/json")["NetworkSettings"]["Networks"][NETWORK]

    def inside(self, name, *command, check=True):
        return subprocess.run(
            ["nsenter", f"--target={self.pids[name]}", "--net", *command], check=check, capture_output=True, text=True
        )

    def port(self, name):
        """The host's end of a container's veth pair."""
        link = self.inside(name, "ip", "-o", "link", "show", "eth0").stdout
        number = link.split("@if")[1].split(":")[0]
        lines = self._raw.in_namespace("ip", "-o", "link").splitlines()
        (line,) = [line for line in lines if line.startswith(f"{number}: ")]
        return line.split()[1].split("@")[0]

    def run(self, where, text):
        command = [self.words.get(word, word) for word in text.split()]
        if where == "host":
            self._raw.in_namespace(*command)
        else:
            self.inside(where, *command)

    def answers(self):
        return self.inside("client", "busybox", "ping", "-c1", "-W1", self.address, check=False).returncode == 0


def netdev(hook, device):
    """A table of the family netdev that drops IPv4 packets, and leaves ARP alone, by a match that is not understood."""
    table = "nft add table netdev fault"
    chain = f"nft add chain netdev fault at {{ type filter hook {hook} device {device} priority 0 ; }}"
    return [table, chain, "nft add rule netdev fault at ip ttl gt 0 drop"]


GONE = ["nft delete table netdev fault"]
# Where the fault is, what makes it, what takes it back, and what the finding says: the evidence and its value.
FAULTS = {
    "input": ("web", [f"iptables -A INPUT {NOT_UNDERSTOOD} -j DROP"], ["iptables -F INPUT"],
              "stopped_by", "INPUT of web"),
    "output": ("client", [f"iptables -A OUTPUT {NOT_UNDERSTOOD} -j DROP"], ["iptables -F OUTPUT"],
               "stopped_by", "OUTPUT of client"),
    "answer": ("web", [f"iptables -A OUTPUT {NOT_UNDERSTOOD} -j DROP"], ["iptables -F OUTPUT"],
               "stopped_by", "OUTPUT of web"),
    "netdev-in": ("web", netdev("ingress", "eth0"), GONE, "last_seen", "eth0 of web"),
    "netdev-out": ("client", netdev("egress", "eth0"), GONE, "stopped_by", "fault at of client"),
    "netdev-host": ("host", netdev("ingress", "CLIENT_PORT"), GONE, "last_seen", "CLIENT_PORT of the host"),
}  # fmt: skip


def surprise(answer):
    assert (answer["predicted"]["verdict"], answer["verdict"]) == ("reachable", "unreachable"), answer
    return next(one for one in answer["findings"] if one["code"] == "prediction-inconsistent")


@proves("prediction-inconsistent")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_surprise_says_where_the_packet_was_last_seen(pair, raw, fault):
    where, made_by, taken_back_by, evidence, value = FAULTS[fault]
    place = Place(raw)
    assert place.answers()
    try:
        for command in made_by:
            place.run(where, command)
        assert not place.answers()
        answer = check(pair, "client", "web", timeout_ms=2000)
    finally:
        for command in taken_back_by:
            place.run(where, command)
    found = surprise(answer)
    for port in ("WEB_PORT", "CLIENT_PORT"):
        value = value.replace(port, place.words[port])
    assert value in found["evidence"].get(evidence, ""), found
    assert answer["trace"]["lost"]["message"] in found["message"]
    # What is not named by a rule is told as possible only, and nothing else is blamed.
    assert ("Possible are " in found["message"]) is ("stopped_by" not in found["evidence"])
    assert [one["code"] for one in answer["findings"] if one["severity"] == "blocking"] == []
    assert "bridgework-trace" not in raw.in_namespace("nft", "list", "tables")
    assert check(pair, "client", "web", timeout_ms=2000)["verdict"] == "reachable"


def test_a_surprise_is_not_traced_where_the_caller_may_not_or_does_not_want_it(pair, raw, app):
    place = Place(raw)
    place.run("web", f"iptables -A INPUT {NOT_UNDERSTOOD} -j DROP")
    try:
        viewer = check(Client(app, "viewer"), "client", "web", timeout_ms=2000)
        unwanted = check(pair, "client", "web", timeout_ms=2000, trace=False)
    finally:
        place.run("web", "iptables -F INPUT")
    assert viewer["trace"] is None
    assert RIGHTS in surprise(viewer)["message"]
    assert unwanted["trace"] is None
    assert "It was not traced." in surprise(unwanted)["message"]


def test_a_check_that_turns_out_as_predicted_is_not_traced(pair):
    answer = check(pair, "client", "web", timeout_ms=2000)
    assert (answer["verdict"], answer["trace"], codes(answer["findings"])) == ("reachable", None, [])
