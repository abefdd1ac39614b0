"""A check beyond this engine: what has to be known of the others, and who makes it where the source is theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridgework.analysis.predict import predict
from bridgework.analysis.rules.overlay import silent_node
from bridgework.model import references
from bridgework.model.check_request import CheckRequest
from bridgework.model.checks import (
    AddressDestination,
    CheckResult,
    Component,
    ContainerDestination,
    Finding,
    Measurement,
    NameDestination,
    Prediction,
    Question,
    Reason,
    Verdict,
)
from bridgework.model.errors import NotFound
from bridgework.model.peers import PeerSilent
from bridgework.model.snapshot import Container, NodePlace, Snapshot
from bridgework.telemetry import deadline
from bridgework.use_cases.services import Services
from bridgework.use_cases.swarm import nodes
from bridgework.use_cases.swarm.nodes import World

MARGIN_S = 8.0
"""Beside the probe itself: the peer may have to look around first."""

_FORWARDED_ONCE = "It was forwarded here, and its source is not here."


def world_of_check(services: Services, snapshot: Snapshot, wanted: CheckRequest) -> World:
    """The snapshot as it is, unless something asked for lies, or may lie, beyond this engine."""
    if not nodes.beyond(services, snapshot):
        return World(snapshot)
    named = (wanted.source_container, wanted.destination_container)
    if not all(nodes.knows(snapshot, reference) for reference in named):
        return nodes.whole(services, snapshot)
    source = references.container(snapshot, wanted.source_container) if wanted.source_container else None
    owner = snapshot.network_owner_of(source) if source else None
    if owner is None or wanted.destination_container:
        return World(snapshot)
    on = {endpoint.network_id for endpoint in owner.endpoints}
    near = nodes.by_gossip(services, snapshot, [n for n in nodes.overlays(snapshot) if n.id in on])
    name = wanted.destination_name
    if name is None or not any(n.id in on for n in nodes.overlays(snapshot)) or nodes.knows(near.snapshot, name):
        return near
    return nodes.whole(
        services, snapshot
    )  # the engine forgets the names of a node that is gone; its instance told them


def check_elsewhere(
    services: Services, world: World, wanted: CheckRequest, question: Question, place: NodePlace
) -> CheckResult:
    """Let the source's own node make the check; where it is silent, say so."""
    if wanted.forwarded:
        raise NotFound("container-not-found", _FORWARDED_ONCE)
    instance = world.instance_of(place.id)
    if services.peers is None or instance is None:
        return _not_made(world, question, place, _reason(world, place))
    probe = wanted.probe
    seconds = probe.count * (probe.timeout_ms + probe.interval_ms) / 1000 + MARGIN_S
    try:
        return services.peers.check(instance, _body(world, wanted, question), deadline.left(seconds))
    except PeerSilent as silence:
        return _not_made(world, question, place, str(silence))


def _reason(world: World, place: NodePlace) -> str:
    return next((gap.reason for gap in world.gaps if gap.node == place.id), nodes.NO_INSTANCE)


def _not_made(world: World, question: Question, place: NodePlace, reason: str) -> CheckResult:
    """Inconclusive, with what can be predicted from here and the node that would have to measure."""
    found: Finding = silent_node(Component("node", place.id, place.hostname), reason)
    predicted = predict(world.snapshot, question)
    measured = Measurement(Verdict.INCONCLUSIVE, reason=Reason.NAMESPACE_OUT_OF_REACH, detail=reason)
    others = tuple(one for one in predicted.findings if one.code != found.code)
    return CheckResult(Verdict.INCONCLUSIVE, Prediction(predicted.verdict, predicted.path), measured, (found, *others))


def _body(world: World, wanted: CheckRequest, question: Question) -> dict[str, Any]:
    """The check in the words of the API, its references as full ids."""
    probe = wanted.probe
    return {
        "source": {"container": question.source_id},
        "destination": _destination(world, question),
        "protocol": probe.protocol.value,
        "port": probe.port,
        "ip_version": str(probe.ip_version or "any"),
        "count": probe.count,
        "interval_ms": probe.interval_ms,
        "timeout_ms": probe.timeout_ms,
        "payload_bytes": probe.payload_bytes,
        "dont_fragment": probe.dont_fragment,
        "path": probe.http_path,
        "expected_status": probe.expected_status,
        "question": probe.dns_question,
    }


def _destination(world: World, question: Question) -> Mapping[str, Any]:
    match question.destination:
        case ContainerDestination(container_id):
            return _container(world.snapshot.containers_by_id[container_id])
        case NameDestination(name):
            return {"name": name}
        case AddressDestination(address):
            return {"address": address}
        case _:
            return {"host": True}


def _container(container: Container) -> Mapping[str, Any]:
    """By id; what is known by gossip alone has none, but an address."""
    if container.id.startswith(nodes.GOSSIPED):
        return {"address": container.endpoints[0].addresses[0]}
    return {"container": container.id}
