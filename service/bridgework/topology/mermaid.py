"""A topology in Mermaid's language (flowchart), for pages that draw it themselves.

A name can be anything that an engine accepts. So each character that could have a meaning in Mermaid is written as
``#<code point>;``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from bridgework.model.topology_graph import Topology
from bridgework.printable import printable
from bridgework.topology.grouping import DEFAULT_FOLD, Group, Picture, Tie, lay_out

_PLAIN = re.compile(r"[^A-Za-z0-9 .,:/()\-]")
_SHORT = 12
_LINK = "link of the host"
_CLASSES = (
    "classDef network fill:#dbe9f6,stroke:#4a6785",
    "classDef internal fill:#fdebc8,stroke:#b7791f,stroke-width:3px",
    "classDef host fill:#e2e2e2,stroke:#555",
    "classDef stopped fill:#fff,stroke:#888,color:#666,stroke-dasharray:4 3",
    "classDef gone fill:#fbe3e3,stroke:#c62828,color:#c62828,stroke-dasharray:4 3",
    "classDef more fill:none,stroke:none",
)
_ARROWS = {"plain": "---", "dashed": "-.-", "faint": "---", "broken": "==>"}


def to_mermaid(topology: Topology, *, fold: int | None = DEFAULT_FOLD) -> str:
    """Return ``text/vnd.mermaid``; groups of more than ``fold`` containers are folded, ``None`` folds nothing."""
    picture = lay_out(topology, fold)
    names = _identifiers(picture)
    lines = ["flowchart LR"]
    lines += (f"  {names[link.id]}{_label(link.name, (_LINK,))}:::host" for link in picture.interfaces)
    for group in picture.groups:
        lines += (f"  {line}" for line in _group(group, names))
    broken = [str(index) for index, tie in enumerate(picture.ties) if tie.style == "broken"]
    lines += (f"  {_tie(tie, names)}" for tie in picture.ties)
    if broken:
        lines.append(f"  linkStyle {','.join(broken)} stroke:#c62828,color:#c62828")
    return "\n".join([*lines, *(f"  {row}" for row in _CLASSES), ""])


def _group(group: Group, names: Mapping[str, str]) -> Iterator[str]:
    members = [
        f"{names[member.id]}{_label(member.name, member.lines)}{'' if member.running else ':::stopped'}"
        for member in group.members
    ]
    if group.hidden:
        more = f"… and {group.hidden} more" if group.members else f"{group.hidden} containers"
        members.append(f"{names[group.more_id]}{_label(more, ())}:::more")
    if group.title is None:
        yield from members
        return
    title = group.title
    look = "gone" if title.attributes.get("gone") else "internal" if title.attributes.get("internal") else title.kind
    yield f'subgraph g_{names[title.id]}[" "]'
    yield f"  {names[title.id]}{_label(title.name, group.lines)}:::{look}"
    yield from (f"  {member}" for member in members)
    yield "end"


def _tie(tie: Tie, names: Mapping[str, str]) -> str:
    label = f'|"{_escape(tie.label)}"|' if tie.label else ""
    ends = (tie.source, tie.target) if tie.style == "broken" else (tie.target, tie.source)
    return f"{names[ends[0]]} {_ARROWS[tie.style]}{label} {names[ends[1]]}"


def _label(name: str, lines: Iterable[str]) -> str:
    return '["' + ("<br/>".join(_escape(line) for line in (name, *lines) if line) or " ") + '"]'


def _escape(text: str) -> str:
    return _PLAIN.sub(lambda match: f"#{ord(match.group())};", printable(text))


def _identifiers(picture: Picture) -> dict[str, str]:
    ids = [interface.id for interface in picture.interfaces]
    for group in picture.groups:
        ids += [group.id, group.more_id, *(member.id for member in group.members)]
    # The first digits of a Docker id where they are unique: Mermaid refuses texts of more than 50,000 characters.
    short: dict[str, list[str]] = {}
    for identity in ids:
        short.setdefault(_word(identity)[: _SHORT + 2], []).append(identity)
    return {i: key if len(owners) == 1 else _word(i) for key, owners in short.items() for i in owners}


def _word(identity: str) -> str:
    """Return a word of ASCII letters, digits and underscores: unique for the id, and no keyword of Mermaid."""
    return "n" + re.sub(r"[^A-Za-z0-9]", lambda match: f"_{ord(match.group()):x}_", identity)
