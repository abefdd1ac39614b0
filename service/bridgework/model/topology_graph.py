"""A topology as values: nodes, edges and the filter of a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

NodeKind = Literal["container", "host", "interface", "network"]
EdgeKind = Literal["endpoint", "host-link", "shares-network", "uplink"]
HOST_ID = "host"


@dataclass(frozen=True, slots=True)
class Node:
    """A container, a network, the host or an interface of the host.

    ``id`` is the engine's full id, ``host`` or ``interface:<name>``.
    """

    id: str
    kind: NodeKind
    name: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Edge:
    """A connection from ``source`` to ``target``, both ids of nodes.

    ``endpoint``: a container in a network; ``shares-network``: a container in another's namespace; ``host-link``: a
    bridge or a host-mode container on the host; ``uplink``: the host's default route, or a macvlan's parent.
    """

    source: str
    target: str
    kind: EdgeKind
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Topology:
    """The graph, sorted, so that equal states have equal graphs."""

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()


@dataclass(frozen=True, slots=True)
class TopologyFilter:
    """What a topology is narrowed to; ``links`` adds the veths of the host."""

    network: str | None = None
    label: str | None = None
    project: str | None = None
    links: bool = False
