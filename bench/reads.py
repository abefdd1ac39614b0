"""Reads and changes beside the engine's own API, haproxy before it, and the SDK in a script."""

from __future__ import annotations

import contextlib
import http.client
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker

from bench.measure import Line, in_turn, shown, timed
from bench.stage import HEADERS, PORT, populate, rival, service

HAPROXY_PORT, FLASK_PORT = 19200, 19201
FLASK = """
from flask import Flask, Response, request

app = Flask(__name__, static_folder=None)
BODY = b"x" * {size_bytes}


@app.get("/")
def answer() -> Response:
    if "If-None-Match" in request.headers:
        return Response(status=304)
    return Response(BODY, content_type="application/json")
"""
SECONDS = 3
ROUNDS = 5


@contextlib.contextmanager
def haproxy(made: Any) -> Iterator[None]:
    """Haproxy before the engine's socket, as docker-socket-proxy runs it."""
    path = made.docker_host.removeprefix("unix://")
    config = (
        "global\n  maxconn 256\ndefaults\n  mode http\n"
        "  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n"
        f"frontend in\n  bind 127.0.0.1:{HAPROXY_PORT}\n  default_backend engine\n"
        f"backend engine\n  server engine unix@{path}\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "haproxy.cfg"
        file.write_text(config)
        with rival(["haproxy", "-f", str(file), "-db"], HAPROXY_PORT):
            yield


@contextlib.contextmanager
def bare_flask(size_bytes: int) -> Iterator[None]:
    """A view that only sends ready bytes, or 304: the least that Flask and gunicorn take for either."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bare.py").write_text(FLASK.format(size_bytes=size_bytes))
        command = [
            *(sys.executable, "-m", "gunicorn", "--chdir", folder, "--bind", f"127.0.0.1:{FLASK_PORT}"),
            *("--workers", "2", "--threads", "16", "--log-level", "warning", "bare:app"),
        ]
        with rival(command, FLASK_PORT):
            yield


def requests_per_second(url: str, **headers: str) -> float:
    """By wrk, at 8 connections."""
    arguments = [part for name, value in headers.items() for part in ("-H", f"{name.replace('_', '-')}: {value}")]
    out = subprocess.run(
        ["wrk", "-t1", "-c8", f"-d{SECONDS}s", *arguments, url], capture_output=True, text=True, check=True
    ).stdout
    if "Non-2xx" in out and "If_None_Match" not in headers:
        raise RuntimeError(out)
    return float(re.findall(r"Requests/sec:\s+([\d.]+)", out)[0])


def _rates(ours: str, rival: str, **headers: str) -> tuple[list[float], list[float]]:
    """Both in turn."""
    mine, theirs = [], []
    for _ in range(ROUNDS):
        mine.append(requests_per_second(ours, **headers))
        theirs.append(requests_per_second(rival))
    return sorted(mine), sorted(theirs)


def _rate_line(measure: str, rates: tuple[list[float], list[float]], rival: str, candidate: str, least: float) -> Line:
    mine, theirs = (rate[len(rate) // 2] for rate in rates)
    spans = [f"{rate[0]:.0f}-{rate[-1]:.0f}" for rate in rates]
    ratio = mine / theirs
    return Line(
        measure, f"{mine:.0f}/s ({spans[0]})", f"{theirs:.0f}/s ({spans[1]}) {rival}", ratio, candidate, ratio >= least
    )


def lists(made: Any) -> list[Line]:
    """Lists with 400 containers in 20 networks, which stand already, and 80 empty networks more."""
    populate(made, 80, 0, first=20)
    base, front = f"http://127.0.0.1:{PORT}", f"http://127.0.0.1:{HAPROXY_PORT}"
    authorization = {"Authorization": HEADERS["Authorization"]}
    containers = f"{base}/v1/containers?limit=1000"
    with haproxy(made), service(made, BRIDGEWORK_WORKERS="2") as live:
        for path in ("/v1/containers?limit=1000", "/v1/networks?limit=1000"):
            for _ in range(4):
                live.json("GET", path)
        found = [
            _rate_line("GET /v1/containers?limit=1000, 400 containers",
                       _rates(containers, f"{front}/containers/json?all=1", **authorization),
                       "haproxy → engine's list", "10 times", 10),
            _rate_line("GET /v1/networks?limit=1000, 100 networks",
                       _rates(f"{base}/v1/networks?limit=1000", f"{front}/networks", **authorization),
                       "haproxy → engine's list", "0.25 of its rate", 0.25),
        ]  # fmt: skip
        _, body, headers = live.call("GET", "/v1/containers?limit=1000")
        found.append(
            _rate_line("conditional GET, unchanged",
                       _conditional(containers, headers["ETag"], **authorization), "the same, unconditional",
                       "3 times", 3)
        )  # fmt: skip
        known = {"If-None-Match": headers["ETag"]}
        assert live.call("GET", "/v1/containers?limit=1000", **known)[0] == 304
        client = in_turn(
            100,
            conditional=lambda: live.call("GET", "/v1/containers?limit=1000", **known),
            plain=lambda: live.json("GET", "/v1/containers?limit=1000"),
        )
        gain = client["plain"].median / client["conditional"].median
        found.append(
            Line("the same, by a client that reads the JSON, p50", shown(client["conditional"]),
                 f"{shown(client['plain'])} unconditional", gain, "", None)
        )  # fmt: skip
    with bare_flask(len(body)):
        rates = _conditional(f"http://127.0.0.1:{FLASK_PORT}/", "x")
        bare = _rate_line("a bare Flask view, as many bytes: 304", rates, "the same, 200", "", 0)
        found.append(replace(bare, met=None))
    return found


def _conditional(url: str, etag: str, **headers: str) -> tuple[list[float], list[float]]:
    """With the tag and without, in turn."""
    conditional, plain = [], []
    for _ in range(ROUNDS):
        conditional.append(requests_per_second(url, If_None_Match=etag, **headers))
        plain.append(requests_per_second(url, **headers))
    return sorted(conditional), sorted(plain)


def single(made: Any) -> list[Line]:
    """One network, and the topology, on an idle machine."""
    client = docker.DockerClient(base_url=made.docker_host)
    raw = http.client.HTTPConnection("127.0.0.1", HAPROXY_PORT)

    def engine_list() -> None:
        raw.request("GET", "/containers/json?all=1")
        raw.getresponse().read()

    with haproxy(made), service(made) as live:
        live.json("GET", "/v1/topology")
        one = in_turn(
            300, ours=lambda: live.json("GET", "/v1/networks/bnet0"), sdk=lambda: client.networks.get("bnet0")
        )
        topology = in_turn(100, ours=lambda: live.call("GET", "/v1/topology"), engine=engine_list)
        memory = live.worker_memory_mib()
        started = live.start_s
    ratio = one["sdk"].median / one["ours"].median
    faster = topology["engine"].median / topology["ours"].median
    return [
        Line("GET /v1/networks/{network}, p50", shown(one["ours"]), f"{shown(one['sdk'])} SDK's networks.get", ratio,
             "at most even", ratio >= 1),
        Line("topology JSON, 400 containers, warm", shown(topology["ours"]),
             f"{shown(topology['engine'])} the engine's container list", faster, "at most half", faster >= 2),
        Line("memory of a worker at 400 containers", f"{memory:.0f} MiB", "", None, "under 120 MiB", memory < 120),
        Line("start to first answer", f"{started:.2f} s", "", None, "under 1.5 s", started < 1.5),
    ]  # fmt: skip


def changes(made: Any) -> list[Line]:
    """Create, connect, disconnect, delete: through the service and through the SDK, in turn."""
    api = docker.APIClient(base_url=made.docker_host)
    target = api.create_container("busybox", ["sleep", "100000"], name="changed", stop_signal="SIGKILL")["Id"]
    api.start(target)
    pool = docker.types.IPAMPool(subnet="10.250.7.0/24")

    with service(made) as live:

        def ours() -> None:
            body = {"name": "changing", "ipam": {"pools": [{"subnet": "10.250.7.0/24"}]}}
            live.json("POST", "/v1/networks", body)
            live.json("PUT", f"/v1/networks/changing/endpoints/{target}", {})
            live.json("DELETE", f"/v1/networks/changing/endpoints/{target}")
            live.json("DELETE", "/v1/networks/changing")

        def sdk() -> None:
            made_id = api.create_network("changing", ipam=docker.types.IPAMConfig(pool_configs=[pool]))["Id"]
            api.connect_container_to_network(target, made_id)
            api.disconnect_container_from_network(target, made_id)
            api.remove_network(made_id)

        ours()
        samples = in_turn(12, ours=ours, sdk=sdk)
    api.remove_container(target, force=True)
    ratio = samples["ours"].median / samples["sdk"].median
    return [
        Line("create, connect, disconnect, delete", shown(samples["ours"]), f"{shown(samples['sdk'])} the SDK",
             1 / ratio, "at most 1.15 of its time", ratio <= 1.15)
    ]  # fmt: skip


__all__ = ["changes", "lists", "single", "timed"]
