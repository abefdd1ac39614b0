"""Tokens: a file that may change at any time; wrong ones are slowed, without harm to right ones."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from structlog.testing import capture_logs

import bridgework_cli as cli
from bridgework.http.auth import BadTokensFile, TokensFile, read_tokens
from tests.support.api import Client, entry

ROOT = Path(__file__).resolve().parents[3]


def write(path, *entries):
    path.write_text(json.dumps({"tokens": list(entries)}))


def status(client, name, **kwargs):
    return client.as_(name).send("GET", "/v1/networks", **kwargs).status_code


def bearer(client, header, **kwargs):
    return client.send("GET", "/v1/networks", headers={"Authorization": header}, **kwargs)


def test_a_changed_file_is_in_force_at_the_next_request(client, tokens):
    assert status(client, "viewer") == 200
    write(tokens, entry("admin", "admin", None), entry("new", "viewer", None))
    assert (status(client, "viewer"), status(client, "new"), status(client, "admin")) == (401, 200, 200)
    tokens.with_suffix(".other").write_text(json.dumps({"tokens": [entry("third", "viewer", None)]}))
    tokens.with_suffix(".other").replace(tokens)
    assert (status(client, "new"), status(client, "third")) == (401, 200)


GOOD = entry("x", "viewer", None)


@pytest.mark.parametrize("text", [
    "", "{", "[]", "{}", '{"tokens": {}}', '{"tokens": [1]}', json.dumps({"tokens": [{**GOOD, "role": "root"}]}),
    json.dumps({"tokens": [{**GOOD, "sha256": "zz"}]}), json.dumps({"tokens": [{**GOOD, "sha256": "ab"}]}),
    json.dumps({"tokens": [{**GOOD, "expires_at": "soon"}]}), json.dumps({"tokens": [{**GOOD, "expire_at": None}]}),
    json.dumps({"tokens": [GOOD, GOOD]}), json.dumps({"tokens": [{**GOOD, "name": ""}]}),
    json.dumps({"tokens": [{**GOOD, "name": "oidc:x"}]}), json.dumps({"tokens": [{**GOOD, "project": 7}]}),
    json.dumps({"tokens": [{**GOOD, "project": ""}]}), json.dumps({"tokens": [{**GOOD, "name": "a\nb"}]}),
])  # fmt: skip
def test_a_bad_edit_keeps_the_last_good_one_and_says_so_once(client, tokens, text):
    tokens.write_text(text)
    with pytest.raises(BadTokensFile):
        read_tokens(tokens)
    with capture_logs() as logs:
        assert [status(client, "viewer") for _ in range(3)] == [200, 200, 200]
    assert [line["event"] for line in logs].count("tokens-not-reloaded") == 1
    write(tokens, entry("viewer", "viewer", None))
    assert (status(client, "viewer"), status(client, "admin")) == (200, 401)


@pytest.mark.parametrize("name", ["admin", "operator", "viewer", "alpha"])
def test_a_caller_is_told_who_it_is_without_an_engine(client, name):
    role, project = {"alpha": ("operator", "alpha")}.get(name, (name, None))
    answer = client.as_(name).get("/v1/caller")
    assert answer == {"name": name, "role": role, "project": project}


def test_a_deleted_file_keeps_the_last_good_one_until_it_is_back(client, tokens):
    tokens.unlink()
    assert status(client, "viewer") == 200
    write(tokens, entry("admin", "admin", None))
    assert status(client, "viewer") == 401


def test_a_token_ends_when_it_expires(client, tokens):
    soon = datetime.now(UTC) + timedelta(seconds=1)
    past = (datetime.now(UTC) - timedelta(seconds=1)).replace(tzinfo=None)
    elsewhere = (datetime.now(UTC) + timedelta(hours=1)).astimezone(timezone(timedelta(hours=9)))
    write(
        tokens,
        entry("soon", "viewer", None, soon.isoformat()),
        entry("past", "viewer", None, past.isoformat()),
        entry("elsewhere", "viewer", None, elsewhere.isoformat()),
    )
    assert (status(client, "soon"), status(client, "past"), status(client, "elsewhere")) == (200, 401, 200)
    time.sleep(1.1)
    assert status(client, "soon") == 401


@pytest.mark.parametrize("header", [
    "", "Bearer", "Bearer ", "Basic dG9rZW4=", "token-of-admin", "Bearer\ttoken-of-admin", "Bearer " + "x" * 5000,
    "Digest a=b", "  ",
])  # fmt: skip
def test_what_is_no_bearer_token_asks_for_one(client, header):
    response = bearer(client, header)
    assert (response.status_code, response.get_json()["code"]) == (401, "token-required")
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="bridgework"'


@pytest.mark.parametrize("header", [
    "Bearer wrong", "Bearer token-of-admin2", "Bearer \u00e9\u00ff", "Bearer a.b.c", "Bearer token-of-admin x",
])  # fmt: skip
def test_an_unknown_token_is_named_as_that(client, header):
    response = bearer(client, header)
    assert (response.status_code, response.get_json()["code"]) == (401, "token-invalid")
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]
    assert header.partition(" ")[2] not in response.get_data(as_text=True)


def test_the_scheme_is_case_insensitive_and_spaces_do_not_matter(client):
    for header in ("bearer token-of-viewer", "BEARER  token-of-viewer "):
        assert bearer(client, header).status_code == 200


def test_wrong_tokens_are_slowed_and_right_ones_are_not(client):
    """All from one address, as behind a proxy."""
    codes = [bearer(client, f"Bearer wrong-{number}").status_code for number in range(30)]
    assert codes == [401] * 10 + [429] * 20
    limited = bearer(client, "Bearer wrong-again")
    assert limited.get_json()["code"] == "too-many-failures"
    assert int(limited.headers["Retry-After"]) > 0
    assert status(client, "viewer") == 200
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    assert bearer(client, "Bearer wrong", environ_overrides=elsewhere).status_code == 401


def test_an_ipv6_site_is_one_address(client):
    codes = [
        bearer(client, "Bearer wrong", environ_overrides={"REMOTE_ADDR": f"2001:db8::{number:x}"}).status_code
        for number in range(12)
    ]
    assert codes == [401] * 10 + [429] * 2


def test_every_digest_is_compared_whichever_fits(tokens, monkeypatch):
    compared = []
    monkeypatch.setattr("bridgework.http.auth.hmac.compare_digest", lambda a, b: bool(compared.append(a)) or a == b)
    file = TokensFile(tokens)
    for token in ("token-of-admin", "token-of-alpha-admin", "wrong"):
        compared.clear()
        file.caller_of(token)
        assert len(compared) == len(json.loads(tokens.read_text())["tokens"])


def make_token(*arguments):
    """The exit code of the command, run in this process."""
    return cli.main(["token", "new", *arguments])


def test_the_command_makes_a_token_that_works_at_once(client, tokens, monkeypatch, capsys):
    monkeypatch.setenv("BRIDGEWORK_TOKENS_FILE", str(tokens))
    before = tokens.stat().st_mode
    assert make_token("--name", "ci", "--role", "operator", "--project", "edge", "--expires", "90d") == 0
    said = capsys.readouterr()
    token = said.out.strip()
    assert token not in tokens.read_text()
    assert token not in said.err
    assert tokens.stat().st_mode == before
    entries = {item["name"]: item for item in json.loads(tokens.read_text())["tokens"]}
    assert (entries["ci"]["role"], entries["ci"]["project"]) == ("operator", "edge")
    assert datetime.fromisoformat(entries["ci"]["expires_at"]) > datetime.now(UTC) + timedelta(days=89)
    assert bearer(client, f"Bearer {token}").status_code == 200
    made_network = client.send(
        "POST", "/v1/networks", {"name": "edge-net"}, headers={"Authorization": f"Bearer {token}"}
    )
    assert made_network.get_json()["labels"]["io.bridgework.project"] == "edge"


def test_the_command_makes_a_file_that_only_its_owner_reads(tmp_path):
    file = tmp_path / "new" / "tokens.json"
    assert make_token("--name", "a", "--role", "admin", "--file", str(file)) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert [item.caller.name for item in read_tokens(file)] == ["a"]
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("arguments", [
    ("--name", "admin", "--role", "admin"), ("--name", "oidc:x", "--role", "admin"),
    ("--name", "a", "--role", "root"), ("--name", "a", "--role", "viewer", "--expires", "soon"),
    ("--name", "", "--role", "viewer"), ("--role", "viewer"), ("--name", "a", "--role", "viewer", "--project", ""),
])  # fmt: skip
def test_the_command_refuses_what_the_service_would(tokens, arguments):
    before = tokens.read_text()
    assert make_token(*arguments, "--file", str(tokens)) != 0
    assert tokens.read_text() == before


def test_commands_at_once_lose_nothing(tokens):
    command = [sys.executable, "-m", "bridgework_cli", "token", "new", "--role", "viewer", "--file", str(tokens)]
    started = [
        subprocess.Popen([*command, "--name", f"at-once-{number}"], cwd=ROOT, stdout=subprocess.DEVNULL)
        for number in range(6)
    ]
    assert {one.wait(60) for one in started} == {0}
    names = {item.caller.name for item in read_tokens(tokens)}
    assert {f"at-once-{number}" for number in range(6)} <= names


def test_a_caller_is_limited_by_the_minute(make):
    client = make(rate_per_minute=60)
    began = time.monotonic()
    answers = [client.as_("viewer").send("GET", "/v1/networks") for _ in range(15)]
    allowed = [answer.status_code for answer in answers].count(200)
    assert 10 <= allowed <= 10 + time.monotonic() - began, "ten at once, and one more each second"
    assert {answer.status_code for answer in answers} == {200, 429}
    assert answers[-1].get_json()["code"] == "rate-limited"
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert Client(client.app, "operator").send("GET", "/v1/networks").status_code == 200
    assert client.as_("viewer").send("GET", "/livez").status_code == 200
