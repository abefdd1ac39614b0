"""All pairs, assertions and the Prometheus probe, on a real engine."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.runners.namespace_runner import NamespaceRunner
from bridgework.settings import Settings
from tests.support.api import Client, codes, container, run
from tools import engine as private_engine

ROOT = Path(__file__).resolve().parents[2]
SERVERS = ROOT / "tests" / "support" / "servers.py"


@pytest.fixture(scope="module")
def two_networks(module_api):
    """web and db on one network, lone on another."""
    module_api.post("/v1/networks", {"name": "one"}, status=201)
    module_api.post("/v1/networks", {"name": "two"}, status=201)
    run(module_api, "web", network_mode="one")
    run(module_api, "db", network_mode="one", command=["httpd", "-f", "-p", "8080"])
    run(module_api, "lone", network_mode="two")


@pytest.mark.usefixtures("two_networks")
def test_all_pairs_by_address(api):
    answer = api.post("/v1/connectivity/matrix", {"containers": ["web", "db", "lone"], "timeout_ms": 2000})
    assert [one["name"] for one in answer["containers"]] == ["web", "db", "lone"]
    assert answer["verdicts"] == [
        ["self", "reachable", "unreachable"],
        ["reachable", "self", "unreachable"],
        ["unreachable", "unreachable", "self"],
    ]
    assert answer["summary"] == {
        "pairs": 6,
        "reachable": 2,
        "unreachable": 4,
        "inconclusive": 0,
        "surprises": 0,
        "addresses_differ": 0,
        "reasons": {},
    }
    assert answer["rtt_ms"][0][1] > 0
    assert answer["rtt_ms"][0][2] == 0


@pytest.mark.usefixtures("two_networks")
def test_all_pairs_by_name_know_only_their_own_network(api):
    answer = api.post("/v1/connectivity/matrix", {"all": True, "by": "name", "timeout_ms": 2000})
    assert [one["name"] for one in answer["containers"]] == ["db", "lone", "web"]
    assert answer["verdicts"][2] == ["reachable", "unreachable", "self"]
    assert answer["summary"]["surprises"] == 0


@pytest.mark.usefixtures("two_networks")
def test_tcp_pairs_see_who_listens(api):
    body = {"network": "one", "protocol": "tcp", "port": 8080, "timeout_ms": 2000}
    answer = api.post("/v1/connectivity/matrix", body)
    names = [one["name"] for one in answer["containers"]]
    assert answer["verdicts"][names.index("web")][names.index("db")] == "reachable"
    assert answer["verdicts"][names.index("db")][names.index("web")] == "unreachable"
    assert answer["summary"]["surprises"] == 0


@pytest.mark.usefixtures("two_networks")
def test_the_end_of_the_request_is_the_end_of_the_matrix(engine, tokens_file):
    app = create_app(Settings(tokens_file=tokens_file, request_timeout_s=3), EngineAddress(engine.docker_host))
    began = time.monotonic()
    answer = Client(app).post("/v1/connectivity/matrix", {"all": True, "timeout_ms": 10_000})
    assert time.monotonic() - began < 9, "the time-out of a pair is 10 s"
    counts = {"pairs": 6, "reachable": 2, "unreachable": 0, "inconclusive": 4, "surprises": 0}
    assert answer["summary"] == {**counts, "addresses_differ": 0, "reasons": {"deadline": 4}}


@pytest.fixture(scope="module")
def servers(module_api, engine, two_networks):
    """In the namespace of db: what answers by UDP, what keeps silent, and a name server."""
    assert two_networks is None
    pid, started = inside(module_api, engine, "db"), {}
    for kind, port, table in (("echo", 5001, []), ("silent", 5002, []), ("dns", 53, [["x.", "A", "10.0.0.1"]])):
        command = ["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, str(SERVERS), kind, "0.0.0.0", str(port)]
        process = subprocess.Popen([*command, json.dumps(table)], stdout=subprocess.PIPE, env={"PYTHONPATH": str(ROOT)})
        started[kind] = process
        assert process.stdout.readline() == b"ready\n"
    yield started
    for process in started.values():
        process.kill()
        process.communicate()


@pytest.mark.usefixtures("servers")
def test_an_inconclusive_pair_says_why_and_what_is_predicted(api):
    body = {"containers": ["web", "db"], "protocol": "udp", "port": 5002, "timeout_ms": 300}
    whole = api.post("/v1/connectivity/matrix", body)
    names = [one["name"] for one in whole["containers"]]
    cells = {(names[one["source"]], names[at]): one for one in whole["undecided"] for at in one["destinations"]}
    undecided = [
        (names[row], names[column])
        for row, words in enumerate(whole["verdicts"])
        for column, word in enumerate(words)
        if word == "inconclusive"
    ]
    assert sorted(cells) == sorted(undecided) != []
    assert {(one["reason"], one["predicted"]) for one in cells.values()} <= {
        ("no-answer", "reachable"),
        ("no-answer", "unreachable"),
    }
    assert whole["summary"]["reasons"] == {"no-answer": len(undecided)}
    (limit,) = whole["limited"]
    assert (limit["code"], limit["what"].split()[0]) == ("no-answer", str(len(undecided)))
    assert "TCP" in limit["remedy"]
    lines = [json.loads(line) for line in api.send(
        "POST", "/v1/connectivity/matrix", body, headers={"Accept": "application/x-ndjson"}
    ).get_data(as_text=True).splitlines()]  # fmt: skip
    assert sum(len(one["destinations"]) for line in lines for one in line.get("undecided", ())) == len(undecided)
    assert lines[-1]["limited"] == whole["limited"]


@pytest.mark.usefixtures("servers")
@pytest.mark.parametrize(
    ("protocol", "port", "to_db", "by"),
    [
        ("tcp", 8080, "reachable", "address"),
        ("http", 8080, "reachable", "name"),
        ("udp", 5001, "reachable", "address"),
        ("udp", 5002, "inconclusive", "name"),
        ("dns", None, "reachable", "address"),
        ("dns", 53, "reachable", "name"),
    ],
)
def test_every_protocol_in_a_matrix(api, protocol, port, to_db, by):
    body = {"containers": ["web", "db", "lone"], "protocol": protocol, "port": port, "by": by, "timeout_ms": 2000}
    answer = api.post("/v1/connectivity/matrix", body)
    (_, to_db_measured, to_lone), (db_to_web, _, _), (_, lone_to_db, _) = answer["verdicts"]
    assert (to_db_measured, db_to_web) == (to_db, "unreachable")
    silence = "inconclusive" if protocol == "udp" and by == "address" else "unreachable"
    assert (to_lone, lone_to_db) == (silence, silence)
    assert answer["summary"]["surprises"] == 0


def test_who_listens_by_udp_is_seen_so_that_silence_is_a_surprise(api, servers):
    body = {"containers": ["web", "db", "lone"], "protocol": "dns", "timeout_ms": 2000}
    servers["dns"].send_signal(signal.SIGSTOP)
    try:
        answer = api.post("/v1/connectivity/matrix", body)
    finally:
        servers["dns"].send_signal(signal.SIGCONT)
    (surprise,) = answer["surprises"]
    assert (surprise["source"]["name"], surprise["destination"]["name"]) == ("web", "db")
    assert (surprise["predicted"], surprise["measured"]) == ("reachable", "unreachable")


@pytest.mark.usefixtures("two_networks")
def test_a_streamed_matrix_gives_each_row_as_a_line(api):
    response = api.send(
        "POST", "/v1/connectivity/matrix", {"all": True, "timeout_ms": 300}, headers={"Accept": "application/x-ndjson"}
    )
    lines = [json.loads(line) for line in response.get_data(as_text=True).splitlines()]
    assert [line["type"] for line in lines] == ["start", "row", "row", "row", "end"]
    assert sorted(line["index"] for line in lines[1:-1]) == [0, 1, 2]
    assert [line["rows_done"] for line in lines[1:-1]] == [1, 2, 3]
    assert lines[-1]["summary"]["pairs"] == 6


@pytest.mark.usefixtures("two_networks")
def test_a_firewall_rule_inside_a_container_is_known_to_the_prediction(api, engine):
    pid = inside(api, engine, "db")
    drop(pid, "-A")
    try:
        answer = api.post("/v1/connectivity/matrix", {"containers": ["web", "db"], "timeout_ms": 300})
    finally:
        drop(pid, "-D")
    assert answer["verdicts"] == [["self", "unreachable"], ["unreachable", "self"]]
    assert answer["summary"]["surprises"] == 0


def inside(api, engine, name):
    container_id = api.get(f"/v1/containers/{name}")["id"]
    status, body = private_engine.ask(engine.socket, "GET", f"/containers/{container_id}/json")
    assert status == 200
    return json.loads(body)["State"]["Pid"]


def drop(pid, action, *what):
    rule = ["iptables", action, "INPUT", *(what or ("-p", "icmp")), "-j", "DROP"]
    subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", *rule], check=True, capture_output=True)


@pytest.mark.usefixtures("two_networks")
def test_containers_that_do_not_run_are_unreachable_and_nothing_is_sent(api):
    api.post("/v1/containers", container("stopped", network_mode="one", start=False), status=201)
    answer = api.post("/v1/connectivity/matrix", {"containers": ["web", "stopped"], "timeout_ms": 300})
    assert answer["verdicts"] == [["self", "unreachable"], ["unreachable", "self"]]
    assert answer["summary"]["surprises"] == 0


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"all": True, "network": "one"}, ""),
        ({"all": True, "protocol": "tcp"}, "/port"),
        ({"all": True, "protocol": "udp"}, "/port"),
        ({"all": True, "protocol": "icmp", "port": 80}, "/port"),
        ({"all": True, "protocol": "sctp"}, "/protocol"),
        ({"all": True, "timeout_ms": 0}, "/timeout_ms"),
        ({"all": True, "timeout_ms": True}, "/timeout_ms"),
        ({"all": True, "unknown": 1}, "/unknown"),
    ],
)
def test_a_matrix_that_makes_no_sense_is_refused_with_a_pointer(api, body, pointer):
    problem = api.post("/v1/connectivity/matrix", body, status=422)
    assert pointer in [fault["pointer"] for fault in problem["errors"]]


ASSERTIONS = [
    {"name": "web reaches db", "source": {"container": "web"}, "destination": {"name": "db"},
     "protocol": "tcp", "port": 8080, "timeout_ms": 2000, "expect": "reachable"},
    {"name": "lone is apart", "source": {"container": "lone"}, "destination": {"container": "db"},
     "timeout_ms": 300, "expect": "unreachable"},
    {"name": "a wrong hope", "source": {"container": "lone"}, "destination": {"container": "db"},
     "timeout_ms": 300, "expect": "reachable"},
    {"name": "a missing one", "source": {"container": "nobody"}, "destination": {"container": "db"},
     "expect": "reachable"},
]  # fmt: skip


@pytest.mark.usefixtures("two_networks")
def test_assertions_pass_fail_and_say_why(api):
    answer = api.post("/v1/connectivity/assertions", ASSERTIONS)
    assert [item["outcome"] for item in answer["items"]] == ["passed", "passed", "failed", "error"]
    assert answer["passed"] is False
    assert answer["counts"] == {"passed": 2, "failed": 1, "error": 1}
    assert "no-shared-network" in codes(answer["items"][2]["result"]["findings"])


@pytest.mark.usefixtures("two_networks")
def test_assertions_as_junit_xml(api):
    response = api.send("POST", "/v1/connectivity/assertions", ASSERTIONS, headers={"Accept": "application/xml"})
    suite = ET.fromstring(response.get_data())
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "1", "1")
    failure = suite.find("testcase[@name='a wrong hope']/failure")
    assert "no-shared-network" in failure.text


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ([], ""),
        ([ASSERTIONS[0]] * 1001, ""),
        ({"assertions": ASSERTIONS}, ""),
        ([ASSERTIONS[0], {**ASSERTIONS[1], "expect": "hoped"}], "/1/expect"),
    ],
)
def test_assertions_that_make_no_sense(api, body, pointer):
    problem = api.post("/v1/connectivity/assertions", body, status=422)
    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]


@pytest.mark.usefixtures("two_networks")
def test_an_inconclusive_check_says_why_in_junit_and_prometheus(api):
    check = {"source": {"container": "web"}, "destination": {"container": "lone"}, "protocol": "udp", "port": 5003}
    asked = [{**check, "name": "one", "expect": "reachable", "timeout_ms": 300}]
    (outcome,) = api.post("/v1/connectivity/assertions", asked)["items"]
    predicted = outcome["result"]["predicted"]["verdict"]
    assert outcome["message"].startswith(f"The check is inconclusive (no-answer), predicted {predicted}.")
    query = "source=web&destination=container:lone&protocol=udp&port=5003&timeout_ms=300"
    text = api.get(f"/v1/connectivity/probe?{query}")
    assert f'probe_inconclusive_info{{predicted="{predicted}",reason="no-answer"}} 1.0' in text


def test_one_check_as_prometheus_metrics(api):
    scraped = api.send("GET", "/v1/connectivity/probe?source=web&destination=db&protocol=tcp&port=8080&timeout_ms=2000")
    assert scraped.content_type == "text/plain; version=0.0.4; charset=utf-8"
    text = scraped.get_data(as_text=True)
    assert "probe_success 1.0" in text
    assert "probe_ip_protocol 4.0" in text
    assert 0 < number(text, 'probe_tcp_duration_seconds{phase="connect"}') < number(text, "probe_duration_seconds")
    failed = api.get("/v1/connectivity/probe?source=lone&destination=container:db&timeout_ms=300")
    assert number(failed, "probe_duration_seconds") >= 0.3
    assert 'phase="rtt"' not in failed
    nowhere = api.get("/v1/connectivity/probe?source=web&destination=name:nobody&timeout_ms=300")
    assert number(nowhere, "probe_ip_protocol") == 0
    assert "probe_success 0.0" in failed
    assert 'probe_failure_info{finding="no-shared-network",reason="timed-out"} 1.0' in failed


@pytest.mark.usefixtures("two_networks")
def test_probes_for_prometheus_are_bounded(engine, tokens_file, monkeypatch):
    sent, over, send = threading.Event(), threading.Event(), NamespaceRunner.check
    monkeypatch.setattr(NamespaceRunner, "check", lambda *what: sent.set() or (over.wait(60) and send(*what)))
    bounded = Client(create_app(Settings(tokens_file=tokens_file, max_probes=1), EngineAddress(engine.docker_host)))
    slow = "/v1/connectivity/probe?source=lone&destination=container:db&timeout_ms=30000"
    quick = "/v1/connectivity/probe?source=web&destination=db&timeout_ms=2000"
    briefly = {"X-Prometheus-Scrape-Timeout-Seconds": "2.5"}
    with ThreadPoolExecutor(2) as others:
        first = others.submit(bounded.send, "GET", slow, headers=briefly)
        assert sent.wait(60)
        refused = bounded.send("GET", quick, headers={"X-Prometheus-Scrape-Timeout-Seconds": "1"})
        assert (refused.status_code, refused.get_json()["code"]) == (429, "too-many-probes")
        assert "The request waited" in refused.get_json()["detail"]
        assert int(refused.headers["Retry-After"]) > 0
        second = others.submit(bounded.get, quick)
        assert bounded.get("/v1/networks")["items"]
        over.set()
        assert first.result().status_code == 200
        assert "probe_success 1.0" in second.result(), "without the header it waits for its turn"
    cut = bounded.get(slow, headers=briefly)
    assert float(re.search(r"^probe_duration_seconds (\S+)", cut, re.MULTILINE)[1]) < 20


@pytest.mark.usefixtures("servers")
def test_phases_bear_the_names_that_blackbox_exporter_gives_them(api):
    for query, phases in (
        ("protocol=icmp", {"resolve", "rtt"}),
        ("protocol=http&port=8080", {"resolve", "connect", "processing"}),
        ("protocol=dns&port=53", {"resolve", "request"}),
    ):
        text = api.get(f"/v1/connectivity/probe?source=web&destination=name:db&timeout_ms=2000&{query}")
        protocol = query.partition("&")[0].partition("=")[2]
        assert set(re.findall(rf'^probe_{protocol}_duration_seconds{{phase="(\w+)"}}', text, re.MULTILINE)) == phases
        assert number(text, "probe_dns_lookup_time_seconds") > 0


def number(text, name):
    (found,) = re.findall(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found)
