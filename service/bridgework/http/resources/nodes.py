"""``GET /v1/nodes``: the machines of the swarm."""

from __future__ import annotations

from marshmallow import Schema

from bridgework.http.contract import RequestContext, Resource, ViewResult
from bridgework.http.paging import page
from bridgework.http.schemas.answers import ReferenceSchema, flag, list_of, next_page, part, text, texts, word
from bridgework.http.schemas.queries import PageQuery
from bridgework.model.peers import FORWARDED_HEADER, Node

RESOURCE = Resource("service")


class GapSchema(Schema):
    """A swarm node whose part of the answer is missing."""

    node = text("The id of the node, or the address where its service should be.")
    reason = text("Why the part is missing, in one sentence.")


class OverlaySchema(Schema):
    """An overlay network, as one node knows it."""

    network = part(ReferenceSchema, "The overlay network, by its id and its name.")
    attachable = flag("Whether containers outside of swarm services may join the network.")
    subnets = texts("The subnets of the network in CIDR notation.")
    peers = texts("The addresses of the nodes that take part in the network.")


class SwarmNodeSchema(Schema):
    """A machine of the swarm; without a swarm, the machine of this engine."""

    id = text("The id of the node in its swarm; without a swarm, the id of its engine.")
    hostname = text("The host name of the node; several nodes can have the same name.")
    engine_id = text("The id of the engine on the node; null when it is not known.", null=True)
    address = text("The address where other nodes reach this node; null without a swarm.", null=True)
    instance = text(
        "The address of this service on the node, as `host:port`; null on the node that answers.", null=True
    )
    engine_version = text(
        "The version of the engine on the node, such as `26.1.5`; null when it is not known.", null=True
    )
    state = word(
        "The state of the node as a manager of the swarm reports it; `unknown` when none answers.",
        "unknown down ready disconnected",
        grows=True,
    )
    manager = flag("Whether the node is a manager of the swarm.")
    here = flag("Whether the node is the one that answers this request.")
    reachable = flag("Whether this service answers on the node now.")
    reason = text("Why the service on the node does not answer; null when it does.", null=True)
    overlays = list_of(OverlaySchema, "The overlay networks that the node takes part in.")


class SwarmNodesSchema(Schema):
    """One page of nodes, the node that answers first."""

    items = list_of(SwarmNodeSchema, "The nodes on this page of the list.")
    next_cursor = next_page()
    gaps = list_of(GapSchema, "The nodes that did not answer; the same on every page.", data_key="partial")


def is_forwarded(context: RequestContext) -> bool:
    """Return whether a peer sent the request; its answer is about this node alone, so no request goes in a circle."""
    return context.headers.get(FORWARDED_HEADER) == "1"


def _key(node: Node) -> tuple[str, str]:
    return f"{'0' if node.here else '1'} {node.hostname}", node.id


@RESOURCE.get("/v1/nodes", SwarmNodesSchema, query=PageQuery())
def list_nodes(context: RequestContext) -> ViewResult:
    """List the nodes of the swarm.

    The list combines what this engine, the swarm's manager and the service on other nodes report. Without a swarm it
    holds one node. A node that does not answer is listed with the reason, and is also named under `partial`.
    """
    survey = context.services.peers().survey(context.snapshot, forwarded=is_forwarded(context))
    return ViewResult({**page(sorted(survey.nodes, key=_key), context, _key), "gaps": survey.gaps})
