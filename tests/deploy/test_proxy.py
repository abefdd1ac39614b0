"""nginx as it is shipped, before a live service: TLS, slow clients, streams, its own refusals."""

import http.client
import json
import socket
import time
from contextlib import ExitStack

from tests.support.api import Client, run, sweep_up
from tests.support.deployment import wait_for

HALF = [
    None,  # not even TLS begins
    b"GET /v1/networks HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
    b"POST /v1/networks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{",
]


def half_open(front, stack, kind):
    plain = stack.enter_context(socket.create_connection(("localhost", front.port), timeout=10))
    if kind is not None:
        stack.enter_context(front.context.wrap_socket(plain, server_hostname="localhost")).sendall(kind)


def test_it_speaks_tls_and_nothing_else(front, admin):
    assert admin.get("/v1/networks")["items"]
    with socket.create_connection(("localhost", front.port)) as plain:
        plain.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert plain.recv(100).startswith(b"HTTP/1.1 400 ")


def test_three_hundred_half_open_connections_stop_nobody(front):
    with ExitStack() as stack:
        for number in range(300):
            half_open(front, stack, HALF[number % len(HALF)])
        times = []
        for path in ("/livez", "/readyz") * 5:
            began = time.monotonic()
            assert front.remote.status(path) == 200
            times.append(time.monotonic() - began)
        assert max(times) < 1.0


def test_half_open_connections_are_ended(front):
    with ExitStack() as stack:
        plain = stack.enter_context(socket.create_connection(("localhost", front.port), timeout=20))
        slow = stack.enter_context(front.context.wrap_socket(plain, server_hostname="localhost"))
        slow.sendall(HALF[1])
        began = time.monotonic()
        try:
            ended = slow.recv(1000)
        except ConnectionResetError:
            ended = b""
        assert ended == b"" or b" 408 " in ended
        assert time.monotonic() - began < 15


def test_a_stream_arrives_as_it_is_made(front, admin):
    connection = http.client.HTTPSConnection("localhost", front.port, context=front.context, timeout=10)
    connection.request("GET", "/v1/events", headers={"Authorization": "Bearer token-of-admin"})
    response = connection.getresponse()
    assert response.headers["Content-Type"].startswith("text/event-stream")
    began = time.monotonic()
    admin.post("/v1/networks", {"name": "seen-live"}, status=201)
    text = b""
    while b"seen-live" not in text:
        text += response.read1(4096)
    assert time.monotonic() - began < 3
    connection.close()
    sweep_up(admin)


def test_rows_of_a_matrix_come_through(admin):
    run(admin, "left")
    run(admin, "right")
    rows = admin.send("POST", "/v1/connectivity/matrix", {"all": True}, headers={"Accept": "application/x-ndjson"})
    assert [json.loads(line)["type"] for line in rows.get_data().splitlines()] == ["start", "row", "row", "end"]
    sweep_up(admin)


def test_what_it_refuses_itself_is_a_problem_document(front):
    large = Client(front.remote).app.open("/v1/networks", "POST", data=b"x" * 300_000, content_type="application/json")
    assert (large.status_code, large.mimetype) == (413, "application/problem+json")
    assert large.get_json()["code"] == "body-too-large"


def test_more_than_its_share_of_one_address_is_refused_but_for_health(front):
    with ExitStack() as stack:
        for _ in range(64):
            half_open(front, stack, HALF[2])
        wait_for(lambda: front.remote.status("/v1/networks") == 429, what="a refusal")
        refused = front.remote.open("/v1/networks")
        assert (refused.status_code, refused.get_json()["code"]) == (429, "too-many-connections")
        assert front.remote.status("/livez") == 200


def test_the_audit_names_the_caller_and_not_what_it_claims_to_be(front, live):
    caller = Client(front.asked_from("127.0.0.7"))
    forged = {"X-Forwarded-For": "192.0.2.1", "X-Request-ID": "who-asks"}
    made = caller.call("POST", "/v1/networks", {"name": "audited"}, status=201, headers=forged)
    caller.delete(f"/v1/networks/{made['id']}")
    lines = [json.loads(line) for line in live.log.read_text().splitlines() if "who-asks" in line]
    assert [line["address"] for line in lines if line.get("audit")] == ["127.0.0.7"]


def test_wrong_tokens_of_one_caller_are_counted_against_that_one_alone(front):
    def refused(address):
        answer = front.asked_from(address).open("/v1/networks", headers={"Authorization": "Bearer wrong"})
        return answer.status_code

    wait_for(lambda: refused("127.0.0.8") == 429, what="a caller held up")
    assert refused("127.0.0.9") == 401


def test_while_the_service_is_away_it_says_so(front_of_nothing):
    away = front_of_nothing.remote.open("/v1/networks")
    assert (away.status_code, away.mimetype) == (503, "application/problem+json")
    assert away.get_json()["code"] == "service-unreachable"
    assert away.headers["Retry-After"] == "2"
