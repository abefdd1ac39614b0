"""A topology in Graphviz's language: the host at the left, each network a box with its containers.

A name can be anything that an engine accepts. So every text goes through ``_text``, which makes an HTML-like label
(Graphviz, "HTML-Like Labels"): only ``& < > "`` have a meaning in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from html import escape
from math import ceil, sqrt

from bridgework.model.topology_graph import Topology
from bridgework.printable import printable
from bridgework.topology.grouping import DEFAULT_FOLD, Group, Member, Tie, lay_out

_HEAD = """digraph bridgework {
  graph [rankdir=LR, nodesep=0.12, ranksep=0.3, ordering=out, fontname="Helvetica", pad=0.3];
  node [shape=box, style="rounded,filled", fillcolor=white, color="#4a6785", fontname="Helvetica", fontsize=11,
        height=0.3, margin="0.10,0.05"];
  edge [fontname="Helvetica", fontsize=9, color="#4a6785", arrowsize=0.6];
"""
_NETWORK = 'style="filled", fillcolor="#dbe9f6"'
_INTERNAL = 'style="filled,bold", fillcolor="#fdebc8", color="#b7791f", peripheries=2'
_HOST = 'style="filled", fillcolor="#e2e2e2", color="#555555"'
_GONE = 'style="filled,dashed", fillcolor="#fbe3e3", color="#c62828", fontcolor="#c62828"'
_STOPPED = 'style="rounded,dashed", color="#888888", fontcolor="#666666"'
_TIES = {
    "plain": "dir=none",
    "dashed": 'dir=none, style=dashed, color="#888888"',
    "faint": 'dir=none, color="#bbbbbb"',
    "broken": 'dir=back, color="#c62828", fontcolor="#c62828", penwidth=2',
}
_COLUMN_BIAS = 1.6
_LINK = "link of the host"


def to_graphviz(topology: Topology, *, fold: int | None = DEFAULT_FOLD) -> str:
    """Return ``text/vnd.graphviz``; groups of more than ``fold`` containers are folded, ``None`` folds nothing."""
    picture = lay_out(topology, fold)
    lines = [_HEAD.rstrip("\n")]
    lines += (
        f"  {_id(interface.id)} [label={_text(interface.name, (_LINK,))}, {_HOST}];" for interface in picture.interfaces
    )
    for group in picture.groups:
        lines += (f"  {line}" for line in _group(group))
    free = {member.id for group in picture.groups if group.title is None for member in group.members}
    lines += (f"  {_tie(tie, free)}" for tie in picture.ties)
    return "\n".join([*lines, "}", ""])


def _group(group: Group) -> Iterator[str]:
    members = [_member(member) for member in group.members]
    if group.hidden:
        more = f"… and {group.hidden} more" if group.members else f"{group.hidden} containers"
        members.append(f'{_id(group.more_id)} [label={_text("", (more,))}, shape=plaintext, style=""];')
    title = _title(group)
    if title is None:
        yield from members
        return
    yield f"subgraph {_id('cluster:' + group.id)} {{"
    yield '  style="rounded,filled"; color="#cbd5e0"; fillcolor="#f7fafc"; margin=10;'
    yield f"  {title}"
    yield from (f"  {member}" for member in members)
    yield from (f"  {edge} [style=invis];" for edge in _grid(group))
    yield "}"


def _title(group: Group) -> str | None:
    node = group.title
    if node is None:
        return None
    look = _HOST if node.kind == "host" else _GONE if node.attributes.get("gone") else _NETWORK
    if node.attributes.get("internal"):
        look = _INTERNAL
    return f"{_id(node.id)} [label={_text(node.name, group.lines)}, {look}];"


def _member(member: Member) -> str:
    look = "" if member.running else f", {_STOPPED}"
    return f"{_id(member.id)} [label={_text(member.name, member.lines)}{look}];"


def _grid(group: Group) -> Iterator[str]:
    """Yield invisible edges that lay the members of a box out as columns, about as wide as high.

    The first column is tied to the title, each other one to the column before.
    """
    ids = [member.id for member in group.members] + ([group.more_id] if group.hidden else [])
    columns = max(1, ceil(sqrt(len(ids) / _COLUMN_BIAS)))
    rows = ceil(len(ids) / columns)
    # The last member comes first: in a graph from left to right, dot stacks nodes from the bottom up.
    for position, member in reversed(list(enumerate(ids))):
        left = ids[position - rows] if position >= rows else group.id
        yield f"{_id(left)} -> {_id(member)}"


def _tie(tie: Tie, free: Collection[str]) -> str:
    """Return an edge from left to right."""
    # An edge that ends in a box must not push the columns of the box apart.
    label = f", label={_text('', (tie.label,))}" if tie.label else ""
    loose = "" if tie.source in free or tie.style == "faint" else ", constraint=false"
    return f"{_id(tie.target)} -> {_id(tie.source)} [{_TIES[tie.style]}{label}{loose}];"


def _id(identity: str) -> str:
    return '"' + printable(identity).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text(name: str, lines: Iterable[str]) -> str:
    rows = [f"<B>{_escape(name)}</B>"] if name else []
    rows += [f'<FONT POINT-SIZE="9">{_escape(line)}</FONT>' for line in lines if line]
    return f"<{'<BR/>'.join(rows) or ' '}>"


def _escape(text: str) -> str:
    return escape(printable(text))
