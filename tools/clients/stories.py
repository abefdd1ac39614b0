"""Have each language's client tell the same story to one service before a real engine, through an unkind proxy.

The proxy drops the answer to the first request of every idempotency key, as a broken network would, and adds a property
to every object of every answer, as a later version of the service may. It refuses a request that has a header twice.
One call of each story goes to the service without the proxy. Arguments: ``LANGUAGE=COMMAND``...
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import os
import shlex
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tools.live_service import TOKEN, live_service

HOP_BY_HOP = {"connection", "content-length", "date", "server", "transfer-encoding"}
STREAMS = ("text/event-stream", "application/x-ndjson")
GROWING = {"id", "kind", "next_cursor", "verdict", "code", "summary", "status", "type", "pairs"}
"""Properties by which an object of ours is told from a map of a caller's own keys."""
SECONDS = 120


def grown(value: Any) -> Any:
    """The same, with a property that no client knows in every object."""
    if isinstance(value, dict):
        inner = {name: grown(part) for name, part in value.items()}
        return {**inner, "added_later": {"is": "passed over"}} if GROWING & value.keys() else inner
    return [grown(part) for part in value] if isinstance(value, list) else value


def doubled(names: Iterable[str]) -> list[str]:
    """Return the headers that a request has more than once."""
    counts = Counter(name.lower() for name in names)
    return sorted(name for name, count in counts.items() if count > 1)


class Unkind(BaseHTTPRequestHandler):
    """Passes requests on to ``upstream``; see above."""

    protocol_version = "HTTP/1.1"
    upstream = ""
    keys: set[str]

    def pass_on(self) -> None:
        """Send the request on, and answer with what came, or not at all."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if twice := doubled(self.headers.keys()):
            # A dict of the headers would keep one of each, and the service would never see the fault of the client.
            self.send_error(http.HTTPStatus.BAD_REQUEST, f"These headers come more than once: {twice}")
            return
        connection = http.client.HTTPConnection(self.upstream, timeout=SECONDS)
        with contextlib.closing(connection):
            connection.request(self.command, self.path, body or None, dict(self.headers))
            answer = connection.getresponse()
            key = self.headers.get("Idempotency-Key")
            if key and key not in self.keys:
                self.keys.add(key)
                answer.read()
                self.close_connection = True
                return
            self._answer(answer)

    def _answer(self, answer: http.client.HTTPResponse) -> None:
        self.send_response(answer.status)
        for name, text in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, text)
        if answer.headers.get_content_type() in STREAMS:
            self.send_header("Connection", "close")
            self.end_headers()
            with contextlib.suppress(OSError):
                for line in self._lines(answer):
                    self.wfile.write(line)
            self.close_connection = True
            return
        body = answer.read()
        if body and answer.headers.get_content_type() == "application/json":
            packed = answer.headers.get("Content-Encoding") == "gzip"
            plain = gzip.decompress(body) if packed else body
            body = json.dumps(grown(json.loads(plain))).encode()
            body = gzip.compress(body) if packed else body
        if answer.status not in {http.HTTPStatus.NO_CONTENT, http.HTTPStatus.NOT_MODIFIED}:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @staticmethod
    def _lines(answer: http.client.HTTPResponse) -> Iterator[bytes]:
        for line in iter(answer.readline, b""):
            head, brace, rest = line.partition(b"{")
            yield head + json.dumps(grown(json.loads(brace + rest))).encode() + b"\n" if brace else line

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def unkind_proxy(upstream: str) -> Iterator[str]:
    """The proxy before ``upstream``; yields its URL."""
    methods = {f"do_{method}": Unkind.pass_on for method in ("GET", "POST", "PUT", "DELETE")}
    handler = type("Handler", (Unkind,), {"upstream": upstream.removeprefix("http://"), "keys": set(), **methods})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def main() -> int:
    """Exit status: 1 when a client fails, or when they did not tell the same."""
    told: dict[str, list[str]] = {}
    with live_service("clients") as live, unkind_proxy(live.url) as url:
        environment = {**os.environ, "STORY_URL": url, "STORY_DIRECT": live.url, "STORY_TOKEN": TOKEN}
        for argument in sys.argv[1:]:
            language, _, command = argument.partition("=")
            done = subprocess.run(
                shlex.split(command), env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
            )
            told[language] = done.stdout.splitlines()
            print(f"{language}: {len(told[language])} steps")
            if done.returncode:
                print(
                    f"{done.stdout}{done.stderr}\n{language} failed; the service said:\n{live.log.read_text()[-3000:]}"
                )
                return 1
    first = next(iter(told.values()))
    print(*(f"  {step}" for step in first), sep="\n")
    differing = [language for language, steps in told.items() if steps != first]
    if differing or not first:
        print("These told something else:", {language: told[language] for language in differing})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
