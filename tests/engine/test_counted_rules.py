"""Rules about some packets of a kind (limit, statistic): every question about them is open, and says which rule."""

import pytest

from tests.support.api import check, run
from tests.support.raw_engine import Raw

pytestmark = pytest.mark.wide

HTTPD = ["httpd", "-f", "-p", "8080"]
LIMIT = "-m limit --limit 1/min --limit-burst 1"
CHANCE = "-m statistic --mode random --probability 0.50000000000"


@pytest.fixture
def raw(api, engine):
    """A container that publishes a port, and one on a network of its own."""
    for name in ("one", "two"):
        api.post("/v1/networks", {"name": name}, status=201)
    run(api, "web", network_mode="one", command=HTTPD, published_ports=[{"container_port": 8080, "host_port": 18088}])
    run(api, "far", network_mode="two")
    return Raw(engine)


def searched(api, **query):
    """The groups of a search in which the host is."""
    answer = api.post("/v1/connectivity/queries", {"protocol": "tcp", **query})
    return [group for group in answer["groups"] if "host" in {one["name"] for one in group["ends"]}]


@pytest.mark.parametrize("matches", [LIMIT, CHANCE])
def test_a_rule_of_input_about_some_packets_leaves_the_hosts_port_undecided(api, raw, matches):
    rule = ["INPUT", "-p", "tcp", "--dport", "18088", *matches.split(), "-j", "DROP"]
    asked = {"find": "destinations", "of": {"container": "far"}, "port": 18088}
    assert [group["verdict"] for group in searched(api, **asked)] == ["reachable"]
    raw.in_namespace("iptables", "-I", *rule)
    try:
        answer = check(api, "far", {"host": True}, protocol="tcp", port=18088, timeout_ms=2000)
        (group,) = searched(api, **asked)
    finally:
        raw.in_namespace("iptables", "-D", *rule)
    word = matches.split()[1]
    assert answer["predicted"]["verdict"] == "inconclusive"
    (found,) = [one for one in answer["findings"] if one["code"] == "analysis-limited"]
    assert f"about some of the packets ({word})" in found["message"]
    assert f"-m {word}" in found["evidence"]["rule"]
    assert "trace" in found["remedy"]["summary"]
    assert group["verdict"] == "inconclusive"
    assert group["reason"] == "analysis-limited"
    assert any("about some of the packets" in one["message"] for one in group["findings"])


def test_the_exposure_of_a_port_with_a_rule_about_some_packets_is_not_decided(api, raw):
    rule = ["INPUT", "-p", "tcp", "--dport", "18088", *LIMIT.split(), "-j", "DROP"]
    rows = lambda: api.get("/v1/exposure?limit=1000&container=web")["items"]  # noqa: E731
    reached = {at(row) for row in rows() if row["by_proxy"]}
    raw.in_namespace("iptables", "-I", *rule)
    try:
        now = {at(row): row for row in rows()}
    finally:
        raw.in_namespace("iptables", "-D", *rule)
    doubtful = {where for where, row in now.items() if row["reason"] == "rule-not-understood"}
    assert doubtful == {where for where in reached if ":" not in where[2]} != set()
    assert {now[where]["verdict"] for where in doubtful} == {"inconclusive"}
    assert all("-m limit" in now[where]["stopped_by"]["rule"] for where in doubtful)


def at(row):
    return row["origin"]["kind"], row["origin"]["name"], row["address"], row["port"]
