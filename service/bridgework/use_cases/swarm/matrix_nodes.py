"""A matrix over several nodes: each instance measures the rows of its own containers, all of them at once.

What an instance does not deliver, since it is silent or falls silent midway, is a row of ``inconclusive`` and a gap
with the node's name: never ``unreachable``.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from bridgework.model import references
from bridgework.model.check_request import WantedMatrix
from bridgework.model.errors import NotFound, plainly
from bridgework.model.peers import Gap, Peers, PeerSilent, RemoteEnd, RemoteRow
from bridgework.model.snapshot import Container, NodePlace, Snapshot
from bridgework.telemetry import trace_context
from bridgework.use_cases.services import Services
from bridgework.use_cases.swarm import nodes as swarm
from bridgework.use_cases.swarm.nodes import World

LINE_MARGIN_S = 10.0
ALIVE_EVERY_S = 1.0
PAIRS_PER_SECOND = 1000
"""Far below what a sweep does; a row that takes longer than this allows is not waited for."""

Delivered = RemoteRow | RemoteEnd | Gap
_UNKNOWN = NodePlace("unknown", "unknown", reachable=False)


def world_of_matrix(services: Services, snapshot: Snapshot, wanted: WantedMatrix) -> World:
    """Widened where a network reaches further than this engine, or a container is not of it."""
    if not swarm.beyond(services, snapshot):
        return World(snapshot)
    if wanted.network is not None:
        network = references.network(snapshot, wanted.network)
        wide = network.driver == "overlay" and not network.ingress
    else:
        wide = not all(swarm.knows(snapshot, reference) for reference in wanted.containers)
    return swarm.whole(services, snapshot) if wide else World(snapshot)


def container_of(snapshot: Snapshot, world: World, reference: str, *, forwarded: bool) -> Container:
    """The container meant. To a peer that asks, one that is not known here is a column all the same."""
    try:
        return swarm.find(snapshot, world, reference)
    except NotFound:
        if not forwarded:
            raise
        return Container(reference, reference[:12], node=_UNKNOWN)


def body_of(wanted: WantedMatrix, chosen: Sequence[Container]) -> dict[str, Any]:
    """The matrix in the words of the API, by full ids."""
    return {
        "containers": [container.id for container in chosen],
        "protocol": wanted.protocol.value,
        "port": wanted.port,
        "by": "name" if wanted.by_name else "address",
        "timeout_ms": wanted.timeout_ms,
        "max_packets_per_second": wanted.max_packets_per_second,
    }


@dataclass(slots=True)
class Elsewhere:
    """The rows that other nodes measure: begun before this node's own, collected after them."""

    peers: Peers
    body: dict[str, Any]
    nodes: dict[str, str]
    seconds: float
    _arrived: queue.SimpleQueue[Delivered | None] = field(default_factory=queue.SimpleQueue)
    _over: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> None:
        """Ask each node's instance, in a thread of its own."""
        for node_id, instance in self.nodes.items():
            threading.Thread(target=self._ask, args=(node_id, instance, trace_context.carried()), daemon=True).start()

    def delivered(self) -> Generator[Delivered | None]:
        """What comes, until the last instance has ended; ``None`` for a sign of life.

        Closing the iterator hangs up on all of them.
        """
        left = len(self.nodes)
        try:
            while left:
                try:
                    found = self._arrived.get(timeout=ALIVE_EVERY_S)
                except queue.Empty:
                    yield None
                    continue
                if found is None:
                    left -= 1
                else:
                    yield found
        finally:
            self._over.set()

    def _ask(self, node_id: str, instance: str, carried: Mapping[str, str]) -> None:
        trace_context.take(carried)
        try:
            with closing(self.peers.matrix(instance, self.body, self.seconds)) as rows:
                for row in rows:
                    if self._over.is_set():
                        return
                    self._arrived.put(row)
        except PeerSilent as silence:
            self._arrived.put(Gap(node_id, str(silence)))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            self._arrived.put(Gap(node_id, f"Its instance answers strangely: {plainly(error)}."))
        finally:
            self._arrived.put(None)


def elsewhere(services: Services, world: World, wanted: WantedMatrix, chosen: Sequence[Container]) -> Elsewhere | None:
    """The work for other nodes; ``None`` where there is none, or where a peer asks."""
    instances = dict(world.instances)
    on = {c.node.id for c in chosen if c.node is not None and not c.id.startswith(swarm.GOSSIPED)}
    nodes = {node_id: instances[node_id] for node_id in sorted(on & instances.keys())}
    if services.peers is None or wanted.forwarded or not nodes:
        return None
    at_work = min(len(chosen) ** 2 / PAIRS_PER_SECOND, wanted.deadline_ms / 1000)
    seconds = LINE_MARGIN_S + 2 * wanted.timeout_ms / 1000 + at_work
    return Elsewhere(services.peers, body_of(wanted, chosen), nodes, seconds)
