"""The service that ``--local`` starts for one call, by the command that a person would use."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import click

from bridgework_cli.connection import Address
from bridgework_cli.root import NEEDS_SERVICE
from bridgework_client import Client, ServiceUnreachable

COMMAND = (sys.executable, "-m", "bridgework", "serve")
START_SECONDS = 20.0
ENGINE_SECONDS = 2.0
POLL_SECONDS = 0.05
STOP_SECONDS = 30.0


@contextmanager
def local_service() -> Iterator[Address]:
    """Run a service for the time of a block, on a unix socket that only this user can open.

    Raises:
        click.ClickException: The package of the service is not installed.
        ServiceUnreachable: It does not become ready; the text has what it says.
    """
    if find_spec("bridgework") is None:
        raise click.ClickException(f"--local {NEEDS_SERVICE}")
    token = secrets.token_urlsafe(32)
    with tempfile.TemporaryDirectory(prefix="bridgework-") as name:  # readable by this user alone
        folder = Path(name)
        bind = f"unix:{folder / 'service.sock'}"
        settings = {"BRIDGEWORK_BIND": bind, "BRIDGEWORK_TOKENS_FILE": str(_tokens_file(folder, token))}
        log = folder / "log"
        with log.open("wb") as stream, _running(settings, stream.fileno()) as process:
            with Client(bind, token) as client:
                try:
                    _wait_until_it_answers(client, process)
                    # The service is there. An engine that does not answer now is not there, or takes minutes.
                    client.wait_until_ready(ENGINE_SECONDS)
                except TimeoutError as error:
                    said = log.read_text(errors="replace").strip() if process.poll() is not None else ""
                    raise ServiceUnreachable(f"The local service is not ready. {error} {said}".strip()) from error
            yield Address(bind, token)


def _wait_until_it_answers(client: Client, process: subprocess.Popen[bytes]) -> None:
    """Return when the service answers, when it has ended, or after ``START_SECONDS``."""
    ends = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < ends:
        try:
            client.get_liveness()
        except ServiceUnreachable:
            time.sleep(POLL_SECONDS)
        else:
            return


def _tokens_file(folder: Path, token: str) -> Path:
    digest = hashlib.sha256(token.encode()).hexdigest()
    entry = {"name": "local", "role": "admin", "project": None, "sha256": digest, "expires_at": None}
    file = folder / "tokens.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps({"tokens": [entry]}), encoding="utf-8")
    return file


@contextmanager
def _running(settings: Mapping[str, str], log: int) -> Iterator[subprocess.Popen[bytes]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BRIDGEWORK_")}
    # A session of its own, so that Ctrl-C reaches this process, which then stops the service.
    process = subprocess.Popen(  # noqa: S603 - this Python itself, and words of ours
        COMMAND, env={**kept, **settings}, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
