"""A topology as text that other programs draw: Graphviz (``dot`` makes SVG of it) and Mermaid."""

from __future__ import annotations

from bridgework.topology import graphviz, mermaid
from bridgework.topology.build import Topology
from bridgework.topology.grouping import DEFAULT_FOLD, lay_out


def to_graphviz(topology: Topology, *, fold: int | None = DEFAULT_FOLD) -> str:
    """``text/vnd.graphviz``; groups of more than ``fold`` containers are folded, ``None`` folds nothing."""
    return graphviz.render(lay_out(topology, fold))


def to_mermaid(topology: Topology, *, fold: int | None = DEFAULT_FOLD) -> str:
    """``text/vnd.mermaid``, folded likewise."""
    return mermaid.render(lay_out(topology, fold))
