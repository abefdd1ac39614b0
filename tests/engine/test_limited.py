"""Each view of one pair names what the service could not look at, by the same code and with the same words."""

import pytest

from bridgework.probes.kernel import firewall, namespace_files
from tests.support.api import run
from tests.support.raw_engine import Raw

pytestmark = pytest.mark.slow

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
