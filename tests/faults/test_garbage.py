"""What answers is no engine, or one that has lost its mind: a 502 that says so, in time, and nothing half done."""

import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings
from tests.support.api import Client
from tools.engine import PrivateEngine, ask

LIMIT_S = 1.0
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
VERSION = json.dumps({"ApiVersion": "1.45", "MinAPIVersion": "1.24", "Version": "26.1.5"}).encode()


def whole(body, head=OK):
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def endless(start, piece, pause_s=0.0):
    def send(sock):
        sock.sendall(start)
        while True:
            sock.sendall(piece)
            time.sleep(pause_s)

    return send


GARBAGE = {
    "no HTTP": b"I am no engine\r\n\r\n",
    "bytes": b"\x00\xff\xfe\x16\x03\x01" * 100,
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a page": whole(b"<html>It works!</html>", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"),
    "cut JSON": whole(b'[{"Id": "aaa'),
    "another type": whole(b'{"a": 1}'),
    "a number": whole(b"7"),
    "a list of numbers": whole(b"[1, 2, 3]"),
    "a list of null": whole(b"[null]"),
    "objects without an id": whole(b'[{"Name": "x"}]'),
    "wrong types inside": whole(b'[{"Id": 7, "Name": [], "IPAM": "x", "Containers": 3, "Labels": 5, "Options": []}]'),
    "null": whole(b"null"),
    "nothing": whole(b""),
    "no UTF-8": whole(b'[{"Id": "\xff\xfe"}]'),
    "deep": whole(b"[" * 200_000),
    "a huge number": whole(b'{"Id": ' + b"9" * 10_000 + b"}"),
    "a body that ends early": OK + b"Content-Length: 1000\r\n\r\n[",
    "a status without sense": b"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n",
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n",
    "an error": whole(b'{"message": "deep inside"}', b"HTTP/1.1 500 Internal Server Error\r\n"),
    "a status line without end": b"HTTP/1.1 200 " + b"x" * 100_000,
    "headers without end": endless(b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n" * 50),
    "a header without end": endless(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 4096),
    "a body without end": endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\n[1,2,\r\n", 0.001),
    "a chunk without sense": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
}
SLOW = {
    "nothing at all": endless(b"", b"", 0.05),
    "one byte at a time": endless(OK + b"Content-Length: 100000\r\n\r\n", b" ", 0.05),
}


class Madness:
    """Answers at a socket. The calls before ``sane`` matches are answered as an engine would."""

    def __init__(self, path, answer, sane=()):
        self._answer, self._sane = answer, sane
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        with sock, contextlib.suppress(OSError):
            buffer = b""
            while True:
                while b"\r\n\r\n" not in buffer:
                    piece = sock.recv(65536)
                    if not piece:
                        return
                    buffer += piece
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                buffer = b""
                known = next((answer for part, answer in self._sane if part in head.partition(b"\r\n")[0]), None)
                if known is None and callable(self._answer):
                    self._answer(sock)
                sock.sendall(whole(known) if known is not None else self._answer)
                if known is None:
                    return

    def close(self):
        self._listener.close()


@pytest.fixture
def before(tmp_path, tokens_file):
    """The service before whatever answers so."""
    made = []

    def one(answer, sane=()):
        path = tmp_path / f"{len(made)}.sock"
        made.append(Madness(path, answer, sane))
        settings = Settings(tokens_file=tokens_file, engine_timeout_s=LIMIT_S, request_timeout_s=2 * LIMIT_S)
        return Client(create_app(settings, EngineAddress(f"unix://{path}")))

    yield one
    for madness in made:
        madness.close()


REQUESTS = [
    ("GET", "/v1/networks", None), ("GET", "/v1/engine", None), ("POST", "/v1/networks", {"name": "ab"}),
    ("POST", "/v1/containers", {"name": "ab", "image": "busybox"}), ("DELETE", "/v1/networks/ab", None),
]  # fmt: skip
KNOWN = [
    (b"/version", VERSION),
]  # fmt: skip


def answers(client, allowed):
    for method, path, body in REQUESTS:
        began = time.monotonic()
        response = client.send(method, path, body)
        assert time.monotonic() - began < 4 * LIMIT_S
        problem = response.get_json()
        assert (response.status_code, problem["code"]) in allowed, (method, path, problem)
        assert response.mimetype == "application/problem+json"
    assert client.send("GET", "/livez").status_code == 200
    assert client.send("GET", "/readyz").status_code in {200, 503}


STRANGE = {(502, "engine-answered-strangely"), (502, "engine-version-unsupported"), (503, "engine-unreachable")}


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE.keys())
@pytest.mark.parametrize("sane", [(), KNOWN], ids=["from the first", "after its version"])
def test_garbage(before, answer, sane):
    answers(before(answer, sane), STRANGE | {(504, "engine-too-slow")} if callable(answer) else STRANGE)


INFO = {"ID": "x", "Name": "x", "Plugins": {"Network": ["bridge"]}, "Swarm": {"LocalNodeState": "inactive"}}
WELL = [
    *KNOWN, (b"/events", b""), (b"GET /v1.45/networks ", b"[]"), (b"/containers/json", b"[]"),
    (b"/info", json.dumps(INFO).encode()), (b"/images/json", b'[{"Id": "sha256:x", "RepoTags": ["busybox:latest"]}]'),
]  # fmt: skip


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW.keys())
@pytest.mark.parametrize("sane", [KNOWN, WELL], ids=["when it is read", "when it is changed"])
@pytest.mark.quiet
def test_answers_that_never_come(before, answer, sane):
    for method, path, body in REQUESTS[2:4] if sane is WELL else REQUESTS[:3]:
        began = time.monotonic()
        response = before(answer, sane).send(method, path, body)
        problem = response.get_json()
        assert (response.status_code, problem["code"]) == (504, "engine-too-slow")
        assert "did not answer within 1 s" in problem["detail"]
        assert time.monotonic() - began < 3 * LIMIT_S


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_for_a_change_is_no_success(before, answer):
    """Whether the engine did it nobody knows: the answer says that it made no sense."""
    client = before(answer, WELL)
    for method, path, body in REQUESTS[2:4]:
        began = time.monotonic()
        response = client.send(method, path, body, headers={"Idempotency-Key": "k"})
        assert response.status_code in {502, 503, 504}, response.get_data(as_text=True)
        assert time.monotonic() - began < 4 * LIMIT_S


@pytest.fixture
def full_engine(tmp_path):
    """An engine whose disk is small: a file system in memory, of 48 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "bridgework-small", folder], check=True)
    try:
        with PrivateEngine(folder / "engine", f"bridgework-full-{os.getpid()}") as made:
            yield made
    finally:
        subprocess.run(["umount", folder], check=False)


def fill(folder):
    with contextlib.suppress(OSError), Path(folder, "filler").open("wb") as file:
        while True:
            file.write(b"\0" * 65536)
            file.flush()


def test_a_full_disk(full_engine, tokens_file):
    client = Client(create_app(Settings(tokens_file=tokens_file), EngineAddress(full_engine.docker_host)))
    assert client.send("GET", "/v1/networks").status_code == 200
    fill(full_engine.directory.parent)
    body = {"name": "no-room", "image": "busybox", "command": ["sleep", "60"]}
    response = client.send("POST", "/v1/containers", body, headers={"Idempotency-Key": "k"})
    assert response.status_code == 502, response.get_data(as_text=True)
    assert response.get_json()["code"] == "engine-disk-full"
    assert json.loads(ask(full_engine.socket, "GET", "/containers/json?all=1")[1]) == []
    (full_engine.directory.parent / "filler").unlink()
    assert client.send("POST", "/v1/containers", body, headers={"Idempotency-Key": "k"}).status_code == 201
