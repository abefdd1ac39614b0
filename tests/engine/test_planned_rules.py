"""Plans where rules of other programs are in force: they say what the wire shows then, and which findings come."""

import contextlib

import pytest

from bridgework.use_cases.plans.make import make_change
from tests.engine.test_applied_plans import PAGES, apply, call, networks_of
from tests.engine.test_plans import changed
from tests.support.api import codes, container, run
from tests.support.foreign_rules import CLOSED_INPUT, rules
from tests.support.neighbour import HOST_ADDRESS, neighbour_of
from tests.support.raw_engine import Raw

pytestmark = pytest.mark.wide

EXPOSED = {
    "exposed-past-host-firewall",
    "loopback-port-exposed",
    "published-on-every-address",
    "stale-address",
    "unpublished-port-exposed",
}
CONNECT = call("PUT", "/networks/left/endpoints/in-right", {})


@pytest.fixture
def two(api, engine):
    """Two containers with pages, in two networks; br_netfilter shows packets within a bridge to the rules."""
    for name in ("left", "right"):
        api.post("/v1/networks", {"name": name}, status=201)
        run(api, f"in-{name}", network_mode=name, command=PAGES)
    Raw(engine).in_namespace("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1")
    return api


def publishing(name, host_port, **more):
    port = {"container_port": 80, "host_port": host_port, **more}
    return call("POST", "/containers", container(name, network_mode="left", command=PAGES, published_ports=[port]))


def planned(api, *calls):
    return api.post("/v1/plans", {"changes": list(calls)})


def as_measured(api, *calls):
    """The pairs that the plan changes. Each is measured as the plan says, so the changes are kept."""
    found = apply(api, *calls)
    assert {one["agrees"] for one in found["applied"]["pairs"]} <= {True}, found["applied"]
    assert found["applied"]["outcome"] == "applied"
    return changed(found, after="reachable")


def test_a_drop_in_docker_user_is_counted(two, engine):
    drop = ("-I", "DOCKER-USER", "-p", "tcp", "--dport", "80", "-j", "DROP")
    with rules(Raw(engine), drop):
        opened = as_measured(two, CONNECT)
    assert opened == {("in-left", "in-right", "icmp"), ("in-right", "in-left", "icmp")}


def test_a_closed_input_is_counted(two, engine):
    """Docker 26 leads packets of containers for a port of the host to docker-proxy, so they meet INPUT."""
    with rules(Raw(engine), *CLOSED_INPUT):
        opened = as_measured(two, publishing("web", 20080))
    assert ("in-left", "web", "tcp 80") in opened
    assert {source for source, destination, _ in opened if destination != "web" and source.startswith("in-r")} == set()


def test_a_translation_of_another_program_is_counted(two, engine):
    raw = Raw(engine)
    address = two.get("/v1/containers/in-left")["endpoints"][0]["ipv4_address"]
    dnat = ("-t", "nat", "-I", "PREROUTING", "-p", "tcp", "--dport", "20080", "-j", "DNAT", "--to", f"{address}:80")
    with rules(raw, dnat):
        found = as_measured(two, publishing("web", 20080))
    at_host = {source for source, _, port in found if port == "tcp 20080"}
    assert "in-right" not in at_host


def test_a_rule_that_comes_with_the_change_is_named(two, engine, monkeypatch):
    """As a program writes one that reacts to the engine's events."""
    drop = ("-I", "DOCKER-USER", "-p", "tcp", "--dport", "80", "-j", "DROP")
    with contextlib.ExitStack() as stack:

        def change_and_drop(*args):
            make_change(*args)
            stack.close()
            stack.enter_context(rules(Raw(engine), drop))

        monkeypatch.setattr("bridgework.use_cases.plans.apply.make_change", change_and_drop)
        found = apply(two, CONNECT)["applied"]
        assert networks_of(two, "in-right") == ["right"]
        kept = apply(two, CONNECT, undo="never")["applied"]
        assert (kept["outcome"], networks_of(two, "in-right")) == ("applied", ["left", "right"])
    assert found["outcome"] == "undone"
    differing = [one for one in found["pairs"] if one["agrees"] is False]
    assert {(one["protocol"], one["predicted"], one["measured"]) for one in differing} == {
        ("tcp", "reachable", "unreachable")
    }
    for pair in differing:
        (finding,) = [one for one in pair["findings"] if one["code"] == "user-firewall-drop"]
        assert "--dport 80 -j DROP" in finding["message"]
    assert all(one["findings"] == [] for one in found["pairs"] if one["agrees"])


def test_a_rule_that_comes_after_the_plan_makes_it_another_plan(two, engine):
    etag = two.send("POST", "/v1/plans", {"changes": [CONNECT]}).headers["ETag"]
    with rules(Raw(engine), ("-I", "DOCKER-USER", "-p", "tcp", "--dport", "80", "-j", "DROP")):
        assert apply(two, CONNECT, etag=etag, status=412)["code"] == "precondition-failed"


def told(findings):
    return {(one["code"], one["component"]["name"]) for one in findings if one["code"] in EXPOSED}


@contextlib.contextmanager
def open_forward(raw):
    """Let pass what no rule of FORWARD decides: the engine closes that when it starts."""
    raw.in_namespace("iptables", "-P", "FORWARD", "ACCEPT")
    try:
        yield
    finally:
        raw.in_namespace("iptables", "-P", "FORWARD", "DROP")


def test_the_findings_of_ports_are_those_of_the_diagnosis_afterwards(two, engine):
    steps = (
        (publishing("web", 20080), publishing("mine", 20081, host_ip="127.0.0.1")),
        (call("PUT", "/networks/right/endpoints/web", {}),),
        (call("DELETE", "/networks/left/endpoints/in-left"),),
        (call("POST", "/containers/web/stop?grace_s=0"),),
        (call("DELETE", "/containers/mine?force=true"), call("DELETE", "/containers/web?force=true")),
    )
    address = two.get("/v1/containers/in-left")["endpoints"][0]["ipv4_address"]
    run(two, "pointing", network_mode="right", extra_hosts={"db": address})
    seen = set()
    with neighbour_of(engine) as neighbour, rules(Raw(engine), *CLOSED_INPUT), open_forward(Raw(engine)):
        before = told(two.get("/v1/diagnostics?limit=1000")["items"])
        for calls in steps:
            found = planned(two, *calls)
            apply(two, *calls, undo="never")
            after = told(two.get("/v1/diagnostics?limit=1000")["items"])
            assert told(found["appearing_findings"]) == after - before, calls
            assert told(found["disappearing_findings"]) == before - after, calls
            assert EXPOSED & {word for one in found["limited"] for word in one["what"].split()} == set()
            seen |= after
            if calls is steps[0]:
                assert neighbour.reaches(HOST_ADDRESS, 20080)
            before = after
    assert {code for code, _ in seen} >= {"exposed-past-host-firewall", "unpublished-port-exposed", "stale-address"}


def test_an_open_port_of_the_host_is_foreseen(two, engine):
    with neighbour_of(engine):
        found = planned(two, publishing("web", 20080))
    assert "published-on-every-address" in codes(found["appearing_findings"])
