"""Requests whose length two readers might read differently: none of them holds a thread, health is answered throughout.

gunicorn's own parser reads all of them, and a request takes a thread only when its body is here.
"""

import contextlib
import socket
import time

import pytest

from bridgework.server.refusals import ARRIVAL_S
from tests.support.service import Service

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
    "5,000 digits": (b"Content-Length: " + b"9" * 5000, 400),
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
    "chunked as well": (b"Content-Length: 900\r\nTransfer-Encoding: chunked", 400),
    "chunked as well, 19 digits": (b"Transfer-Encoding: chunked\r\nContent-Length: " + NINETEEN, 400),
    "chunked twice": (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
    "coded as nothing": (b"Transfer-Encoding: identity", 400),
    "coded as something unknown": (b"Transfer-Encoding: br", 411),
    "coded twice": (b"Transfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0", 411),
    "coded in two lines": (b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0", 411),
    "a chunk's length that is none": (b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + b"x" * 400, 400),
    "a chunk's length without end": (b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 400, 400),
    "a chunk beyond the limit": (b"Transfer-Encoding: chunked\r\n\r\n90000\r\n" + b" " * 0x90000, 413),
    "a chunk that goes on for ever": (b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", 408),
    "chunks of one byte each": (b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 8000 + b"0", 400),
    "a chunk that does not end": (b"Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n", 400),
}


@pytest.fixture(scope="module")
def live(own_engine, tokens_file, tmp_path_factory):
    settings = {"WORKERS": 1, "THREADS": 4}
    with Service(own_engine.docker_host, tmp_path_factory.mktemp("framing"), tokens_file, settings) as one:
        yield one


def refused_at_once(live, request, status):
    """Twenty connections send it and a small request behind it; each is refused, and health is answered meanwhile."""
    with contextlib.ExitStack() as stack:
        socks = [
            stack.enter_context(socket.create_connection(("127.0.0.1", live.port), ARRIVAL_S + 5)) for _ in range(20)
        ]
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
    assert answer.startswith(b"HTTP/1.1 201 ")


def test_a_body_in_chunks_is_read(live):
    """As Node's ``http.request`` sends it when no Content-Length is set."""
    head = HEAD.replace(b"/v1/networks", b"/v1/networks?dry_run=true") + b"Transfer-Encoding: chunked\r\n\r\n"
    chunks = b'8\r\n{"name":\r\n1;ext=1\r\n \r\n9\r\n"chunked"\r\n1\r\n}\r\n0\r\n\r\n'
    with socket.create_connection(("127.0.0.1", live.port), 10) as sock:
        for piece in (head[:40], head[40:] + chunks[:5], chunks[5:20], chunks[20:] + SECOND):
            sock.sendall(piece)
            time.sleep(0.05)
        answer = b""
        while b'"live"' not in answer:
            piece = sock.recv(65536)
            assert piece, answer
            answer += piece
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert b'"name": "chunked"' in answer


def test_a_body_in_chunks_beyond_the_limit_is_a_413_before_it_is_kept(live):
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", live.port), 10) as sock:
        sock.sendall(head + (b"8000\r\n" + b" " * 0x8000 + b"\r\n") * 9)
        assert sock.recv(65536).startswith(b"HTTP/1.1 413")
