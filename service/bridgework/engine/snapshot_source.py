"""The snapshot source: one snapshot for each worker, strictly fresh, brought up to date only by what changed.

How it is both fast and never stale (measured; see ARCHITECTURE.md, "Freshness"):

1. The engine writes a change into its event log before the changing call returns. So one bounded query of the log
   (0.13 ms) says whether the snapshot in hand still stands. An event names its object: that one is read anew.
2. The log holds 256 events. Continuity is proven only when the answer still holds the newest event seen before
   (the anchor) and the connection did not break; otherwise everything is read anew.
3. Concurrent changes may enter the log slightly out of the order of their times, so each query reaches
   ``OVERLAP_NS`` behind the one before, or to the anchor, and lines already seen are skipped. A line that is later
   still hides the anchor, since the engine reads backwards to the first older line (moby, daemon/events): see 2.
4. A container that does not run can change without an event, and the container list lacks its aliases and its error.
   So each such container is inspected at each proof, in one pipelined batch, and read anew when the answer differs.
5. Removing a config-only network writes no event: while there are such networks, their list is asked for too.
6. A proof holds for everybody who asked before it began: whoever waits for one that is under way shares the next.

Decides nothing about Docker's meaning; never answers from a snapshot it could not prove.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from bridgework.engine.connection import SHAPE_ERRORS, EngineAddress, EngineConnection, patience, too_slow
from bridgework.engine.gateways import with_gateways
from bridgework.engine.reading import read_container, read_network, time_ns_of
from bridgework.model.assembly import assembled, with_containers, with_networks
from bridgework.model.errors import EngineMisbehaved, plainly
from bridgework.model.snapshot import Container, Network, Snapshot

OVERLAP_NS = 1_000_000_000
ROUNDED_NS = 512
"""Docker 29 tells API versions before 1.52 a container event's time as a float64, up to 128 ns too late."""
_OK, _NOT_FOUND = 200, 404
LOG_LIMIT = 256
_CONFIGURATIONS = json.dumps({"driver": ["null"], "type": ["custom"]})
_SILENT_ACTIONS = ("exec_", "top", "attach", "archive-path", "extract-to-dir", "export", "copy", "resize")


class SnapshotSource:
    """Answers ``snapshot()``; safe to call from any thread. ``calls``, ``rebuilds`` and ``log_queries`` count."""

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
        self._ahead_ns = 0
        self._prefix = api_prefix
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._configurations: set[str] = set()
        self._not_running: dict[str, bytes] = {}
        self._snapshot: Snapshot | None = None
        self._generation = -1
        self._proven_ns = 0
        self._anchor: tuple[int, bytes] | None = None
        self._settled_ns = 0
        self._log_raw = b""
        self._seen: dict[bytes, int] = {}
        self.calls = self.rebuilds = self.log_queries = 0

    def snapshot(self, asked_ns: int | None = None) -> Snapshot:
        """The engine's state, holding every change acknowledged before ``asked_ns`` (``time.monotonic_ns``), else now.

        Raises ``EngineUnreachable``, ``EngineTooSlow`` or ``EngineMisbehaved``.
        """
        asked_ns = asked_ns or time.monotonic_ns()
        if not self._lock.acquire(timeout=patience(self._timeout_s)):
            raise too_slow(self._timeout_s)
        try:
            if self._snapshot is not None and self._proven_ns > asked_ns:
                return self._snapshot
            begun_ns = time.monotonic_ns()
            self._snapshot = self._freshened()
            self._proven_ns = begun_ns
        except SHAPE_ERRORS as error:
            self._snapshot = None
            raise EngineMisbehaved(
                code="engine-answered-strangely", detail=f"The engine's answer makes no sense: {plainly(error)}."
            ) from error
        except BaseException:
            self._snapshot = None
            raise
        else:
            return self._snapshot
        finally:
            self._lock.release()

    def engine_pid(self) -> int | None:
        """The engine's process, by the connection of the last proof; ``None`` when that says nothing."""
        return self._connection.peer_pid()

    def _freshened(self) -> Snapshot:
        if self._snapshot is None:
            return self._rebuilt()
        lines = self._log_lines()
        if lines is None:
            return self._rebuilt()
        return self._updated(self._snapshot, self._remember(lines))

    def _rebuilt(self) -> Snapshot:
        """Read the world: the log's position first, so that a change made meanwhile is applied again later."""
        self.rebuilds += 1
        self._anchor, self._seen = None, {}
        self._ahead_ns = self._engine_ahead_ns()
        lines = self._log_lines(anew=True)
        self._remember(lines or [])
        self._configurations, self._not_running = set(), {}
        networks = [self._network_read(raw) for raw in self._list("/networks")]
        listed = {raw["Id"] for raw in self._list("/containers/json", {"all": "1"})}
        containers = self._containers_now(listed, assembled(networks, ()))
        self._generation = self._connection.generation
        return assembled(networks, filter(None, containers.values()))

    def _engine_ahead_ns(self) -> int:
        """How far a remote engine's clock is ahead of ours, at most; the log is asked for by the engine's time."""
        if self._local:
            return 0
        sent_ns = time.time_ns()
        said = str(self._read("/info")["SystemTime"])
        return time_ns_of(said) - sent_ns

    def _log_lines(self, *, anew: bool = False) -> list[bytes] | None:
        """The log's lines around and after the anchor; ``None`` when continuity cannot be proven."""
        self.log_queries += 1
        since_ns = self._reach_ns()
        now_ns = time.time_ns() + self._ahead_ns
        if self._anchor and not anew and now_ns < self._anchor[0]:
            return None  # the clock was set back: what is written now may carry an older time than the anchor
        raw = self._read_raw("/events", {"since": _timestamp(since_ns), "until": _timestamp(now_ns)})
        self._settled_ns = now_ns - OVERLAP_NS
        if raw == self._log_raw and not anew and self._connection.generation == self._generation:
            return []
        self._log_raw = raw
        lines = [line for line in raw.split(b"\n") if line]
        if anew:
            return lines
        if self._connection.generation != self._generation:
            return None
        if self._anchor is None:
            return lines if len(lines) < LOG_LIMIT else None
        return lines if self._anchor[1] in lines else None

    def _reach_ns(self) -> int:
        """Since when to ask: nothing older than this can be new. The engine reads its log backwards, as far as this.

        So it must not be newer than any line behind the anchor, or the engine would stop before it came to that. What
        the engine compares are exact times, and what it told us may be rounded up.
        """
        if self._anchor is None:
            return 0
        lines = list(self._seen)
        behind_ns = [self._seen[line] for line in lines[lines.index(self._anchor[1]) :]]
        return min(self._settled_ns, *behind_ns) - ROUNDED_NS

    def _remember(self, lines: list[bytes]) -> list[dict[str, Any]]:
        """Take new lines for seen and answer them, parsed; the newest by time becomes the anchor."""
        fresh = {line: json.loads(line) for line in lines if line not in self._seen}
        for line, event in fresh.items():
            moment = int(event["timeNano"])
            if self._anchor is None or moment >= self._anchor[0]:
                self._anchor = (moment, line)
        if fresh:
            self._seen = {line: int(fresh[line]["timeNano"]) if line in fresh else self._seen[line] for line in lines}
        return list(fresh.values())

    def _updated(self, snapshot: Snapshot, events: list[dict[str, Any]]) -> Snapshot:
        """Read anew what the events name, and what may have changed without one."""
        networks, containers = _named_by(events)
        networks |= self._vanished_configurations()
        if networks:
            networks_now = self._networks_now(sorted(networks))
            containers |= _naming(snapshot, networks_now)
            snapshot = with_networks(snapshot, networks_now)
        if any(event["Action"] == "rename" for event in events):
            # The engine tells a link by the current name of its target, and no event names the linking container.
            containers |= {container.id for container in snapshot.containers if container.links}
        now = self._containers_now(containers, snapshot)
        return with_containers(snapshot, now) if now else snapshot

    def _vanished_configurations(self) -> set[str]:
        """Config-only networks that were removed, which the engine does without an event."""
        if not self._configurations:
            return set()
        return self._configurations - {raw["Id"] for raw in self._list("/networks", {"filters": _CONFIGURATIONS})}

    def _networks_now(self, network_ids: Iterable[str]) -> dict[str, Network | None]:
        """Read them anew; ``None`` where one is gone."""
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
        """The named containers, and those that do not run and changed; ``None`` where one is gone, or is a helper.

        A named one is read anew even if its answer is as before: its network's name may mean another network now.
        """
        now: dict[str, Container | None] = {}
        for container_id, (status, body) in self._inspected(sorted(named | self._not_running.keys())):
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
        """Each container with the status and the body of its inspection."""
        self.calls += len(container_ids)
        paths = [f"{self._prefix}/containers/{container_id}/json" for container_id in container_ids]
        answers = self._connection.get_each(paths)
        for path, (status, body) in zip(paths, answers, strict=True):
            _require_known(path, status, body)
        return list(zip(container_ids, answers, strict=True))

    def _list(self, path: str, query: dict[str, str] | None = None) -> list[Any]:
        found = self._read(path, query)
        if not isinstance(found, list):
            message = f"{path} is no list"
            raise TypeError(message)
        return found

    def _read(self, path: str, query: dict[str, str] | None = None) -> Any:
        return json.loads(self._read_raw(path, query))

    def _read_raw(self, path: str, query: dict[str, str] | None = None) -> bytes:
        status, body = self._ask(path, query)
        if status != _OK:
            raise strange(path, status, body)
        return body

    def _ask(self, path: str, query: dict[str, str] | None = None) -> tuple[int, bytes]:
        self.calls += 1
        status, body = self._connection.get(self._prefix + path, query)
        _require_known(path, status, body)
        return status, body


def _named_by(events: Iterable[dict[str, Any]]) -> tuple[set[str], set[str]]:
    """The networks and containers that events name."""
    networks: set[str] = set()
    containers: set[str] = set()
    for event in events:
        actor = event.get("Actor") or {}
        if event["Type"] == "network":
            networks.add(actor.get("ID", ""))
            containers.add((actor.get("Attributes") or {}).get("container", ""))
        elif event["Type"] == "container" and not event["Action"].startswith(_SILENT_ACTIONS):
            containers.add(actor.get("ID", ""))
    return networks - {""}, containers - {""}


def _naming(snapshot: Snapshot, now: Mapping[str, Network | None]) -> set[str]:
    """Containers without a place in a network of the same name as one that came or went: that one may be meant now."""
    known = snapshot.networks_by_id
    names = {(network or known[key]).name for key, network in now.items() if (network is None) == (key in known)}
    if not names:
        return set()
    return {
        container.id
        for container in snapshot.containers
        if any(e.network_name in names and e.state == "configured" for e in container.endpoints)
    }


def strange(path: str, status: int, body: bytes) -> EngineMisbehaved:
    """The error for an answer that the engine's API does not promise."""
    words = body[:200].decode(errors="replace")
    return EngineMisbehaved(
        code="engine-answered-strangely", detail=f"The engine answered {status} to GET {path}: {words}"
    )


def _require_known(path: str, status: int, body: bytes) -> None:
    if status not in {_OK, _NOT_FOUND}:
        raise strange(path, status, body)


def _timestamp(moment_ns: int) -> str:
    return f"{moment_ns // 1_000_000_000}.{moment_ns % 1_000_000_000:09d}"
