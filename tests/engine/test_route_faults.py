"""Faults of the host's routing on a real engine: each is provoked, found with its rule, and gone after the remedy."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings
from tests.support.api import check, codes, run
from tests.support.neighbour import ADDRESS, LINK, neighbour_of
from tests.support.proves import proves, remedied
from tests.support.raw_engine import Raw
from tests.support.remedies import follow

pytestmark = pytest.mark.slow

TUNNEL, TABLE, PRIORITY = "tun51820", "51820", 5270
HTTPD = ["httpd", "-f", "-p", "8080"]


@pytest.fixture
def lab(api, engine):
    """Two networks with a container each; the first one publishes a port."""
    raw = Raw(engine)
    bridges = {name: api.post("/v1/networks", {"name": name}, status=201)["bridge_name"] for name in ("front", "back")}
    port = {"container_port": 8080, "host_port": 18080}
    run(api, "web", network_mode="front", command=HTTPD, published_ports=[port])
    run(api, "client", network_mode="back")
    yield SimpleNamespace(api=api, raw=raw, front=bridges["front"], back=bridges["back"])
    raw.in_namespace("sh", "-c", f"ip link delete {TUNNEL} || true")
    raw.in_namespace("sh", "-c", "for p in 5269 5270; do while ip rule delete priority $p; do :; done; done")


@pytest.fixture
def outward(api, engine, tokens_file):
    """A client of a service that may probe the neighbour; ``api`` sweeps up."""
    settings = Settings(tokens_file=tokens_file, stop_grace_s=1, probe_allowed_cidrs=[f"{ADDRESS}/32"])
    return replace(api, app=create_app(settings, EngineAddress(engine.docker_host)))


def subnet(lab, network):
    return lab.raw.get(f"/networks/{network}")["IPAM"]["Config"][0]["Subnet"]


def tunnel(lab, *rule):
    """A tunnel whose other end is silent, with a table of its own that leads everything there, and this policy rule."""
    lab.raw.in_namespace("ip", "tuntap", "add", "dev", TUNNEL, "mode", "tun")
    lab.raw.in_namespace("ip", "link", "set", TUNNEL, "up")
    lab.raw.in_namespace("ip", "route", "add", "default", "dev", TUNNEL, "table", TABLE)
    lab.raw.in_namespace("ip", "rule", "add", *rule, "lookup", TABLE, "priority", str(PRIORITY))


def explained(answer, code):
    assert answer["verdict"] == "unreachable", answer
    assert answer["predicted"]["verdict"] == "unreachable"
    assert "prediction-inconsistent" not in codes(answer["findings"])
    return next(one for one in answer["findings"] if one["code"] == code)


def diagnosed(lab):
    """The findings of the diagnosis about routes, by code and network."""
    routes = {"policy-route-diverts", "asymmetric-routing", "reverse-path-filtered"}
    found = [one for one in lab.api.get("/v1/diagnostics")["items"] if one["code"] in routes]
    return {(one["code"], one["component"]["name"]): one for one in found}


@proves("policy-route-diverts")
@remedied("policy-route-diverts")
def test_a_policy_rule_that_leads_a_network_into_a_tunnel_is_quoted(lab):
    assert check(lab.api, "host", "web", protocol="tcp", port=8080)["verdict"] == "reachable"
    tunnel(lab)
    for protocol in ("icmp", "tcp"):
        port = {"port": 8080} if protocol == "tcp" else {}
        found = explained(
            check(lab.api, "host", "web", protocol=protocol, timeout_ms=500, **port), "policy-route-diverts"
        )
    assert found["component"]["name"] == "front"
    assert found["evidence"]["rule"] == f"from all lookup {TABLE}"
    assert (found["evidence"]["priority"], found["evidence"]["table"]) == (PRIORITY, int(TABLE))
    assert (found["evidence"]["interface"], found["evidence"]["expected_interface"]) == (TUNNEL, lab.front)
    both = diagnosed(lab)
    assert both.keys() == {("policy-route-diverts", "front"), ("policy-route-diverts", "back")}
    same = both["policy-route-diverts", "front"]
    assert same["remedy"] == found["remedy"]
    assert (same["evidence"]["rule"], same["evidence"]["affected"]) == (f"from all lookup {TABLE}", 1)
    follow(lab.api, lab.raw, found, between=("host", "web"), port=8080)
    assert check(lab.api, "host", "web", protocol="tcp", port=8080)["verdict"] == "reachable"
    assert diagnosed(lab).keys() == {("policy-route-diverts", "back")}
    follow(lab.api, lab.raw, both["policy-route-diverts", "back"], between=("host", "client"))
    assert diagnosed(lab) == {}


@proves("policy-route-diverts")
def test_a_matrix_and_a_query_foresee_the_pairs_that_a_policy_rule_leads_into_a_tunnel(lab):
    run(lab.api, "agent", network_mode="host")
    names = ["agent", "web", "client"]
    tunnel(lab, "to", subnet(lab, "front"))
    answer = lab.api.post("/v1/connectivity/matrix", {"containers": names, "timeout_ms": 2000})
    verdicts = {(one, other): answer["verdicts"][i][k] for i, one in enumerate(names) for k, other in enumerate(names)}
    assert (verdicts["agent", "web"], verdicts["web", "agent"]) == ("unreachable", "unreachable")
    assert (verdicts["agent", "client"], verdicts["client", "agent"]) == ("reachable", "reachable")
    assert answer["surprises"] == []
    reached = lab.api.post("/v1/connectivity/queries", {"find": "destinations", "of": {"container": "agent"}})
    assert [end["name"] for group in reached["groups"] for end in group["ends"]] == ["client"]


def test_a_plan_knows_the_routes_that_it_makes_and_those_that_are_in_their_way(lab):
    def difference(subnet):
        pools = {"pools": [{"subnet": subnet}]}
        calls = [
            ("POST", "/v1/networks", {"name": "new", "ipam": pools}),
            ("PUT", "/v1/networks/new/endpoints/client", {}),
            ("PUT", "/v1/networks/new/endpoints/web", {}),
            ("DELETE", "/v1/networks/back/endpoints/client", None),
        ]
        changes = [{"method": method, "path": path, "body": body} for method, path, body in calls]
        pairs = lab.api.post("/v1/plans", {"changes": changes})["difference"]["pairs"]
        ends = {(one["source"]["name"] or "host", one["destination"]["name"]): one["after"] for one in pairs}
        return {pair: after for pair, after in ends.items() if "client" in pair and pair[1] != "host"}

    tunnel(lab, "to", "10.98.0.0/16")
    # Within the new bridge no route of the host decides; from the host, the rule does.
    assert difference("10.97.0.0/24") == {("client", "web"): "reachable", ("web", "client"): "reachable"}
    assert difference("10.98.0.0/24") == {
        ("client", "web"): "reachable",
        ("web", "client"): "reachable",
        ("host", "client"): "unreachable",
    }


@proves("asymmetric-routing")
@remedied("asymmetric-routing")
def test_a_rule_for_packets_from_outside_is_found_by_the_diagnosis(outward, lab, engine):
    """Answers that come in by the LAN's link go into the tunnel, and nothing else does."""
    with neighbour_of(engine):
        there = {"address": ADDRESS}
        assert check(outward, "client", there, protocol="icmp")["measured"]["verdict"] == "reachable"
        assert diagnosed(lab) == {}
        tunnel(lab, "to", subnet(lab, "back"), "iif", LINK)
        assert check(outward, "client", there, protocol="icmp", timeout_ms=500)["measured"]["verdict"] == "unreachable"
        assert check(lab.api, "host", "client", protocol="icmp")["verdict"] == "reachable"
        ((what, found),) = diagnosed(lab).items()
        assert what == ("asymmetric-routing", "back")
        assert (found["evidence"]["interface"], found["evidence"]["expected_interface"]) == (TUNNEL, lab.back)
        assert found["evidence"]["rule"] == f"from all to {subnet(lab, 'back')} iif {LINK} lookup {TABLE}"
        follow(lab.api, lab.raw, found, between=("client", ADDRESS))
        assert check(outward, "client", there, protocol="icmp")["measured"]["verdict"] == "reachable"
        assert diagnosed(lab) == {}


@proves("asymmetric-routing")
@remedied("asymmetric-routing")
def test_an_answer_of_the_host_that_leaves_by_a_tunnel_is_found(lab):
    tunnel(lab, "to", subnet(lab, "back"))
    answer = check(lab.api, "client", {"host": True}, protocol="tcp", port=18080, timeout_ms=500)
    found = explained(answer, "asymmetric-routing")
    assert found["component"]["name"] == "back"
    assert (found["evidence"]["interface"], found["evidence"]["expected_interface"]) == (TUNNEL, lab.back)
    assert found["evidence"]["rule"] == f"from all to {subnet(lab, 'back')} lookup {TABLE}"
    follow(lab.api, lab.raw, found, between=("client", "host"), port=18080)
    answer = check(lab.api, "client", {"host": True}, protocol="tcp", port=18080)
    assert answer["verdict"] == answer["predicted"]["verdict"] == "reachable"


@proves("reverse-path-filtered")
@pytest.mark.parametrize("whose", ["all", "its own"])
@remedied("reverse-path-filtered")
def test_a_strict_reverse_path_filter_is_named_with_its_sysctl(lab, whose):
    tunnel(lab, "to", subnet(lab, "back"))
    sysctl = f"net.ipv4.conf.{'all' if whose == 'all' else lab.back}.rp_filter"
    lab.raw.in_namespace("sysctl", "-qw", f"{sysctl}=1")
    try:
        answer = check(lab.api, "client", {"host": True}, protocol="icmp", timeout_ms=500)
        found = explained(answer, "reverse-path-filtered")
        assert (found["evidence"]["sysctl"], found["evidence"]["value"]) == (sysctl, 1)
        assert (found["evidence"]["interface"], found["component"]["name"]) == (lab.back, "back")
        assert found["evidence"]["reverse_interface"] == TUNNEL
        assert sysctl in found["message"]
        both = diagnosed(lab)
        assert both.keys() == {("reverse-path-filtered", "back"), ("policy-route-diverts", "back")}
        assert both["reverse-path-filtered", "back"]["message"] == found["message"]
        follow(lab.api, lab.raw, found, between=("client", "host"))
        assert diagnosed(lab) == {}
        answer = check(lab.api, "client", {"host": True}, protocol="icmp")
        assert answer["verdict"] == answer["predicted"]["verdict"] == "reachable"
    finally:
        lab.raw.in_namespace("sysctl", "-qw", f"{sysctl}=0")


@proves("interface-forwarding-off")
@remedied("interface-forwarding-off")
def test_an_interface_that_does_not_forward_is_named_with_its_sysctl(outward, lab, engine):
    sysctl = f"net.ipv4.conf.{lab.back}.forwarding"
    with neighbour_of(engine):
        there = {"address": ADDRESS}
        assert check(outward, "client", there, protocol="icmp")["measured"]["verdict"] == "reachable"
        lab.raw.in_namespace("sysctl", "-qw", f"{sysctl}=0")
        found = explained(check(outward, "client", there, protocol="icmp", timeout_ms=500), "interface-forwarding-off")
        assert (found["evidence"], found["component"]["name"]) == (
            {"interface": lab.back, "sysctl": sysctl, "value": 0}, "back",
        )  # fmt: skip
        follow(lab.api, lab.raw, found, between=("client", ADDRESS))
        assert check(outward, "client", there, protocol="icmp")["measured"]["verdict"] == "reachable"


@proves("blackhole-route")
@pytest.mark.parametrize("kind", ["blackhole", "prohibit", "unreachable"])
@pytest.mark.parametrize("version", ["4", "6"])
@remedied("blackhole-route")
def test_a_route_that_drops_packets_is_named_and_deleted(lab, kind, version):
    pools = [{"subnet": "fd00:77::/64"}]
    lab.api.post("/v1/networks", {"name": "six", "ipv6_enabled": True, "ipam": {"pools": pools}}, status=201)
    run(lab.api, "target", network_mode="six", command=HTTPD)
    lab.raw.settle()
    answer = check(lab.api, "host", "target", protocol="icmp", ip_version=version)
    assert answer["verdict"] == "reachable"
    address = answer["measured"]["address"]
    lab.raw.in_namespace("ip", f"-{version}", "route", "add", kind, address)
    asked = {"protocol": "icmp", "ip_version": version}
    found = explained(check(lab.api, "host", "target", **asked), "blackhole-route")
    assert address in found["message"]
    assert found["evidence"]["route"] == f"{address}/{32 if version == '4' else 128}"
    follow(lab.api, lab.raw, found, between=("host", "target"), version=int(version))
    answer = check(lab.api, "host", "target", **asked)
    assert answer["verdict"] == answer["predicted"]["verdict"] == "reachable"


@proves("policy-route-diverts")
@pytest.mark.parametrize("protocol", ["tcp", "http"])
@remedied("policy-route-diverts")
def test_a_docker_proxy_that_cannot_reach_its_container_is_found(lab, protocol):
    """The host's own connection to 127.0.0.1 ends at docker-proxy, whose connection goes into the tunnel."""
    tunnel(lab, "to", subnet(lab, "front"))
    local = {"address": "127.0.0.1"}
    answer = check(lab.api, "host", local, protocol=protocol, port=18080)
    found = next(one for one in answer["findings"] if one["code"] == "policy-route-diverts")
    assert "docker-proxy" in found["message"]
    assert "prediction-inconsistent" not in codes(answer["findings"])
    # docker-proxy accepts the connection, and answers nothing.
    assert answer["verdict"] == answer["predicted"]["verdict"] == ("reachable" if protocol == "tcp" else "unreachable")
    follow(lab.api, lab.raw, found, between=("host", "web"), port=8080)
    answer = check(lab.api, "host", local, protocol=protocol, port=18080)
    assert "policy-route-diverts" not in codes(answer["findings"])
    assert answer["verdict"] == "reachable"


def test_another_route_of_the_main_table_is_named(lab):
    """A VPN whose route is longer than that of the network."""
    tunnel(lab, "to", "192.0.2.0/24")
    # Docker's default pools give a /16 or, when those are in use, a /20. The route is longer than both.
    part = f"{subnet(lab, 'front').partition('/')[0]}/24"
    lab.raw.in_namespace("ip", "route", "add", part, "dev", TUNNEL)
    found = explained(check(lab.api, "host", "web", protocol="icmp", timeout_ms=500), "subnet-overlaps-host-route")
    assert found["severity"] == "blocking"
    assert (found["evidence"]["route"], found["evidence"]["interface"]) == (part, TUNNEL)


def test_rules_for_other_packets_divert_nothing(lab):
    tunnel(lab, "fwmark", "0x1", "to", subnet(lab, "front"))
    assert diagnosed(lab) == {}
    for source, destination, port in (("host", "web", 8080), ("client", {"host": True}, 18080)):
        answer = check(lab.api, source, destination, protocol="tcp", port=port)
        assert answer["verdict"] == answer["predicted"]["verdict"] == "reachable"


def test_the_mark_that_a_rule_of_the_firewall_sets_counts(lab):
    tunnel(lab, "fwmark", "0x1", "to", subnet(lab, "front"))
    lab.raw.in_namespace(
        "iptables", "-t", "mangle", "-A", "OUTPUT", "-p", "tcp", "--dport", "8080", "-j", "MARK", "--set-mark", "1"
    )
    try:
        answer = check(lab.api, "host", "web", protocol="tcp", port=8080, timeout_ms=500)
        found = explained(answer, "policy-route-diverts")
        assert "fwmark 0x1" in found["message"]
        follow(lab.api, lab.raw, found, between=("host", "web"), port=8080)
        assert check(lab.api, "host", "web", protocol="tcp", port=8080)["verdict"] == "reachable"
    finally:
        lab.raw.in_namespace("iptables", "-t", "mangle", "-F", "OUTPUT")


@proves("wrong-default-gateway")
@pytest.mark.parametrize("internal", [True, False])
@remedied("wrong-default-gateway")
def test_a_default_route_that_a_program_set_is_no_missing_one(outward, lab, internal):
    lab.api.post("/v1/networks", {"name": "vault", "internal": internal}, status=201)
    for name in ("worker", "other"):
        run(lab.api, name, network_mode="vault")
    other = lab.api.get("/v1/networks/vault/endpoints/other")["ipv4_address"]
    pid = lab.raw.get("/containers/worker/json")["State"]["Pid"]
    lab.raw.in_namespace("nsenter", f"--net=/proc/{pid}/ns/net", "ip", "route", "replace", "default", "via", other)
    answer = check(outward, "worker", {"address": ADDRESS}, timeout_ms=300)
    # Whether the other container forwards is not known, so nothing blocks.
    assert (answer["verdict"], answer["predicted"]["verdict"]) == ("unreachable", "inconclusive")
    assert codes(answer["findings"]) == ["analysis-limited", "wrong-default-gateway"]
    told = answer["findings"][1]
    assert f"leads to {other}, which is the gateway of none of its networks (vault)" in told["message"]
    follow(lab.api, lab.raw, told)
    again = check(outward, "worker", {"address": ADDRESS}, timeout_ms=300)
    assert "wrong-default-gateway" not in codes(again["findings"])
    routes = lab.api.get("/v1/containers/worker/routes")["items"]
    (default,) = [route for route in routes if route["destination"] == "0.0.0.0/0"]
    assert default["gateway"] != other
