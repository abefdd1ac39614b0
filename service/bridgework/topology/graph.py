"""The shape of a topology: nodes, edges, and both as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

NodeKind = Literal["container", "host", "interface", "network"]
EdgeKind = Literal["endpoint", "host-link", "shares-network", "uplink"]
HOST_ID = "host"


@dataclass(frozen=True, slots=True)
class Node:
    """A thing. ``id`` is the engine's full id, ``host``, or ``interface:<name>`` of the host."""

    id: str
    kind: NodeKind
    name: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Edge:
    """A tie, from ``source`` to ``target``.

    ``endpoint``: a container in a network; ``shares-network``: a container in another's namespace; ``host-link``: a
    bridge or a host-mode container on the host; ``uplink``: the host's default route, or a macvlan's parent.
    """

    source: str
    target: str
    kind: EdgeKind
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Topology:
    """The graph, in its stable order."""

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
