"""Plans: the answer over 400 containers of a real engine, and the difference over 10,000 endpoints of a made one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bench.core_scale import EACH
from bench.core_scale import engine as made_engine
from bench.measure import Line, in_turn, shown
from bench.stage import service
from bridgework.model.create_specs import EndpointSpec
from bridgework.model.snapshot import Snapshot
from bridgework.plans import changes
from bridgework.plans.difference import World, difference

ENDPOINTS = 10_000
ROUNDS = 5
PLAN_S, DIFFERENCE_S = 1.0, 3.0


def of_400(made: Any) -> list[Line]:
    """Plans before 400 containers in 20 networks, which stand already: the whole answer over HTTP."""
    connect = {"method": "PUT", "path": "/v1/networks/bnet19/endpoints/b0-0", "body": {}}
    delete = {"method": "DELETE", "path": "/v1/networks/bnet0?force=true", "body": None}
    stop = {"method": "POST", "path": "/v1/containers/b1-0/stop", "body": None}
    lines = []
    with service(made) as live:
        for what, calls in (("connect", [connect]), ("connect, delete a network, stop", [connect, delete, stop])):

            def ask(calls: list[Any] = calls) -> Any:
                return live.json("POST", "/v1/plans", {"changes": calls})

            if not ask()["possible"]:
                message = "the benchmark's own plan is not possible"
                raise RuntimeError(message)
            sample = in_turn(ROUNDS, ours=ask)["ours"]
            met = sample.median <= PLAN_S * 1000
            lines.append(Line(f"plan over 400 containers: {what}", shown(sample), "", None, "at most 1 s", met))
    return lines


def difference_of_10_000(_: Any) -> list[Line]:
    """The difference alone, in processor time, with the listening sockets of every container observed."""
    snapshot, seen = made_engine(ENDPOINTS, EACH)
    inside = {one: replace(found, interfaces=None) for one, found in seen.observations.inside.items()}
    observations = replace(seen.observations, host=None, inside=inside)

    def seconds(after: Snapshot) -> tuple[float, int]:
        began = time.process_time()
        found = difference(World(snapshot, observations), World(after, observations))
        return time.process_time() - began, len(found.pairs)

    lines = []
    for what, change in _CHANGES.items():
        took, pairs = min(seconds(change(snapshot)) for _ in range(3))
        lines.append(
            Line(f"difference over 10,000 endpoints: {what}", f"{took:.2f} s of processor time, {pairs:,} pairs", "",
                 None, "at most 3 s", took <= DIFFERENCE_S)
        )  # fmt: skip
    return lines


def _connected(snapshot: Snapshot) -> Snapshot:
    return changes.with_endpoint(snapshot, snapshot.networks[-1].id, snapshot.containers[0].id, EndpointSpec())


def _stopped(snapshot: Snapshot) -> Snapshot:
    return changes.stopped(snapshot, snapshot.containers[0].id)


def _without_network(snapshot: Snapshot) -> Snapshot:
    network = snapshot.networks[0]
    for endpoint in snapshot.endpoints_of(network):
        snapshot = changes.without_endpoint(snapshot, network.id, endpoint.container_id)
    return changes.without_network(snapshot, network.id)


_CHANGES: dict[str, Callable[[Snapshot], Snapshot]] = {
    "connect": _connected,
    "stop a container that publishes": _stopped,
    "delete a network of ten": _without_network,
}
