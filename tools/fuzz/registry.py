"""A registry in a private engine's namespace, so that what is to be pulled can be; it holds busybox and no more."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker

from tools.engine import PrivateEngine, run, wait_until

PORT = 5000
MIRROR = f"http://127.0.0.1:{PORT}"
"""What the engine must have among its ``registry-mirrors``: it takes 127.0.0.1 without TLS, there and nowhere else."""
HELD = f"127.0.0.1:{PORT}/library/busybox"
UP_SECONDS = 30.0


@contextlib.contextmanager
def registry(program: Path, engine: PrivateEngine, folder: Path) -> Iterator[None]:
    """Serve the engine's own busybox to it, as Docker Hub would; the image's data lies in ``folder``."""
    settings = folder / "registry.yml"
    storage = {"filesystem": {"rootdirectory": str(folder / "registry")}}
    http = {"addr": f"127.0.0.1:{PORT}"}
    settings.write_text(json.dumps({"version": 0.1, "log": {"level": "warn"}, "storage": storage, "http": http}))
    command = ["nsenter", f"--net={engine.namespace}", "--", str(program), "serve", str(settings)]
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        if not wait_until(lambda: _listens(engine), UP_SECONDS):
            raise SystemExit(f"The registry did not come up:\n{(folder / 'registry.log').read_text()}")
        _push(engine)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _listens(engine: PrivateEngine) -> bool:
    found = run("nsenter", f"--net={engine.namespace}", "--", "ss", "-Hltn", f"sport = :{PORT}")
    return bool(found.stdout.strip())


def _push(engine: PrivateEngine) -> None:
    client = docker.DockerClient(engine.docker_host)
    with contextlib.closing(client):
        client.images.get("busybox").tag(HELD)
        for step in client.images.push(HELD, stream=True, decode=True):
            if "error" in step:
                raise SystemExit(f"The registry refused busybox: {step['error']}")
        client.images.remove(HELD)
