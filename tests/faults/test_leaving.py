"""A client that leaves in the middle of a matrix stops it: nothing more is sent for it, and its place is free."""

import contextlib
import http.client
import json
import socket
import time

import pytest

from tests.support.service import until

MATRIX = {"all": True, "protocol": "icmp", "timeout_ms": 10_000}
STOPPED_S = 4.0
"""Two signs of life, a second apart: the first write after the client has left still succeeds."""


@pytest.fixture
def live(serve):
    """One place for a matrix; two containers that cannot reach each other."""
    live = serve(MAX_MATRICES=1)
    for name in ("left", "right"):
        assert live.ask("POST", "/v1/networks", {"name": name}).status == 201
        body = {"name": name, "image": "busybox", "command": ["sleep", "600"], "network_mode": name}
        assert live.ask("POST", "/v1/containers", body).status == 201
    return live


def begin(live, accept):
    body = json.dumps(MATRIX).encode()
    head = (
        "POST /v1/connectivity/matrix HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token-of-admin\r\n"
        f"Accept: {accept}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    sock = socket.create_connection(("127.0.0.1", live.port), timeout=20)
    sock.sendall(head.encode() + body)
    return sock


def is_free(live):
    with contextlib.suppress(OSError, http.client.HTTPException):
        return live.ask("POST", "/v1/connectivity/matrix", {"containers": ["left"]}).status == 200
    return False


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
def test_its_place_is_free_long_before_the_matrix_would_have_ended(live, accept):
    sock = begin(live, accept)
    time.sleep(2)  # whoever asks sooner might take the only place before it
    assert not is_free(live), "it takes ten seconds"
    left = time.monotonic()
    sock.close()
    until(lambda: is_free(live), STOPPED_S, "the matrix's end")
    assert time.monotonic() - left < STOPPED_S
    assert "accident" not in live.said()


def test_one_who_stays_is_told_every_second_that_it_goes_on(live):
    with begin(live, "application/x-ndjson") as sock, sock.makefile("rb") as answer:
        lines = read(answer)
    assert [line["type"] for line in lines[:3]] == ["start", "heartbeat", "heartbeat"]
    assert lines[1]["rows_total"] == 2


def read(answer):
    lines = []
    while len(lines) < 3:
        line = answer.readline()
        if line.startswith(b"{"):
            lines.append(json.loads(line))
    return lines
