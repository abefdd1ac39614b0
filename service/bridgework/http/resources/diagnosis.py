"""The paths that explain: the catalogue, the diagnosis of the whole engine, and its picture."""

from __future__ import annotations

import hashlib
import subprocess

from flask import Response
from marshmallow import Schema, fields, validate

from bridgework.explanations import CATALOGUE
from bridgework.http.answers import Plain, list_of, next_page, text, texts, word
from bridgework.http.contract import Media, RequestContext, Resource, ViewResult
from bridgework.http.fields import Strict, Text, absent, optional, required
from bridgework.http.findings import SEVERITIES, FindingSchema
from bridgework.http.paging import page
from bridgework.http.problems.documents import HttpProblem
from bridgework.http.queries import PageQuery, QueryFlag, QueryWhole
from bridgework.http.resources.nodes import GapSchema, is_forwarded
from bridgework.model.checks import Finding
from bridgework.model.peers import Gap
from bridgework.model.topology_graph import TopologyFilter
from bridgework.topology.graphviz import to_graphviz
from bridgework.topology.mermaid import to_mermaid
from bridgework.use_cases import diagnosis

RESOURCE = Resource(
    "diagnostics", "Find out what is wrong: the catalogue of causes, the diagnosis and the topology of the engine."
)
GRAPHVIZ, MERMAID, SVG = "text/vnd.graphviz", "text/vnd.mermaid", "image/svg+xml"
DRAWING_LIMIT_S = 20
MANY = 999_999


class ExplanationSchema(Schema):
    """The explanation of one cause that findings name by its code."""

    code = word("The stable code of the cause, as findings name it.", *tuple(CATALOGUE), grows=True)
    severity = word("How serious the cause is: `blocking` means that traffic is expected to fail.", *SEVERITIES)
    meaning = text("What the cause means, in one or two sentences.")
    detection = text("How the service detects the cause.")
    remedy = text("How to fix the cause, in general.")
    example = text("An example of the message of such a finding.")


class ExplanationsSchema(Schema):
    """One page of the catalogue of causes, sorted by code."""

    items = list_of(ExplanationSchema, "The explanations on this page.")
    next_cursor = next_page()


class DiagnosisSchema(Schema):
    """One page of the findings about the engine, the most severe first."""

    items = list_of(FindingSchema, "The findings on this page.")
    next_cursor = next_page()
    limited = texts("What could not be inspected; the same on every page.")


class NodeSchema(Schema):
    """A node of the topology graph: a container, a network, an interface or the host."""

    id = text(
        "The Docker id, `host` or `interface:<name>`. On another swarm node, the node's id is appended to the last two."
    )
    kind = word("The kind of thing that this node stands for.", "container", "host", "interface", "network")
    name = text("The name of the thing that this node stands for.")
    attributes = fields.Dict(
        **required("Further facts by name; for a container its `image`, `state` and `network_mode`, for example.")
    )


class EdgeSchema(Schema):
    """A connection between two nodes of the topology graph."""

    source = text("The `id` of the node that the edge starts at.")
    target = text("The `id` of the node that the edge ends at.")
    kind = word(
        "The kind of connection, such as `endpoint` between a container and a network.",
        "endpoint",
        "host-link",
        "shares-network",
        "uplink",
    )
    attributes = fields.Dict(
        **required("Further facts by name; for an endpoint its `ipv4_address` and `aliases`, for example.")
    )


class TopologySchema(Schema):
    """Networks, containers and interfaces as a graph, in a stable order."""

    nodes = Plain(
        fields.Nested(NodeSchema), **required("The nodes of the graph: containers, networks, interfaces and the host.")
    )
    edges = Plain(fields.Nested(EdgeSchema), **required("The edges of the graph: how the nodes are connected."))
    gaps = list_of(GapSchema, "The swarm nodes that did not answer; their containers are missing.", data_key="partial")


class TopologyQuery(Strict):
    """What the picture is of."""

    network = Text(min_length=1, **absent("Only this network and its containers, by its name or id."))
    label = Text(min_length=1, **absent("Only networks and containers with this label, `key` or `key=value`."))
    project = Text(min_length=1, **absent("Only networks and containers that belong to this project."))
    links = QueryFlag(
        **optional("Show the veths on the host too. This inspects the namespace of every container.", False)
    )
    scope = fields.String(
        validate=validate.OneOf(["engine", "swarm"]),
        **optional("Whether to show only this engine, or also the nodes of its swarm that answer.", "engine"),
    )
    fold = QueryWhole(
        1, 10_000, **absent("Graphviz, Mermaid and SVG show a larger group of containers as one node; 20 by default.")
    )


@RESOURCE.get("/v1/explanations", ExplanationsSchema, query=PageQuery())
def list_explanations(context: RequestContext) -> ViewResult:
    """List the causes that findings name.

    Each explanation says what the cause means, how the service detects it and how to fix it. A program can show it
    beside the `code` of a finding.
    """
    items = [CATALOGUE[code] for code in sorted(CATALOGUE)]
    return ViewResult(page(items, context, lambda explanation: (explanation.code, "")))


@RESOURCE.get("/v1/diagnostics", DiagnosisSchema, query=PageQuery())
def diagnose_engine(context: RequestContext) -> ViewResult:
    """Examine the whole engine.

    The answer holds every finding about the engine, its networks and its containers, the most severe first, each with
    its evidence and its remedy. In a swarm it also covers the connections to the other nodes.
    """
    found = diagnosis.diagnosis(context.services, context.snapshot, forwarded=is_forwarded(context))
    findings = sorted(found.findings, key=_finding_key)
    return ViewResult({**page(findings, context, _finding_key), "limited": found.limited})


def _finding_key(finding: Finding) -> tuple[str, str]:
    """The order of ``worst_first`` as text that a cursor can hold: of the message only what tells findings apart."""
    affected = int(finding.evidence.get("affected", 1))
    told = hashlib.blake2b(finding.message.encode(), digest_size=8).hexdigest()
    component = finding.component
    return (
        f"{SEVERITIES.index(finding.severity)} {MANY - affected:06d} {finding.code}",
        f"{component.name} {component.id} {told}",
    )


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
    wanted = TopologyFilter(query["network"], query["label"], query["project"], query["links"])
    gaps: tuple[Gap, ...] = ()
    found = diagnosis.topology(context.services, context.snapshot, wanted)
    if query["scope"] == "swarm" and not is_forwarded(context):
        found, gaps = context.services.peers().topology(context.snapshot, found, wanted)
    fold = {"fold": query["fold"]} if query["fold"] else {}
    if context.media_type == MERMAID:
        return Response(to_mermaid(found, **fold), content_type=f"{MERMAID}; charset=utf-8")
    if context.media_type in {GRAPHVIZ, SVG}:
        text = to_graphviz(found, **fold)
        if context.media_type == GRAPHVIZ:
            return Response(text, content_type=f"{GRAPHVIZ}; charset=utf-8")
        return Response(_drawn(text), content_type=SVG)
    return ViewResult({"nodes": found.nodes, "edges": found.edges, "gaps": gaps})


def _drawn(text: str) -> bytes:
    """SVG by Graphviz's ``dot``, which reads only what it is given on standard input."""
    try:
        done = subprocess.run(
            ["dot", "-Tsvg"], input=text.encode(), capture_output=True, check=True, timeout=DRAWING_LIMIT_S
        )
    except FileNotFoundError as error:
        raise HttpProblem(
            406, "not-acceptable", "SVG needs Graphviz's program dot, which is not installed where this service runs.",
            remedy="Ask for text/vnd.graphviz or text/vnd.mermaid and draw it yourself, or install graphviz.",
        ) from error  # fmt: skip
    except subprocess.SubprocessError as error:
        raise HttpProblem(
            503, "drawing-failed", f"Graphviz could not draw this within {DRAWING_LIMIT_S} s.",
            headers={"Retry-After": "1"}, remedy="Narrow the picture by network, label or project, or fold more.",
        ) from error  # fmt: skip
    return done.stdout
