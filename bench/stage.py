"""What the benchmarks stand on: a private engine, a live service before it, and containers to ask about.

Everything is made here and ended here. Rivals reach the same engine over the same socket.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import docker

from tools.engine import PrivateEngine

ROOT = Path(__file__).resolve().parent.parent

TOKEN = "bench"
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
PORT = 18473
PATIENCE_S = 20


@dataclass
class Service:
    """A live gunicorn and one kept-alive connection to it."""

    process: subprocess.Popen[bytes]
    start_s: float
    connection: http.client.HTTPConnection = field(
        default_factory=lambda: http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)
    )

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes, Any]:
        """Status, body and headers."""
        sent = None if body is None else json.dumps(body)
        self.connection.request(method, path, sent, {**HEADERS, **headers})
        response = self.connection.getresponse()
        return response.status, response.read(), response.headers

    def json(self, method: str, path: str, body: Any = None) -> Any:
        """The parsed body of a success."""
        status, text, _ = self.call(method, path, body)
        if status >= 300:
            message = f"{method} {path} answered {status}: {text[:300]!r}"
            raise RuntimeError(message)
        return json.loads(text) if text else None

    def processor_s(self) -> float:
        """The processor time that all workers have used, of threads that have ended too."""
        ticks = 0
        for pid in self._workers():
            after_the_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, after_the_name[11:13]))  # utime and stime (proc_pid_stat(5))
        return ticks / os.sysconf("SC_CLK_TCK")

    def _workers(self) -> list[str]:
        command = ["pgrep", "-P", str(self.process.pid)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    def worker_memory_mib(self) -> float:
        """The largest resident set among the workers, now and at its peak."""
        peaks = []
        for pid in self._workers():
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            peaks.extend(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
        return max(peaks)


@contextmanager
def engine() -> Iterator[PrivateEngine]:
    """A private engine for the time of a block."""
    name = f"bridgework-bench-{os.getpid()}"
    with (
        tempfile.TemporaryDirectory(prefix="bridgework-bench-") as folder,
        PrivateEngine(Path(folder) / "engine", name) as made,
    ):
        yield made


def tokens_file(folder: Path) -> Path:
    """A tokens file that knows ``TOKEN`` alone."""
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    entry = {"name": "bench", "role": "admin", "project": None, "sha256": digest, "expires_at": None}
    file = folder / "tokens.json"
    file.write_text(json.dumps({"tokens": [entry]}))
    return file


@contextmanager
def service(made: PrivateEngine, **settings: str) -> Iterator[Service]:
    """A gunicorn before ``made``, as the README starts it."""
    with (
        tempfile.TemporaryDirectory(prefix="bridgework-bench-") as folder,
        (Path(folder) / "log").open("w+") as log,
    ):
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("BRIDGEWORK_")},
            "DOCKER_HOST": made.docker_host,
            "BRIDGEWORK_BIND": f"127.0.0.1:{PORT}",
            "BRIDGEWORK_TOKENS_FILE": str(tokens_file(Path(folder))),
            "BRIDGEWORK_RATE_PER_MINUTE": "10000000",
            "BRIDGEWORK_LOG_LEVEL": "warning",
            **settings,
        }
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "python:bridgework.gunicorn_conf", "bridgework.asgi:app"],
            cwd=ROOT,
            env=environment,
            stderr=log,
        )
        try:
            _wait_until_live(process, log)
            yield Service(process, time.perf_counter() - began)
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE_S)


def _wait_until_live(process: subprocess.Popen[bytes], log: TextIO) -> None:
    ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends and process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=1)
            connection.request("GET", "/livez")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.01)
    log.seek(0)
    message = f"the service did not come to life: {log.read()}"
    raise RuntimeError(message)


@contextmanager
def rival(command: list[str], port: int) -> Iterator[None]:
    """Another program that serves on the loopback, for the time of a block."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def populate(made: PrivateEngine, networks: int, each: int, *, first: int = 0, ipv6: bool = False) -> list[str]:
    """``networks`` networks with ``each`` running containers, numbered from ``first``; answers the containers' ids."""
    api = docker.APIClient(base_url=made.docker_host, num_pools=8)

    def one(number: int) -> list[str]:
        subnets = [f"10.{200 + number // 250}.{number % 250}.0/24", *([f"fd00:be:{number:x}::/64"] if ipv6 else [])]
        pools = [docker.types.IPAMPool(subnet=subnet) for subnet in subnets]
        name = f"bnet{number}"
        ipam = docker.types.IPAMConfig(pool_configs=pools)
        api.create_network(name, driver="bridge", ipam=ipam, enable_ipv6=ipv6)
        ids = []
        for index in range(each):
            made_id = api.create_container(
                "busybox", ["sleep", "100000"], name=f"b{number}-{index}",
                host_config=api.create_host_config(network_mode=name), stop_signal="SIGKILL",
            )["Id"]  # fmt: skip
            api.start(made_id)
            ids.append(made_id)
        return ids

    with ThreadPoolExecutor(max_workers=4) as pool:
        return [made_id for ids in pool.map(one, range(first, first + networks)) for made_id in ids]


def clear(made: PrivateEngine) -> None:
    """Remove every container and custom network of the bench's own engine."""
    api = docker.APIClient(base_url=made.docker_host, num_pools=8)
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(lambda raw: api.remove_container(raw["Id"], force=True), api.containers(all=True)))
    for raw in api.networks(filters={"type": "custom"}):
        api.remove_network(raw["Id"])
