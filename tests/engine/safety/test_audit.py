"""What is written down of each change and each refusal, and what never is: tokens, environment values, bodies."""

import json

import pytest

from tests.support.api import container
from tests.support.service import Service

PLANTED = "planted-4f1d"
TOKENS = ("token-of-admin", "token-of-viewer", "token-of-alpha")


@pytest.fixture
def service(engine, tokens_file, tmp_path):
    with Service(
        engine.docker_host, tmp_path, tokens_file, {"LOG_LEVEL": "debug", "ALLOWED_IMAGES": "busybox"}
    ) as live:
        yield live


def lines(service, event):
    found = [json.loads(line) for line in service.said().splitlines() if line.startswith("{")]
    return [line for line in found if line["event"] == event]


def the_only(service, event, **facts):
    chosen = [line for line in lines(service, event) if facts.items() <= line.items()]
    assert len(chosen) == 1, (facts, lines(service, event))
    assert chosen[0]["audit"] is True
    assert chosen[0]["timestamp"]
    return chosen[0]


def test_every_change_is_one_line(service):
    def ask(method, path, body=None, *, caller="admin"):
        answer = service.ask(method, path, body, caller=caller, headers={"X-Request-ID": f"{method}-{len(told)}"})
        told.append((answer.headers["x-request-id"], answer.status))
        return answer

    told = []
    ask("POST", "/v1/networks", {"name": "audited"}, caller="alpha")
    ask("POST", "/v1/networks", {"name": "audited"}, caller="alpha")
    ask("POST", "/v1/containers", container("watched", network_mode="audited"))
    ask("POST", "/v1/containers/watched/stop?grace_s=0")
    ask("DELETE", "/v1/networks/audited/endpoints/watched")
    ask("DELETE", "/v1/containers/watched")
    ask("DELETE", "/v1/networks/none-such")
    ask("DELETE", "/v1/networks/audited")
    assert [status for _, status in told] == [201, 409, 201, 200, 204, 204, 404, 204]
    outcomes = ["done", "network-name-taken", "done", "done", "done", "done", "network-not-found", "done"]
    for (request_id, _), outcome in zip(told, outcomes, strict=True):
        assert the_only(service, "change", request_id=request_id)["outcome"] == outcome
    first = the_only(service, "change", request_id=told[0][0])
    assert (first["caller"], first["role"], first["project"]) == ("alpha", "operator", "alpha")
    assert (first["operation"], first["name"], first["status"]) == ("createNetwork", "audited", 201)
    assert first["made"].startswith("/v1/networks/")
    assert first["address"] == "127.0.0.1"
    last = the_only(service, "change", request_id=told[4][0])
    assert last["on"] == {"network": "audited", "container": "watched"}
    assert len(lines(service, "change")) == len(told)


def test_reads_and_rehearsals_are_no_changes(service):
    service.ask("GET", "/v1/networks")
    service.ask("POST", "/v1/networks?dry_run=true", {"name": "rehearsed"})
    service.ask("POST", "/v1/connectivity/checks", {"source": {"host": True}, "destination": {"host": True}})
    assert lines(service, "change") == []
    assert lines(service, "refusal") == []


def test_every_refusal_is_one_line(service):
    """By token, role, project, policy, and rate; reads as well as changes."""
    service.ask("POST", "/v1/networks", {"name": "betas"}, caller="beta")
    for caller, method, path, body, outcome in [
        (None, "GET", "/v1/networks", None, "token-required"),
        ("wrong", "GET", "/v1/engine", None, "token-invalid"),
        ("viewer", "DELETE", "/v1/networks/betas", None, "role-insufficient"),
        ("alpha", "DELETE", "/v1/networks/betas", None, "project-mismatch"),
        ("admin", "POST", "/v1/containers", {"name": "other", "image": "evil"}, "image-not-allowed"),
        ("viewer", "POST", "/v1/connectivity/checks",
         {"source": {"host": True}, "destination": {"address": "169.254.169.254"}}, "destination-not-allowed"),
    ]:  # fmt: skip
        answer = service.ask(method, path, body, caller=caller)
        line = the_only(service, "refusal", request_id=answer.headers["x-request-id"])
        assert line["outcome"] == outcome == answer.json["code"]
        assert line.get("caller") == (caller if caller not in {None, "wrong"} else None)
    assert service.ask("DELETE", "/v1/networks/betas").status == 204


def test_what_is_secret_is_said_nowhere(service):
    """Planted in every place where a client may put it, in requests that succeed and in ones that fail."""
    environment = {"PASSWORD": PLANTED, f"NAME_{'x' * 10}": PLANTED}
    told = [
        service.ask("POST", "/v1/containers", container("keeper", environment=environment)),
        service.ask("POST", "/v1/containers", container("keeper", environment=environment)),
        service.ask("POST", "/v1/containers", container("k2", environment=environment, image="none-such")),
        service.ask("POST", "/v1/containers", container("k3", environment={"A": PLANTED + "\u0000"})),
        service.ask("POST", "/v1/containers", container("k4", environment={"A": [PLANTED]})),
        service.ask("POST", "/v1/containers", container("k5", environment={"A": PLANTED}, network_mode="none-such")),
        service.ask("POST", "/v1/containers", container("k6", environment={"A": PLANTED}, command=["/none-such"])),
        service.ask("POST", "/v1/containers", container("k7", environment={"": PLANTED})),
        service.ask("POST", "/v1/containers?dry_run=true", container("k8", environment=environment)),
        service.ask("GET", "/v1/containers"),
        service.ask("GET", "/v1/containers/keeper"),
        service.ask("GET", "/v1/diagnostics"),
        service.ask("GET", "/v1/topology"),
        service.ask("GET", "/metrics"),
        *(service.ask("GET", "/v1/networks", caller=None, headers={"Authorization": f"{scheme} {PLANTED}"})
          for scheme in ("Bearer", "Basic", "Token", "Bearer Bearer")),
        service.ask("DELETE", "/v1/containers/keeper?force=true"),
    ]  # fmt: skip
    malformed = [
        b"POST /v1/containers HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer token-of-admin\r\n\r\n",
        b"GET /v1/networks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token-of-admin\r\nBad Header\r\n\r\n",
        b"GET /v1/networks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token-of-admin\x00\r\n\r\n",
    ]  # fmt: skip
    said = service.said() + "".join(str(answer.body) + str(answer.headers) for answer in told)
    said += "".join(service.raw(request).decode() for request in malformed) + service.said()
    for secret in (PLANTED, *TOKENS):
        assert secret not in said
