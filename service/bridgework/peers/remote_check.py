"""A check beyond this engine: what must be known of other nodes, and forwarding where the source is on one of them."""

from __future__ import annotations

from bridgework.analysis.case import Case
from bridgework.analysis.rules.overlay import silent_node
from bridgework.explanations.limitations import limitation
from bridgework.model import references
from bridgework.model.checks import (
    AddressDestination,
    CheckRequest,
    CheckResult,
    Component,
    ContainerDestination,
    Measurement,
    NameDestination,
    Prediction,
    Question,
    Reason,
    Verdict,
)
from bridgework.model.errors import NotFound
from bridgework.model.peers import World, overlays
from bridgework.model.snapshot import NodePlace, Snapshot
from bridgework.peers import survey
from bridgework.peers.http_client import PeerSilent
from bridgework.peers.survey import Sources
from bridgework.telemetry import deadline

MARGIN_S = 8.0
"""Seconds that a peer has beside the probe itself: it may look at other nodes and at namespaces first."""

_FORWARDED_ONCE = "A peer forwarded this check here, and its source is not on this node."


def knows(snapshot: Snapshot, reference: str | None) -> bool:
    """Return whether the reference is a container of this snapshot, or no reference at all."""
    if reference is None:
        return True
    try:
        references.container(snapshot, reference)
    except NotFound:
        return False
    return True


def world_of_check(sources: Sources, snapshot: Snapshot, request: CheckRequest) -> World:
    """See ``Peers``. Asks other instances only where neither the snapshot nor gossip knows what the check names."""
    destination = request.destination
    container = destination.container if isinstance(destination, ContainerDestination) else None
    if not (knows(snapshot, request.source) and knows(snapshot, container)):
        return survey.whole(sources, snapshot)
    source = references.container(snapshot, request.source) if request.source else None
    owner = snapshot.network_owner_of(source) if source else None
    if owner is None or container:
        return World(snapshot)
    on = {endpoint.network_id for endpoint in owner.endpoints}
    joined = [network for network in overlays(snapshot) if network.id in on]
    near = survey.by_gossip(sources, snapshot, joined)
    name = destination.name if isinstance(destination, NameDestination) else None
    if name is None or not joined or knows(near.snapshot, name):
        return near
    # The engine forgets the names of a node that is gone. What the node's instance said last still has them.
    return survey.whole(sources, snapshot)


def check_elsewhere(
    sources: Sources, world: World, request: CheckRequest, question: Question, place: NodePlace
) -> CheckResult:
    """See ``Peers.check``."""
    if request.forwarded:
        raise NotFound("container-not-found", _FORWARDED_ONCE)
    instance = world.instances.get(place.id)
    if sources.instances is None or instance is None:
        return _not_made(world, question, place, _reason(world, place))
    probe = request.probe
    # One more time-out: the other addresses are probed once, all at the same time.
    seconds = (probe.count * (probe.timeout_ms + probe.interval_ms) + probe.timeout_ms) / 1000 + MARGIN_S
    try:
        body = sources.check_body(_resolved(world, question))
        return sources.instances.check(instance, body, deadline.left(seconds))
    except PeerSilent as silence:
        return _not_made(world, question, place, str(silence))


def _reason(world: World, place: NodePlace) -> str:
    return next((gap.reason for gap in world.gaps if gap.node == place.id), survey.NO_INSTANCE)


def _not_made(world: World, question: Question, place: NodePlace, reason: str) -> CheckResult:
    """Return an inconclusive check: the prediction from here, and the finding for the node that did not measure."""
    silence = silent_node(Component("node", place.id, place.hostname), reason)
    predicted = Case.of(world.snapshot, question).predict()
    measured = Measurement(Verdict.INCONCLUSIVE, reason=Reason.NAMESPACE_OUT_OF_REACH, detail=reason)
    others = tuple(finding for finding in predicted.findings if finding.code != silence.code)
    shown = Prediction(predicted.verdict, predicted.path)
    return CheckResult(
        Verdict.INCONCLUSIVE,
        shown,
        measured,
        (silence, *others),
        addresses=predicted.addresses,
        limited=(limitation(silence.code, "the verdict", reason),),
    )


def _resolved(world: World, question: Question) -> CheckRequest:
    """Return the check with full ids as references. A container known from gossip alone has no id that a peer knows."""
    destination = question.destination
    if isinstance(destination, ContainerDestination) and destination.container.startswith(survey.GOSSIPED):
        endpoint = world.snapshot.containers_by_id[destination.container].endpoints[0]
        destination = AddressDestination(endpoint.addresses[0])
    return CheckRequest(question.source_id, destination, question.probe)
