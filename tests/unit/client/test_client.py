"""The Python client before a scripted server: what it sends, when it sends again, what it raises."""

import inspect
import json
import socket
import threading
from typing import get_type_hints, is_typeddict

import pytest
from werkzeug.serving import make_server

from bridgework_client import Client, NotBridgework, Problem, ServiceUnreachable, documents, operations
from bridgework_client.operations import Operations
from bridgework_client.transport import Transport
from tests.support.scripted_server import CLOSE, answer, problem, stream

NETWORK = {"name": "shop"}
CHECK = {"source": {"container": "web"}, "destination": {"name": "db"}}


class TestRequests:
    def test_names_are_quoted_and_filters_repeated(self, scripted):
        server = scripted([answer(200, NETWORK), answer(200, {"items": [], "next_cursor": None})])
        with Client(server.url, "secret") as client:
            client.get_network("a/b c")
            assert list(client.list_networks(name=["x", "y"], dangling=True)) == []
        targets = [target for _, target, _, _ in server.requests]
        assert targets == ["/v1/networks/a%2Fb%20c", "/v1/networks?name=x&name=y&dangling=true"]
        assert server.requests[0][2]["authorization"] == "Bearer secret"

    def test_a_service_below_a_path_is_asked_there(self, scripted):
        server = scripted([answer(200, NETWORK)])
        Client(f"{server.url}/bridgework/").get_network("shop")
        assert server.requests[0][1] == "/bridgework/v1/networks/shop"

    def test_a_unix_socket_is_asked(self, scripted, tmp_path):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / "service.sock"))
        listener.listen()
        scripted([answer(200, NETWORK)], listener=listener)
        assert Client(f"unix:{tmp_path}/service.sock").get_network("shop") == NETWORK

    def test_a_connection_is_kept_for_the_next_request(self, scripted):
        server = scripted([answer(200, NETWORK), answer(204)])
        client = Client(server.url)
        client.get_network("shop")
        assert client.delete_network("shop", dry_run=True) is None
        assert len(server.requests) == 2

    @pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://x", "http://", "unix:", ""])
    def test_what_is_no_url_is_refused(self, url):
        with pytest.raises(ValueError, match=r"URL|socket"):
            Client(url)


class TestRetries:
    def test_a_creation_is_sent_again_with_the_same_key(self, scripted):
        server = scripted([CLOSE], [answer(201, NETWORK)])
        assert Client(server.url).create_network(NETWORK) == NETWORK
        first, second = (headers["idempotency-key"] for _, _, headers, _ in server.requests)
        assert first == second

    def test_each_creation_has_a_key_of_its_own(self, scripted):
        server = scripted([answer(201, NETWORK), answer(201, NETWORK), answer(201, NETWORK)])
        client = Client(server.url)
        for key in (None, None, "mine"):
            client.create_network(NETWORK, idempotency_key=key)
        keys = [headers["idempotency-key"] for _, _, headers, _ in server.requests]
        assert len(set(keys)) == 3
        assert keys[2] == "mine"

    def test_what_is_not_idempotent_is_not_sent_again(self, scripted):
        server = scripted([CLOSE], [answer(200, {})])
        with pytest.raises(ServiceUnreachable, match="gave no answer"):
            Client(server.url).restart_container("web")
        assert len(server.requests) == 1

    def test_what_is_not_idempotent_takes_no_kept_connection(self, scripted):
        server = scripted([answer(200, NETWORK)], [answer(200, {})])
        client = Client(server.url)
        client.get_network("shop")  # the server closes this connection, and the client still keeps it
        assert client.restart_container("web") == {}

    def test_a_refused_request_is_sent_again_when_the_service_says_when(self, scripted):
        server = scripted([problem(503, "engine-unavailable", Retry_After=1), answer(200, NETWORK)])
        assert Client(server.url).get_network("shop") == NETWORK
        assert len(server.requests) == 2

    def test_too_many_requests_are_no_reason_to_doubt_a_change(self, scripted):
        server = scripted([problem(429, "too-many-requests", Retry_After=1)], [answer(200, {})])
        assert Client(server.url).restart_container("web") == {}

    def test_a_long_wait_is_left_to_the_caller(self, scripted):
        server = scripted([problem(429, "too-many-requests", Retry_After=3600)])
        with pytest.raises(Problem):
            Client(server.url).get_network("shop")

    def test_it_gives_up(self, scripted):
        server = scripted([CLOSE], [CLOSE], [CLOSE], [answer(200, NETWORK)])
        with pytest.raises(ServiceUnreachable):
            Client(server.url, retries=2).get_network("shop")
        assert len(server.requests) == 3

    def test_a_deletion_that_was_done_already_is_done(self, scripted):
        server = scripted([CLOSE], [problem(404, "network-not-found")])
        assert Client(server.url).delete_network("shop") is None
        server = scripted([problem(404, "network-not-found")])
        with pytest.raises(Problem):
            Client(server.url).delete_network("shop")


class TestFailures:
    def test_a_problem_document_is_an_error_with_its_parts(self, scripted):
        server = scripted([problem(409, "network-in-use")])
        with pytest.raises(Problem, match=r"network-in-use, it says\.") as caught:
            Client(server.url).delete_network("shop")
        found = caught.value
        assert (found.code, found.status, found.remedy, found.errors, found.facts) == (
            "network-in-use", 409, None, [], {}
        )  # fmt: skip

    def test_where_nobody_listens_is_said(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        with pytest.raises(ServiceUnreachable, match=f"No Bridgework answers at http://127.0.0.1:{port}: Connection"):
            Client(f"http://127.0.0.1:{port}", retries=0).get_engine()

    @pytest.mark.parametrize("one", [answer(502, {"error": "x"}), answer(404, None, media_type="text/html")])
    def test_the_failure_of_a_proxy_is_told_apart(self, scripted, one):
        server = scripted([one])
        with pytest.raises(NotBridgework):
            Client(server.url).get_engine()

    def test_what_is_not_json_is_told_apart(self, scripted):
        server = scripted([b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"])
        with pytest.raises(NotBridgework):
            Client(server.url).get_engine()

    def test_a_cut_answer_is_no_answer(self, scripted):
        server = scripted([b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n{}"], [answer(200, NETWORK)])
        assert Client(server.url).get_network("shop") == NETWORK


class TestPages:
    def test_items_of_all_pages_come_one_after_another(self, scripted):
        first = {"items": [1, 2], "next_cursor": "c", "limited": ["x"]}
        last = {"items": [3], "next_cursor": None, "limited": []}
        server = scripted([answer(200, first), answer(200, last), answer(200, first)])
        client = Client(server.url)
        pages = client.diagnose_engine(limit=2)
        assert list(pages) == [1, 2, 3]
        assert server.requests[1][1] == "/v1/diagnostics?limit=2&cursor=c"
        assert next(pages.pages())["limited"] == ["x"]


class TestStreams:
    def test_lines_come_as_documents(self, scripted):
        lines = [{"type": "start"}, {"type": "end"}]
        server = scripted([stream(*map(json.dumps, lines))])
        assert list(Client(server.url).measure_matrix_lines({"all": True})) == lines
        assert server.requests[0][2]["accept"] == "application/x-ndjson"

    def test_a_stream_without_its_last_line_is_an_error(self, scripted):
        server = scripted([stream('{"type": "start"}', '{"type": "row"}')])
        lines = Client(server.url).measure_matrix_lines({"all": True})
        assert [next(lines)["type"], next(lines)["type"]] == ["start", "row"]
        with pytest.raises(ServiceUnreachable, match="before the last line"):
            next(lines)

    def test_a_problem_in_a_line_is_an_error(self, scripted):
        lines = [{"type": "progress"}, {"type": "problem", "problem": {"code": "image-not-found", "detail": "No."}}]
        server = scripted([stream(*map(json.dumps, lines))])
        with pytest.raises(Problem, match=r"No\."):
            list(Client(server.url).create_container_lines({"image": "x"}))

    def test_a_refused_stream_is_a_problem(self, scripted):
        server = scripted([problem(404, "network-not-found")])
        with pytest.raises(Problem, match="network-not-found"):
            list(Client(server.url).measure_matrix_lines({"network": "x"}))

    def test_events_go_on_after_the_last_one(self, scripted):
        first = stream("id: 6", "event: network.create", 'data: {"type": "network"}', "", ": alive", "id: 7", "")
        second = stream("id: 8", 'data: {"type": "container"}', "")
        server = scripted([first], [second])
        events = Client(server.url).follow_events(project="shop")
        assert [next(events)["type"], next(events)["type"]] == ["network", "container"]
        assert "last-event-id" not in server.requests[0][2]
        assert server.requests[1][2]["last-event-id"] == "7"
        assert server.requests[0][1] == "/v1/events?project=shop"

    def test_another_media_type_is_text(self, scripted):
        server = scripted([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<svg>"])
        assert Client(server.url).get_topology_as("image/svg+xml") == "<svg>"


class TestWaits:
    def test_it_waits_until_the_service_is_ready(self, scripted):
        server = scripted([
            answer(503, {"status": "not-ready", "missing": ["No engine."]}, Retry_After=1),
            answer(200, {"status": "ready", "missing": []}),
        ])  # fmt: skip
        assert Client(server.url).wait_until_ready()["status"] == "ready"

    def test_why_it_is_not_ready_is_said(self, scripted):
        server = scripted([answer(503, {"status": "not-ready", "missing": ["No engine."]})])
        with pytest.raises(TimeoutError, match="No engine"):
            Client(server.url).wait_until_ready(timeout_s=0)

    def test_it_repeats_a_check_until_its_verdict_is_the_expected_one(self, scripted):
        server = scripted([answer(200, {"verdict": "unreachable"}), answer(200, {"verdict": "reachable"})])
        assert Client(server.url).wait_for_verdict(CHECK)["verdict"] == "reachable"

    def test_it_returns_the_last_answer_when_the_time_is_over(self, scripted):
        server = scripted([answer(200, {"verdict": "unreachable"})])
        assert Client(server.url).wait_for_verdict(CHECK, timeout_s=0)["verdict"] == "unreachable"


def test_a_remedy_is_sent_call_by_call(scripted):
    server = scripted([answer(201, NETWORK), answer(201, {})])
    calls = [
        {"method": "POST", "path": "/v1/networks", "body": NETWORK},
        {"method": "PUT", "path": "/v1/networks/shop/endpoints/web", "body": {}},
    ]
    Client(server.url).send_remedy({"summary": "x", "calls": calls, "commands": [], "plan": None})
    sent = [{"method": method, "path": path, "body": body} for method, path, _, body in server.requests]
    assert sent == calls


def test_the_service_understands_it(make):
    server = make_server("127.0.0.1", 0, make().app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        with Client(f"http://127.0.0.1:{server.port}", "token-of-viewer") as client:
            assert client.get_caller() == {"name": "viewer", "role": "viewer", "project": None}
            codes = [one["code"] for one in client.list_problems(limit=7)]
            assert codes == sorted(set(codes))
            assert len(codes) > 7
            with pytest.raises(Problem) as caught:
                client.create_network({"name": "x"})
            assert caught.value.code == "role-insufficient"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_path_takes_any_name():
    assert Transport.path("/v1/networks/{}/endpoints/{}", "a%", "{b}") == "/v1/networks/a%25/endpoints/%7Bb%7D"


class TestTypes:
    """Programs that check values by annotations, such as pydantic, read the types while they run."""

    def test_every_method_names_types_that_are_there(self):
        methods = [one for one in vars(Operations).values() if inspect.isfunction(one) and one.__name__[0] != "_"]
        hints = [get_type_hints(one, {**vars(operations), **vars(documents)}) for one in methods]
        assert len(hints) > 50
        assert all("return" in found for found in hints)

    def test_every_document_can_be_read_field_by_field(self):
        found = [one for one in vars(documents).values() if is_typeddict(one)]
        assert len(found) > 100
        assert all(get_type_hints(one) for one in found)
