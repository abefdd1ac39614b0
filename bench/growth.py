"""How reads grow beyond what this machine can run: 400, 4,000 and 40,000 containers of made snapshots.

The whole way of a request but the engine: a stand-in at the engine's port hands out what a source does after one
container changed, a snapshot made from the one before, so that no kept answer is measured. What the engine itself
costs is counted, not timed: one call for each change.

Ten times the objects cost more than ten times as much once they no longer fit the processor's caches, whatever is done
with them. So the calls of functions are counted too, which no cache changes, and a bare pass over the same containers
is timed beside; they are told, and the goal is judged by time alone.
"""

from __future__ import annotations

import cProfile
import gc
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.core_scale import EACH
from bench.core_scale import engine as made_engine
from bench.measure import Line
from bench.stage import HEADERS, tokens_file
from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.model.assembly import with_containers
from bridgework.model.probe_port import RunnerStatus
from bridgework.model.snapshot import Snapshot
from bridgework.settings import Settings

SIZES = (400, 4_000, 40_000)
CROWDS = (10, 100, 1_000)
"""Containers in one network: a bridge takes 1,023."""
ROUNDS = 7
STEP = 10
LINEAR = 1.15
"""A step that costs up to this much more than its size counts as linear."""
BARE = "a bare pass over the same containers"
Times = dict[str, tuple[float, int]]
"""What was read → the seconds of processor time it took, and the calls of functions it made."""


class StandIn:
    """An engine's port where one container changes before each read, and a runner that can look nowhere."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._starts = 0

    def snapshot(self, _: int | None = None) -> Snapshot:
        """The snapshot before, with one container started anew."""
        self._starts += 1
        one = replace(self._snapshot.containers[0], started_at=f"2026-01-01T00:00:00.{self._starts:09}Z")
        self._snapshot = with_containers(self._snapshot, {one.id: one})
        return self._snapshot

    def host_place(self, _: Snapshot) -> None:
        """Nowhere."""

    def status(self) -> RunnerStatus:
        """Out of reach."""
        return RunnerStatus("unavailable", "made snapshots have no inside", ())

    def observe(self, *_: object) -> None:
        """Nothing."""

    def observe_host(self) -> None:
        """Nothing."""

    def firewall_state(self) -> None:
        """Nothing."""

    def read_firewall(self) -> None:
        """Nothing."""


def growth(_: Any) -> list[Line]:
    """One line for each kind of read."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(tokens_file=tokens_file(Path(folder)), rate_per_minute=10_000_000)
        return [
            *_lines([_times(size, EACH, settings) for size in SIZES], f"{_listed(SIZES)} containers"),
            *_lines([_times(size, size, settings) for size in CROWDS], f"{_listed(CROWDS)} containers in one network"),
        ]


def _listed(sizes: Sequence[int]) -> str:
    return ", ".join(f"{size:,}" for size in sizes)


def _lines(times: Sequence[Times], sizes: str) -> list[Line]:
    bare = _steps([found[BARE][0] for found in times])
    return [_line(f"{what}: {sizes}", [found[what] for found in times], bare) for what in times[0] if what != BARE]


def _times(size: int, each: int, settings: Settings) -> Times:
    """Of each read before ``size`` containers, ``each`` to a network; of a list its first page."""
    snapshot, _ = made_engine(size, each)
    stand_in: Any = StandIn(snapshot)
    app = create_app(settings, EngineAddress("unix:///nowhere"), engine=stand_in, runner=stand_in)
    client = app.test_client()

    def read(path: str) -> bytes:
        answer = client.get(path, headers=HEADERS)
        if answer.status_code != 200:
            raise RuntimeError(answer.get_data(as_text=True))
        return answer.get_data()

    first_pages = [json.loads(read(f"/v1/{what}?limit=1000"))["items"] for what in ("containers", "networks")]
    found = len(first_pages[0]), len(first_pages[1])
    del first_pages
    gc.collect()
    gc.freeze()
    if found != (min(size, 1000), min(size // each, 1000)):
        message = f"{size} containers, of which the first page shows {found}"
        raise RuntimeError(message)
    return {
        BARE: _timed(lambda: {one.id: [end.network_id for end in one.endpoints] for one in snapshot.containers}),
        "the first 1,000 containers": _timed(lambda: read("/v1/containers?limit=1000")),
        "the first 1,000 networks": _timed(lambda: read("/v1/networks?limit=1000")),
        "one network": _timed(lambda: read("/v1/networks/net0000")),
        "the topology": _timed(lambda: read("/v1/topology")),
    }


def _timed(read: Callable[[], object]) -> tuple[float, int]:
    """Seconds and calls. Garbage is looked for after an answer, as in a worker, and counts as part of it."""
    times = []
    for _ in range(ROUNDS):
        gc.disable()
        began = time.process_time()
        read()
        gc.enable()
        gc.collect(1)
        times.append(time.process_time() - began)
    with cProfile.Profile() as profile:
        read()
    return min(times), sum(row.callcount for row in profile.getstats())


def _steps(seconds: Sequence[float]) -> list[float]:
    return [later / earlier for earlier, later in pairwise(seconds)]


def _line(what: str, measured: Sequence[tuple[float, int]], bare: Sequence[float]) -> Line:
    steps, calls = _steps([seconds for seconds, _ in measured]), _steps([count for _, count in measured])
    shown = " → ".join(f"{seconds * 1000:.3g}" for seconds, _ in measured)
    times, more_calls, bare_times = (", ".join(f"{step:.3g}" for step in some) for some in (steps, calls, bare))
    return Line(
        what,
        f"{shown} ms of processor time",
        f"itself, steps of 10 times: {times} times the time, {more_calls} times the calls; {BARE}: {bare_times} times",
        None,
        "linear or better",
        all(step <= STEP * LINEAR for step in steps),
    )
