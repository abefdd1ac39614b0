"""The host's firewall, as people and the engine write it: what drops is named, and a healthy host is left in peace."""

import shlex
import shutil
from pathlib import Path

import pytest

from tests.engines.conftest import engine_with
from tests.support.api import check, codes, run
from tests.support.neighbour import ADDRESS, neighbour_of
from tests.support.proves import proves
from tests.support.raw_engine import Raw

NFTABLES = {"firewall-backend": "nftables", "ip-forward": False}
LISTENING = ["httpd", "-f", "-p", "8080"]


def publish(api):
    """A published port that a container on another network reaches at the host: by docker-proxy before Docker 29."""
    for name in ("front", "back"):
        api.post("/v1/networks", {"name": name}, status=201)
    port = {"container_port": 8080, "host_port": 18080}
    run(api, "web", network_mode="back", command=LISTENING, published_ports=[port])
    run(api, "client", network_mode="front")


def told(api, code):
    (found,) = [finding for finding in api.get("/v1/diagnostics?limit=1000")["items"] if finding["code"] == code]
    return found


@proves("firewall-not-managed")
@pytest.mark.parametrize("policy", ["ACCEPT", "DROP"])
def test_an_engine_that_writes_no_rules_is_told_what_its_networks_lack(tokens_file, policy):
    settings = {"iptables": False, "ip6tables": False}
    with (
        engine_with(settings, tokens_file, probe_allowed_cidrs=("192.0.2.0/24",)) as (api, made),
        neighbour_of(made),
    ):
        raw, outside = Raw(made), {"address": ADDRESS}
        publish(api)
        raw.in_namespace("iptables", "-P", "FORWARD", policy)
        found = told(api, "firewall-not-managed")
        assert found["severity"] == "warning"
        assert {"front", "back"} <= set(found["evidence"]["networks"])
        assert found["evidence"]["source"].endswith("/daemon.json")
        assert not OF_RULES & set(diagnosed(api))
        answer = check(api, "client", outside, protocol="icmp", timeout_ms=500)
        assert answer["verdict"] == "unreachable"
        assert "firewall-not-managed" in codes(answer["findings"])
        for command in found["remedy"]["commands"]:
            raw.in_namespace(*shlex.split(command))
        assert "firewall-not-managed" not in diagnosed(api)
        answer = check(api, "client", outside, protocol="icmp")
        assert answer["verdict"] == "reachable"
        assert "firewall-not-managed" not in codes(answer["findings"])
        answer = check(api, "client", "web", protocol="icmp")
        assert answer["predicted"]["verdict"] == answer["verdict"]


OF_RULES = {"firewall-rules-missing", "network-rule-missing", "port-rule-missing", "isolation-rule-missing"}


def diagnosed(api):
    return codes(api.get("/v1/diagnostics?limit=1000")["items"])


def test_rules_of_an_engine_that_writes_them_were_flushed_for_certain(tokens_file):
    with engine_with({}, tokens_file) as (api, made):
        raw = Raw(made)
        publish(api)
        for command in ("-F", "-X", "-t nat -F", "-t nat -X", "-t raw -F"):
            raw.in_namespace("iptables", *command.split())
        found = told(api, "firewall-rules-missing")
        assert found["severity"] == "blocking"
        assert "iptables=false" not in found["message"] + found["remedy"]["summary"]


def test_a_setting_that_was_written_after_the_engine_started_proves_nothing(tokens_file):
    with engine_with({"iptables": False, "ip6tables": False}, tokens_file) as (api, made):
        publish(api)
        assert "firewall-not-managed" in diagnosed(api)
        file = Path("/run", made.name, "daemon.json")
        file.write_text(file.read_text().replace("false", "true"))
        Raw(made).in_namespace("iptables", "-N", "another")
        found = told(api, "firewall-rules-missing")
        assert found["severity"] == "warning"
        assert "iptables=false" in found["message"]


def test_a_healthy_engine_with_nftables_rules_misses_none(tokens_file, release):
    if release < (29, 0) or not shutil.which("nft"):
        pytest.skip("nftables rules come with Docker 29, and need nft")
    with engine_with(NFTABLES, tokens_file) as (api, made):
        raw = Raw(made)
        publish(api)
        assert "firewall-rules-missing" not in codes(api.get("/v1/diagnostics?limit=1000")["items"])
        answer = check(api, "client", "web", protocol="icmp", timeout_ms=500)
        assert (answer["predicted"]["verdict"], answer["verdict"]) == ("unreachable", "unreachable")
        raw.in_namespace("nft", "delete", "table", "ip", "docker-bridges")
        assert "docker-bridges" in told(api, "firewall-rules-missing")["message"]


@pytest.mark.parametrize("settings", [{}, NFTABLES], ids=["iptables", "nftables"])
def test_a_link_opens_what_icc_closes(tokens_file, release, settings):
    if settings and (release < (29, 0) or not shutil.which("nft")):
        pytest.skip("nftables rules come with Docker 29, and need nft")
    with engine_with({"icc": False, **settings}, tokens_file) as (api, made):
        raw = Raw(made)
        serve = ["sh", "-c", "httpd -p 8080; httpd -p 8081; exec sleep 600"]
        raw.make("db", mode="bridge", Cmd=serve, ExposedPorts={"8080/tcp": {}})
        raw.make("web", mode="bridge", Cmd=serve, ExposedPorts={"8080/tcp": {}}, host={"Links": ["db:db"]})
        raw.make("other", mode="bridge")
        questions = {("web", "db", 8080): True, ("web", "db", 8081): False, ("other", "db", 8080): False}
        for (source, target, port), reached in {**questions, ("db", "web", 8080): False}.items():
            answer = check(api, source, target, protocol="tcp", port=port)
            verdict = "reachable" if reached else "unreachable"
            assert (answer["predicted"]["verdict"], answer["verdict"]) == (verdict, verdict), (source, target, port)
        every = {"containers": ["web", "db", "other"], "protocol": "tcp", "port": 8080, "timeout_ms": 2000}
        matrix = api.post("/v1/connectivity/matrix", every)
        assert matrix["summary"]["surprises"] == 0
        assert matrix["verdicts"][0] == ["self", "reachable", "unreachable"]


def test_a_macvlan_without_a_gateway_has_a_default_route_only_before_docker_29(tokens_file, release):
    allowed = {"probe_allowed_cidrs": ("10.91.0.0/24",)}
    with engine_with({}, tokens_file, **allowed) as (api, made):
        raw = Raw(made)
        raw.in_namespace("ip", "link", "add", "lan0", "type", "veth", "peer", "name", "lan0-far")
        for link in ("lan0", "lan0-far"):
            raw.in_namespace("ip", "link", "set", link, "up")
        raw.make_network("lan", "10.90.0.0/24", Driver="macvlan", Options={"parent": "lan0"})
        address = run(api, "one", network_mode="lan")["endpoints"][0]["ipv4_address"]
        (pool,) = api.get("/v1/networks/lan/addresses")["pools"]
        held = {holder["address"]: holder["kind"] for holder in pool["holders"]}
        kept = {} if release >= (29, 0) else {"10.90.0.1": "gateway"}
        assert held == {**kept, address: "container"}
        answer = check(api, "one", {"address": "10.91.0.1"}, protocol="icmp", timeout_ms=400)
        found = codes(answer["findings"])
        if release >= (29, 0):
            assert (answer["measured"]["reason"], answer["predicted"]["verdict"]) == ("no-route", "unreachable")
            assert "wrong-default-gateway" in found
        else:
            assert answer["measured"]["reason"] != "no-route"
            assert "wrong-default-gateway" not in found


def test_a_restart_with_other_settings_is_noticed(tokens_file, release):
    with engine_with({}, tokens_file) as (api, made):
        publish(api)
        at_host = {"protocol": "tcp", "port": 18080, "timeout_ms": 2000}
        assert check(api, "client", {"host": True}, **at_host)["predicted"]["verdict"] == "reachable"
        made.settings["userland-proxy"] = False
        made.restart()
        for name in ("web", "client"):
            api.post(f"/v1/containers/{name}/start")
        answer = check(api, "client", {"host": True}, **at_host)
        expected = "reachable" if release >= (29, 0) else "unreachable"
        assert (answer["predicted"]["verdict"], answer["verdict"]) == (expected, expected)
        assert "proxy" not in [hop["kind"] for hop in answer["predicted"]["path"]]


def test_the_matrix_predicts_what_a_rule_does_to_one_container_of_twenty(tokens_file, release):
    with engine_with({}, tokens_file) as (api, made):
        raw = Raw(made)
        names = [f"{net}-{number}" for net in ("left", "right") for number in range(10)]
        for net in ("left", "right"):
            api.post("/v1/networks", {"name": net}, status=201)
        for name in names:
            # Port 8080 is published of all, each at a port of its own that the engine chooses.
            port = {"container_port": 8080, "protocol": "tcp"}
            run(api, name, network_mode=name.partition("-")[0], command=LISTENING, published_ports=[port])
        addresses = {name: api.get(f"/v1/containers/{name}")["endpoints"][0]["ipv4_address"] for name in names}
        asked = {"containers": names, "protocol": "tcp", "port": 8080, "timeout_ms": 2000}

        def reached(source):
            found = api.post("/v1/connectivity/matrix", asked)
            assert found["summary"]["surprises"] == 0
            row = found["verdicts"][names.index(source)]
            return {name for name, verdict in zip(names, row, strict=True) if verdict == "reachable"}

        near = {name for name in names if name.startswith("left")} - {"left-0"}
        assert reached("left-0") == near
        raw.in_namespace("iptables", "-I", "FORWARD", "-d", addresses["left-3"], "-j", "DROP")
        assert reached("left-0") == near - {"left-3"}
        assert reached("left-3") == set(), "answers are dropped as well"
        raw.in_namespace("iptables", "-D", "FORWARD", "-d", addresses["left-3"], "-j", "DROP")
        bridge = api.get("/v1/networks/right")["bridge_name"]
        if release >= (29, 0):
            # The published port is open, and only this rule keeps other bridges from the container's own address.
            rule = ["PREROUTING", "-d", addresses["right-5"], "!", "-i", bridge, "-j", "DROP"]
            raw.in_namespace("iptables", "-t", "raw", "-D", *rule)
            assert reached("left-0") == near | {"right-5"}
        else:
            for both in (bridge, api.get("/v1/networks/left")["bridge_name"]):
                raw.in_namespace("iptables", "-D", "DOCKER-ISOLATION-STAGE-2", "-o", both, "-j", "DROP")
            opened = {name for name in names if name.startswith("right")}
            # From Docker 28.2 on, the raw table keeps other bridges away from each container.
            assert reached("left-0") == near | (opened if release < (28, 0) else set())
