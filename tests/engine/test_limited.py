"""Each view of one pair names what the service could not look at, by the same code and with the same words."""

import subprocess

import pytest

from bridgework.probes.kernel import firewall, namespace_files
from tests.support.api import run
from tests.support.raw_engine import Raw

pytestmark = pytest.mark.wide

PORT = {"protocol": "tcp", "port": 8080}
WAIT = {"timeout_ms": 2000}
REMEDIES = {
    "namespace-out-of-reach": "BRIDGEWORK_PROBE_IMAGE",
    "host-out-of-reach": "pid namespace",
    "firewall-not-visible": "CAP_NET_ADMIN",
}


@pytest.fixture
def raw(engine):
    return Raw(engine)


@pytest.fixture
def pair(app, api, monkeypatch):
    """``db`` and ``web`` on one network, and no reading of the firewall that is kept from an earlier test."""
    for name in ("front", "side"):
        api.post("/v1/networks", {"name": name}, status=201)
    run(api, "web", command=["httpd", "-f", "-p", "8080"], networks=[{"network": "front"}, {"network": "side"}])
    run(api, "db", network_mode="front")
    monkeypatch.setattr(app.config["SERVICES"].rules, "_last", None)
    return api


def views(api):
    """What each view of the pair leaves open."""
    ends = {"source": {"container": "db"}, "destination": {"container": "web"}}
    change = {"method": "DELETE", "path": "/v1/networks/side/endpoints/web"}
    answers = {
        "check": api.post("/v1/connectivity/checks", {**ends, **PORT, **WAIT}),
        "assertion": api.post(
            "/v1/connectivity/assertions", [{**ends, **PORT, **WAIT, "name": "a", "expect": "reachable"}]
        )["items"][0]["result"],
        "matrix": api.post("/v1/connectivity/matrix", {"containers": ["db", "web"], **PORT, **WAIT}),
        "query": api.post("/v1/connectivity/queries", {"find": "sources", "of": {"container": "web"}, **PORT}),
        "plan": api.post("/v1/plans", {"changes": [change]}),
        "exposure": api.get("/v1/exposure"),
        "diagnosis": api.get("/v1/diagnostics"),
    }
    return {name: seen["limited"] for name, seen in answers.items()}


def expect_in_all(api, code, what):
    said = set()
    for name, limited in views(api).items():
        # Where an earlier test used the other variant of iptables, its rules are named behind these.
        told = [one for one in limited if one["code"] == code and one["what"].startswith(what)]
        assert len(told) == 1, (name, limited)
        assert REMEDIES[code] in told[0]["remedy"]
        said.add(told[0]["what"])
    assert len(said) == 1


def test_where_all_is_visible_no_view_leaves_anything_open(pair):
    assert {name: limited for name, limited in views(pair).items() if limited} == {}


@pytest.mark.parametrize(
    ("closed", "code", "what"),
    [
        ("web", "namespace-out-of-reach", "the network namespace of web"),
        ("host", "host-out-of-reach", "the host's firewall rules"),
    ],
)
def test_a_namespace_that_cannot_be_entered(pair, monkeypatch, closed, code, what):
    opened = namespace_files._open  # noqa: SLF001 - the one place that opens namespaces

    def refused(place, *, pids_visible):
        if place.name == closed or (closed == "host" and place.container_id is None):
            raise namespace_files.OutOfReach("not permitted")
        return opened(place, pids_visible=pids_visible)

    monkeypatch.setattr(namespace_files, "_open", refused)
    expect_in_all(pair, code, what)


def test_rules_of_iptables_that_cannot_be_read(pair, monkeypatch):
    monkeypatch.setattr(firewall, "_PROGRAMS", {4: "/nowhere/iptables-save", 6: "/nowhere/ip6tables-save"})
    expect_in_all(pair, "firewall-not-visible", "the host's firewall rules: iptables and ip6tables")


def test_rules_of_nftables_without_nft(pair, raw, monkeypatch):
    monkeypatch.setattr(firewall, "_NFT", "/nowhere/nft")
    raw.in_namespace("nft", "add table inet own; add chain inet own c { type filter hook forward priority 0; }")
    try:
        expect_in_all(pair, "firewall-not-visible", "the host's firewall rules: nftables")
    finally:
        raw.in_namespace("nft", "delete", "table", "inet", "own")


def inside(raw, name, *command):
    """Run a command in the container's network namespace, with the programs of the machine."""
    pid = raw.get(f"/containers/{name}/json")["State"]["Pid"]
    subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "--", *command], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("table", "what"),
    [
        (
            "add table inet own; add chain inet own c { type filter hook input priority 0; }",
            "the firewall rules (nftables) of web",
        ),
        (
            "add table netdev own; add chain netdev own c { type filter hook ingress device eth0 priority 0; }",
            "the rules of the families netdev, bridge and arp of web",
        ),
    ],
)
def test_rules_inside_a_container_that_cannot_be_read(pair, raw, monkeypatch, table, what):
    inside(raw, "web", "nft", table)
    monkeypatch.setattr(firewall, "_NFT", "/nowhere/nft")
    for name in ("matrix", "query", "plan", "exposure"):
        told = [one for one in views(pair)[name] if one["what"] == what]
        assert [one["code"] for one in told] == ["firewall-not-visible"], name
        assert "nft" in told[0]["remedy"]


def test_a_kernel_that_tells_nothing_of_rules_and_policies(pair, monkeypatch):
    monkeypatch.setattr(firewall, "kernel_chains", lambda: None)
    what = "the firewall rules of web"
    for name in ("matrix", "query", "plan", "exposure"):
        told = [one for one in views(pair)[name] if one["what"].startswith(what)]
        assert [one["code"] for one in told] == ["firewall-not-visible"], name


def test_a_plan_says_which_insides_it_does_not_foresee(pair, raw):
    leave = {"method": "DELETE", "path": "/v1/networks/side/endpoints/web"}
    restart = {"method": "POST", "path": "/v1/containers/web/restart"}
    told = {}
    for state in ("as Docker makes it", "changed"):
        if state == "changed":
            inside(raw, "web", "ip", "route", "add", "blackhole", "192.0.2.0/24")
        for change in (leave, restart):
            limited = pair.post("/v1/plans", {"changes": [change]})["limited"]
            told[state, change["method"]] = [one["what"] for one in limited if one["code"] == "inside-not-foreseen"]
    assert told == {
        ("as Docker makes it", "DELETE"): [],
        ("as Docker makes it", "POST"): [],
        ("changed", "DELETE"): ["the links and routes inside web after the changes"],
        ("changed", "POST"): ["the links, routes and rules inside web after the changes"],
    }
