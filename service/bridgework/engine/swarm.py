"""What the engine itself knows of its swarm, read at each question: changes of peers and nodes write no events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bridgework.engine.client import EngineAddress
from bridgework.engine.connection import get_once
from bridgework.engine.faults import unexpected
from bridgework.model.peers import Holder, Membership, Node, OverlayGossip

_OK, _NOT_FOUND, _NO_MANAGER = 200, 404, 503

# The oldest version that the service speaks has everything here, and a fixed one needs no negotiation.
_PREFIX = "/v1.44"


class EngineSwarm:
    """Implements ``bridgework.model.peers.Swarm``; safe to use from any thread."""

    def __init__(self, address: EngineAddress, timeout_s: float = 20.0) -> None:
        self._address = address
        self._timeout_s = timeout_s

    def membership(self) -> Membership:
        """See ``Swarm``; from ``GET /info``."""
        swarm = (self._get("/info") or {}).get("Swarm") or {}
        # "pending", "error" and "locked" are no membership that anything can be asked about.
        if swarm.get("LocalNodeState") != "active":
            return Membership()
        return Membership(
            swarm.get("NodeID") or None, swarm.get("NodeAddr") or None, manager=bool(swarm.get("ControlAvailable"))
        )

    def members(self) -> tuple[Node, ...]:
        """See ``Swarm``; from ``GET /nodes``, which only a manager with a quorum answers."""
        return tuple(_node(raw) for raw in self._get("/nodes") or ())

    def gossip(self, network_id: str) -> OverlayGossip | None:
        """See ``Swarm``; from ``GET /networks/{id}?verbose=true``."""
        # "verbose" adds the engine's NetworkDB: every endpoint of the overlay network, with the node that holds it.
        raw = self._get(f"/networks/{network_id}", {"verbose": "true"})
        if raw is None:
            return None
        # A container that is no task of a service is listed too, under the service "".
        tasks = [task for service in (raw.get("Services") or {}).values() for task in service.get("Tasks") or ()]
        return OverlayGossip(
            tuple(sorted(peer["IP"] for peer in raw.get("Peers") or ())),
            tuple(sorted((_holder(task) for task in tasks), key=lambda held: (held.name, held.endpoint_id))),
        )

    def _get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        status, body = get_once(self._address, self._timeout_s, _PREFIX + path, query)
        # A worker node answers 503 to questions for a manager.
        if status in {_NOT_FOUND, _NO_MANAGER}:
            return None
        if status != _OK:
            raise unexpected(path, status, body)
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
