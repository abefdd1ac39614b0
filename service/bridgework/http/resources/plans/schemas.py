"""The shapes of a plan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from marshmallow import Schema, pre_dump

from bridgework.http.problems.documents import problem_of
from bridgework.http.problems.schemas import ProblemSchema
from bridgework.http.resources.checks.schemas import VERDICTS
from bridgework.http.schemas.actions import call_of
from bridgework.http.schemas.answers import ReferenceSchema, flag, list_of, number, part, text, texts, word
from bridgework.http.schemas.findings import CallSchema, ComponentSchema, FindingSchema
from bridgework.model.actions import Change, CreateNetwork
from bridgework.model.checks import Component
from bridgework.model.errors import BridgeworkError
from bridgework.model.snapshot import Snapshot
from bridgework.plans.difference import ChangedPair, Difference, Groups
from bridgework.plans.reachability import Pair
from bridgework.policy.access import is_reserved
from bridgework.use_cases.plans.make import Plan, Step

MAX_PAIRS = 1000
_OUTCOMES = ("changes", "unchanged", "conflict")
PROTOCOLS = ("icmp", "tcp", "udp")


class PlanStepSchema(Schema):
    """One change of a plan, and what would come of it."""

    call = part(CallSchema, "The change, as the request that makes it.")
    outcome = word(
        "What the change would do: `changes` something, leave everything as it is (`unchanged`), or be refused "
        "(`conflict`).",
        *_OUTCOMES,
        grows=True,
    )
    problem = part(ProblemSchema, "Why the change would be refused; null when it would not be.", null=True)
    undoable = flag("Whether the change can be undone. A deleted container cannot be brought back.")
    undo = list_of(CallSchema, "Requests that undo the change, in order; empty when nothing can or need be undone.")


class PlanPairSchema(Schema):
    """A pair whose reachability changes."""

    source = part(ComponentSchema, "The container that sends, or the host.")
    destination = part(ComponentSchema, "The container that is reached, or the host, at a port that it publishes.")
    protocol = word("The protocol of the pair; `icmp` means a ping.", *PROTOCOLS, grows=True)
    port = number("The destination port; null for `icmp`.", null=True)
    before = word("The predicted verdict before the plan.", *VERDICTS)
    after = word("The predicted verdict after the plan.", *VERDICTS)
    assumes_listener = flag(
        "Whether `after` assumes that a program of the destination listens at the port. That is not known of a "
        "container that the plan starts: the service assumes its published and exposed ports."
    )


class PlanGroupSchema(Schema):
    """Pairs that have something in common, counted by what they become."""

    id = text("The Docker id of the container or network; empty for a service of Docker Compose.")
    name = text("The name of the container or network, or `project/service` of Docker Compose.")
    becomes_reachable = number("The number of pairs that become reachable.", attribute="reachable", minimum=0)
    becomes_unreachable = number("The number of pairs that become unreachable.", attribute="unreachable", minimum=0)
    becomes_inconclusive = number(
        "The number of pairs of which the plan cannot say what they become.", attribute="inconclusive", minimum=0
    )


class OpeningSchema(Schema):
    """A port of the host that opens or closes to other hosts."""

    container = part(ReferenceSchema, "The container that publishes the port.")
    protocol = text("The transport protocol, `tcp` or `udp`.")
    host_ip = text("The address of the host; `0.0.0.0` and `::` are all addresses of one IP version.")
    host_port = number("The port of the host; null when the engine chooses it.", null=True)
    container_port = number("The port of the container.")
    becomes = word("`reachable` when the port opens, `unreachable` when it closes.", "reachable unreachable")


class DifferenceSchema(Schema):
    """The difference in reachability between the engine before and after the plan."""

    pairs_total = number("The number of pairs that change.", minimum=0)
    pairs = list_of(
        PlanPairSchema,
        f"The pairs that change, at most {MAX_PAIRS} of them: from containers and the host to containers, and to the "
        "ports that containers publish at the host. They are compared by ICMP, and by TCP and UDP at the ports that a "
        "container publishes, exposes or listens on.",
    )
    containers = list_of(PlanGroupSchema, "The pairs that change, counted for each container at one of their ends.")
    services = list_of(PlanGroupSchema, "The pairs that change, counted for each service of Docker Compose.")
    networks = list_of(PlanGroupSchema, "The pairs that change, counted for each network that both ends are on.")
    outside = list_of(OpeningSchema, "The ports of the host that open or close to other hosts.")


class PlanSchema(Schema):
    """A plan: what its changes would do, in order, and what they would do together."""

    id = text("The digest of the changes: the same changes in the same order have the same id. Audit lines name it.")
    steps = list_of(PlanStepSchema, "The changes in order, each with what it would do.")
    possible = flag("Whether every change can be made: no step has the outcome `conflict`.")
    undoable = flag("Whether every change can be undone.")
    difference = part(
        DifferenceSchema,
        "The pairs that become reachable or unreachable, and the ports of the host that open or close.",
    )
    appearing_findings = list_of(FindingSchema, "The findings of the diagnosis that the plan would cause.")
    disappearing_findings = list_of(FindingSchema, "The findings of the diagnosis that the plan would end.")
    limited = texts("What could not be seen or foreseen, so that the difference may be incomplete there.")

    @pre_dump
    def take_apart(self, plan: Plan, **_: Any) -> Mapping[str, Any]:
        """Name the ends of the pairs and render the steps."""
        return {
            "id": plan.wanted.id,
            "steps": [step_of(step) for step in plan.steps],
            "possible": not plan.conflicts,
            "undoable": not plan.without_undo,
            "difference": _difference(plan.difference, plan.groups, plan.before.snapshot, plan.after.snapshot),
            "appearing_findings": plan.appearing,
            "disappearing_findings": plan.disappearing,
            "limited": plan.limited,
        }


def step_of(step: Step) -> Mapping[str, Any]:
    """Return a step as its schema dumps it."""
    return {
        "call": step.wanted.call,
        "outcome": "conflict" if step.problem is not None else "changes" if step.changes else "unchanged",
        "problem": document_of(step.problem) if step.problem is not None else None,
        "undoable": step.undo is not None,
        "undo": [call_of_change(change) for change in step.undo or ()],
    }


def call_of_change(change: Change) -> Any:
    """Return the request of a change. Labels that only the service may set are left out, as a request has none."""
    if isinstance(change, CreateNetwork):
        labels = {key: value for key, value in change.spec.labels.items() if not is_reserved(key)}
        change = replace(change, spec=replace(change.spec, labels=labels))
    rendered: Any = change
    return call_of(rendered)


def document_of(error: BridgeworkError) -> Mapping[str, Any]:
    """Return the problem document of an error."""
    document: Mapping[str, Any] = json.loads(problem_of(error).get_data())
    return document


def _difference(found: Difference, groups: Groups, before: Snapshot, after: Snapshot) -> Mapping[str, Any]:
    return {
        "pairs_total": len(found.pairs),
        "pairs": [_pair(one, before, after) for one in found.pairs[:MAX_PAIRS]],
        "containers": groups.containers,
        "services": groups.services,
        "networks": groups.networks,
        "outside": [
            {
                "container": one.container,
                "protocol": one.port.protocol,
                "host_ip": one.port.host_ip,
                "host_port": one.port.host_port,
                "container_port": one.port.container_port,
                "becomes": "reachable" if one.opens else "unreachable",
            }
            for one in found.openings
        ],
    }


def _pair(one: ChangedPair, before: Snapshot, after: Snapshot) -> Mapping[str, Any]:
    verdicts = {"before": one.before, "after": one.after, "assumes_listener": one.assumed}
    return {**ends_of(one.pair, before, after), **verdicts}


def ends_of(pair: Pair, before: Snapshot, after: Snapshot) -> Mapping[str, Any]:
    """Return the fields that name a pair."""
    return {
        "source": _end(pair.source, before, after),
        "destination": _end(pair.destination, before, after),
        "protocol": pair.service.protocol.value,
        "port": pair.service.port,
    }


def _end(container_id: str, before: Snapshot, after: Snapshot) -> Component:
    if not container_id:
        return Component("host", "", "host")
    container = after.containers_by_id.get(container_id) or before.containers_by_id.get(container_id)
    return Component("container", container_id, container.name if container is not None else container_id)
