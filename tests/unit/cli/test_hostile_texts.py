"""Whatever a container has in its labels and names, a command prints none of it that a terminal acts on."""

import json
import sys
from xml.etree import ElementTree as ET

import click
import pytest
import yaml

from bridgework_cli import main, output
from bridgework_cli.connection import complete_container
from tests.support.hostile_texts import HOSTILE, acted_on
from tests.support.scripted_server import answer
from tests.unit.cli.test_commands import CHANGED, CLOSED, OPEN, STEPS

NAME = {"id": "1", "name": HOSTILE}
FINDING = {
    "code": "no-shared-network", "severity": "blocking", "message": HOSTILE, "evidence": {},
    "component": {"kind": "container", **NAME},
    "remedy": {"summary": HOSTILE, "calls": [{"method": "POST", "path": f"/v1/{HOSTILE}", "body": {"name": HOSTILE}}],
               "commands": [HOSTILE], "plan": None},
}  # fmt: skip
LIMITED = {"code": "not-all-read", "what": HOSTILE, "why": HOSTILE, "remedy": HOSTILE}
CHECK = {
    "verdict": "unreachable", "answered_by": None, "findings": [FINDING], "limited": [LIMITED],
    "addresses": [{"address": address, "network": NAME, "predicted": "unreachable", "measured": None, "reason": HOSTILE}
                  for address in ("10.0.0.3", "10.0.1.3")],
    "measured": {"verdict": "unreachable", "reason": "timed-out", "detail": HOSTILE, "address": None, "rtt_ms": None},
    "predicted": {"verdict": "unreachable", "path": [
        {"kind": "interface", "name": HOSTILE, "of": HOSTILE, "status": "stopped"},
    ]},
}  # fmt: skip
MATRIX = {
    "containers": [NAME, {"id": "2", "name": "web"}], "partial": [{"node": HOSTILE, "reason": HOSTILE}],
    "verdicts": [["self", "reachable"], ["unreachable", "self"]], "rtt_ms": [[0, 0.1], [0, 0]], "duration_ms": 3,
    "undecided": [], "limited": [LIMITED],
    "summary": {"pairs": 2, "reachable": 1, "unreachable": 1, "inconclusive": 0, "surprises": 1,
                "addresses_differ": 1},
    "surprises": [{"source": NAME, "destination": NAME, "predicted": "reachable", "measured": "unreachable",
                   "findings": [FINDING]}],
    "addresses": [{"source": NAME, "destination": NAME, "addresses": CHECK["addresses"]}],
}  # fmt: skip
TOPOLOGY = {
    "nodes": [{"kind": "container", **NAME}, {"kind": "network", "id": "2", "name": HOSTILE}],
    "edges": [{"source": "1", "target": "2", "kind": HOSTILE}], "limited": [LIMITED],
}  # fmt: skip
OUTCOMES = {"passed": False, "counts": {"passed": 0, "failed": 1, "error": 1}, "items": [
    {"name": HOSTILE, "outcome": word, "message": HOSTILE, "result": CHECK, "expect": "reachable"}
    for word in ("failed", "error")
]}  # fmt: skip
FREE = {"name", "message", "detail", "rule", "chain", "table", "of", "note", "remedy", "file", "interface", "cause"}
"""The fields whose texts may come from a container, a label or a rule."""


def hostile(value, key=""):
    """The answer with hostile texts in place of its free ones."""
    if isinstance(value, dict):
        return {name: hostile(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [hostile(one, key) for one in value]
    return HOSTILE if isinstance(value, str) and key in FREE else value


TRACE = {"steps": STEPS, "lost": {"direction": "request", "message": HOSTILE, "by": None, "silent": None},
         "missing": [HOSTILE]}  # fmt: skip
SET = {
    "name": HOSTILE, "met": 0, "violated": 1, "unknown": 0, "since": None, "file": HOSTILE, "project": HOSTILE,
    "limited": [LIMITED],
    "expectations": [{"name": HOSTILE, "status": "violated", "since": None, "message": HOSTILE, "findings": [FINDING]}],
}  # fmt: skip
ANSWERS = {
    ("check", "web", "db"): CHECK, ("matrix", "--all"): MATRIX, ("topology",): TOPOLOGY,
    ("diagnose",): {"items": [FINDING], "limited": [LIMITED], "next_cursor": None},
    ("assert", "items.yaml"): OUTCOMES,
    ("plan", "--upgrade", "29.7"): hostile(CHANGED), ("trace", "web", "db:80"): {**CHECK, "trace": hostile(TRACE)},
    ("exposure",): {"items": hostile([OPEN, CLOSED]), "limited": [LIMITED], "next_cursor": None},
    ("expect", "show", "nightly"): SET, ("expect", "list"): {"items": [SET], "next_cursor": None},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch, tmp_path):
    for name in ("BRIDGEWORK_PROFILE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "items.yaml").write_text("[{source: a, destination: b}]")


@pytest.fixture
def service(scripted, monkeypatch):
    def one(response):
        monkeypatch.setenv("BRIDGEWORK_URL", scripted([response]).url)

    return one


@pytest.mark.parametrize("form", ["table", "json", "yaml", "junit", "markdown"])
@pytest.mark.parametrize("command", ANSWERS, ids=" ".join)
def test_no_form_of_an_answer_has_it(service, capsys, command, form):
    service(answer(200, ANSWERS[command]))
    wrong_form = main([*command, "-o", form]) == 2
    printed = capsys.readouterr().out
    assert wrong_form != ("evil" in printed)
    assert not (wrong_form and form in {"table", "json", "yaml"})
    assert acted_on(printed) == []
    assert "\n- more" not in printed


def test_json_and_yaml_are_read_back_as_the_service_gave_them(capsys):
    for form, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        output.document({"name": HOSTILE, "plain": "größe"}, form)
        assert read(capsys.readouterr().out) == {"name": HOSTILE, "plain": "größe"}
        output.document({"plain": "größe"}, form)
        assert "größe" in capsys.readouterr().out


def test_a_report_is_xml_that_a_parser_reads(capsys):
    output.junit("suite", [(HOSTILE, "failed", HOSTILE)])
    (case,) = ET.fromstring(capsys.readouterr().out)
    assert case.get("name") == r"evil\x1b[2J\x9b31m\u202egpj.exe\u2028\x7f\n- more: lines\r\U000e0041"


def test_a_terminal_gets_the_sequences_of_the_command_alone(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    output.table([HOSTILE, "VERDICT"], [["\x1b[32mreachable", output.verdict("unreachable")]])
    printed = capsys.readouterr().out
    assert r"\x1b[32mreachable" in printed
    assert "\x1b[32m" not in printed
    # Nothing of another's text can be a mark of this command, because no one can know it.
    assert output.style("\x1b[31mx", fg="red") != output.style(r"\x1b[31mx", fg="green")


def test_a_refusal_is_escaped_too(service, capsys):
    refusal = {"status": 409, "code": "network-in-use", "title": "In use", "detail": HOSTILE}
    service(answer(409, refusal, media_type="application/problem+json"))
    assert main(["networks"]) == 3
    told = capsys.readouterr().err
    assert "evil" in told
    assert acted_on(told) == []


def test_a_name_that_is_not_printable_is_not_completed(service):
    service(answer(200, {"items": [NAME, {"id": "2", "name": "even"}], "next_cursor": None}))
    context = click.Context(click.Command("check"))
    assert complete_container(context, click.Argument(["source"]), "ev") == ["even"]
