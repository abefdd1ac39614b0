"""The layout of a picture, independent of its language: groups, folded members, and ties.

A container is in the group of its only network. A container on several networks is in a group with those on the same
networks, with a tie to each. A sharer is in the group of the container whose network it shares. A group larger than
``fold`` shows its first members, those with a broken tie before the others, and the number of hidden ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bridgework.model.topology_graph import HOST_ID, Edge, Node, Topology

DEFAULT_FOLD = 20
BROKEN_SHARES = frozenset({"stale", "owner-down", "owner-gone"})
TieStyle = Literal["plain", "dashed", "faint", "broken"]
_PORTS_SHOWN = 2
_MORE = "more:"


@dataclass(frozen=True, slots=True)
class Member:
    """A container as it is drawn: its name, and lines below it (addresses, ports, state)."""

    id: str
    name: str
    lines: tuple[str, ...]
    running: bool


@dataclass(frozen=True, slots=True)
class Group:
    """A network or the host (``title``) with its containers; without a title, containers on several networks."""

    id: str
    title: Node | None
    lines: tuple[str, ...]
    members: tuple[Member, ...]
    hidden: int

    @property
    def more_id(self) -> str:
        """The id of the stand-in for the hidden members."""
        return f"{_MORE}{self.id}"


@dataclass(frozen=True, slots=True)
class Tie:
    """A line between two things that are drawn."""

    source: str
    target: str
    label: str
    style: TieStyle


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that is drawn, in a stable order."""

    groups: tuple[Group, ...]
    interfaces: tuple[Node, ...]
    ties: tuple[Tie, ...]


def lay_out(topology: Topology, fold: int | None = DEFAULT_FOLD) -> Picture:
    """Lay out a picture; ``fold=None`` hides nothing."""
    nodes = {node.id: node for node in topology.nodes}
    homes = _homes(nodes, topology.edges)
    small_print = _small_print(nodes, topology.edges)
    ranks = _ranks(topology.edges)
    settled: dict[tuple[str, ...], list[Node]] = {}
    for node in sorted(topology.nodes, key=_as_people_count):
        if node.kind == "container":
            settled.setdefault(homes[node.id], []).append(node)
    titles = [(node.id,) for node in topology.nodes if _is_title(node, settled)]
    groups, stand_ins = [], {}
    for key in [*titles, *sorted(settled.keys() - set(titles))]:
        residents = settled.get(key, [])
        shown = _shown(residents, ranks, fold)
        title = nodes[key[0]] if len(key) == 1 else None
        members = tuple(_member(node, small_print) for node in residents if node.id in shown)
        group = Group("+".join(key), title, _title_lines(title), members, len(residents) - len(members))
        stand_ins.update({node.id: group.more_id for node in residents if node.id not in shown})
        groups.append(group)
    ties = _ties(topology.edges, nodes, homes, stand_ins)
    return Picture(tuple(groups), tuple(n for n in topology.nodes if n.kind == "interface"), tuple(ties))


def _as_people_count(node: Node) -> tuple[list[tuple[str, int]], str]:
    """Return a sort key that puts ``web2`` before ``web10``."""
    parts = re.findall(r"([^0-9]*)([0-9]{0,18})", node.name)
    return [(text, int(digits or -1)) for text, digits in parts], node.id


def _is_title(node: Node, settled: Mapping[tuple[str, ...], Any]) -> bool:
    """Return whether the node has a group of its own."""
    # Docker's networks "host" and "none" have no bridge: the host itself is drawn, and "none" only if it is used.
    if node.kind == "network" and node.attributes.get("driver") in {"host", "null"}:
        return (node.id,) in settled
    return node.kind in {"host", "network"}


def _homes(nodes: Mapping[str, Node], edges: Iterable[Edge]) -> dict[str, tuple[str, ...]]:
    direct: dict[str, set[str]] = {node.id: set() for node in nodes.values() if node.kind == "container"}
    owners: dict[str, str] = {}
    for edge in edges:
        if edge.kind == "shares-network":
            owners[edge.source] = edge.target
        elif edge.source in direct:
            on_host = nodes[edge.target].attributes.get("driver") == "host"
            direct[edge.source].add(HOST_ID if on_host else edge.target)
    return {container_id: tuple(sorted(direct[_end_of_chain(container_id, owners)])) for container_id in direct}


def _end_of_chain(container_id: str, owners: Mapping[str, str]) -> str:
    visited_ids = {container_id}
    while (owner := owners.get(container_id)) and owner not in visited_ids:
        visited_ids.add(owner)
        container_id = owner
    return container_id


def _ranks(edges: Iterable[Edge]) -> dict[str, int]:
    """Return which containers are shown first: 0 for the ends of a broken tie, 1 for those of a whole one."""
    ranks: dict[str, int] = {}
    for edge in edges:
        if edge.kind == "shares-network":
            rank = 0 if edge.attributes["share_state"] in BROKEN_SHARES else 1
            for end in (edge.source, edge.target):
                ranks[end] = min(rank, ranks.get(end, rank))
    return ranks


def _shown(residents: list[Node], ranks: Mapping[str, int], fold: int | None) -> set[str]:
    if fold is not None and len(residents) > fold + 1:
        residents = sorted(residents, key=lambda node: ranks.get(node.id, 2))[: max(0, fold)]
    return {node.id for node in residents}


def _small_print(nodes: Mapping[str, Node], edges: Iterable[Edge]) -> dict[str, list[str]]:
    """Return the addresses of each container; where it has several networks, each with its network's name."""
    edges_by_container: dict[str, list[Edge]] = {}
    for edge in edges:
        if edge.kind == "endpoint":
            edges_by_container.setdefault(edge.source, []).append(edge)
    return {
        container: [_address_of(edge) + (f" on {nodes[edge.target].name}" if len(ends) > 1 else "") for edge in ends]
        for container, ends in edges_by_container.items()
    }


def _address_of(edge: Edge) -> str:
    addresses = filter(None, (edge.attributes["ipv4_address"], edge.attributes["ipv6_address"]))
    return " · ".join(addresses)


def _member(node: Node, small_print: Mapping[str, list[str]]) -> Member:
    ports = list(node.attributes.get("published_ports", ()))
    hidden = len(ports) - _PORTS_SHOWN
    ports = ports[:_PORTS_SHOWN] + ([f"and {hidden} more"] if hidden > 0 else [])
    state = node.attributes["state"]
    lines = [*small_print.get(node.id, ()), *ports, *([] if state == "running" else [state])]
    return Member(node.id, node.name, tuple(filter(None, lines)), bool(node.attributes["running"]))


def _title_lines(title: Node | None) -> tuple[str, ...]:
    if title is None or title.kind == "host":
        return ()
    if title.attributes.get("gone"):
        return ("gone",)
    facts = title.attributes
    kind = f"{facts['driver']}, internal" if facts["internal"] else str(facts["driver"])
    return tuple(filter(None, (kind, *facts["subnets"], facts["bridge_name"])))


def _ties(
    edges: Iterable[Edge], nodes: Mapping[str, Node], homes: Mapping[str, tuple[str, ...]], stand_ins: Mapping[str, str]
) -> Iterator[Tie]:
    drawn = set()
    for edge in edges:
        if nodes[edge.source].kind == "container" and homes[edge.source] == (_place(edge, nodes),):
            continue  # its place inside the group shows it
        source, target = (stand_ins.get(end, end) for end in (edge.source, edge.target))
        tie = Tie(source, _place_of(target, nodes), _label(edge), _style(edge))
        if source != target and tie not in drawn:
            drawn.add(tie)
            yield tie


def _place(edge: Edge, nodes: Mapping[str, Node]) -> str | None:
    return None if edge.kind == "shares-network" else _place_of(edge.target, nodes)


def _place_of(target: str, nodes: Mapping[str, Node]) -> str:
    is_host = target in nodes and nodes[target].kind == "network" and nodes[target].attributes.get("driver") == "host"
    return HOST_ID if is_host else target


def _label(edge: Edge) -> str:
    if edge.kind != "shares-network":
        return ""
    state = edge.attributes["share_state"]
    return f"shares network ({state})" if state in BROKEN_SHARES else "shares network"


def _style(edge: Edge) -> TieStyle:
    if edge.kind == "shares-network":
        return "broken" if edge.attributes["share_state"] in BROKEN_SHARES else "plain"
    if edge.kind == "endpoint":
        return "dashed" if edge.attributes["state"] == "configured" else "plain"
    return "faint"
