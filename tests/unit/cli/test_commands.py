"""Commands before a scripted service: what they send, what they print, and their exit codes."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import click
import pytest

from bridgework_cli import main
from bridgework_cli.root import COMMANDS, root
from tests.support.scripted_server import CLOSE, answer, problem, stream

ROOT = Path(__file__).resolve().parents[3]
REMEDY = {
    "summary": "Connect both to a network of their own.",
    "calls": [{"method": "POST", "path": "/v1/networks", "body": {"name": "own"}}],
    "commands": [],
    "plan": {"changes": [{"method": "POST", "path": "/v1/networks", "body": {"name": "own"}}]},
}
FINDING = {
    "code": "no-shared-network", "severity": "blocking", "message": "web and db share no network.",
    "component": {"kind": "container", "id": "1", "name": "db"}, "remedy": REMEDY, "evidence": {},
}  # fmt: skip
LIMITED = {
    "code": "host-out-of-reach", "what": "the host", "why": "It cannot be entered.", "remedy": "Give CAP_SYS_ADMIN.",
}  # fmt: skip
MEASURED = {"verdict": "unreachable", "reason": "timed-out", "detail": None, "address": "10.0.0.3", "rtt_ms": None}
UNREACHABLE = {
    "verdict": "unreachable", "answered_by": None, "addresses": [], "limited": [],
    "measured": MEASURED, "findings": [FINDING],
    "predicted": {"verdict": "unreachable", "path": [
        {"kind": "interface", "name": "eth0", "of": "web", "status": "passed"},
        {"kind": "bridge", "name": "br-1", "of": None, "status": "stopped"},
    ]},
}  # fmt: skip
REACHABLE = {
    "verdict": "reachable", "answered_by": None, "addresses": [], "limited": [], "findings": [],
    "predicted": {"verdict": "reachable", "path": []},
    "measured": {**MEASURED, "verdict": "reachable", "reason": None, "rtt_ms": {"avg": 0.1}},
}  # fmt: skip

NO_DIFFERENCE = {
    "pairs_total": 0,
    "pairs": [],
    "containers": [],
    "services": [],
    "networks": [],
    "outside": [],
    "exposure_total": 0,
    "exposure": [],
}


def planned(*outcomes, call=REMEDY["calls"][0], **more):
    """A plan whose steps are all the same call."""
    refused = {"code": "network-name-taken", "detail": "A network named own exists."}
    steps = [
        {"call": call, "outcome": word, "problem": refused if word == "conflict" else None, "undoable": True,
         "not_undoable_because": None,
         "undo": [{"method": "DELETE", "path": f"/v1/networks/own-{number}", "body": None}]}
        for number, word in enumerate(outcomes)
    ]  # fmt: skip
    return {"id": "1", "steps": steps, "possible": "conflict" not in outcomes, "undoable": True,
            "limited": [], "upgrade": None, "notes": [],
            "applied": None, "difference": NO_DIFFERENCE, "appearing_findings": [], "disappearing_findings": [],
            **more}  # fmt: skip


def applied(outcome, *outcomes, pairs=(), undone=()):
    """What became of a plan and of each of its steps."""
    steps = [{"outcome": word, "problem": None} for word in outcomes]
    return {"outcome": outcome, "steps": steps, "pairs": list(pairs), "undone": list(undone)}


END = {"address": "10.0.0.2", "port": 40000}
STEP = {
    "direction": "request", "place": "host", "of": "the host", "source": END, "destination": {**END, "port": 80},
    "note": "SYN", "time_us": None, "interface": None, "leaving": None, "table": None, "chain": None, "rule": None,
    "verdict": None, "predicted": True, "seen": True,
}  # fmt: skip
STEPS = [
    {**STEP, "kind": "interface", "of": "web", "interface": "eth0", "leaving": True, "time_us": 0.4},
    {**STEP, "kind": "rule", "predicted": False, "table": "ip filter", "chain": "DOCKER-USER", "rule": "-j DROP",
     "verdict": "drop"},
    {**STEP, "kind": "interface", "seen": False, "of": "db", "interface": "eth0", "leaving": False, "source": None,
     "destination": None, "note": ""},
]  # fmt: skip
MATRIX = {
    "containers": [{"id": "1", "name": "db"}, {"id": "2", "name": "web"}], "partial": [],
    "surprises": [], "addresses": [], "undecided": [], "limited": [],
    "verdicts": [["self", "reachable"], ["unreachable", "self"]], "rtt_ms": [[0, 0.1], [0, 0]], "duration_ms": 3,
    "summary": {"pairs": 2, "reachable": 1, "unreachable": 1, "inconclusive": 0, "surprises": 0,
                "addresses_differ": 0, "reasons": {}},
}  # fmt: skip
PLAN = planned("changes")
OUTCOMES = {"passed": False, "counts": {"passed": 1, "failed": 1, "error": 0}, "items": [
    {"name": "a", "outcome": "passed", "message": "As expected.", "result": REACHABLE, "expect": "reachable"},
    {"name": "b", "outcome": "failed", "message": "The verdict is unreachable.", "result": UNREACHABLE,
     "expect": "reachable"},
]}  # fmt: skip


def counts(suite):
    """The numbers at the top of a JUnit report."""
    return suite.get("tests"), suite.get("failures"), suite.get("errors")


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch, tmp_path):
    for name in ("BRIDGEWORK_URL", "BRIDGEWORK_TOKEN", "BRIDGEWORK_PROFILE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr("bridgework_client.transport.time.sleep", lambda _: None)


@pytest.fixture
def service(scripted, monkeypatch):
    """Let a service give these answers, each on a connection of its own."""

    def one(*answers):
        server = scripted(*([one] for one in answers))
        monkeypatch.setenv("BRIDGEWORK_URL", server.url)
        return server

    return one


class TestCheck:
    def test_an_unreachable_destination_is_explained_and_the_exit_code_is_1(self, service, capsys):
        server = service(answer(200, UNREACHABLE))
        assert main(["check", "web", "db:5432", "--timeout", "500ms", "-4"]) == 1
        assert server.requests[0][3] == {
            "source": {"container": "web"}, "destination": {"name": "db"}, "protocol": "tcp", "port": 5432,
            "timeout_ms": 500, "ip_version": "4",
        }  # fmt: skip
        assert capsys.readouterr().out == (
            "unreachable  web -> db:5432 (tcp)\n"
            "  blocking  web and db share no network.  [no-shared-network]\n"
            "    remedy  Connect both to a network of their own.\n"
            '      POST /v1/networks {"name": "own"}\n'
            "  path  interface eth0 of web > bridge br-1 (stopped)\n"
            "  predicted unreachable, measured unreachable, timed-out, at 10.0.0.3\n"
        )

    def test_a_reachable_one_is_0(self, service, capsys):
        service(answer(200, REACHABLE))
        assert main(["check", "web", "db"]) == 0
        assert "measured reachable, at 10.0.0.3, in 0.1 ms" in capsys.readouterr().out

    def test_nothing_known_does_not_pass_a_pipeline(self, service):
        service(answer(200, {**REACHABLE, "verdict": "inconclusive"}))
        assert main(["check", "web", "db"]) == 1

    def test_waiting_repeats_it(self, service):
        server = service(answer(200, UNREACHABLE), answer(200, REACHABLE))
        assert main(["check", "web", "db", "--wait", "2m"]) == 0
        assert len(server.requests) == 2

    @pytest.mark.parametrize("form", ["json", "yaml"])
    def test_the_answer_as_the_service_gave_it(self, service, capsys, form):
        service(answer(200, UNREACHABLE))
        assert main(["check", "web", "db", "-o", form]) == 1
        printed = capsys.readouterr().out
        if form == "json":
            assert json.loads(printed) == UNREACHABLE
        else:
            assert printed.startswith("verdict: unreachable\n")

    def test_a_report_for_a_pipeline(self, service, capsys):
        service(answer(200, UNREACHABLE))
        assert main(["check", "web", "db", "-o", "junit"]) == 1
        suite = ET.fromstring(capsys.readouterr().out)
        assert counts(suite) == ("1", "1", "0")
        assert suite.find("testcase/failure").get("message").endswith("web and db share no network.")

    def test_in_a_report_an_inconclusive_check_is_an_error(self, service, capsys):
        service(answer(200, {**UNREACHABLE, "verdict": "inconclusive"}))
        assert main(["check", "web", "db", "-o", "junit"]) == 1
        suite = ET.fromstring(capsys.readouterr().out)
        assert counts(suite) == ("1", "0", "1")
        assert suite.find("testcase/error").get("message").startswith("The verdict is inconclusive.")


DNAT = {"table": "ip nat", "chain": "DOCKER", "rule": "-A DOCKER -j DNAT", "effect": "dnat", "owner": "Docker"}
POLICY = {"table": "ip filter", "chain": "INPUT", "rule": None, "effect": "drop", "owner": None}
OPEN = {
    "container": {"id": "1", "name": "web"}, "container_port": 80, "protocol": "tcp", "published": None,
    "origin": {"kind": "lan", "name": "eth0", "family": "ipv4"}, "address": "192.0.2.1", "port": 8080,
    "verdict": "reachable", "reason": None, "listening": True, "by_proxy": False, "rules": [DNAT],
    "stopped_by": None, "finding": None,
    "host_firewall": {**POLICY, "owner": "ufw"}, "past_host_firewall": True,
}  # fmt: skip
CLOSED = {
    **OPEN, "origin": {"kind": "host", "name": "host", "family": "ipv6"}, "address": "::1", "verdict": "unreachable",
    "reason": "firewall-rule", "rules": [], "stopped_by": POLICY, "past_host_firewall": False,
}  # fmt: skip
PROXIED = {**OPEN, "by_proxy": True, "rules": [], "listening": False, "past_host_firewall": False}


class TestExposure:
    def test_a_table_says_where_a_port_is_reachable_and_why(self, service, capsys):
        items = [OPEN, CLOSED, PROXIED]
        server = service(answer(200, {"items": items, "next_cursor": None, "limited": [LIMITED]}))
        assert main(["exposure", "web", "--from", "lan", "--published", "--verdict", "reachable"]) == 0
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert [" ".join(words) for words in lines] == [
            "PORT FROM AT VERDICT BY",
            "web:80/tcp lan eth0 192.0.2.1:8080 reachable Docker DOCKER dnat; past ufw INPUT policy drop",
            "web:80/tcp host [::1]:8080 unreachable firewall-rule (INPUT policy drop)",
            "web:80/tcp lan eth0 192.0.2.1:8080 reachable docker-proxy; no program listens",
            "Left open: the host (host-out-of-reach): It cannot be entered.",
            "remedy Give CAP_SYS_ADMIN.",
        ]
        query = server.requests[0][1].partition("?")[2]
        assert set(query.split("&")) == {
            "limit=1000", "container=web", "origin=lan", "published=true", "verdict=reachable",
        }  # fmt: skip

    def test_what_is_closed_is_not_asked_for_unless_you_say_so(self, service, capsys):
        server = service(answer(200, {"items": [], "next_cursor": None, "limited": []}))
        assert main(["exposure", "-o", "json"]) == 0
        assert json.loads(capsys.readouterr().out) == {"items": [], "limited": []}
        assert server.requests[0][1].endswith("verdict=reachable&verdict=inconclusive")


class TestExitCodes:
    @pytest.mark.parametrize("arguments", [
        ["check"], ["check", "web", "db:http"], ["check", "web", "db", "-o", "xml"], ["nothing"],
        ["check", "web", "db", "--wait", "soon"], ["matrix"], ["matrix", "a", "--all"], ["fix", "web"],
        ["check", "a", "b", "--url", "ftp://x"],
        ["check", "a", "b", "--local", "--url", "http://x"], ["check", "a", "b", "--profile", "none"],
        ["token", "new"], ["completion", "tcsh"],
    ])  # fmt: skip
    def test_a_wrong_command_line_is_2(self, arguments, capsys):
        assert main(arguments) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err

    @pytest.mark.parametrize(("one", "code"), [
        (problem(404, "container-not-found"), 2), (problem(422, "input-invalid"), 2),
        (problem(401, "token-invalid"), 3), (problem(403, "role-insufficient"), 3),
        (problem(504, "request-timeout"), 3), (answer(502, {}), 3),
    ])  # fmt: skip
    def test_a_refusal(self, service, capsys, one, code):
        service(one)
        assert main(["check", "web", "db"]) == code
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.strip()

    def test_no_service_is_3_and_what_to_do_is_said(self, scripted, monkeypatch, capsys):
        monkeypatch.setenv("BRIDGEWORK_URL", scripted([CLOSE], [CLOSE], [CLOSE]).url)
        assert main(["networks"]) == 3
        assert "bridgework serve" in capsys.readouterr().err

    def test_a_closed_pipe_is_no_error(self, service):
        server = service(answer(200, {"items": [], "next_cursor": None}))
        code = f"import sys; from bridgework_cli import main; sys.exit(main(['networks', '--url', '{server.url}']))"
        piped = f'"{sys.executable}" -c "{code}" | true'
        done = subprocess.run(["bash", "-c", piped], capture_output=True, text=True, check=False)
        assert done.stderr == ""


class TestMatrix:
    def test_a_table(self, service, capsys):
        server = service(answer(200, MATRIX))
        assert main(["matrix", "--network", "shop", "--port", "80", "--by-name"]) == 1
        assert server.requests[0][3] == {"network": "shop", "protocol": "tcp", "port": 80, "by": "name"}
        assert capsys.readouterr().out == (
            "     db  web\n"
            "db   -   yes\n"
            "web  NO  -\n"
            "2 pairs: 1 reachable, 1 unreachable, 0 inconclusive, 0 not as predicted\n"
        )

    def test_the_addresses_of_a_pair_whose_addresses_differ(self, service, capsys):
        six = {"id": "6", "name": "six"}
        tried = [
            {"address": "10.6.0.2", "ip_version": 4, "network": six, "predicted": "unreachable",
             "measured": "unreachable", "reason": "timed-out"},
            {"address": "fd00:6::2", "ip_version": 6, "network": six, "predicted": "reachable", "measured": "reachable",
             "reason": None},
        ]  # fmt: skip
        db, web = MATRIX["containers"]
        pairs = [{"source": db, "destination": web, "addresses": tried}] * 200
        service(answer(200, {**MATRIX, "addresses": pairs, "summary": {**MATRIX["summary"], "addresses_differ": 1234}}))
        main(["matrix", "db", "web"])
        _, *printed = capsys.readouterr().out.split("not as predicted\n")[1].rsplit("\n", 65)
        assert printed[-5:-1] == [
            "db -> web:",
            "  address 10.6.0.2 on six: predicted unreachable, measured unreachable (timed-out)",
            "  address fd00:6::2 on six: predicted reachable, measured reachable",
            "... and 1,214 more (-o json has 200 of 1,234)",
        ]

    def test_inconclusive_pairs_say_why_and_what_is_predicted(self, service, capsys):
        group = {"source": 1, "reason": "budget-exhausted", "predicted": "reachable", "destinations": [0]}
        limit = {
            "code": "budget-exhausted",
            "what": "1 inconclusive pair",
            "why": "The table is full.",
            "remedy": "Raise it.",
        }
        verdicts = [["self", "reachable"], ["inconclusive", "self"]]
        undecided = {**MATRIX, "verdicts": verdicts, "undecided": [group], "limited": [limit]}
        service(answer(200, undecided), answer(200, undecided))
        main(["matrix", "db", "web"])
        assert (
            "\nLeft open: 1 inconclusive pair (budget-exhausted): The table is full.\n"
            "  remedy  Raise it.\n"
            "  predicted reachable: web -> db\n"
        ) in capsys.readouterr().out
        main(["matrix", "db", "web", "-o", "junit"])
        assert "The verdict is inconclusive (budget-exhausted), predicted reachable." in capsys.readouterr().out

    def test_in_a_report_an_inconclusive_pair_is_an_error(self, service, capsys):
        service(answer(200, {**MATRIX, "verdicts": [["self", "inconclusive"], ["unreachable", "self"]]}))
        assert main(["matrix", "db", "web", "-o", "junit"]) == 1
        suite = ET.fromstring(capsys.readouterr().out)
        assert counts(suite) == ("2", "1", "1")
        assert [[child.tag for child in case] for case in suite] == [["error"], ["failure"]]

    def test_on_a_terminal_it_is_put_together_from_rows(self, service, capsys, monkeypatch):
        answered = MATRIX
        rows = [
            {
                "type": "row",
                "index": index,
                "verdicts": answered["verdicts"][index],
                "rtt_ms": answered["rtt_ms"][index],
                "undecided": [],
            }
            for index in (1, 0)
        ]
        end = {
            "type": "end",
            **{key: answered[key] for key in MATRIX.keys() - {"containers", "verdicts", "rtt_ms", "undecided"}},
        }
        start = {"type": "start", "containers": answered["containers"], "rows_total": 2}
        service(stream(*map(json.dumps, [start, *rows, {"type": "heartbeat"}, end])))
        monkeypatch.setattr("sys.stderr.isatty", lambda: True)
        assert main(["matrix", "db", "web", "-o", "json"]) == 1
        assert json.loads(capsys.readouterr().out) == answered


class TestAssert:
    def test_short_forms_and_fields_of_the_api(self, service, tmp_path, capsys):
        file = tmp_path / "expectations.yaml"
        file.write_text("""
- {source: web, destination: "db:5432"}
- {name: kept out, source: guest, destination: "container:db:5432", expect: unreachable, timeout_ms: 300}
- {name: whole, source: {host: true}, destination: {address: 10.0.0.1}, protocol: icmp}
""")
        server = service(answer(200, OUTCOMES))
        assert main(["assert", str(file)]) == 1
        first, second, third = server.requests[0][3]
        assert first == {
            "name": "web -> db:5432 (tcp) is reachable", "expect": "reachable", "source": {"container": "web"},
            "destination": {"name": "db"}, "protocol": "tcp", "port": 5432,
        }  # fmt: skip
        assert (second["expect"], second["timeout_ms"], second["name"]) == ("unreachable", 300, "kept out")
        assert third == {
            "name": "whole", "source": {"host": True}, "destination": {"address": "10.0.0.1"}, "protocol": "icmp",
            "expect": "reachable",
        }  # fmt: skip
        printed = capsys.readouterr().out
        assert printed.startswith("passed  a\nfailed  b\n  The verdict is unreachable.\n")
        assert "[no-shared-network]" in printed
        assert printed.endswith("1 passed, 1 failed, 0 error\n")

    def test_a_report(self, service, tmp_path, capsys):
        (tmp_path / "x.yaml").write_text("[{source: a, destination: b}]")
        error = {"name": "c", "outcome": "error", "message": "No container is named c.", "result": None}
        service(answer(200, {**OUTCOMES, "items": [*OUTCOMES["items"], error]}))
        assert main(["assert", str(tmp_path / "x.yaml"), "-o", "junit"]) == 1
        suite = ET.fromstring(capsys.readouterr().out)
        assert counts(suite) == ("3", "1", "1")
        assert [[child.tag for child in case] for case in suite] == [[], ["failure"], ["error"]]

    @pytest.mark.parametrize("text", [
        "a: b", "[1]", "[", "- {source: web, destination: 'db:x'}", "- {destination: 'db:80'}", "",
    ])  # fmt: skip
    def test_what_is_no_file_of_assertions(self, tmp_path, text, capsys):
        (tmp_path / "x.yaml").write_text(text)
        assert main(["assert", str(tmp_path / "x.yaml")]) == 2
        assert "x.yaml" in capsys.readouterr().err


class TestFix:
    def test_it_shows_sends_and_checks_again(self, service, capsys):
        server = service(answer(200, UNREACHABLE), answer(200, PLAN), answer(201, {}), answer(200, REACHABLE))
        assert main(["fix", "web", "db", "--yes"]) == 0
        assert server.requests[1][3] == {"changes": REMEDY["calls"]}
        assert [(method, target, body) for method, target, _, body in server.requests[2:3]] == [
            ("POST", "/v1/networks", {"name": "own"})
        ]
        printed = capsys.readouterr().out
        places = [printed.find(text) for text in ("    remedy", "done  POST", "reachable  web -> db")]
        assert places == sorted(places)
        assert places[0] > 0

    def test_what_no_plan_can_hold_is_sent_without_one(self, service):
        unplanned = {**UNREACHABLE, "findings": [{**FINDING, "remedy": {**REMEDY, "plan": None}}]}
        server = service(answer(200, unplanned), answer(201, {}), answer(200, REACHABLE))
        assert main(["fix", "web", "db", "--yes"]) == 0
        assert [target for _, target, *_ in server.requests][1] == "/v1/networks"
        service(
            answer(200, UNREACHABLE), problem(501, "engine-lacks-function"), answer(201, {}), answer(200, REACHABLE)
        )
        assert main(["fix", "web", "db", "--yes"]) == 0
        refused = problem(403, "role-insufficient")
        server = service(answer(200, UNREACHABLE), refused, answer(201, {}), answer(200, REACHABLE))
        assert main(["fix", "web", "db", "--yes"]) == 3
        assert len(server.requests) == 2

    def test_nothing_is_sent_without_consent(self, service, monkeypatch):
        server = service(answer(200, UNREACHABLE), answer(200, PLAN))
        monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "n")
        assert main(["fix", "web", "db"]) == 130
        assert len(server.requests) == 2

    def test_a_dry_run_sends_nothing(self, service):
        server = service(answer(200, UNREACHABLE), answer(200, PLAN))
        assert main(["fix", "web", "db", "--dry-run"]) == 1
        assert len(server.requests) == 2

    def test_a_conflict_is_said_and_nothing_is_sent(self, service, capsys):
        server = service(answer(200, UNREACHABLE), answer(200, planned("conflict")))
        assert main(["fix", "web", "db", "--yes"]) == 1
        assert len(server.requests) == 2
        assert "A network named own exists." in capsys.readouterr().out

    def test_a_finding_of_the_diagnosis_is_chosen(self, service, capsys):
        other = {**FINDING, "code": "stale-endpoint", "remedy": {**REMEDY, "summary": "Disconnect it."}}
        page = {"items": [FINDING, other], "next_cursor": None, "limited": []}
        service(answer(200, page))
        assert main(["fix", "--yes"]) == 2
        assert "--code stale-endpoint --on db" in capsys.readouterr().out
        service(answer(200, page), answer(200, PLAN), answer(201, {}))
        assert main(["fix", "--code", "stale-endpoint", "--on", "db", "--yes"]) == 0
        assert "Disconnect it." in capsys.readouterr().out

    def test_what_has_no_calls_is_only_shown(self, service, capsys):
        page = {"items": [{**FINDING, "remedy": None}], "next_cursor": None, "limited": []}
        service(answer(200, page))
        assert main(["fix", "--yes"]) == 2
        assert "web and db share no network." in capsys.readouterr().out


class TestPlan:
    FORMS = """
- create_network: {name: shop}
- create_container: {name: web, image: busybox}
- connect: {network: a/b, container: web, aliases: [www]}
- disconnect: {network: bridge, container: web, force: true}
- start: web
- delete_network: shop
- {method: POST, path: /v1/x, body: {}}
"""

    @pytest.fixture
    def file(self, tmp_path):
        (tmp_path / "changes.yaml").write_text(self.FORMS)
        return str(tmp_path / "changes.yaml")

    def test_short_forms_are_calls(self, service, file):
        server = service(answer(200, PLAN))
        assert main(["plan", file]) == 0
        assert server.requests[0][3]["changes"] == [
            {"method": "POST", "path": "/v1/networks", "body": {"name": "shop"}},
            {"method": "POST", "path": "/v1/containers", "body": {"name": "web", "image": "busybox"}},
            {"method": "PUT", "path": "/v1/networks/a%2Fb/endpoints/web", "body": {"aliases": ["www"]}},
            {"method": "DELETE", "path": "/v1/networks/bridge/endpoints/web?force=true"},
            {"method": "POST", "path": "/v1/containers/web/start"},
            {"method": "DELETE", "path": "/v1/networks/shop"},
            {"method": "POST", "path": "/v1/x", "body": {}},
        ]

    def test_it_is_printed_step_by_step_with_its_effect(self, service, file, capsys):
        pair = {"source": {"name": "web"}, "destination": {"name": "db"}, "protocol": "tcp", "port": 80,
                "before": "unreachable", "after": "reachable",
                "assumes_listener": True, "reason": None, "addresses": [
                    {"address": "10.6.0.2", "ip_version": 4, "network": {"id": "6", "name": "six"},
                     "before": None, "after": "unreachable"},
                    {"address": "fd00:6::2", "ip_version": 6, "network": None, "before": "unreachable",
                     "after": "reachable"},
                ]}  # fmt: skip
        opening = {"container": {"name": "db"}, "host_ip": "0.0.0.0", "host_port": 81, "container_port": 80,
                   "protocol": "tcp", "becomes": "reachable"}  # fmt: skip
        difference = {**NO_DIFFERENCE, "pairs_total": 21, "pairs": [pair], "outside": [opening]}
        plan = planned("changes", "unchanged", "conflict", difference=difference, disappearing_findings=[FINDING])
        service(answer(200, plan))
        assert main(["plan", file]) == 1
        assert capsys.readouterr().out == (
            '  + POST /v1/networks {"name": "own"}\n'
            '  = POST /v1/networks {"name": "own"}\n'
            '  ! POST /v1/networks {"name": "own"}\n'
            "      A network named own exists.  [network-name-taken]\n"
            "Pairs that change: 21\n"
            "  web -> db (tcp 80): unreachable -> reachable, if a program listens there\n"
            "    address 10.6.0.2 on six: no way to it -> unreachable\n"
            "    address fd00:6::2: unreachable -> reachable\n"
            "  ... (see all of them with -o json)\n"
            "At the host: 0.0.0.0:81 -> db:80/tcp becomes reachable\n"
            "Disappears: blocking  web and db share no network.  [no-shared-network]\n"
            "Plan: 1 to change, 1 unchanged, 1 in conflict.\n"
        )

    def test_apply_makes_the_plan_that_was_shown(self, service, file, capsys):
        plan = planned("changes", "unchanged")
        done = {**plan, "applied": applied("applied", "done", "unchanged")}
        server = service(answer(200, plan, ETag='"tag"'), answer(200, done))
        assert main(["apply", file, "--yes"]) == 0
        first, second = server.requests
        assert second[2]["if-match"] == '"tag"'
        assert second[3] == {"changes": first[3]["changes"], "apply": True, "undo": "on-failure"}
        assert capsys.readouterr().out.endswith(
            "done  POST /v1/networks\nunchanged  POST /v1/networks\napplied: 0 of 0 measured pairs are as planned.\n"
        )

    def test_what_went_wrong_and_was_undone_is_said(self, service, file, capsys):
        pair = {"source": {"name": "web"}, "destination": {"name": "db"}, "protocol": "icmp", "port": None,
                "predicted": "reachable", "measured": "unreachable", "agrees": False,
                "findings": [{"code": "user-firewall-drop", "message": "DOCKER-USER drops: -j DROP."}]}  # fmt: skip
        undone = [{"call": {"method": "DELETE", "path": "/v1/networks/own", "body": None}, "problem": None}]
        result = applied("undone", "done", pairs=[pair], undone=undone)
        server = service(answer(200, PLAN, ETag='"tag"'), answer(200, {**PLAN, "applied": result}))
        assert main(["apply", file, "--yes", "--keep"]) == 1
        assert server.requests[1][3]["undo"] == "never"
        assert capsys.readouterr().out.endswith(
            "done  POST /v1/networks\n"
            "  web -> db (icmp): planned reachable, measured unreachable\n"
            "      DOCKER-USER drops: -j DROP.  [user-firewall-drop]\n"
            "undone  DELETE /v1/networks/own\n"
            "undone: 0 of 1 measured pairs are as planned.\n"
        )

    def test_apply_does_nothing_in_a_conflict_or_without_a_change(self, service, file):
        for outcomes, code in ((("changes", "conflict"), 1), (("unchanged",), 0)):
            server = service(answer(200, planned(*outcomes), ETag='"tag"'))
            assert main(["apply", file, "--yes"]) == code
            assert len(server.requests) == 1

    def test_apply_does_nothing_when_the_state_changed_meanwhile(self, service, file, monkeypatch, capsys):
        server = service(answer(200, PLAN, ETag='"tag"'), problem(412, "precondition-failed"))
        monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "y")
        assert main(["apply", file]) == 3
        assert len(server.requests) == 2
        assert "[precondition-failed]" in capsys.readouterr().err

    def test_apply_is_not_sent_again(self, scripted, file):
        server = scripted([answer(200, PLAN, ETag='"tag"')], [CLOSE], [answer(200, PLAN)])
        assert main(["apply", file, "--yes", "--url", server.url]) == 3
        assert [body.get("apply") for *_, body in server.requests] == [None, True]

    @pytest.mark.parametrize("text", [
        "a: b", "[", "[1]", "[{}]", "- paint: web", "- start: {name: web}", "- create_network: shop",
        "- connect: {network: a}",
        "- {start: web, stop: db}", "- disconnect: {network: a, container: b, aliases: [c]}",
    ])  # fmt: skip
    def test_what_is_no_file_of_changes(self, tmp_path, text, capsys):
        (tmp_path / "x.yaml").write_text(text)
        assert main(["plan", str(tmp_path / "x.yaml")]) == 2
        assert "x.yaml" in capsys.readouterr().err


class TestTrace:
    def test_each_step_is_a_row(self, service, capsys):
        loss = {"direction": "request", "message": "A rule of DOCKER-USER dropped it.", "by": None, "silent": None}
        trace = {"steps": STEPS, "lost": loss, "missing": ["The namespace of db."]}
        server = service(answer(200, {**UNREACHABLE, "findings": [], "trace": trace}))
        assert main(["trace", "web", "db:80"]) == 1
        assert server.requests[0][3]["trace"] is True
        first, _, *rows, lost, missing = capsys.readouterr().out.splitlines()
        assert first == "unreachable  web -> db:80 (tcp)"
        assert [row.split() for row in rows] == [
            ["+", "0", "us", "->", "web", "leaves", "by", "eth0", "10.0.0.2:40000", ">", "10.0.0.2:80", "SYN"],
            [
                "?",
                "->",
                "the",
                "host",
                "rule",
                "ip",
                "filter",
                "DOCKER-USER",
                "-j",
                "DROP",
                "drop",
                "10.0.0.2:40000",
                ">",
                "10.0.0.2:80",
                "SYN",
            ],
            ["-", "->", "db", "comes", "in", "by", "eth0"],
        ]
        assert (lost, missing) == ("A rule of DOCKER-USER dropped it.", "Not looked at: The namespace of db.")

    def test_what_was_not_sent_has_no_trace(self, service, capsys):
        service(answer(200, {**UNREACHABLE, "trace": None}))
        assert main(["trace", "web", "db:80"]) == 1
        assert "nothing to trace" in capsys.readouterr().out

    def test_a_capture_is_written_as_it_is(self, service, capfdbinary):
        service(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Type: application/x-pcapng\r\n\r\n\x0a\x0d\xff\x00")
        assert main(["trace", "web", "db:80", "-o", "pcapng"]) == 0
        sys.stdout.flush()
        assert capfdbinary.readouterr().out == b"\x0a\x0d\xff\x00"


@pytest.mark.parametrize("command", ["check", "trace"])
@pytest.mark.parametrize("remedy", ["Give CAP_SYS_ADMIN.", None])
def test_a_check_says_what_it_leaves_open(service, capsys, command, remedy):
    service(answer(200, {**REACHABLE, "trace": None, "limited": [{**LIMITED, "remedy": remedy}]}))
    assert main([command, "web", "db"]) == 0
    printed = capsys.readouterr().out
    assert "Left open: the host (host-out-of-reach): It cannot be entered." in printed
    assert ("remedy" in printed) == (remedy is not None)


class TestDiagnose:
    @pytest.mark.parametrize(("severity", "fail_on", "code"), [
        ("blocking", "blocking", 1), ("warning", "blocking", 0), ("warning", "warning", 1), ("info", "warning", 0),
        ("info", "info", 1), ("blocking", "never", 0),
    ])  # fmt: skip
    def test_its_exit_code(self, service, capsys, severity, fail_on, code):
        service(answer(200, {"items": [{**FINDING, "severity": severity}], "next_cursor": None, "limited": [LIMITED]}))
        assert main(["diagnose", "--fail-on", fail_on]) == code
        printed = capsys.readouterr().out
        assert f"1 {severity}" in printed
        assert (
            "Left open: the host (host-out-of-reach): It cannot be entered.\n  remedy  Give CAP_SYS_ADMIN." in printed
        )

    def test_in_a_report_what_was_not_looked_at_is_skipped(self, service, capsys):
        service(answer(200, {"items": [FINDING], "next_cursor": None, "limited": [LIMITED]}))
        assert main(["diagnose", "-o", "junit"]) == 1
        suite = ET.fromstring(capsys.readouterr().out)
        assert [[child.tag for child in case] for case in suite] == [["failure"], ["skipped"]]
        assert "It cannot be entered." in suite[1][0].get("message")
        assert suite.get("skipped") == "1"


class TestViews:
    def test_a_pipe_gets_one_line_for_each_row(self, service, capsys):
        network = {"name": "n" * 200, "driver": "bridge", "endpoint_count": 2, "internal": True,
                   "ipam": {"pools": [{"subnet": "10.0.0.0/24"}]}}  # fmt: skip
        service(answer(200, {"items": [network], "next_cursor": None}))
        assert main(["networks"]) == 0
        head, row = capsys.readouterr().out.splitlines()
        assert head.split() == ["NAME", "DRIVER", "SUBNETS", "ENDPOINTS", "INTERNAL"]
        assert row.split() == ["n" * 200, "bridge", "10.0.0.0/24", "2", "yes"]

    def test_events_in_one_line_each(self, service, capsys):
        event = {"type": "network", "action": "connect", "name": "shop", "time": "2026-01-31T12:00:00.123456Z",
                 "container": {"id": "1", "name": "web"}}  # fmt: skip
        service(stream("id: 1", f"data: {json.dumps(event)}", ""))
        assert main(["events", "-n", "1"]) == 0
        assert capsys.readouterr().out == "2026-01-31T12:00:00.123   network connect shop web\n"


class TestService:
    def test_a_profile_names_it(self, scripted, tmp_path, monkeypatch):
        lab, shop = (scripted([answer(200, {"items": [], "next_cursor": None})]) for _ in range(2))
        (tmp_path / "token").write_text("secret\n")
        folder = tmp_path / "bridgework"
        folder.mkdir()
        (folder / "config.toml").write_text(
            f'default = "lab"\n[services.lab]\nurl = "{lab.url}"\ntoken = "lab-token"\n'
            f'[services.shop]\nurl = "{shop.url}"\ntoken_file = "{tmp_path}/token"\n'
        )
        assert main(["networks"]) == 0
        assert lab.requests[0][2]["authorization"] == "Bearer lab-token"
        monkeypatch.setenv("BRIDGEWORK_URL", "http://127.0.0.1:1")
        assert main(["networks", "--profile", "shop"]) == 0
        assert shop.requests[0][2]["authorization"] == "Bearer secret"

    def test_an_unknown_profile_is_named(self, tmp_path, capsys):
        (tmp_path / "bridgework").mkdir()
        (tmp_path / "bridgework" / "config.toml").write_text("[services.lab]\n")
        assert main(["networks", "--profile", "x"]) == 2
        assert "no service 'x' under [services]; it has: lab." in capsys.readouterr().err


class TestStart:
    def test_a_check_imports_neither_tables_nor_the_service(self):
        late = [
            "rich",
            "yaml",
            "tomllib",
            "flask",
            "bridgework",
            "bridgework_cli.local",
            "bridgework_client.documents",
        ]
        code = (
            "import sys; from bridgework_cli import main; main(['check', 'a', 'b', '--url', 'http://127.0.0.1:1']); "
            f"print([name for name in {late} if name in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "[]\n"

    @pytest.mark.parametrize("name", sorted(COMMANDS))
    def test_each_command_has_help(self, name, capsys):
        assert main([name, "--help"]) == 0
        assert capsys.readouterr().out.startswith(f"Usage: bridgework {name}")

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_completion(self, shell, capsys):
        assert main(["completion", shell]) == 0
        assert "_BRIDGEWORK_COMPLETE" in capsys.readouterr().out

    def test_names_of_containers_are_completed(self, service):
        service(answer(200, {"items": [{"name": "web"}, {"name": "db"}], "next_cursor": None}))
        command = root.get_command(None, "check")
        source = next(one for one in command.params if one.name == "source")
        with command.make_context("check", [], resilient_parsing=True) as context:
            assert [one.value for one in source.shell_complete(context, "w")] == ["web"]


class TestTerminal:
    def test_prose_is_wrapped_there_and_what_is_copied_is_not(self, service, capsys, monkeypatch):
        remedy = {**REMEDY, "calls": [{**REMEDY["calls"][0], "path": "/v1/networks/" + "x" * 90}]}
        long = {**FINDING, "message": "web and db share no network, " * 6, "remedy": remedy}
        monkeypatch.setenv("COLUMNS", "60")
        monkeypatch.setattr("bridgework_cli.output.sys.stdout.isatty", lambda: True, raising=False)
        service(answer(200, {**UNREACHABLE, "findings": [long]}))
        main(["check", "web", "db"])
        lines = [click.unstyle(line) for line in capsys.readouterr().out.splitlines()]
        wide = [line for line in lines if len(line) > 60]
        assert [line.split()[0] for line in wide] == ["POST"]
        at = lines.index("  blocking  web and db share no network, web and db share")
        assert lines[at + 1].startswith("            no network")

    def test_an_answer_is_asked_for_again_and_a_failure_does_not_end_it(self, service, capsys, monkeypatch):
        pauses = iter([None, None])

        def sleep(seconds):
            assert seconds == 5
            if next(pauses, "end") == "end":
                raise KeyboardInterrupt

        monkeypatch.setattr("bridgework_cli.watching.sleep", sleep)
        service(answer(200, REACHABLE), problem(502, "engine-error"), answer(200, UNREACHABLE))
        assert main(["check", "web", "db", "--watch", "5s"]) == 130
        told = capsys.readouterr()
        assert [line.split()[0] for line in told.out.splitlines() if "->" in line] == ["reachable", "unreachable"]
        assert "engine-error, it says." in told.err


class TestOpen:
    @pytest.mark.parametrize(("words", "link"), [
        ([], "/console"),
        (["web", "db:5432"], "/console#from=web&to=name%3Adb&protocol=tcp&port=5432"),
        (["host", "http://db:80/x?y=1"], "/console#from=host&to=name%3Adb&protocol=http&port=80&path=%2Fx%3Fy%3D1"),
        (["web", "host"], "/console#from=web&to=host&protocol=icmp"),
    ])  # fmt: skip
    def test_the_link_has_the_question_and_no_token(self, capsys, monkeypatch, words, link):
        opened = []
        monkeypatch.setattr("bridgework_cli.commands.open.click.launch", opened.append)
        monkeypatch.setenv("BRIDGEWORK_TOKEN", "secret")
        assert main(["open", "--url", "http://service:8080/", *words]) == 0
        assert opened == [capsys.readouterr().out.strip()] == [f"http://service:8080{link}"]

    def test_it_can_be_printed_only(self, monkeypatch):
        monkeypatch.setattr("bridgework_cli.commands.open.click.launch", lambda _: pytest.fail("a browser started"))
        assert main(["open", "--print"]) == 0
        assert main(["open", "--print", "web"]) == 2
        assert main(["open", "--print", "--url", "unix:/run/bridgework.sock"]) == 2


class TestMisspelt:
    def test_a_command(self, capsys):
        assert main(["chekc"]) == 2
        assert "There is no command 'chekc'. Did you mean check?" in capsys.readouterr().err

    def test_a_code(self, service, capsys):
        codes = [{"code": "no-shared-network"}, {"code": "no-listener"}]
        service(
            answer(200, {"items": codes, "next_cursor": None}),
            problem(404, "problem-unknown"),
            answer(200, {"items": [{"code": "no-token"}], "next_cursor": None}),
        )
        assert main(["explain", "no-listner"]) == 2
        assert "Did you mean no-listener" in capsys.readouterr().err

    def test_a_compose_project(self, service, capsys):
        members = [{"labels": {"com.docker.compose.project": "shop"}}, {"labels": {}}]
        service(answer(200, {"items": [], "next_cursor": None}), answer(200, {"items": members, "next_cursor": None}))
        assert main(["matrix", "--compose", "shpo"]) == 2
        assert "No container belongs to the compose project 'shpo'. Did you mean shop?" in capsys.readouterr().err


def test_the_summary_of_each_command_is_whole(capsys):
    assert main(["--help"]) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert "..." not in words.replace("[ARGS]...", "")
    assert "and by which rules." in words


ENGINE = {"version": "29.7", "answered_as": "29.7", "firewall_backend": "nftables", "userland_proxy": True,
          "iptables": True, "ip6tables": True}  # fmt: skip
NOTE = {"code": "docker-user-not-used", "message": "These 1 rules never run: -A DOCKER-USER -j DROP",
        "remedy": "Move it.", "references": ["https://example.org/1"], "components": [],
        "pairs_total": 0, "pairs": []}  # fmt: skip
PAIR = {"source": {"name": "a|b"}, "destination": {"name": "db"}, "protocol": "icmp", "port": None,
        "before": "unreachable", "after": "reachable", "reason": None, "assumes_listener": False,
        "addresses": []}  # fmt: skip
ROW = {"container": {"name": "web"}, "network": {"name": "front"}, "container_port": 80, "protocol": "tcp",
       "published": False, "origin": {"kind": "lan", "name": "eth0", "family": "ipv6"}, "address": "fd00::2",
       "port": 80, "before": "reachable", "after": None, "reason": "firewall-rule"}  # fmt: skip
DIFFERENCE = {**NO_DIFFERENCE, "pairs_total": 1, "pairs": [PAIR], "exposure_total": 1, "exposure": [ROW]}
CHANGED = planned(upgrade=ENGINE, notes=[NOTE], difference=DIFFERENCE)
SAME = planned(upgrade=ENGINE)


class TestUpgrade:
    def test_the_options_are_the_last_change_of_the_plan(self, service, tmp_path):
        file = tmp_path / "changes.yaml"
        file.write_text("- start: db")
        server = service(answer(200, planned("changes", upgrade=ENGINE)))
        assert main(["plan", str(file), "--upgrade", "29.7", "--firewall-backend", "nftables"]) == 0
        sent = server.requests[0][3]
        assert sent["changes"][1:] == [{"upgrade_engine": {"version": "29.7", "firewall_backend": "nftables"}}]

    def test_a_file_can_hold_the_upgrade(self, service, tmp_path):
        file = tmp_path / "changes.yaml"
        file.write_text('- upgrade_engine: {version: "29.7", userland_proxy: false}')
        server = service(answer(200, SAME))
        assert main(["plan", str(file)]) == 0
        assert server.requests[0][3]["changes"] == [{"upgrade_engine": {"version": "29.7", "userland_proxy": False}}]

    def test_a_change_is_exit_code_1_and_is_told_with_the_notes(self, service, capsys):
        service(answer(200, CHANGED))
        assert main(["plan", "--upgrade", "29.7"]) == 1
        told = capsys.readouterr().out
        assert "Rows of the exposure that change: 1" in told
        assert "  web:80/tcp from lan eth0 at [fd00::2]:80: reachable -> no way to it (firewall-rule)" in told
        assert "Note: These 1 rules never run" in told
        assert "  see  https://example.org/1" in told

    def test_nothing_to_plan_is_a_usage_error(self, capsys):
        assert main(["plan"]) == 2
        assert "--upgrade" in capsys.readouterr().err

    def test_junit_has_a_case_for_each_pair_and_row(self, service, capsys):
        service(answer(200, CHANGED), answer(200, SAME))
        assert main(["plan", "--upgrade", "29.7", "-o", "junit"]) == 1
        suite = ET.fromstring(capsys.readouterr().out)
        assert (suite.get("tests"), suite.get("failures")) == ("2", "2")
        assert main(["plan", "--upgrade", "29.7", "-o", "junit"]) == 0
        assert ET.fromstring(capsys.readouterr().out).get("failures") == "0"

    def test_markdown_is_a_table_for_a_ticket_and_escapes_names(self, service, capsys):
        service(answer(200, CHANGED))
        assert main(["plan", "--upgrade", "29.7", "-o", "markdown"]) == 1
        told = capsys.readouterr().out
        assert "## Before the upgrade to Docker 29.7 (nftables)" in told
        assert "| a\\|b -\\> db (icmp) | unreachable | reachable |" in told
        assert "<https://example.org/1>" in told
