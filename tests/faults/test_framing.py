"""Requests whose length two readers might read differently: none of them holds a thread, health is answered throughout.

The worker collects a request before a thread takes it. A length that the worker does not read, and gunicorn does, would
let a thread wait for a body that never comes.
"""

import contextlib
import socket
import time

import pytest
from safety.live import LiveService

HEAD = (
    b"POST /v1/networks HTTP/1.1\r\nHost: x\r\n"
    b"Authorization: Bearer token-of-admin\r\nContent-Type: application/json\r\n"
)
SECOND = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
NINETEEN = b"9" * 19
LENGTHS = {
    "18 digits": (b"Content-Length: " + b"9" * 18, 413),
    "19 digits": (b"Content-Length: " + NINETEEN, 413),
    "19 digits, in small letters, between tabs": (b"content-length:\t" + NINETEEN + b"\t", 413),
    "5,000 digits": (b"Content-Length: " + b"9" * 5000, 413),
    "19 digits behind zeros": (b"Content-Length: " + b"0" * 30 + NINETEEN, 413),
    "twice the same": (b"Content-Length: 900\r\nContent-Length: 900", 400),
    "twice, the second of 19 digits": (b"Content-Length: 0\r\nContent-Length: " + NINETEEN, 400),
    "twice, the first of 19 digits": (b"Content-Length: " + NINETEEN + b"\r\nContent-Length: 0", 400),
    "a list": (b"Content-Length: 900, 900", 400),
    "a list of 19 digits": (b"Content-Length: " + NINETEEN + b"," + NINETEEN, 400),
    "plus": (b"Content-Length: +900", 400),
    "minus": (b"Content-Length: -1", 400),
    "hexadecimal": (b"Content-Length: 0x384", 400),
    "underscored": (b"Content-Length: 9_00", 400),
    "a superscript digit": (b"Content-Length: 9\xb2", 400),
    "empty": (b"Content-Length:", 400),
    "a space before the colon": (b"Content-Length : 900", 400),
    "folded": (b"Content-Length:\r\n 900", 400),
    "behind a bare line feed": (b"X: y\nContent-Length: 900", 400),
    "a carriage return within": (b"Content-Length: 900\rX: y", 400),
    "chunked as well": (b"Content-Length: 900\r\nTransfer-Encoding: chunked", 411),
    "chunked as well, 19 digits": (b"Transfer-Encoding: chunked\r\nContent-Length: " + NINETEEN, 411),
    "coded as nothing": (b"Content-Length: 900\r\nTransfer-Encoding: identity", 411),
}


@pytest.fixture(scope="module")
def live(own_engine, tokens_file, tmp_path_factory):
    settings = {"WORKERS": 1, "THREADS": 4}
    with LiveService(own_engine.docker_host, tmp_path_factory.mktemp("framing"), tokens_file, settings) as one:
        yield one


def refused_at_once(live, request, status):
    """Twenty connections send it and a small request behind it; each is refused, and health is answered meanwhile."""
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.create_connection(("127.0.0.1", live.port), 10)) for _ in range(20)]
        for sock in socks:
            sock.sendall(request + SECOND)
        for _ in range(5):
            began = time.monotonic()
            assert live.ask("GET", "/livez", timeout=5).status == 200
            assert time.monotonic() - began < 2
        for sock in socks:
            assert sock.recv(65536).split(b" ", 2)[1] == b"%d" % status


@pytest.mark.parametrize(("lines", "status"), LENGTHS.values(), ids=LENGTHS.keys())
def test_an_odd_length_is_refused_and_holds_no_thread(live, lines, status):
    refused_at_once(live, HEAD + lines + b"\r\n\r\n", status)


def test_an_odd_length_does_not_hold_the_lane_of_health(live):
    request = b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: " + NINETEEN + b"\r\n\r\n"
    refused_at_once(live, request, 413)


@pytest.mark.parametrize("zeros", [0, 30])
def test_zeros_before_a_length_change_nothing(live, zeros):
    body = b'{"name": "framed"}'
    head = HEAD.replace(b"/v1/networks", b"/v1/networks?dry_run=true") + b"Connection: close\r\nContent-Length: "
    answer = live.raw(head + b"0" * zeros + b"%d\r\n\r\n" % len(body) + body)
    assert answer.startswith(b"HTTP/1.1 201 CREATED")
