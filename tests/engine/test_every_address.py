"""A destination is reached where any of its addresses is, in every view, and another program says the same.

The lab has containers with IPv4 alone, with both IP versions, and with both on networks that they do not share. By
default Docker 26 does not isolate IPv6 networks from each other; ``ip6tables`` does, which later versions set.
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from bridgework.use_cases.connectivity import matrix as connectivity_matrix
from tests.engine.test_cli import bridgework
from tests.engines.conftest import engine_with
from tests.support.api import check, codes, run, sweep_up
from tests.support.proves import proves, remedied
from tests.support.raw_engine import Raw
from tests.support.remedies import follow
from tests.support.service import Service

pytestmark = pytest.mark.wide

PAGES = ["sh", "-c", "httpd -p 80; exec sleep 3600"]
ISOLATED = {"ip6tables": True, "experimental": True}
OPEN = {"ip6tables": False}
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2).close()"
NETWORKS = {"nine": "fd00:9::/64", "six": "fd00:6::/64", "four": None, "seven": "fd00:7::/64"}
PAIRS = [
    ("k9", "k6"),
    ("k6", "k9"),
    ("k9", "k4"),
    ("k4", "k6"),
    ("k9", "k9b"),
    ("k7", "k9"),
    ("k9", "k7"),
    ("host", "k9"),
]


@pytest.fixture(scope="module", params=[OPEN, pytest.param(ISOLATED, marks=pytest.mark.slow)], ids=["open", "isolated"])
def lab(request, tokens_file):
    with engine_with(request.param, tokens_file) as (api, made):
        for name, subnet in NETWORKS.items():
            pools = [{"subnet": subnet}] if subnet else []
            body = {"name": name, "ipv6_enabled": bool(subnet), "ipam": {"pools": pools}} if pools else {"name": name}
            api.post("/v1/networks", body, status=201)
        for name, networks in {
            "k9": ["nine"],
            "k9b": ["nine"],
            "k6": ["six"],
            "k4": ["four"],
            "k7": ["six", "nine"],
        }.items():
            run(api, name, networks=[{"network": network} for network in networks], command=PAGES)
        raw = Raw(made)
        yield SimpleNamespace(api=api, raw=raw, open=request.param is OPEN, engine=made)
        sweep_up(api)


def namespace_of(lab, name):
    if name == "host":
        return ["nsenter", f"--net={lab.raw.namespace}", "--"]
    pid = lab.raw.get(f"/containers/{name}/json")["State"]["Pid"]
    return ["nsenter", f"--net=/proc/{pid}/ns/net", "--"]


def connects(lab, source, address, port):
    """What a program in the source's namespace says, which knows nothing of the service."""
    command = [*namespace_of(lab, source), sys.executable, "-c", CONNECT, address, str(port)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def addresses_of(lab, name):
    endpoints = lab.api.get(f"/v1/containers/{name}")["endpoints"]
    return {e[f"ipv{v}_address"]: v for e in endpoints for v in (4, 6) if e[f"ipv{v}_address"]}


def truth(lab, source, destination):
    """The addresses of the destination that a program in the source connects to."""
    return {address for address in addresses_of(lab, destination) if connects(lab, source, address, 80)}


def reached_from(lab, names):
    """Which of the containers a program in each of them connects to, at any address; all asked at the same time."""
    pairs = [(source, destination) for source in names for destination in names if source != destination]
    with ThreadPoolExecutor(len(pairs)) as threads:
        found = list(threads.map(lambda pair: bool(truth(lab, *pair)), pairs))
    return {
        name: {pair[1] for pair, yes in zip(pairs, found, strict=True) if yes and pair[0] == name} for name in names
    }


@pytest.mark.parametrize(("source", "destination"), PAIRS)
def test_a_check_is_right_about_each_address(lab, source, destination):
    lab.raw.settle()
    reached = truth(lab, source, destination)
    found = check(lab.api, source, destination, protocol="tcp", port=80)
    assert found["verdict"] == ("reachable" if reached else "unreachable"), (reached, found)
    tried = {one["address"]: one for one in found["addresses"]}
    assert reached <= set(tried) <= set(addresses_of(lab, destination))
    for address, one in tried.items():
        expected = "reachable" if address in reached else "unreachable"
        assert one["predicted"] == expected, one
        assert one["measured"] in {None, expected}
        assert one["ip_version"] == addresses_of(lab, destination)[address]
    first, *others = found["addresses"]
    assert first["measured"] is not None
    for one in others:
        assert (one["measured"] is None) == (one["predicted"] == first["predicted"]), one
    assert found["predicted"]["verdict"] == found["verdict"] == found["measured"]["verdict"]


def test_the_network_of_each_address_is_named(lab):
    tried = {one["address"]: one["network"]["name"] for one in check(lab.api, "k9", "k9b")["addresses"]}
    assert set(tried.values()) == {"nine"}
    assert set(tried) == set(addresses_of(lab, "k9b"))


def test_a_version_that_is_named_is_asked_alone(lab):
    for version in (4, 6):
        found = check(lab.api, "k9", "k6", ip_version=str(version))
        assert {one["ip_version"] for one in found["addresses"]} == {version}
        assert found["verdict"] == ("reachable" if version == 6 and lab.open else "unreachable")
    (address,) = [a for a, version in addresses_of(lab, "k6").items() if version == 4]
    by_address = check(lab.api, "k9", {"address": address})
    assert [one["address"] for one in by_address["addresses"]] == [address]
    assert by_address["verdict"] == "unreachable"


def addresses_are_those_of_the_wire(lab, pairs, protocol):
    """Each address of the pairs that a matrix lists is predicted and measured as a program in the source finds it."""
    listed = {(pair["source"]["name"], pair["destination"]["name"]) for pair in pairs}
    assert (("k9", "k6") in listed, ("k6", "k9") in listed) == (lab.open, lab.open)
    for pair in pairs:
        source, destination = pair["source"]["name"], pair["destination"]["name"]
        reached = truth(lab, source, destination)
        assert {one["predicted"] for one in pair["addresses"]} == {"reachable", "unreachable"}
        first, *others = pair["addresses"]
        for one in pair["addresses"]:
            expected = "reachable" if one["address"] in reached else "unreachable"
            as_first = one in others and one["predicted"] == first["predicted"]
            assert (one["predicted"], one["measured"]) == (expected, None if as_first else expected), (pair, protocol)


def test_a_matrix_counts_the_pairs_whose_addresses_it_does_not_list(lab, monkeypatch):
    monkeypatch.setattr(connectivity_matrix, "MAX_ADDRESSES", 1)
    matrix = lab.api.post("/v1/connectivity/matrix", {"containers": ["k9", "k9b", "k6"], "timeout_ms": 2000})
    open_pairs = 4 if lab.open else 0  # k9 and k9b each to k6 and back
    assert matrix["summary"]["addresses_differ"] == open_pairs
    assert len(matrix["addresses"]) == min(open_pairs, 1)


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [{"protocol": "icmp"}, {"protocol": "tcp", "port": 80}], ids=["icmp", "tcp"])
def test_a_matrix_a_query_and_an_assertion_say_what_the_check_says(lab, protocol):
    lab.raw.settle()
    names = ["k9", "k9b", "k6", "k4", "k7"]
    matrix = lab.api.post("/v1/connectivity/matrix", {"containers": names, **protocol, "timeout_ms": 2000})
    assert matrix["summary"]["surprises"] == 0, matrix["surprises"]
    everything = reached_from(lab, names)
    addresses_are_those_of_the_wire(lab, matrix["addresses"], protocol)
    assert matrix["summary"]["addresses_differ"] == len(matrix["addresses"])
    for row, source in enumerate(names):
        query = {"find": "destinations", "of": {"container": source}, **protocol}
        found = lab.api.post("/v1/connectivity/queries", query)
        ends = {e["name"] for g in found["groups"] if g["verdict"] == "reachable" for e in g["ends"]} - {"host"}
        reached = everything[source]
        assert ends == reached
        assert {
            n for n, verdict in zip(names, matrix["verdicts"][row], strict=True) if verdict == "reachable"
        } == reached
        for destination in names:
            if destination == source:
                continue
            asked = {"name": destination, "source": {"container": source}, "destination": {"container": destination}}
            asked["timeout_ms"] = 2000 if destination in reached else 300
            outcomes = lab.api.post(
                "/v1/connectivity/assertions",
                [{**asked, **protocol, "expect": expect} for expect in ("reachable", "unreachable")],
            )
            passed = [one["outcome"] == "passed" for one in outcomes["items"]]
            assert passed == [destination in reached, destination not in reached]


def test_an_isolation_that_is_open_fails_and_names_the_address(lab):
    if not lab.open:
        pytest.skip("this engine isolates IPv6")
    lab.raw.settle()
    (address,) = [a for a, version in addresses_of(lab, "k6").items() if version == 6]
    asked = {
        "name": "apart",
        "source": {"container": "k9"},
        "destination": {"container": "k6"},
        "expect": "unreachable",
        "timeout_ms": 2000,
    }
    (outcome,) = lab.api.post("/v1/connectivity/assertions", [asked])["items"]
    assert outcome["outcome"] == "failed"
    assert address in outcome["message"]
    assert "ip6tables" in outcome["message"]
    query = {"find": "sources", "of": {"container": "k6"}, "must_not": [{"container": "k9"}]}
    found = lab.api.post("/v1/connectivity/queries", query)
    (group,) = [one for one in found["groups"] if one["violates"]]
    assert (found["outcome"], group["verdict"]) == ("failed", "reachable")
    assert [one["address"] for one in group["addresses"] if one["predicted"] == "reachable"] == [address]
    (why,) = [one for one in group["findings"] if one["code"] == "networks-not-isolated"]
    assert address in why["message"]


@proves("networks-not-isolated")
@remedied("networks-not-isolated")
def test_the_remedy_closes_the_address_that_is_open_in_both_directions(lab):
    if not lab.open:
        pytest.skip("this engine isolates IPv6")
    lab.raw.settle()
    found = check(lab.api, "k9", "k6")
    (opened,) = [one for one in found["findings"] if one["code"] == "networks-not-isolated"]
    assert truth(lab, "k9", "k6")
    commands = [command.split() for command in opened["remedy"]["commands"]]
    assert len(commands) == 2
    try:
        follow(lab.api, lab.raw, opened, between=("k9", "k9b"), apart=(("k9", "k6"), ("k6", "k9")))
        for source, destination in (("k9", "k6"), ("k6", "k9")):
            assert not truth(lab, source, destination)
            closed = check(lab.api, source, destination)
            assert (closed["verdict"], closed["predicted"]["verdict"]) == ("unreachable", "unreachable")
            assert "networks-not-isolated" not in codes(closed["findings"])
        # Nothing else is closed.
        assert truth(lab, "k9", "k9b") == set(addresses_of(lab, "k9b"))
        query = {"find": "sources", "of": {"container": "k6"}, "must_not": [{"container": "k9"}]}
        assert lab.api.post("/v1/connectivity/queries", query)["outcome"] == "passed"
    finally:
        for command in commands:
            lab.raw.in_namespace(*["-D" if word == "-I" else word for word in command])


def test_one_family_that_a_rule_closes_leaves_the_other(lab):
    lab.raw.settle()
    drop = ["ip6tables", "-I", "FORWARD", "-p", "tcp", "--dport", "80", "-j", "DROP"]
    lab.raw.in_namespace("sysctl", "-qw", "net.bridge.bridge-nf-call-ip6tables=1")
    lab.raw.in_namespace(*drop)
    try:
        reached = truth(lab, "k9", "k9b")
        found = check(lab.api, "k9", "k9b", protocol="tcp", port=80)
        seen = {one["address"]: (one["predicted"], one["measured"]) for one in found["addresses"]}
        assert {address for address, (_, measured) in seen.items() if measured == "reachable"} == reached
        assert sorted(seen.values()) == [("reachable", "reachable"), ("unreachable", "unreachable")]
        assert found["verdict"] == "reachable"
        (told,) = [one for one in found["findings"] if one["code"] == "user-firewall-drop"]
        assert (told["severity"], told["evidence"]["address"]) == ("warning", next(a for a in seen if ":" in a))
        assert found["predicted"]["path"][-1]["status"] == "passed"
    finally:
        lab.raw.in_namespace(*["-D" if word == "-I" else word for word in drop])


def test_a_name_has_the_addresses_that_it_resolves_to(lab):
    lab.raw.settle()
    found = check(lab.api, "k9", {"name": "k9b"}, protocol="tcp", port=80)
    assert {one["address"] for one in found["addresses"]} == set(addresses_of(lab, "k9b"))
    assert found["measured"]["address"] == found["addresses"][0]["address"]
    drop = ["ip6tables", "-I", "FORWARD", "-p", "tcp", "--dport", "80", "-j", "DROP"]
    lab.raw.in_namespace("sysctl", "-qw", "net.bridge.bridge-nf-call-ip6tables=1")
    lab.raw.in_namespace(*drop)
    try:
        fallen = check(lab.api, "k9", {"name": "k9b"}, protocol="tcp", port=80)
        measured = {one["ip_version"]: one["measured"] for one in fallen["addresses"]}
        assert (fallen["verdict"], measured) == ("reachable", {4: "reachable", 6: "unreachable"})
        assert ":" not in fallen["measured"]["address"]
        assert fallen["measured"]["resolver"] == "127.0.0.11"
    finally:
        lab.raw.in_namespace(*["-D" if word == "-I" else word for word in drop])


def test_a_published_port_is_asked_at_the_hosts_addresses_of_both_versions(lab):
    api = lab.api
    ports = [
        {"container_port": 80, "host_port": 18080},
        {"container_port": 80, "host_port": 18081, "host_ip": "0.0.0.0"},
        {"container_port": 80, "host_port": 18082, "host_ip": "::"},
    ]
    run(api, "shown", networks=[{"network": "seven"}], command=PAGES, published_ports=ports)
    try:
        lab.raw.settle()
        for port in (18080, 18081, 18082):
            for source in ("host", "k9", "k4"):
                found = check(api, source, {"host": True}, protocol="tcp", port=port)
                reached = {one["address"] for one in found["addresses"] if connects(lab, source, one["address"], port)}
                assert (found["verdict"] == "reachable") == bool(reached), (port, source, reached, found)
                for one in found["addresses"]:
                    if one["measured"] is not None:
                        assert (one["measured"] == "reachable") == (one["address"] in reached), (port, source, one)
                if source != "k4":
                    assert {one["ip_version"] for one in found["addresses"]} == {4, 6}
    finally:
        api.delete("/v1/containers/shown?force=true")


def test_the_probe_of_prometheus_counts_every_address(lab):
    lab.raw.settle()
    asked = "source=k9&destination=container:k6&timeout_ms=2000"
    text = lab.api.get(f"/v1/connectivity/probe?{asked}")
    (address,) = [a for a, version in addresses_of(lab, "k6").items() if version == 6]
    assert f"probe_success {1.0 if lab.open else 0.0}" in text
    by = "measurement" if lab.open else "prediction"
    assert f'probe_address_success{{address="{address}",by="{by}"}} {1.0 if lab.open else 0.0}' in text
    assert "probe_success 0.0" in lab.api.get(f"/v1/connectivity/probe?{asked}&ip_version=4")


def test_a_plan_foresees_what_one_family_changes_and_measures_it(lab):
    lab.raw.settle()
    # A disconnection leaves what is open by IPv6: only an engine that isolates closes the pair.
    call = {"method": "DELETE", "path": "/v1/networks/nine/endpoints/k9b", "body": None}
    plan = lab.api.post("/v1/plans", {"changes": [call]})
    pairs = {
        (p["source"]["name"], p["destination"]["name"], p["protocol"]): p["after"] for p in plan["difference"]["pairs"]
    }
    assert pairs["k9", "k9b", "icmp"] == "unreachable"
    made = {"method": "PUT", "path": "/v1/networks/seven/endpoints/k9b", "body": {}}
    both = lab.api.post("/v1/plans", {"changes": [call, made]})
    pairs = {
        (p["source"]["name"], p["destination"]["name"], p["protocol"]): p["after"] for p in both["difference"]["pairs"]
    }
    assert (("k9", "k9b", "icmp") in pairs) is not lab.open
    by_address = {
        (one["address"], one["before"], one["after"])
        for pair in plan["difference"]["pairs"]
        if (pair["source"]["name"], pair["destination"]["name"], pair["protocol"]) == ("k9", "k9b", "icmp")
        for one in pair["addresses"]
    }
    # The container leaves its only network, so the source has no way to either address afterwards.
    assert by_address == {(address, "reachable", None) for address in addresses_of(lab, "k9b")}
    etag = lab.api.send("POST", "/v1/plans", {"changes": [call, made]}).headers["ETag"]
    body = {"changes": [call, made], "apply": True}
    applied = lab.api.post("/v1/plans", body, headers={"If-Match": etag})["applied"]
    try:
        assert applied["outcome"] == "applied", applied
        lab.raw.settle()
        assert bool(truth(lab, "k9", "k9b")) is lab.open
    finally:
        lab.api.delete("/v1/networks/seven/endpoints/k9b")
        lab.api.put("/v1/networks/nine/endpoints/k9b", {})


def test_the_command_line_fails_on_an_isolation_that_is_open(lab, tokens_file, tmp_path):
    lab.raw.settle()
    (address,) = [a for a, version in addresses_of(lab, "k6").items() if version == 6]
    expected = tmp_path / "expected.yaml"
    expected.write_text("- source: k9\n  destination: container:k6\n  expect: unreachable\n")
    with Service(lab.engine.docker_host, tmp_path, tokens_file) as live:
        done = bridgework(live, "assert", str(expected))
        assert done.returncode == int(lab.open), done.stdout
        assert (address in done.stdout) is lab.open
        shown = bridgework(live, "check", "k9", "container:k6").stdout
        closed = "measured reachable" if lab.open else "not measured"
        assert f"address {address} on six: predicted {'reachable' if lab.open else 'unreachable'}, {closed}" in shown
