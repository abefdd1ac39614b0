"""What the engine itself knows of its swarm: read when asked, since neither peers nor nodes write events.

``verbose`` is the engine's word for its NetworkDB: every endpoint of an overlay network, with the node that holds it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bridgework.engine.connection import EngineAddress, EngineConnection
from bridgework.engine.snapshot_source import strange
from bridgework.model.peers import Holder, Membership, Node, OverlayGossip

_OK, _NOT_FOUND, _NO_MANAGER = 200, 404, 503
_PREFIX = "/v1.44"


class EngineSwarm:
    """Implements ``bridgework.model.peers.Swarm``; safe to use from any thread."""

    def __init__(self, address: EngineAddress, timeout_s: float = 20.0) -> None:
        self._address = address
        self._timeout_s = timeout_s

    def membership(self) -> Membership:
        """From ``GET /info``."""
        swarm = (self._get("/info") or {}).get("Swarm") or {}
        if swarm.get("LocalNodeState") != "active":
            return Membership()
        return Membership(
            swarm.get("NodeID") or None, swarm.get("NodeAddr") or None, manager=bool(swarm.get("ControlAvailable"))
        )

    def members(self) -> tuple[Node, ...]:
        """From ``GET /nodes``, which only a manager with a quorum answers."""
        return tuple(_node(raw) for raw in self._get("/nodes") or ())

    def gossip(self, network_id: str) -> OverlayGossip | None:
        """From ``GET /networks/{id}?verbose=true``."""
        raw = self._get(f"/networks/{network_id}", {"verbose": "true"})
        if raw is None:
            return None
        tasks = [task for service in (raw.get("Services") or {}).values() for task in service.get("Tasks") or ()]
        return OverlayGossip(
            tuple(sorted(peer["IP"] for peer in raw.get("Peers") or ())),
            tuple(sorted((_holder(task) for task in tasks), key=lambda held: (held.name, held.endpoint_id))),
        )

    def _get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        connection = EngineConnection(self._address, self._timeout_s)
        try:
            status, body = connection.get(_PREFIX + path, query)
        finally:
            connection.close()
        if status in {_NOT_FOUND, _NO_MANAGER}:
            return None
        if status != _OK:
            raise strange(path, status, body)
        return json.loads(body)


def _holder(task: Mapping[str, Any]) -> Holder:
    return Holder(
        task.get("Name") or "",
        task.get("EndpointIP") or "",
        task.get("EndpointID") or "",
        (task.get("Info") or {}).get("Host IP") or "",
    )


def _node(raw: Mapping[str, Any]) -> Node:
    description, status = raw.get("Description") or {}, raw.get("Status") or {}
    return Node(
        id=raw["ID"],
        hostname=description.get("Hostname") or "",
        address=status.get("Addr") or None,
        engine_version=(description.get("Engine") or {}).get("EngineVersion") or None,
        state=status.get("State") or "unknown",
        manager=(raw.get("Spec") or {}).get("Role") == "manager",
    )
