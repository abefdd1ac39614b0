"""The service as it really runs: gunicorn in a process of its own, before a real engine, its output kept."""

import contextlib
import http.client
import json
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.spec_validator import validate_wire
from tools.service import ROOT, free_port, running

__all__ = ["ROOT", "Answer", "Service", "assert_problem", "free_port", "parsed", "until"]


def until(condition, seconds, what="it"):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not come to pass within {seconds} s"
        time.sleep(0.01)


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body) if self.body else None


@dataclass
class Service:
    """``settings`` are names after ``BRIDGEWORK_``. Everything it says is in ``log``."""

    docker_host: str
    folder: Path
    tokens_file: Path
    settings: dict = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen | None = None
    inside: tuple = ()
    """A command that runs the service elsewhere, or with fewer rights."""

    def __enter__(self):
        given = {"bind": f"127.0.0.1:{self.port}", "tokens_file": self.tokens_file, "stop_grace_s": 0, **self.settings}
        self.log = self.folder / f"service-{self.port}.log"
        with contextlib.ExitStack() as stack:
            self.process = stack.enter_context(running(self.docker_host, self.log, given, self.inside))
            until(self.lives, 30, "the service")
            self._ends = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._ends.close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def lives(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.ask("GET", "/livez").status == 200
        assert self.process.poll() is None, self.said()
        return False

    def end(self, seconds=40):
        """As a service manager would; its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def said(self):
        return self.log.read_text(errors="replace")

    def workers(self):
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(child) for child in children.split()]

    def ask(self, method, path, body=None, *, caller="admin", headers=None, timeout=60):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        sent = {"Authorization": f"Bearer token-of-{caller}"} if caller else {}
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        try:
            connection.request(method, path, content, {**sent, **(headers or {})})
            response = connection.getresponse()
            answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
            validate_wire(method, path, answer.status, answer.headers, answer.body)
            return answer
        finally:
            connection.close()

    def raw(self, request, timeout=30):
        """Bytes out, bytes in until the service closes; the request should ask for that."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as sock:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                sock.sendall(request)
            pieces = []
            with contextlib.suppress(ConnectionResetError):
                while piece := sock.recv(65536):
                    pieces.append(piece)
        return b"".join(pieces)


def parsed(raw):
    """A raw response: status, headers, body; interim ones are skipped."""
    while raw.startswith(b"HTTP/1.1 100"):
        raw = raw.partition(b"\r\n\r\n")[2]
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    pairs = (line.decode("latin-1").partition(":") for line in lines)
    return Answer(int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}, body)


def assert_problem(answer, *, without_body=False):
    """Whatever is not a success is a problem document."""
    assert answer.headers.get("content-type") == "application/problem+json", answer
    if not without_body:
        document = answer.json
        assert document["status"] == answer.status
        assert document["type"] == f"/problems/{document['code']}"
        assert document["title"]
        assert document["detail"]
        assert document["request_id"]
