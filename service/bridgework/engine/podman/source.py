"""Fresh snapshots of Podman: everything is read again for each proof.

Podman's event log proves nothing: a query with ``since`` and ``until`` answered 0 to 2 of 14 lines (5.4.2).
"""

from __future__ import annotations

import json
from typing import Any

from bridgework.engine.faults import unexpected
from bridgework.engine.podman.reading import read_networks, read_podman_container
from bridgework.engine.snapshot_source import SnapshotSource
from bridgework.model.assembly import assembled
from bridgework.model.snapshot import Snapshot

# The oldest version of Podman's own API that Podman 5 speaks.
NATIVE = "/v4.0.0/libpod"
_OK = 200


class PodmanSource(SnapshotSource):
    """As ``SnapshotSource``, without the event log."""

    def _freshened(self) -> Snapshot:
        self.rebuilds += 1
        # Containers come first: then each network that one of them is in is listed, unless it was removed meanwhile.
        listed = sorted(raw["Id"] for raw in self._list("/containers/json", {"all": "1"}))
        inspected = [json.loads(body) for _, (status, body) in self._inspected(listed) if status == _OK]
        native = self._native_networks()
        networks = read_networks(self._list("/networks"), native, self._engine_api)
        named = frozenset(raw["id"] for raw in native if raw.get("dns_enabled"))
        known = assembled(networks, ())
        containers = [read_podman_container(raw, known, named) for raw in inspected]
        snapshot = assembled(networks, [container for container in containers if not container.is_helper])
        # The same object where nothing changed: serialised answers are cached with the snapshot.
        return self._snapshot if snapshot == self._snapshot and self._snapshot is not None else snapshot

    def _native_networks(self) -> list[Any]:
        self.calls += 1
        status, body = self._connection.get(f"{NATIVE}/networks/json")
        if status != _OK:
            raise unexpected("/libpod/networks/json", status, body)
        networks = json.loads(body)
        if not isinstance(networks, list):
            message = "/libpod/networks/json is no list"
            raise TypeError(message)
        return networks
