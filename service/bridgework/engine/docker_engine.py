"""The Docker engine behind the port ``bridgework.model.engine_port.Engine``.

The engine may be absent when the service starts, and a restart may replace it by another version. So its version is
read when the first connection is made, and again after it was unreachable.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Generator, Mapping
from http.client import HTTPException
from typing import Any

from bridgework.engine.client import EngineAddress, LazyClient, open_http
from bridgework.engine.commands import Commands, SdkClient
from bridgework.engine.connection import engine_pid, get_once
from bridgework.engine.errors import TABLE, Row
from bridgework.engine.event_log import log_query, read_event
from bridgework.engine.facts import is_elsewhere, is_podman, negotiate, read_facts
from bridgework.engine.faults import SHAPE_ERRORS, expected_shape, patience, too_slow, unexpected, unreachable
from bridgework.engine.images import is_known
from bridgework.engine.podman import limits
from bridgework.engine.podman.errors import PODMAN_TABLE
from bridgework.engine.podman.host import host_thread
from bridgework.engine.podman.limits import lacking, rootless
from bridgework.engine.podman.source import PodmanSource
from bridgework.engine.snapshot_source import SnapshotSource
from bridgework.model.create_specs import ContainerSpec, EndpointSpec, NetworkSpec
from bridgework.model.engine_port import EngineEvent, EngineFacts
from bridgework.model.errors import BridgeworkError, EngineUnreachable, NotFound
from bridgework.model.probe_port import Place
from bridgework.model.snapshot import Container, Snapshot

_OK, _NOT_FOUND = 200, 404

# How long a subscriber waits for news before it can notice that its own client has gone.
HEARTBEAT_S = 1.0


class _Session:
    """What depends on the engine's version."""

    def __init__(
        self,
        address: EngineAddress,
        versions: tuple[str, tuple[int, int]],
        timeout_s: float,
        threads: int,
        *,
        podman: bool,
    ) -> None:
        api_version, engine_api = versions
        self.prefix = f"/v{api_version}"
        self.podman = podman
        source = PodmanSource if podman else SnapshotSource
        self.source = source(address, self.prefix, timeout_s, engine_api)
        # One connection for each thread of the worker, and two for work outside of requests.
        self.client = LazyClient(SdkClient, address, api_version, timeout_s, pool_size=threads + 2)
        self.facts: EngineFacts | None = None
        self.facts_generation = -1
        self.is_elsewhere: bool | None = None


class DockerEngine(Commands):
    """Implements ``Engine``; safe to use from any thread of one process."""

    def __init__(self, address: EngineAddress, *, timeout_s: float = 20.0, threads: int = 16) -> None:
        super().__init__(address, timeout_s)
        self._threads = threads
        self._made: _Session | None = None
        self._lock = threading.Lock()

    def snapshot(self, asked_ns: int | None = None) -> Snapshot:
        """See ``SnapshotSource.snapshot``."""
        try:
            return self._session().source.snapshot(asked_ns)
        except EngineUnreachable:
            self._made = None  # the engine that comes back may be another version
            raise

    @property
    def calls(self) -> int:
        """The number of engine calls that snapshots took so far (tests count them)."""
        return self._made.source.calls if self._made else 0

    def counters(self) -> dict[str, int]:
        """Return what the snapshots of this session counted: reads, rebuilds and queries of the event log."""
        source = self._made.source if self._made else None
        if source is None:
            return {}
        return {"reads": source.calls, "rebuilds": source.rebuilds, "log_queries": source.log_queries}

    def pid(self) -> int | None:
        """Return the engine's process as this machine numbers it; ``None`` when it cannot be seen."""
        made = self._made
        if made is not None and self._is_elsewhere(made):
            return None
        pid = (made.source.engine_pid() if made else None) or engine_pid(self.address)
        return host_thread(pid) if made is not None and made.podman and pid is not None else pid

    def _is_elsewhere(self, session: _Session) -> bool:
        """Whether the process at the engine's socket is not in the namespace of the engine's networks."""
        if session.is_elsewhere is None:
            try:
                status, body = get_once(self.address, min(2.0, self._timeout_s), f"{session.prefix}/info")
                session.is_elsewhere = status == _OK and is_elsewhere(json.loads(body))
            except (BridgeworkError, *SHAPE_ERRORS):
                return False  # the next call asks again
        return session.is_elsewhere

    def ping(self) -> None:
        """See ``Engine``. Takes two seconds at most."""
        # /version needs no API version in its path, so any engine answers it.
        status, body = get_once(self.address, min(2.0, self._timeout_s), "/version")
        if status != _OK:
            raise unexpected("/version", status, body)
        with expected_shape("GET /version"):
            version = json.loads(body)
            negotiate(version)
        if is_podman(version):
            self._require_rootful()

    def facts(self) -> EngineFacts:
        """See ``Engine``."""
        session = self._session()
        # An engine that was started again may have other settings, or be another release.
        generation = session.source.generation
        # Two threads may read the facts at the same time; both read the same.
        if session.facts is None or session.facts_generation not in {-1, generation}:
            info, version = self._get(f"{session.prefix}/info"), self._get("/version")
            with expected_shape("GET /info"):
                # Without an id the answer is not that of an engine; the other fields may be missing.
                session.facts = read_facts({**info, "ID": info["ID"]}, version)
        session.facts_generation = generation
        return session.facts

    def network_endpoint_ids(self, network_id: str) -> Mapping[str, str]:
        """See ``Engine``."""
        # The inspection of a network lists endpoints whose container is gone, too; the container list does not.
        gone = NotFound(code="network-not-found", detail="The network no longer exists.")
        raw = self._get(f"{self._session().prefix}/networks/{network_id}", missing=gone)
        with expected_shape("GET /networks"):
            return {key: value.get("Name") or "" for key, value in (raw.get("Containers") or {}).items()}

    def has_image(self, image: str) -> bool:
        """See ``Engine``."""
        # An image's name must never become a path of the engine's API, so the list of all images answers.
        images = self._get(f"{self._session().prefix}/images/json")
        with expected_shape("GET /images"):
            return is_known(images, image)

    def place_of(self, snapshot: Snapshot, container: Container) -> Place:
        """See ``Engine``."""
        # A container in mode container:X has no handle of its own, but a process, which is in the namespace meant.
        owner = snapshot.network_owner_of(container)
        path = container.namespace_path or (owner.namespace_path if owner and owner.running else None)
        return Place(
            container_id=container.id,
            name=container.name,
            pid=container.pid,
            namespace_path=path,
            resolver_path=container.resolver_path,
            hosts_path=container.hosts_path,
        )

    def host_place(self, snapshot: Snapshot) -> Place:
        """See ``Engine``."""
        # Where the engine's process is not seen, its handle "default" beside those of its containers leads there.
        folder = None if self._session().podman else snapshot.namespaces_folder
        return Place(
            container_id=None,
            name="host",
            pid=self.pid() or 0,
            namespace_path=f"{folder}/default" if folder else None,
            # Read below the root of the engine's process where that is visible, else below this machine's.
            resolver_path="/etc/resolv.conf",
            hosts_path="/etc/hosts",
        )

    def events_since(self, since_ns: int) -> list[EngineEvent]:
        """See ``Engine``."""
        session = self._session()
        if session.podman:
            raise lacking("event log that shows every change")
        query = log_query(since_ns, time.time_ns())
        status, body = get_once(self.address, self._timeout_s, f"{session.prefix}/events", query)
        if status != _OK:
            raise unexpected("/events", status, body)
        with expected_shape("GET /events"):
            return [read_event(json.loads(line)) for line in body.splitlines() if line]

    def subscribe(self) -> Generator[bool]:
        """See ``Engine``."""
        # Only the arrival of bytes counts: the engine drops lines of the stream for a slow reader.
        connection = open_http(self.address, self._timeout_s)
        try:
            connection.request("GET", f"{self._session().prefix}/events")
            response = connection.getresponse()
            if response.status != _OK:
                raise unexpected("/events", response.status, response.read())
            sock: socket.socket | None = connection.sock
            if sock is not None:
                sock.settimeout(HEARTBEAT_S)
            # Before this, the stream was not open: a change may have been missed, so the log is read once.
            yield True
            while True:
                yield _has_news(sock)
        except (HTTPException, OSError) as error:
            raise unreachable(self.address.url, str(error) or "the event stream broke") from error
        finally:
            connection.close()

    def _api(self) -> SdkClient:
        return self._session().client.get()

    def _session(self) -> _Session:
        made = self._made
        if made is not None:
            return made
        # With a timeout: while an engine hangs, all threads would wait here one after another.
        if not self._lock.acquire(timeout=patience(self._timeout_s)):
            raise too_slow(self._timeout_s)
        try:
            made = self._made
            if made is None:
                version = self._get("/version")
                podman = is_podman(version)
                if podman:
                    self._require_rootful()
                made = self._made = _Session(
                    self.address, negotiate(version), self._timeout_s, self._threads, podman=podman
                )
            return made
        finally:
            self._lock.release()

    def require_supported(self, spec: NetworkSpec | EndpointSpec | ContainerSpec) -> None:
        """See ``Engine``."""
        if self._session().podman:
            limits.require_supported(spec)

    def _table(self) -> tuple[Row, ...]:
        made = self._made
        return (*PODMAN_TABLE, *TABLE) if made is not None and made.podman else TABLE

    def _require_rootful(self) -> None:
        """Raise ``NotSupported`` before a Podman without root."""
        if self._get("/info").get("Rootless"):
            raise rootless()

    def _get(self, path: str, *, missing: NotFound | None = None) -> Any:
        status, body = get_once(self.address, self._timeout_s, path)
        if status == _NOT_FOUND and missing is not None:
            raise missing
        if status != _OK:
            raise unexpected(path, status, body)
        with expected_shape(f"GET {path}"):
            return json.loads(body)


def _has_news(sock: socket.socket | None) -> bool:
    """Wait one heartbeat for bytes and return whether any came. Raises ``OSError`` when the other side closed."""
    if sock is None:
        # http.client gives up its socket where a proxy closes after each answer. Then the log is read each second.
        time.sleep(HEARTBEAT_S)
        return True
    # What the bytes say does not matter: the log is read anyway.
    try:
        piece = sock.recv(65536)
    except TimeoutError:
        return False
    if not piece:
        raise ConnectionResetError("the event stream ended")
    return True
