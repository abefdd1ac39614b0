"""The snapshot source: one strictly fresh snapshot for each worker, brought up to date by what changed.

A snapshot is answered only when a proof that began after the question says that it still stands. A proof is one query
of the event log, and one inspection of each container that does not run, since such a container changes without an
event. Where the log cannot prove that nothing is missing, everything is read again. ARCHITECTURE.md, "Freshness", has
the measurements.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from bridgework.engine.client import EngineAddress
from bridgework.engine.connection import EngineConnection
from bridgework.engine.event_log import Event, EventLog
from bridgework.engine.faults import SHAPE_ERRORS, patience, too_slow, unexpected
from bridgework.engine.reading import read_container, read_network, time_ns_of
from bridgework.ipam.gateways import with_gateways
from bridgework.model.assembly import assembled, with_containers, with_networks
from bridgework.model.errors import EngineMisbehaved, plainly
from bridgework.model.event_log import SILENT_ACTIONS
from bridgework.model.snapshot import Container, Network, Snapshot

_OK, _NOT_FOUND = 200, 404
_CONFIGURATIONS = json.dumps({"driver": ["null"], "type": ["custom"]})


class SnapshotSource:
    """Answers ``snapshot()``; safe to call from any thread. ``calls``, ``rebuilds`` and ``log_queries`` count.

    ``api_prefix`` holds the negotiated API version; ``engine_api`` is the newest that the engine speaks.
    """

    def __init__(
        self,
        address: EngineAddress,
        api_prefix: str = "/v1.44",
        timeout_s: float = 10.0,
        engine_api: tuple[int, int] = (1, 44),
    ) -> None:
        self._engine_api = engine_api
        self._connection = EngineConnection(address, timeout_s)
        self._local = address.socket_path is not None
        self._prefix = api_prefix
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._log = EventLog(self._read_raw)
        # Ids of config-only networks, and the last inspection of each container that does not run.
        self._configurations: set[str] = set()
        self._not_running: dict[str, bytes] = {}
        self._snapshot: Snapshot | None = None
        self._generation = -1
        self._proven_ns = 0
        self.calls = self.rebuilds = 0

    @property
    def log_queries(self) -> int:
        """The number of queries of the event log."""
        return self._log.queries

    def snapshot(self, asked_ns: int | None = None) -> Snapshot:
        """Return the engine's state, with every change acknowledged before ``asked_ns`` (``time.monotonic_ns``) or now.

        Raises ``EngineUnreachable``, ``EngineTooSlow`` or ``EngineMisbehaved``.
        """
        asked_ns = asked_ns or time.monotonic_ns()
        # One proof at a time. While the engine hangs, a thread waits here no longer than for an answer.
        if not self._lock.acquire(timeout=patience(self._timeout_s)):
            raise too_slow(self._timeout_s)
        try:
            # A proof that began after this question holds for it too. So all who wait for a proof share the next one.
            if self._snapshot is not None and self._proven_ns > asked_ns:
                return self._snapshot
            begun_ns = time.monotonic_ns()
            self._snapshot = self._freshened()
            self._proven_ns = begun_ns
        except SHAPE_ERRORS as error:
            self._snapshot = None
            raise EngineMisbehaved(
                code="engine-answered-strangely", detail=f"The engine's answer is not understood: {plainly(error)}."
            ) from error
        except BaseException:
            self._snapshot = None  # It may be half updated; the log already counts the events as seen.
            raise
        else:
            return self._snapshot
        finally:
            self._lock.release()

    @property
    def generation(self) -> int:
        """The number of the connection over which the engine was last read as a whole; -1 before that."""
        return self._generation

    def engine_pid(self) -> int | None:
        """Return the engine's process, by the connection of the last proof; ``None`` when it cannot be known."""
        return self._connection.peer_pid()

    def _freshened(self) -> Snapshot:
        if self._snapshot is None:
            return self._rebuilt()
        events = self._log.news()
        # A new connection may lead to a restarted engine, whose log would hold nothing of what happened before.
        if events is None or self._connection.generation != self._generation:
            return self._rebuilt()
        return self._updated(self._snapshot, events)

    def _rebuilt(self) -> Snapshot:
        """Read everything: two lists, and one inspection for each container."""
        self.rebuilds += 1
        # The log comes first, so that a change during the reading is an event of the next proof.
        self._log.restart(self._engine_ahead_ns())
        self._configurations, self._not_running = set(), {}
        networks = [self._network_read(raw) for raw in self._list("/networks")]
        listed = {raw["Id"] for raw in self._list("/containers/json", {"all": "1"})}
        containers = self._containers_now(listed, assembled(networks, ()))
        self._generation = self._connection.generation
        return assembled(networks, filter(None, containers.values()))

    def _engine_ahead_ns(self) -> int:
        """Return how far a remote engine's clock is ahead of ours, at most."""
        if self._local:
            return 0
        sent_ns = time.time_ns()
        said = str(json.loads(self._read_raw("/info"))["SystemTime"])
        return time_ns_of(said) - sent_ns

    def _updated(self, snapshot: Snapshot, events: list[Event]) -> Snapshot:
        """Read again what the events name, and what may have changed without an event."""
        # An event says that a thing changed, not how. So the thing is read, and not computed from the event.
        networks, containers = _named_by(events)
        networks |= self._vanished_configurations()
        if networks:
            # Networks come first: the endpoints of a container that does not run are resolved by their names.
            networks_now = self._networks_now(sorted(networks))
            containers |= _naming(snapshot, networks_now)
            snapshot = with_networks(snapshot, networks_now)
        if any(event["Action"] == "rename" for event in events):
            # The engine reports a legacy link by the current name of its target, and the event names the target alone.
            containers |= {container.id for container in snapshot.containers if container.links}
        now = self._containers_now(containers, snapshot)
        # The same object where nothing changed: serialised answers are cached with the snapshot.
        return with_containers(snapshot, now) if now else snapshot

    def _vanished_configurations(self) -> set[str]:
        """Return the config-only networks that were removed: no engine up to Docker 29 writes an event for that."""
        if not self._configurations:
            return set()
        return self._configurations - {raw["Id"] for raw in self._list("/networks", {"filters": _CONFIGURATIONS})}

    def _networks_now(self, network_ids: Iterable[str]) -> dict[str, Network | None]:
        """Read the networks again; ``None`` where one is gone."""
        now: dict[str, Network | None] = {}
        for network_id in network_ids:
            self._configurations.discard(network_id)
            status, body = self._ask(f"/networks/{network_id}")
            now[network_id] = self._network_read(json.loads(body)) if status == _OK else None
        return now

    def _network_read(self, raw: dict[str, Any]) -> Network:
        network = with_gateways(read_network(raw, self._engine_api), self._engine_api)
        if network.config_only:
            self._configurations.add(network.id)
        return network

    def _containers_now(self, named: AbstractSet[str], snapshot: Snapshot) -> dict[str, Container | None]:
        """Read the named containers, and those that do not run and changed; ``None`` where one is gone or a helper."""
        now: dict[str, Container | None] = {}
        # A container that does not run can be connected without an event (Docker 26 to 29). The container list would
        # show less (no aliases, no error) and cost more: 375 ms for 400 on Docker 29, 16 ms for their inspections.
        for container_id, (status, body) in self._inspected(sorted(named | self._not_running.keys())):
            # A named one is read even if its body is as before: its network's name may mean another network now.
            if container_id not in named and self._not_running[container_id] == body:
                continue
            container = read_container(json.loads(body), snapshot) if status == _OK else None
            self._not_running.pop(container_id, None)
            if container is not None and not container.running:
                self._not_running[container_id] = body
            if container_id in named or container != snapshot.containers_by_id.get(container_id):
                now[container_id] = None if container is None or container.is_helper else container
        return now

    def _inspected(self, container_ids: list[str]) -> list[tuple[str, tuple[int, bytes]]]:
        """Return each container with the status and the body of its inspection."""
        self.calls += len(container_ids)
        paths = [f"{self._prefix}/containers/{container_id}/json" for container_id in container_ids]
        answers = self._connection.get_each(paths)
        for path, (status, body) in zip(paths, answers, strict=True):
            _require_known(path, status, body)
        return list(zip(container_ids, answers, strict=True))

    def _list(self, path: str, query: Mapping[str, str] | None = None) -> list[Any]:
        items = json.loads(self._read_raw(path, query))
        # An object would be iterated by its keys, and fail later and less clearly.
        if not isinstance(items, list):
            message = f"{path} is no list"
            raise TypeError(message)
        return items

    def _read_raw(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        status, body = self._ask(path, query)
        if status != _OK:
            raise unexpected(path, status, body)
        return body

    def _ask(self, path: str, query: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        self.calls += 1
        status, body = self._connection.get(self._prefix + path, query)
        _require_known(path, status, body)
        return status, body


def _named_by(events: Iterable[Event]) -> tuple[set[str], set[str]]:
    """Return the ids of the networks and containers that events name."""
    networks: set[str] = set()
    containers: set[str] = set()
    for event in events:
        actor = event.get("Actor") or {}
        # A connect or disconnect is an event of the network, with the container among its attributes.
        if event["Type"] == "network":
            networks.add(actor.get("ID", ""))
            containers.add((actor.get("Attributes") or {}).get("container", ""))
        elif event["Type"] == "container" and not event["Action"].startswith(SILENT_ACTIONS):
            containers.add(actor.get("ID", ""))
    return networks - {""}, containers - {""}


def _naming(snapshot: Snapshot, now: Mapping[str, Network | None]) -> set[str]:
    """Return the containers whose configured endpoint names a network that came or went.

    A container that does not run keeps the name of a network, not its id. So it may mean the network that came.
    """
    known = snapshot.networks_by_id
    names = {(network or known[key]).name for key, network in now.items() if (network is None) == (key in known)}
    if not names:
        return set()
    return {
        container.id
        for container in snapshot.containers
        if any(e.network_name in names and e.state == "configured" for e in container.endpoints)
    }


def _require_known(path: str, status: int, body: bytes) -> None:
    # 404 is an answer: the thing is gone. Every other status leaves its state unknown.
    if status not in {_OK, _NOT_FOUND}:
        raise unexpected(path, status, body)
