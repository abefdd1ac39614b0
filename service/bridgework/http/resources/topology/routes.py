"""The route of the topology: ``/v1/topology``, as JSON, Graphviz, Mermaid or SVG."""

from __future__ import annotations

import subprocess

from flask import Response

from bridgework.http.contract import Media, RequestContext, Resource, ViewResult
from bridgework.http.problems.documents import HttpProblem
from bridgework.http.resources.nodes import is_forwarded
from bridgework.http.resources.topology.schemas import TopologyQuery, TopologySchema
from bridgework.model.peers import Gap
from bridgework.model.topology_graph import TopologyFilter
from bridgework.topology.graphviz import to_graphviz
from bridgework.topology.mermaid import to_mermaid
from bridgework.use_cases import diagnosis

RESOURCE = Resource("diagnostics")
GRAPHVIZ, MERMAID, SVG = "text/vnd.graphviz", "text/vnd.mermaid", "image/svg+xml"


DRAWING_LIMIT_S = 20


@RESOURCE.get(
    "/v1/topology",
    TopologySchema,
    Media(GRAPHVIZ, "The graph in the language of Graphviz (`dot`)."),
    Media(MERMAID, "The graph in the language of Mermaid."),
    Media(SVG, "The graph as a picture, drawn by Graphviz."),
    query=TopologyQuery(),
    cached=True,
    problems={400: "ambiguous-reference", 404: "network-not-found", 503: "drawing-failed"},
)
def get_topology(context: RequestContext) -> ViewResult | Response:
    """Get the topology of the engine.

    The answer shows networks, containers, endpoints and the host's interfaces as a graph. `Accept` chooses JSON,
    Graphviz, Mermaid or SVG.
    """
    query = context.query
    chosen = TopologyFilter(query["network"], query["label"], query["project"], query["links"])
    gaps: tuple[Gap, ...] = ()
    drawn = diagnosis.topology(context.services, context.snapshot, chosen)
    graph = drawn.graph
    if query["scope"] == "swarm" and not is_forwarded(context):
        graph, gaps = context.services.peers().topology(context.snapshot, graph, chosen)
    fold = {"fold": query["fold"]} if query["fold"] else {}
    if context.media_type == MERMAID:
        return Response(to_mermaid(graph, **fold), content_type=f"{MERMAID}; charset=utf-8")
    if context.media_type in {GRAPHVIZ, SVG}:
        text = to_graphviz(graph, **fold)
        if context.media_type == GRAPHVIZ:
            return Response(text, content_type=f"{GRAPHVIZ}; charset=utf-8")
        return Response(_drawn(text), content_type=SVG)
    return ViewResult({"nodes": graph.nodes, "edges": graph.edges, "gaps": gaps, "limited": drawn.limited})


def _drawn(text: str) -> bytes:
    """Draw SVG with Graphviz's ``dot``, which reads only its standard input. Raises ``HttpProblem`` 406 or 503."""
    try:
        done = subprocess.run(
            ["dot", "-Tsvg"], input=text.encode(), capture_output=True, check=True, timeout=DRAWING_LIMIT_S
        )
    except FileNotFoundError as error:
        raise HttpProblem(
            "not-acceptable",
            "SVG needs Graphviz's program dot, which is not installed where this service runs.",
            remedy="Request text/vnd.graphviz or text/vnd.mermaid and draw the picture yourself, or install graphviz.",
        ) from error
    except subprocess.SubprocessError as error:
        raise HttpProblem(
            "drawing-failed",
            f"Graphviz could not draw this within {DRAWING_LIMIT_S} s.",
            headers={"Retry-After": "1"},
            remedy="Filter the picture by network, label or project, or fold more of it.",
        ) from error
    return done.stdout
