"""The service as it runs for people: gunicorn in a process of its own, before an engine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMAND = (sys.executable, "-m", "gunicorn", "-c", "python:bridgework.gunicorn_conf", "bridgework.asgi:app")
STOP_SECONDS = 40


def free_port() -> int:
    """Return a TCP port of the loopback address that no program uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(docker_host: str, settings: Mapping[str, object]) -> dict[str, str]:
    """Return the environment of a service: ``settings`` are names after ``BRIDGEWORK_``, in any case of letters.

    The caller's own ``BRIDGEWORK_`` variables are left out, because a service refuses a setting that it does not know.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BRIDGEWORK_")}
    given = {"RATE_PER_MINUTE": 10_000_000, **{name.upper(): value for name, value in settings.items()}}
    return {**kept, **{f"BRIDGEWORK_{name}": str(value) for name, value in given.items()}, "DOCKER_HOST": docker_host}


@contextmanager
def running(
    docker_host: str, log: Path, settings: Mapping[str, object], inside: Sequence[str] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the service for the time of a block; its output goes to ``log``.

    ``inside`` is a command that runs it elsewhere, such as ``nsenter --net=FILE --``. At the end the service is told to
    stop, as a service manager would, and killed after ``STOP_SECONDS``.
    """
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*inside, *COMMAND], cwd=ROOT, env=environment(docker_host, settings), stdout=file, stderr=file
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
