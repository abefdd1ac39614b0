"""The real engine behind core's port: the snapshot source, the commands and the event log, made lazily.

An engine may be absent at start and appear later, or be replaced by another version: whenever the first connection is
made (or made anew after a failure), its version is read once and everything else follows from it.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Generator, Mapping
from http.client import HTTPException
from typing import Any

from bridgework.engine.commands import Commands
from bridgework.engine.connection import (
    EngineAddress,
    EngineConnection,
    engine_pid,
    open_http,
    patience,
    sensible,
    too_slow,
    unreachable,
)
from bridgework.engine.facts import negotiate, read_facts
from bridgework.engine.images import is_known
from bridgework.engine.snapshot_source import SnapshotSource, strange
from bridgework.model.create_specs import ContainerSpec, EndpointSpec, NetworkSpec
from bridgework.model.engine_port import EngineEvent, EngineFacts
from bridgework.model.errors import EngineUnreachable, NotFound
from bridgework.model.probe_port import Place
from bridgework.model.snapshot import Container, Snapshot

_OK, _NOT_FOUND = 200, 404
HEARTBEAT_S = 1.0


class _Session:
    """What depends on the engine's version, made once it is known."""

    def __init__(
        self, address: EngineAddress, versions: tuple[str, tuple[int, int]], timeout_s: float, threads: int
    ) -> None:
        api_version, engine_api = versions
        self.api_version = api_version
        self.prefix = f"/v{api_version}"
        self.source = SnapshotSource(address, self.prefix, timeout_s, engine_api)
        self.commands = Commands(address, api_version, timeout_s, pool_size=threads + 2)
        self.facts: EngineFacts | None = None


class DockerEngine:
    """A Docker engine at ``address``; safe to use from any thread of one process."""

    def __init__(self, address: EngineAddress, *, timeout_s: float = 20.0, threads: int = 16) -> None:
        self.address = address
        self._timeout_s = timeout_s
        self._threads = threads
        self._made: _Session | None = None
        self._lock = threading.Lock()

    def snapshot(self, asked_ns: int | None = None) -> Snapshot:
        """See ``SnapshotSource.snapshot``."""
        try:
            return self._session().source.snapshot(asked_ns)
        except EngineUnreachable:
            self._made = None
            raise

    @property
    def calls(self) -> int:
        """How many engine calls the snapshots took so far (tests count them)."""
        return self._made.source.calls if self._made else 0

    def tally(self) -> dict[str, int]:
        """How often the snapshots of this session read, rebuilt themselves and asked the event log."""
        source = self._made.source if self._made else None
        if source is None:
            return {}
        return {"reads": source.calls, "rebuilds": source.rebuilds, "log_queries": source.log_queries}

    def pid(self) -> int | None:
        """The engine's process as this machine numbers it; ``None`` when it cannot be seen."""
        made = self._made
        return (made.source.engine_pid() if made else None) or engine_pid(self.address)

    def ping(self) -> None:
        """Raise unless an engine answers now, within two seconds, whose API this service speaks."""
        connection = EngineConnection(self.address, timeout_s=min(2.0, self._timeout_s))
        try:
            status, body = connection.get("/version")
        finally:
            connection.close()
        if status != _OK:
            raise strange("/version", status, body)
        with sensible("GET /version"):
            negotiate(json.loads(body))

    def facts(self) -> EngineFacts:
        """What the engine is; ``GET /info`` and ``GET /version`` once a session."""
        session = self._session()
        if session.facts is None:
            info, version = self._get(f"{session.prefix}/info"), self._get("/version")
            with sensible("GET /info"):
                session.facts = read_facts({**info, "ID": info["ID"]}, version)
        return session.facts

    def network_endpoint_ids(self, network_id: str) -> Mapping[str, str]:
        """The ``Containers`` of a network's inspection: id (or ``ep-…``) to name."""
        gone = NotFound(code="network-not-found", detail="The network is gone.")
        raw = self._get(f"{self._session().prefix}/networks/{network_id}", missing=gone)
        with sensible("GET /networks"):
            return {key: value.get("Name") or "" for key, value in (raw.get("Containers") or {}).items()}

    def has_image(self, image: str) -> bool:
        """Whether the engine has the image; asked of the list, since an image's name must never become a path."""
        images = self._get(f"{self._session().prefix}/images/json")
        with sensible("GET /images"):
            return is_known(images, image)

    def create_network(self, spec: NetworkSpec) -> str:
        """See ``Commands``."""
        return self._session().commands.create_network(spec)

    def remove_network(self, network_id: str) -> None:
        """See ``Commands``."""
        self._session().commands.remove_network(network_id)

    def connect(self, network_id: str, container_id: str, spec: EndpointSpec) -> None:
        """See ``Commands``."""
        self._session().commands.connect(network_id, container_id, spec)

    def disconnect(self, network_id: str, container_ref: str, *, force: bool = False) -> None:
        """See ``Commands``."""
        self._session().commands.disconnect(network_id, container_ref, force=force)

    def pull_image(self, image: str) -> None:
        """See ``Commands``."""
        self._session().commands.pull_image(image)

    def create_container(self, spec: ContainerSpec) -> str:
        """See ``Commands``."""
        return self._session().commands.create_container(spec)

    def start_container(self, container_id: str) -> None:
        """See ``Commands``."""
        self._session().commands.start_container(container_id)

    def stop_container(self, container_id: str, grace_s: int) -> None:
        """See ``Commands``."""
        self._session().commands.stop_container(container_id, grace_s)

    def restart_container(self, container_id: str, grace_s: int) -> None:
        """See ``Commands``."""
        self._session().commands.restart_container(container_id, grace_s)

    def unpause_container(self, container_id: str) -> None:
        """See ``Commands``."""
        self._session().commands.unpause_container(container_id)

    def rename_container(self, container_id: str, name: str) -> None:
        """See ``Commands``."""
        self._session().commands.rename_container(container_id, name)

    def remove_container(self, container_id: str, *, force: bool = False) -> None:
        """See ``Commands``."""
        self._session().commands.remove_container(container_id, force=force)

    def place_of(self, snapshot: Snapshot, container: Container) -> Place:
        """Where a probe from this container stands: in ``container:X`` it is its own process that tells the truth."""
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
        """The engine's own namespace: by its process, else by the ``default`` handle beside its containers'."""
        folder = snapshot.namespaces_folder
        return Place(
            container_id=None,
            name="host",
            pid=self.pid() or 0,
            namespace_path=f"{folder}/default" if folder else None,
            resolver_path="/etc/resolv.conf",
            hosts_path="/etc/hosts",
        )

    def events_since(self, since_ns: int) -> list[EngineEvent]:
        """What the log still holds, in its own order, which is not quite that of the times."""
        connection = EngineConnection(self.address, self._timeout_s)
        query = {"since": _timestamp(since_ns), "until": _timestamp(time.time_ns())}
        try:
            status, body = connection.get(f"{self._session().prefix}/events", query)
        finally:
            connection.close()
        if status != _OK:
            raise strange("/events", status, body)
        with sensible("GET /events"):
            return [read_event(json.loads(line)) for line in body.splitlines() if line]

    def subscribe(self) -> Generator[bool]:
        """The live stream, of which only the arrival of bytes counts: the engine drops lines for a slow reader."""
        connection = open_http(self.address, self._timeout_s)
        try:
            connection.request("GET", f"{self._session().prefix}/events")
            response = connection.getresponse()
            if response.status != _OK:
                raise strange("/events", response.status, response.read())
            sock: socket.socket | None = connection.sock
            if sock is not None:
                sock.settimeout(HEARTBEAT_S)
            yield True
            while True:
                yield _rings(sock)
        except (HTTPException, OSError) as error:
            raise unreachable(self.address, str(error) or "the event stream broke") from error
        finally:
            connection.close()

    def _session(self) -> _Session:
        made = self._made
        if made is not None:
            return made
        if not self._lock.acquire(timeout=patience(self._timeout_s)):
            raise too_slow(self._timeout_s)
        try:
            made = self._made
            if made is None:
                versions = negotiate(self._get("/version"))
                made = self._made = _Session(self.address, versions, self._timeout_s, self._threads)
            return made
        finally:
            self._lock.release()

    def _get(self, path: str, *, missing: NotFound | None = None) -> Any:
        connection = EngineConnection(self.address, self._timeout_s)
        try:
            status, body = connection.get(path)
        finally:
            connection.close()
        if status == _NOT_FOUND and missing is not None:
            raise missing
        if status != _OK:
            raise strange(path, status, body)
        with sensible(f"GET {path}"):
            return json.loads(body)


def _rings(sock: socket.socket | None) -> bool:
    """Whether anything came within a heartbeat. Raises ``OSError`` when the other side closed.

    A proxy that closes after each answer leaves no socket to wait at (http.client takes it away); then time rings.
    """
    if sock is None:
        time.sleep(HEARTBEAT_S)
        return True
    try:
        piece = sock.recv(65536)
    except TimeoutError:
        return False
    if not piece:
        raise ConnectionResetError("the event stream ended")
    return True


def read_event(raw: Mapping[str, Any]) -> EngineEvent:
    """One line of ``GET /events``."""
    actor = raw.get("Actor") or {}
    attributes = {str(key): str(value) for key, value in (actor.get("Attributes") or {}).items()}
    moment = int(raw["timeNano"])
    return EngineEvent(
        id=str(moment),
        time_ns=moment,
        kind=str(raw.get("Type") or ""),
        action=str(raw.get("Action") or ""),
        object_id=str(actor.get("ID") or ""),
        name=attributes.get("name", ""),
        attributes=attributes,
    )


def _timestamp(moment_ns: int) -> str:
    return f"{moment_ns // 1_000_000_000}.{moment_ns % 1_000_000_000:09d}"
