"""A service before a private engine of its own, for scripts that talk to both; removed at the end."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPMessage
from pathlib import Path
from typing import Any

from tools.engine import PrivateEngine, held_back, say
from tools.service import free_port, running

TOKEN = hashlib.sha256(os.urandom(32)).hexdigest()
"""The admin's, of every service that this process starts."""
UP_SECONDS = 120.0


@dataclass(frozen=True)
class Live:
    """Where the service is, and its engine."""

    url: str
    engine: PrivateEngine
    log: Path

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, HTTPMessage, bytes]:
        """Send one request as admin."""
        sent = {"Authorization": f"Bearer {TOKEN}", **{name.replace("_", "-"): text for name, text in headers.items()}}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        host = self.url.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=60)
        try:
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()


@contextlib.contextmanager
def live_service(purpose: str, engine_settings: Mapping[str, Any] | None = None, **settings: str) -> Iterator[Live]:
    """Start an engine and a service before it; remove both at the end, or when the start is interrupted."""
    stack = contextlib.ExitStack()
    try:
        temporary = tempfile.TemporaryDirectory(prefix=f"bridgework-{purpose}-", ignore_cleanup_errors=True)
        folder = Path(stack.enter_context(temporary))
        port = free_port()
        state = folder / "state"
        state.mkdir()
        given = {"bind": f"127.0.0.1:{port}", "tokens_file": _tokens_file(folder), "stop_grace_s": 0}
        given |= {"state_dir": str(state), **settings}
        log = folder / "service.log"
        engine = PrivateEngine(folder / "engine", f"bridgework-{purpose}-{os.getpid()}", dict(engine_settings or {}))
        stack.enter_context(engine)
        with held_back():
            process = stack.enter_context(running(engine.docker_host, log, given))
        live = Live(f"http://127.0.0.1:{port}", engine, log)
        _await(live, process)
        yield live
    finally:
        with held_back(lambda: say("Interrupted: removing the service and the engine first")):
            stack.close()


def _tokens_file(folder: Path) -> Path:
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    entry = {"name": "admin", "role": "admin", "project": None, "sha256": digest, "expires_at": None}
    file = folder / "tokens.json"
    file.write_text(json.dumps({"tokens": [entry]}))
    return file


def _await(live: Live, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + UP_SECONDS
    while True:
        with contextlib.suppress(OSError):
            if live.call("GET", "/readyz")[0] == http.client.OK:
                return
        if process.poll() is not None or time.monotonic() > end:
            sys.exit(f"The service did not come up:\n{live.log.read_text()}")
        time.sleep(0.1)
