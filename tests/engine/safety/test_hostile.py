"""Hostile requests against the real thing: no 500, nothing but problem documents, no engine call out of the list.

The list is kept by a proxy on the engine's own socket. In short in `make test`, 10,000 of them in
`make test-all PARTS=long`.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.engine.safety.hostile import ADDRESSES, Hostile
from tests.support.service import ROOT, Service, assert_problem, parsed
from tools.engine import ask

pytestmark = pytest.mark.wide

ID = "[0-9a-f]{64}"
KNOWN_CALLS = re.compile(
    rf"GET /_ping|GET /version|GET /v1\.\d\d/(info|events\?[a-z0-9=.&]+|networks|networks/{ID}|containers/{ID}/json"
    rf"|containers/json\?all=1(&filters=[A-Za-z0-9%+.-]+)?|images/json(\?filters=[A-Za-z0-9%+._-]+)?)"
    rf"|POST /v1\.\d\d/(networks/create|networks/{ID}/(connect|disconnect)|containers/create\?name=[A-Za-z0-9_.-]+"
    rf"|containers/{ID}/(start|unpause|update|stop\?t=\d+|restart\?t=\d+|rename\?name=[A-Za-z0-9_.-]+))"
    rf"|DELETE /v1\.\d\d/(networks/{ID}|containers/{ID}\?v=(True|1)&link=(False|0)&force=(True|False|0|1))"
)
FOREIGN = {"Image": "busybox", "Cmd": ["sleep", "3600"], "Env": ["SECRET=planted-in-the-environment"]}


def engine_ask(engine, method, path, body=None):
    status, answer = ask(engine.socket, method, path, json.dumps(body).encode() if body else None, "application/json")
    assert status < 300, answer
    return json.loads(answer) if answer.strip() else None


@pytest.fixture
def foreign(engine):
    """A network and two containers that nobody made through the service."""
    engine_ask(engine, "POST", "/networks/create", {"Name": "foreign-net"})
    made = []
    for name, extra in (("victim", {"HostConfig": {"NetworkMode": "foreign-net"}}), ("bystander", {})):
        made.append(engine_ask(engine, "POST", f"/containers/create?name={name}", {**FOREIGN, **extra})["Id"])
        engine_ask(engine, "POST", f"/containers/{made[-1]}/start")
    yield (
        lambda: (
            [engine_ask(engine, "GET", f"/containers/{one}/json") for one in made]
            + [engine_ask(engine, "GET", "/networks/foreign-net")]
        )
    )
    for container in engine_ask(engine, "GET", "/containers/json?all=1"):
        engine_ask(engine, "DELETE", f"/containers/{container['Id']}?force=1")
    for network in engine_ask(engine, "GET", "/networks"):
        if network["Name"] not in {"bridge", "host", "none"}:
            engine_ask(engine, "DELETE", f"/networks/{network['Id']}")


@pytest.fixture
def recorded(engine, tmp_path):
    """The engine behind a proxy: its address, and the calls so far."""
    socket, record = engine.runtime / "recorded.sock", tmp_path / "calls"
    program = [sys.executable, "-m", "tests.support.engine_proxy", socket, engine.socket, record]
    command = ["nsenter", f"--net={engine.namespace}", "--", *program]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as proxy:
        assert proxy.stdout.readline() == b"listening\n"
        yield f"unix://{socket}", lambda: record.read_text().splitlines()
        proxy.terminate()
    socket.unlink()


@pytest.fixture
def service(recorded, tokens_file, tmp_path):
    with Service(recorded[0], tmp_path, tokens_file, {"THREADS": 8}) as live:
        yield live


def run_hostile(service, recorded, foreign, count, seed):
    before = foreign()
    hostile = Hostile(seed, [None, "viewer", "alpha", "beta", "alpha-admin", "admin", "wrong"])
    statuses = Counter()
    requests = [hostile.request() for _ in range(count)]
    with ThreadPoolExecutor(4) as pool:
        for request, raw in zip(requests, pool.map(service.raw, requests), strict=True):
            statuses[judge(request, raw)] += 1
    assert {200, 400, 401, 403, 404, 405, 406, 411, 413, 415, 422} <= set(statuses), statuses
    calls = recorded[1]()
    assert len(calls) > count // 10
    assert [call for call in calls if not KNOWN_CALLS.fullmatch(call)] == []
    assert [untouched(thing) for thing in foreign()] == [untouched(thing) for thing in before]
    assert service.ask("GET", "/readyz").status == 200
    said = service.said()
    assert "planted-in-the-environment" not in said
    assert "token-of-" not in said
    assert "accident" not in said
    assert "Traceback" not in said


def judge(request, raw):
    assert raw, request[:2000]
    answer = parsed(raw)
    assert answer.status < 500, (request[:2000], raw[:2000])
    if answer.status >= 400:
        assert_problem(answer, without_body=request.startswith(b"HEAD "))
    assert b"planted-in-the-environment" not in raw
    assert b"token-of-" not in raw
    return answer.status


def untouched(thing):
    """What a change would show; what the engine counts by itself is left out."""
    if "State" in thing:
        return thing["Name"], thing["State"]["StartedAt"], thing["Config"], thing["NetworkSettings"]["Networks"]
    return {key: thing[key] for key in ("Id", "Name", "Labels", "Options", "Containers")}


@pytest.mark.slow
def test_a_thousand_hostile_requests(service, recorded, foreign):
    run_hostile(service, recorded, foreign, 1_000, seed=1)


@pytest.mark.long
def test_ten_thousand_hostile_requests(service, recorded, foreign):
    run_hostile(service, recorded, foreign, 10_000, seed=20_261_124)


def test_nothing_is_probed_that_may_not_be_however_it_is_spelled(service, foreign):
    foreign()
    for source in ({"host": True}, {"container": "victim"}):
        for address in ADDRESSES:
            body = {"source": source, "destination": {"address": address}, "protocol": "tcp", "port": 22}
            answer = service.ask("POST", "/v1/connectivity/checks", body)
            if source != {"host": True} and address == "127.0.0.2":
                assert answer.status == 200
            else:
                assert answer.status in {403, 422}, (address, answer)
                assert_problem(answer)


def test_a_name_is_judged_by_every_answer(service, foreign):
    """The host under a name of a container's own making, an address of the cloud's, and one that does not exist."""
    foreign()
    hosts = {"inner": "host-gateway", "cloud": "169.254.169.254", "far": "8.8.8.8", "six": "::ffff:169.254.169.254"}
    body = {"name": "asking", "image": "busybox", "command": ["sleep", "600"], "extra_hosts": hosts}
    assert service.ask("POST", "/v1/containers", body).status == 201
    for name in hosts:
        check = {"source": {"container": "asking"}, "destination": {"name": name}, "protocol": "tcp", "port": 22,
                 "timeout_ms": 2000}  # fmt: skip
        measured = service.ask("POST", "/v1/connectivity/checks", check).json["measured"]
        assert (measured["reason"], measured["attempts"]) == ("not-allowed", 0), measured
