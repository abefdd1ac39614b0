"""A service on a port of its own before a private engine of its own, for scripts that talk to both; gone afterwards."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.engine import PrivateEngine

ROOT = Path(__file__).resolve().parent.parent
TOKEN = hashlib.sha256(os.urandom(32)).hexdigest()
"""The admin's, of every service that this process starts."""
UP_SECONDS = 30.0


@dataclass(frozen=True)
class Live:
    """Where the service is, and its engine."""

    url: str
    engine: PrivateEngine
    log: Path

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
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
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()


@contextlib.contextmanager
def live_service(purpose: str, engine_settings: Mapping[str, Any] | None = None, **settings: str) -> Iterator[Live]:
    """Start both; remove both at the end."""
    folder = Path(tempfile.mkdtemp(prefix=f"bridgework-{purpose}-"))
    try:
        engine = PrivateEngine(folder / "engine", f"bridgework-{purpose}-{os.getpid()}", dict(engine_settings or {}))
        with engine, _gunicorn(folder, engine, settings) as live:
            yield live
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _gunicorn(folder: Path, engine: PrivateEngine, settings: dict[str, str]) -> Iterator[Live]:
    tokens = folder / "tokens.json"
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    entry = {"name": "admin", "role": "admin", "project": None, "sha256": digest, "expires_at": None}
    tokens.write_text(json.dumps({"tokens": [entry]}))
    port = _free_port()
    environment = {
        **os.environ,
        "DOCKER_HOST": engine.docker_host,
        "BRIDGEWORK_BIND": f"127.0.0.1:{port}",
        "BRIDGEWORK_TOKENS_FILE": str(tokens),
        "BRIDGEWORK_RATE_PER_MINUTE": "1000000",
        "BRIDGEWORK_STOP_GRACE_S": "0",
        **{f"BRIDGEWORK_{name.upper()}": value for name, value in settings.items()},
    }
    log = folder / "service.log"
    command = [sys.executable, "-m", "gunicorn", "-c", "python:bridgework.gunicorn_conf", "bridgework.wsgi:app"]
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT)
        try:
            live = Live(f"http://127.0.0.1:{port}", engine, log)
            _await(live, process)
            yield live
        finally:
            process.terminate()
            process.wait(60)


def _await(live: Live, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + UP_SECONDS
    while True:
        with contextlib.suppress(OSError):
            if live.call("GET", "/readyz")[0] == http.client.OK:
                return
        if process.poll() is not None or time.monotonic() > end:
            sys.exit(f"The service did not come up:\n{live.log.read_text()}")
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
