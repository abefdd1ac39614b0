"""A matrix over several nodes: each instance measures the rows of its own containers, all instances at once.

A row that an instance does not deliver is ``inconclusive``, never ``unreachable``, and its node is a gap: whether the
instance was silent from the start or fell silent midway.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from bridgework.model import references
from bridgework.model.checks import WantedMatrix
from bridgework.model.errors import plainly
from bridgework.model.peers import Delivered, Gap, World
from bridgework.model.snapshot import Container, Snapshot
from bridgework.peers import survey
from bridgework.peers.http_client import PeerSilent
from bridgework.peers.instances import Instances
from bridgework.peers.remote_check import knows
from bridgework.peers.survey import Sources
from bridgework.telemetry import trace_context

LINE_MARGIN_S = 10.0
ALIVE_EVERY_S = 1.0
PAIRS_PER_SECOND = 1000
"""Far below the rate of a sweep, so an instance whose next row takes longer than this allows is given up."""


def world_of_matrix(sources: Sources, snapshot: Snapshot, request: WantedMatrix) -> World:
    """See ``Peers``."""
    if request.network is not None:
        network = references.network(snapshot, request.network)
        wide = network.driver == "overlay" and not network.ingress
    else:
        wide = not all(knows(snapshot, reference) for reference in request.containers)
    return survey.whole(sources, snapshot) if wide else World(snapshot)


def begin_rows(sources: Sources, world: World, request: WantedMatrix, chosen: Sequence[Container]) -> Rows:
    """Let the node of each chosen container begin with its rows; none where the matrix was forwarded here."""
    on = {c.node.id for c in chosen if c.node is not None and not c.id.startswith(survey.GOSSIPED)}
    asked = {node_id: world.instances[node_id] for node_id in sorted(on & world.instances.keys())}
    if sources.instances is None or request.forwarded:
        return Rows()
    at_work = min(len(chosen) ** 2 / PAIRS_PER_SECOND, request.deadline_ms / 1000)
    seconds = LINE_MARGIN_S + 2 * request.timeout_ms / 1000 + at_work
    rows = Rows()
    resolved = replace(request, containers=tuple(container.id for container in chosen), network=None, everything=False)
    rows.begin(sources.instances, asked, sources.matrix_body(resolved), seconds)
    return rows


@dataclass(slots=True)
class Rows:
    """Implements ``bridgework.model.peers.RemoteRows``: one thread for each instance, one queue for all of them."""

    _left: int = 0
    _arrived: queue.SimpleQueue[Delivered | None] = field(default_factory=queue.SimpleQueue)
    _closed: threading.Event = field(default_factory=threading.Event)

    def begin(self, instances: Instances, asked: Mapping[str, str], body: Mapping[str, Any], seconds: float) -> None:
        """Ask each node's instance (``asked`` maps node ids to ``host:port``) in a thread of its own."""
        carried = trace_context.carried()
        self._left = len(asked)
        for node_id, instance in asked.items():
            arguments = (instances, node_id, instance, body, seconds, carried)
            threading.Thread(target=self._ask, args=arguments, daemon=True).start()

    def __iter__(self) -> Iterator[Delivered | None]:
        """See ``RemoteRows``. An instance puts ``None`` into the queue when it has ended."""
        while self._left:
            try:
                arrived = self._arrived.get(timeout=ALIVE_EVERY_S)
            except queue.Empty:
                yield None
                continue
            if arrived is None:
                self._left -= 1
            else:
                yield arrived

    def close(self) -> None:
        """See ``RemoteRows``. Each thread closes its connection at the next row."""
        self._closed.set()

    def _ask(
        self,
        instances: Instances,
        node_id: str,
        instance: str,
        body: Mapping[str, Any],
        seconds: float,
        carried: Mapping[str, str],
    ) -> None:
        trace_context.take(carried)
        try:
            with closing(instances.matrix(instance, body, seconds)) as rows:
                for row in rows:
                    if self._closed.is_set():
                        return
                    self._arrived.put(row)
        except PeerSilent as silence:
            self._arrived.put(Gap(node_id, str(silence)))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            self._arrived.put(Gap(node_id, f"The answer of its instance cannot be read: {plainly(error)}."))
        finally:
            self._arrived.put(None)
