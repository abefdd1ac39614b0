"""Faults are made on an engine of these tests' own, which they may break; the session's other tests have another."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support.service import Service
from tools.engine import PrivateEngine, ask


@pytest.fixture(scope="module")
def own_engine():
    directory = Path(tempfile.mkdtemp(prefix="bridgework-faults-"))
    try:
        with PrivateEngine(directory / "engine", f"bridgework-faults-{os.getpid()}") as made:
            yield made
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def serve(own_engine, tokens_file, tmp_path):
    """Start the service with settings; it is ended afterwards, and what it made is gone."""
    started = []

    def one(docker_host=None, **settings):
        live = Service(docker_host or own_engine.docker_host, tmp_path, tokens_file, settings)
        started.append(live.__enter__())
        return live

    yield one
    for live in started:
        live.end()
    sweep_up(own_engine)


def sweep_up(engine):
    for container in json.loads(ask(engine.socket, "GET", "/containers/json?all=1")[1]):
        ask(engine.socket, "DELETE", f"/containers/{container['Id']}?force=1")
    ask(engine.socket, "POST", "/networks/prune")


def inside(engine):
    """What the engine's own namespace holds: links, and the namespaces of containers."""
    links = subprocess.run(["ip", "-n", engine.name, "-o", "link"], capture_output=True, text=True, check=True).stdout
    names = sorted(line.split(":")[1].strip() for line in links.splitlines())
    return names, sorted(path.name for path in engine.runtime.glob("exec/netns/*") if path.name != "default")
