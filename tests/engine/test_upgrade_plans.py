"""A plan that ends with another release of the engine: what it answers, and what it refuses."""

import pytest

from tests.support.api import container
from tests.support.engine import release
from tests.support.foreign_rules import rules
from tests.support.raw_engine import Raw

pytestmark = pytest.mark.wide

NFTABLES = {"upgrade_engine": {"version": "29.7", "firewall_backend": "nftables"}}


@pytest.fixture
def two(api):
    """Two containers on one network."""
    api.post("/v1/networks", {"name": "up-net"}, status=201)
    for name in ("up-a", "up-b"):
        api.post("/v1/containers", container(name, network_mode="up-net"), status=201)
    return api


def pairs(plan):
    return {(one["source"]["name"], one["destination"]["name"], one["protocol"]): one["after"] for one in plan}


def address_of(api, name):
    return api.get(f"/v1/containers/{name}")["endpoints"][0]["ipv4_address"]


def test_a_rule_in_docker_user_that_never_runs_is_named_with_the_pairs_that_it_opens(two, engine):
    raw = Raw(engine)
    bridge = two.get("/v1/networks/up-net")["bridge_name"]
    drop = ("-I", "DOCKER-USER", "-i", bridge, "-o", bridge, "-d", address_of(two, "up-b"), "-j", "DROP")
    with rules(raw, drop):
        plan = two.post("/v1/plans", {"changes": [NFTABLES]})
    opened = pairs(plan["difference"]["pairs"])
    assert opened["up-a", "up-b", "icmp"] == "reachable"
    note = next(one for one in plan["notes"] if one["code"] == "docker-user-not-used")
    assert opened.items() >= pairs(note["pairs"]).items()
    assert pairs(note["pairs"])["up-a", "up-b", "icmp"] == "reachable"
    assert "DOCKER-USER" in note["components"][0]["name"]
    assert "DROP" in note["message"]


def test_forwarding_that_nobody_switches_on_is_noted_with_the_pairs_that_need_it(two, engine):
    Raw(engine).in_namespace("sysctl", "-qw", "net.ipv4.ip_forward=1")
    two.post("/v1/containers", container("up-pub", published_ports=[{"container_port": 80, "host_port": 18480}]), 201)
    plan = two.post("/v1/plans", {"changes": [NFTABLES]})
    note = next(one for one in plan["notes"] if one["code"] == "forwarding-not-switched-on")
    assert note["pairs_total"] == len(note["pairs"])
    assert {one["after"] for one in note["pairs"]} <= {"unreachable", "inconclusive"}
    assert plan["upgrade"] == {
        "version": "29.7", "answered_as": "29.7", "firewall_backend": "nftables", "iptables": True,
        "userland_proxy": plan["upgrade"]["userland_proxy"], "ip6tables": True,
    }  # fmt: skip


def test_an_upgrade_comes_after_the_changes_and_has_no_step_of_its_own(two):
    connect = {"method": "DELETE", "path": "/v1/networks/up-net/endpoints/up-b"}
    plan = two.post("/v1/plans", {"changes": [connect, {"upgrade_engine": {"version": "29.7"}}]})
    assert [step["call"]["method"] for step in plan["steps"]] == ["DELETE"]
    assert pairs(plan["difference"]["pairs"])["up-a", "up-b", "icmp"] == "unreachable"
    assert plan["appearing_findings"] == two.post("/v1/plans", {"changes": [connect]})["appearing_findings"]


def test_a_newer_release_is_answered_as_the_newest_known_one_and_says_so(two):
    plan = two.post("/v1/plans", {"changes": [{"upgrade_engine": {"version": "31.2"}}]})
    assert plan["upgrade"]["version"] == "31.2"
    assert "release-newer-than-known" in [one["code"] for one in plan["limited"]]
    rules_of_27 = two.post("/v1/plans", {"changes": [{"upgrade_engine": {"version": "27.3"}}]})
    assert "rules-of-release-not-known" in [one["code"] for one in rules_of_27["limited"]]


def test_a_setting_that_is_null_stays_as_it_is(two):
    plan = two.post("/v1/plans", {"changes": [{"upgrade_engine": {"allow_direct_routing": None}}]})
    assert (plan["possible"], plan["difference"]["pairs"]) == (True, [])
    assert plan["upgrade"]["version"].startswith("{}.{}".format(*release()))


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ([{"upgrade_engine": {"version": "24.0"}}], "/changes/0/upgrade_engine/version"),
        ([{"upgrade_engine": {"version": "28.9"}}], "/changes/0/upgrade_engine/version"),
        ([{"upgrade_engine": {"version": "latest"}}], "/changes/0/upgrade_engine/version"),
        ([{"upgrade_engine": {"version": "28.5", "firewall_backend": "nftables"}}],
         "/changes/0/upgrade_engine/firewall_backend"),
        ([{"upgrade_engine": {"firewall_backend": "pf"}}], "/changes/0/upgrade_engine/firewall_backend"),
        ([{"upgrade_engine": {}}], "/changes/0/upgrade_engine"),
        ([{"upgrade_engine": {"version": "29.7"}}, {"method": "POST", "path": "/v1/containers/up-a/stop"}],
         "/changes/0/upgrade_engine"),
        ([{"upgrade_engine": {"version": "29.7"}, "method": "POST"}], "/changes/0/method"),
        ([{"method": "POST"}], "/changes/0/path"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_is_named(two, changes, pointer):
    problem = two.post("/v1/plans", {"changes": changes}, status=422)
    assert problem["code"] == "input-invalid"
    assert [one["pointer"] for one in problem["errors"]] == [pointer]


def test_an_upgrade_cannot_be_applied(two):
    problem = two.post("/v1/plans", {"changes": [NFTABLES], "apply": True}, status=422, headers={"If-Match": '"x"'})
    assert problem["code"] == "plan-not-applicable"
    assert "package manager" in problem["remedy"]["summary"]
