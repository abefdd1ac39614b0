"""Requests to peers over HTTP, to small servers that answer well, badly, late or never."""

import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.model.checks import WantedMatrix
from bridgework.model.errors import NotFound
from bridgework.model.peers import FORWARDED_HEADER, World
from bridgework.model.snapshot import Container, NodePlace, Snapshot
from bridgework.peers import http_client
from bridgework.peers.http_client import PeerClient, PeerSilent, split
from bridgework.peers.instances import Instances
from bridgework.peers.remote_rows import begin_rows
from bridgework.peers.survey import Sources
from bridgework.settings import Settings
from bridgework.telemetry import trace_context
from tests.support.api import Client
from tests.support.fake_engine import BlindRunner, FakeEngine

NODE = {
    "id": "n1", "hostname": "beta", "engine_id": "e1", "address": "10.0.0.1", "instance": None,
    "engine_version": "26.1.5", "state": "ready", "manager": False, "here": True, "reachable": True, "reason": None,
    "overlays": [{"network": {"id": "o" * 25, "name": "mesh"}, "attachable": True, "peers": ["10.0.0.1"]}],
    "a_field_of_a_later_version": 1,
}  # fmt: skip
ENDPOINT = {
    "network": {"id": "o" * 25, "name": "mesh"}, "container": {"id": "c" * 64, "name": "web"}, "state": "active",
    "ipv4_address": "10.0.1.5", "ipv4_prefix_len": 24, "dns_names": ["web"],
}  # fmt: skip
CONTAINER = {"id": "c" * 64, "name": "web", "state": "running", "endpoints": [ENDPOINT]}
NETWORK = {"id": "o" * 25, "name": "mesh", "driver": "overlay", "ipam": {"pools": [{"subnet": "10.0.1.0/24"}]}}
WELL = {
    "/v1/nodes?limit=1000": {"items": [NODE], "next_cursor": None},
    "/v1/networks?limit=1000": {"items": [NETWORK], "next_cursor": None},
    "/v1/containers?limit=1000": {"items": [CONTAINER], "next_cursor": None},
}


@contextmanager
def peer(answers):
    """A server with these answers: a value, ``(status, value)``, or bytes; what it was asked is kept."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append((self.path, dict(self.headers)))
            found = answers.get(self.path, (404, {"code": "path-unknown", "detail": "No such path."}))
            status, value = found if isinstance(found, tuple) else (200, found)
            body = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", server.asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def peers(*names, token_file=None, own="e0"):
    return Instances(names, token_file, lambda: own)


def test_a_look_reads_nodes_networks_and_containers_and_says_that_it_is_a_peers(tmp_path):
    token = tmp_path / "token"
    token.write_text("secret\n")
    with peer(WELL) as (name, asked):
        (report,) = peers(name, token_file=token).look()
    assert (report.reason, report.node.id, report.node.instance, report.node.here) == (None, "n1", name, False)
    assert report.node.overlays[0].peers == ("10.0.0.1",)
    assert report.networks[0].pools[0].subnet == "10.0.1.0/24"
    assert report.containers[0].endpoints[0].addresses == ("10.0.1.5",)
    for _, headers in asked:
        assert (headers[FORWARDED_HEADER], headers["Authorization"]) == ("1", "Bearer secret")


def test_itself_is_left_out():
    with peer(WELL) as (name, asked):
        assert peers(name, own="e1").look() == ()
    assert [path for path, _ in asked] == ["/v1/nodes?limit=1000"]


def test_lists_are_read_page_by_page():
    first = {"items": [1, 2], "next_cursor": "abc"}
    with peer({"/l?limit=1000": first, "/l?limit=1000&cursor=abc": {"items": [3], "next_cursor": None}}) as (
        name,
        _,
    ):
        assert PeerClient((name,)).pages(name, "/l") == [1, 2, 3]


@pytest.mark.parametrize(
    "nodes",
    [
        b"<html>",
        b"[]",
        {"items": []},
        {"items": [{"here": True}]},
        {"items": None},
        {},
        (503, {"detail": "No engine."}),
    ],
)
def test_what_answers_strangely_is_silent_with_a_reason(nodes):
    with peer({**WELL, "/v1/nodes?limit=1000": nodes}) as (name, _):
        (report,) = peers(name).look()
    assert report.reason
    assert report.node is None


def test_one_that_falls_silent_is_told_as_it_was_last():
    with peer(WELL) as (name, _):
        asked = peers(name)
        asked.look()
    (report,) = asked.look()
    assert report.reason.startswith("Its instance does not answer")
    assert (report.node.reachable, report.node.id, len(report.containers)) == (False, "n1", 1)


def test_one_that_takes_connections_and_says_nothing_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(PeerClient.ask, "__defaults__", (None, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as mute, peer(WELL) as (well, _):
        reports = peers(f"127.0.0.1:{mute.getsockname()[1]}", well).look()
    assert [report.reason for report in reports] == ["Its instance does not answer in time.", None]


def test_a_name_that_nobody_knows_is_told():
    (report,) = peers("nowhere.invalid:8080").look()
    assert report.reason.startswith("The name is not known")


def test_an_answer_without_an_end_is_given_up(monkeypatch):
    monkeypatch.setattr(http_client, "MAX_ANSWER_BYTES", 10)
    with peer(WELL) as (name, _), pytest.raises(PeerSilent, match="longer than 10 bytes"):
        PeerClient((name,)).ask(name, "GET", "/v1/nodes")


def test_a_problem_of_a_forwarded_check_is_the_callers():
    problem = {"code": "container-not-found", "detail": 'No container has the name, id or id prefix "x".'}
    with peer({**WELL, "/v1/connectivity/checks": (404, problem)}) as (name, _), pytest.raises(NotFound) as told:
        peers(name).check(name, {}, 2)
    assert told.value.code == "container-not-found"


@pytest.mark.parametrize("status", [401, 500, 503])
def test_a_peers_own_trouble_is_its_silence(status):
    answers = {**WELL, "/v1/connectivity/checks": (status, {"detail": "It is broken."})}
    with peer(answers) as (name, _), pytest.raises(PeerSilent, match=str(status)):
        peers(name).check(name, {}, 2)


@pytest.mark.parametrize(("counted", "count"), [({}, 1), ({"addresses_differ": 314}, 314)])
def test_rows_come_by_the_ids_of_their_sources(counted, count):
    lines = [
        {"type": "start", "containers": [{"id": "a"}, {"id": "b"}], "rows_total": 1},
        {"type": "row", "index": 1, "verdicts": ["reachable", "self"], "rtt_ms": [0.1, 0]},
        {"type": "end", "summary": {"surprises": 2, **counted}, "surprises": [{"x": 1}], "addresses": [{}]},
    ]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    with peer({"/v1/connectivity/matrix": body}) as (name, _):
        row, end = peers(name).matrix(name, {}, 2)
    assert (row.source_id, row.verdicts, row.rtt_ms) == ("b", ("reachable", "self"), (0.1, None))
    assert (end.surprise_count, end.surprises) == (2, ({"x": 1},))
    assert (end.address_count, end.addresses) == (count, ({},))


@pytest.mark.parametrize(
    ("name", "parts"),
    [("a:1", ("a", 1)), ("a", ("a", 8080)), ("[::1]:9", ("::1", 9)), ("[::1]", ("::1", 8080))],
)
def test_names_are_taken_apart(name, parts):
    assert split(name) == parts


PARENT, STATE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "vendor=1"
IDS = {"X-Request-ID": "asked-1", "traceparent": PARENT, "tracestate": STATE}


def passed_on(headers):
    return {name: headers[name] for name in IDS if name in headers}


@pytest.mark.parametrize(("sent", "passed"), [
    (IDS, IDS),
    ({**IDS, "traceparent": "00-" + "0" * 32 + "-00f067aa0ba902b7-01"}, {"X-Request-ID": "asked-1"}),
    ({**IDS, "traceparent": "anything"}, {"X-Request-ID": "asked-1"}),
])  # fmt: skip
def test_who_is_asked_on_a_requests_behalf_is_told_its_id_and_trace(tokens_file, sent, passed):
    with peer(WELL) as (name, asked):
        settings = Settings(tokens_file=tokens_file, peers=(name,))
        app = create_app(settings, EngineAddress("unix:///nowhere"), engine=FakeEngine(), runner=BlindRunner())
        Client(app).get("/v1/nodes", headers=sent)
    assert [passed_on(headers) for _, headers in asked] == [passed] * len(asked)
    assert asked


def test_a_matrix_on_another_node_is_told_too():
    body = b'{"type": "end", "summary": {"surprises": 0}, "surprises": []}\n'
    with peer({"/v1/connectivity/matrix": body}) as (name, asked):
        trace_context.begin("asked-1", PARENT, STATE)
        far = Container("c" * 64, "web", node=NodePlace("n1", "beta"))
        world = World(Snapshot(), instances={"n1": name})
        list(begin_rows(Sources(None, None, peers(name), lambda _: {}, lambda _: {}), world, WantedMatrix(), [far]))
    assert [passed_on(headers) for _, headers in asked] == [IDS]
