"""The steps of a packet that were predicted: interfaces by the path, rules by the simulation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bridgework.analysis.rules.base import Situation
from bridgework.analysis.rules.in_force import walk_of_proxy
from bridgework.analysis.rules.simulated import STOPPED, Walked, walk_of
from bridgework.firewall.simulate import Outcome
from bridgework.firewall.walk import Step
from bridgework.model.checks import Hop, HopStatus, Prediction, Verdict
from bridgework.model.trace import Direction, Place, TracedPacket, TraceStep

THE_HOST = "the host"
# Hops behind which the packet is on its way out of the host.
_INSIDE_HOST = frozenset({"routing", "published-port", "proxy"})


def steps_of(situation: Situation, prediction: Prediction) -> list[TraceStep]:
    """Return what was predicted of the request, then of its answer."""
    there = list(_interfaces(situation, prediction.path))
    steps = list(there)
    if any(hop.kind == "routing" and hop.status is HopStatus.PASSED for hop in prediction.path):
        steps.append(TraceStep("route", "request", "host", THE_HOST, predicted=True, seen=False))
    if prediction.verdict is not Verdict.UNREACHABLE:
        steps += [_back(step) for step in reversed(there)]
    for direction, outcome in _outcomes(situation):
        steps += [_rule(step, direction) for step in outcome.steps]
    return [*steps, *_stops_the_proxy(situation)]


def _stops_the_proxy(situation: Situation) -> Iterator[TraceStep]:
    """Yield the rule that stops docker-proxy's own connection, or the container's answer to it."""
    # The other rules on that way are left out: the kernel's messages about them are not asked for.
    walked = walk_of_proxy(situation)
    for direction, outcome in _ways(walked):
        if outcome.verdict in STOPPED and outcome.step is not None:
            yield replace(_rule(outcome.step, direction), proxied=True)


def _outcomes(situation: Situation) -> Iterator[tuple[Direction, Outcome]]:
    yield from _ways(walk_of(situation))


def _ways(walked: Walked | None) -> Iterator[tuple[Direction, Outcome]]:
    if walked is None:
        return
    yield "request", walked.there
    if walked.back is not None:
        yield "reply", walked.back


def _interfaces(situation: Situation, path: Sequence[Hop]) -> Iterator[TraceStep]:
    """Yield the interfaces of the path. A bridge that switches the packet shows it at its ports only."""
    hops = [hop for hop in path if hop.status is not HopStatus.STOPPED]
    by_host = situation.source.is_host
    arrives, started, proxied = by_host, by_host, False
    for at, hop in enumerate(hops):
        if hop.kind in _INSIDE_HOST:
            arrives, proxied = True, proxied or hop.kind == "proxy"
        elif hop.name == "lo":
            yield _interface("host" if by_host else "source", hop.of or "", "lo", leaving=True)
        elif hop.kind == "interface":
            place: Place = "destination" if started else "source"
            yield replace(_interface(place, hop.of or "", hop.name, leaving=not started), proxied=proxied)
            started = True
        elif hop.kind == "veth":
            yield replace(_interface("host", THE_HOST, hop.name, leaving=arrives), proxied=proxied)
        elif hop.kind == "bridge":
            if arrives or any(later.kind in _INSIDE_HOST for later in hops[at:]):
                yield replace(_interface("host", THE_HOST, hop.name, leaving=arrives), proxied=proxied)
            # Behind the first bridge, the packet only leaves the host.
            arrives = True


def _interface(place: Place, of: str, name: str, *, leaving: bool) -> TraceStep:
    return TraceStep("interface", "request", place, of, predicted=True, seen=False, interface=name, leaving=leaving)


def _back(step: TraceStep) -> TraceStep:
    # What a host sends to itself leaves by lo in both directions.
    return replace(step, direction="reply", leaving=step.interface == "lo" or not step.leaving)


def _rule(step: Step, direction: Direction) -> TraceStep:
    place, packet = step.place, step.before
    return TraceStep(
        "rule" if step.rule is not None else "policy",
        direction,
        "host",
        THE_HOST,
        predicted=True,
        seen=False,
        packet=TracedPacket(packet.source, packet.source_port, packet.destination, packet.destination_port),
        hook=place.hook.value,
        family=place.table.family,
        table=place.table.name,
        chain=place.chain.name,
        rule=step.rule.text if step.rule is not None else None,
        handle=step.rule.handle if step.rule is not None else None,
        verdict=step.effect,
    )
