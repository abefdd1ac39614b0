"""The hook that holds every response against the document does see what the document does not say."""

import json
from types import SimpleNamespace

import pytest
from flask import Flask, Response

from tests.support import spec_validator
from tests.support.spec_validator import FULL_RUN, Undocumented, find_path, missing, validate, validate_wire

FINE = {"name": "bridgework", "version": "1", "links": {}}


def answered(body, status=200, **headers):
    response = Response(
        json.dumps(body) + "\n", status, {"X-Request-ID": "1", **headers}, content_type="application/json"
    )
    response.request = type("Request", (), {"method": "GET"})
    return response


def test_what_the_document_says_passes():
    validate(answered(FINE), "GET", "/")


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (answered({**FINE, "more": 1}), "'more' was unexpected"),
        (answered({**FINE, "version": 1}), "1 is not of type 'string'"),
        (answered({"name": "bridgework", "links": {}}), "'version' is a required property"),
        (answered(FINE, 201), "no such status"),
        (answered(FINE, 418), "the document has application/problem\\+json here"),
        (answered(FINE, ETag='"1"'), "the document has no header ETag here"),
    ],
)
def test_what_it_does_not_say_fails(response, why):
    with pytest.raises(Undocumented, match=why):
        validate(response, "GET", "/")


def test_a_path_without_parameters_goes_before_one_with():
    assert find_path("/v1/subnets/available") == "/v1/subnets/available"
    assert find_path("/v1/networks/prune") == "/v1/networks/{network}"
    assert find_path("/v1/networks/other") == "/v1/networks/{network}"
    assert find_path("/v2") is None


def test_what_any_test_client_is_answered_is_held_against_it_too():
    app = Flask("other")
    app.add_url_rule("/livez", view_func=lambda: {"status": "dead"})
    with pytest.raises(Undocumented, match="no header X-Request-ID"):
        app.test_client().get("/livez")


def test_what_comes_over_a_socket_can_be_held_against_it():
    headers = {"Content-Type": "application/json", "X-Request-ID": "1"}
    validate_wire("GET", "/livez", 200, headers, b'{"status": "live"}\n')
    with pytest.raises(Undocumented, match="7 is not of type 'string'"):
        validate_wire("GET", "/livez", 200, headers, b'{"status": 7}\n')


@pytest.mark.parametrize(("left_out", "exit_status"), [(set(), 0), ({("get", "/livez", "200")}, 1)])
def test_a_full_run_fails_when_no_test_has_seen_an_answer_of_the_document(monkeypatch, left_out, exit_status):
    said = []
    writer = SimpleNamespace(line=said.append)
    config = SimpleNamespace(get_terminal_writer=lambda: writer)
    session = SimpleNamespace(config=config, exitstatus=0)
    monkeypatch.setenv(FULL_RUN, "1")
    monkeypatch.setattr(spec_validator, "seen", set())
    monkeypatch.setattr(spec_validator, "seen", set(missing()) - left_out)
    spec_validator.pytest_sessionfinish(session, 0)
    assert session.exitstatus == exit_status
    assert any("GET /livez answer 200" in line for line in said) == bool(left_out)
