"""A fuzz run passes only when each failure has a reason that fits every fault of the answer."""

import base64
import json

import pytest

from tools.fuzz.verdicts import Report

CURSOR = {"in": "query", "name": "cursor", "message": "Not a cursor of this list with these filters."}
TWICE = {"in": "body", "pointer": "/expectations/1/name", "message": "Another expectation of the set has this name."}
LABEL = {"in": "body", "pointer": "/labels/a", "message": "Must be a string."}


def run(
    folder, *, check="positive_data_acceptance", status=422, body=None, ended=True, label=None, told="", headers=()
):
    content = {"$base64": base64.b64encode(json.dumps(body).encode()).decode()}
    failure = {"name": check, "status": "failure", "failure_info": {"failure": {"message": told}}}
    recorder = {
        "cases": {"a": {"value": {"method": "GET", "path": "/v1/networks"}}},
        "checks": {"a": [failure]},
        "interactions": {
            "a": {
                "request": {"method": "DELETE"},
                "response": {"status_code": status, "headers": dict(headers), "content": content},
            }
        },
    }
    events = [{"ScenarioFinished": {"recorder": recorder}}, *([{"EngineFinished": {}}] if ended else [])]
    if label:
        events.append({"NonFatalError": {"label": label, "value": {"type": "ReadTimeout", "message": "90 s"}}})
    path = folder / "events.ndjson"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return Report(path)


def test_a_failure_with_a_reason_passes_and_is_counted(tmp_path):
    report = run(tmp_path, body={"code": "input-invalid", "errors": [CURSOR]})
    assert report.passed
    assert report.told().startswith("1 operations, 1 cases, 0 failures without a reason, 1 with one")


@pytest.mark.parametrize(("check", "status", "passes"), [
    ("negative_data_rejection", 431, True), ("negative_data_rejection", 200, False),
    ("positive_data_acceptance", 422, False),
])  # fmt: skip
def test_what_does_not_fit_the_document_may_be_refused_by_any_status(tmp_path, check, status, passes):
    assert run(tmp_path, check=check, status=status, body={"code": "headers-too-large"}).passed is passes


@pytest.mark.parametrize(("fault", "passes"), [
    ({"in": "query", "name": "port", "message": "The protocol icmp has no port."}, True),
    ({"in": "body", "pointer": "/port", "message": "The protocol icmp has no port."}, False),
    ({"in": "query", "name": "port", "message": "Must be a number."}, False),
    ({"in": "body", "pointer": "/2/count", "message": "The check could take more than a minute: count * 2."}, True),
    ({"in": "body", "pointer": "/2/count", "message": "Must be a whole number from 1 to 100."}, False),
    ({"in": "body", "pointer": "/expectations/2/count", "message": "The check could take more than a minute: "}, True),
    ({"in": "body", "pointer": "/changes/0/upgrade_engine/version", "message": "Docker 28.9 does not exist."}, True),
    ({"in": "body", "pointer": "/changes/0/upgrade_engine/version", "message": "Must be a version of Docker."}, False),
    ({"in": "body", "pointer": "/changes/0/upgrade_engine/firewall_backend", "message": "Docker 26.1 has no x."}, True),
    ({"in": "body", "pointer": "/changes/0/upgrade_engine/icc", "message": "Docker 26.1 has no x."}, False),
    ({"in": "body", "pointer": "/changes/0/upgrade_engine", "message": "Must be the last change: the rest"}, True),
    ({"in": "body", "pointer": "/changes/0/upgrade_engine", "message": "Name a version or a setting."}, False),
    (TWICE, True),
    ({"in": "body", "pointer": "/expectations/1/name", "message": "Must be a string."}, False),
    ({"in": "body", "pointer": "/notify/0", "message": "The operator's file of webhooks has no such name."}, True),
    ({"in": "body", "pointer": "/notify/0", "message": "Must be a string."}, False),
    ({"in": "body", "pointer": "/source/host", "message": "Must be true."}, False),
])  # fmt: skip
def test_a_reason_fits_only_its_field_and_its_fault(tmp_path, fault, passes):
    report = run(tmp_path, body={"code": "input-invalid", "errors": [fault, CURSOR]})
    assert report.passed is passes
    assert len(report.excused) == (2 if passes else 0)


@pytest.mark.parametrize(("operation", "passes"), [
    ("POST /v1/containers/{container}/restart", True), ("POST /v1/containers/{container}/stop", True),
    ("POST /v1/containers/{container}/start", False), ("GET /v1/networks", False),
])  # fmt: skip
def test_only_a_call_that_may_wait_long_may_have_no_answer(tmp_path, operation, passes):
    assert run(tmp_path, body={"code": "input-invalid", "errors": [CURSOR]}, label=operation).passed is passes


@pytest.mark.parametrize(("deleted", "headers", "passes"), [
    ("0a", {}, True), ("0b", {}, False), ("simon_network", {}, False),
    ("simon_network", {"bridgework-dry-run": ["true"]}, True),
])  # fmt: skip
def test_what_was_deleted_may_only_be_there_after_a_dry_run_or_as_another_thing(tmp_path, deleted, headers, passes):
    told = f"The resource was deleted with `DELETE /v1/networks/{deleted}`"
    body = {"network": {"id": "0a1b"}}
    assert run(tmp_path, check="use_after_free", status=200, body=body, told=told, headers=headers).passed is passes


def test_a_run_that_did_not_end_does_not_pass(tmp_path):
    assert not run(tmp_path, body={"code": "input-invalid", "errors": [CURSOR]}, ended=False).passed


@pytest.mark.parametrize("given", [
    {"body": {"code": "input-invalid", "errors": [CURSOR, LABEL]}},
    {"body": {"code": "input-invalid"}},
    {"body": {"code": "accident"}, "status": 500},
    {"body": {"code": "input-invalid", "errors": [CURSOR]}, "check": "not_a_server_error"},
    {"body": {"code": "input-invalid", "errors": [CURSOR]}, "check": "response_schema_conformance"},
    {"body": ["not a problem"]},
])  # fmt: skip
def test_a_failure_without_a_reason_fails_the_run(tmp_path, given):
    report = run(tmp_path, **given)
    assert not report.passed
    assert "FAILED" in report.told()
