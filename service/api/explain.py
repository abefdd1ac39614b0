"""The paths that explain: the catalogue, the diagnosis of the whole engine, and its picture."""

from __future__ import annotations

import hashlib
import subprocess

from flask import Response
from marshmallow import Schema, fields, validate

from service.api.contract import Answer, Asked, Media, Resource
from service.api.fields import SEVERITIES, FindingSchema, Plain, QueryFlag, QueryWhole, Strict, Text, described
from service.api.networks_schemas import PageQuery
from service.api.nodes import GapSchema, is_forwarded
from service.api.paging import page
from service.api.problems import HttpProblem
from service.core.access import Role
from service.core.checks import Finding
from service.core.explanations import CATALOGUE
from service.core.pictures.drawing import to_graphviz, to_mermaid
from service.core.siblings import Gap
from service.operations import diagnostics
from service.operations.swarm_topology import swarm_topology

RESOURCE = Resource("diagnostics", "Why: the catalogue of causes, the whole engine's diagnosis, its picture.")
GRAPHVIZ, MERMAID, SVG = "text/vnd.graphviz", "text/vnd.mermaid", "image/svg+xml"
DRAWING_LIMIT_S = 20
MANY = 999_999


class ExplanationSchema(Schema):
    """A cause that findings name."""

    code = fields.String(
        required=True, validate=validate.OneOf(tuple(CATALOGUE)),
        metadata=described("Stable, kebab-case.", x_known_values=True),
    )  # fmt: skip
    severity = fields.String(required=True, validate=validate.OneOf(SEVERITIES), metadata=described("How bad it is."))
    meaning = fields.String(required=True, metadata=described("What it means."))
    detection = fields.String(required=True, metadata=described("How it is detected."))
    remedy = fields.String(required=True, metadata=described("What mends it."))
    example = fields.String(required=True, metadata=described("How a finding of it reads."))


class ExplanationsSchema(Schema):
    """The catalogue."""

    items = fields.List(fields.Nested(ExplanationSchema), required=True, metadata=described("By code."))
    next_cursor = fields.String(
        required=True, allow_none=True, metadata=described("The `cursor` of the next page; null on the last.")
    )


class DiagnosisSchema(Schema):
    """A page of the findings about the engine, the worst first."""

    items = fields.List(fields.Nested(FindingSchema), required=True, metadata=described("The findings."))
    next_cursor = fields.String(
        required=True, allow_none=True, metadata=described("The `cursor` of the next page; null on the last.")
    )
    limited = fields.List(
        fields.String(), required=True, metadata=described("What could not be inspected, whatever the page.")
    )


class NodeSchema(Schema):
    """A thing in the picture."""

    id = fields.String(
        required=True,
        metadata=described(
            "The engine's id, `host`, or `interface:<name>`; those two of another node with its id behind."
        ),
    )
    kind = fields.String(
        required=True,
        validate=validate.OneOf(["container", "host", "interface", "network"]),
        metadata=described("What."),
    )
    name = fields.String(required=True, metadata=described("Its name."))
    attributes = fields.Dict(required=True, metadata=described("What else is known."))


class EdgeSchema(Schema):
    """A tie between two things."""

    source = fields.String(required=True, metadata=described("A node's id."))
    target = fields.String(required=True, metadata=described("A node's id."))
    kind = fields.String(
        required=True, validate=validate.OneOf(["endpoint", "host-link", "shares-network", "uplink"]),
        metadata=described("What ties them."),
    )  # fmt: skip
    attributes = fields.Dict(required=True, metadata=described("What else is known."))


class TopologySchema(Schema):
    """The engine as a graph, in a stable order."""

    nodes = Plain(fields.Nested(NodeSchema), required=True, metadata=described("The things."))
    edges = Plain(fields.Nested(EdgeSchema), required=True, metadata=described("The ties."))
    gaps = fields.List(
        fields.Nested(GapSchema), required=True, data_key="partial",
        metadata=described("Of the swarm, the nodes that say nothing."),
    )  # fmt: skip


class TopologyQuery(Strict):
    """What the picture is of."""

    network = Text(load_default=None, min_length=1, metadata=described("Only this network and its containers."))
    label = Text(load_default=None, min_length=1, metadata=described("Only what carries it: `key` or `key=value`."))
    project = Text(load_default=None, min_length=1, metadata=described("Only this project."))
    links = QueryFlag(load_default=False, metadata=described("Also the veths on the host; enters every namespace."))
    scope = fields.String(
        load_default="engine", validate=validate.OneOf(["engine", "swarm"]),
        metadata=described("Only this engine, or every node of its swarm, as far as their instances answer."),
    )  # fmt: skip
    fold = QueryWhole(
        1, 10_000, load_default=None, metadata=described("In pictures, fold groups of more containers than this.")
    )


@RESOURCE.operation("GET", "/v1/explanations", role=Role.VIEWER, query=PageQuery(), answers={200: ExplanationsSchema})
def list_explanations(asked: Asked) -> Answer:
    """List the causes that findings name.

    Each with what it means, how it is detected and what mends it: what a program shows beside a finding's `code`.
    """
    items = [CATALOGUE[code] for code in sorted(CATALOGUE)]
    return Answer(page(items, asked, lambda explanation: (explanation.code, "")))


@RESOURCE.operation("GET", "/v1/diagnostics", role=Role.VIEWER, query=PageQuery(), answers={200: DiagnosisSchema})
def diagnose_engine(asked: Asked) -> Answer:
    """Examine the whole engine.

    Every finding about it as it stands, the worst first, each with its evidence and remedy; with siblings also the way
    to the other nodes of the swarm.
    """
    found = diagnostics.diagnosis(asked.house, asked.snapshot, forwarded=is_forwarded(asked))
    findings = sorted(found.findings, key=_finding_key)
    return Answer({**page(findings, asked, _finding_key), "limited": found.limited})


def _finding_key(finding: Finding) -> tuple[str, str]:
    """The order of ``worst_first`` as text that a cursor can hold: of the message only what tells findings apart."""
    affected = int(finding.evidence.get("affected", 1))
    told = hashlib.blake2b(finding.message.encode(), digest_size=8).hexdigest()
    component = finding.component
    return (
        f"{SEVERITIES.index(finding.severity)} {MANY - affected:06d} {finding.code}",
        f"{component.name} {component.id} {told}",
    )


@RESOURCE.operation(
    "GET", "/v1/topology", role=Role.VIEWER, query=TopologyQuery(),
    problems={400: ("ambiguous-reference",), 404: ("network-not-found",), 503: ("drawing-failed",)},
    answers={
        200: [TopologySchema, Media(GRAPHVIZ, "For `dot`."), Media(MERMAID, "For Mermaid."), Media(SVG, "Drawn.")],
    },
    remembered=True,
)  # fmt: skip
def get_topology(asked: Asked) -> Answer | Response:
    """Picture the engine.

    Networks, containers, endpoints and the host's links as a graph; `Accept` chooses JSON, Graphviz, Mermaid or SVG.
    """
    query = asked.query
    wanted = diagnostics.TopologyFilter(query["network"], query["label"], query["project"], query["links"])
    gaps: tuple[Gap, ...] = ()
    if query["scope"] == "swarm" and not is_forwarded(asked):
        everything = swarm_topology(asked.house, asked.snapshot, wanted)
        found, gaps = everything.topology, everything.gaps
    else:
        found = diagnostics.topology(asked.house, asked.snapshot, wanted)
    fold = {"fold": query["fold"]} if query["fold"] else {}
    if asked.media_type == MERMAID:
        return Response(to_mermaid(found, **fold), content_type=f"{MERMAID}; charset=utf-8")
    if asked.media_type in {GRAPHVIZ, SVG}:
        text = to_graphviz(found, **fold)
        if asked.media_type == GRAPHVIZ:
            return Response(text, content_type=f"{GRAPHVIZ}; charset=utf-8")
        return Response(_drawn(text), content_type=SVG)
    return Answer({"nodes": found.nodes, "edges": found.edges, "gaps": gaps})


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
