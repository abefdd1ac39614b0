"""The shapes of a plan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from marshmallow import Schema, pre_dump

from bridgework.firewall.docker.releases import in_words
from bridgework.http.problems.documents import problem_of
from bridgework.http.problems.schemas import ProblemSchema
from bridgework.http.progress import HeartbeatLineSchema, ProblemLineSchema, ProgressLineSchema
from bridgework.http.resources.checks.requests import PREDICTED_PROTOCOLS
from bridgework.http.resources.checks.schemas import REASONS, VERDICTS
from bridgework.http.resources.exposure import ExposureOriginSchema
from bridgework.http.schemas.actions import call_of
from bridgework.http.schemas.answers import ReferenceSchema, Variants, flag, list_of, number, part, text, texts, word
from bridgework.http.schemas.findings import CallSchema, ComponentSchema, FindingSchema, LimitationSchema
from bridgework.model.actions import Change
from bridgework.model.checks import Component
from bridgework.model.errors import BridgeworkError
from bridgework.model.snapshot import Snapshot
from bridgework.plans.difference import DETAILED_PAIRS, ChangedPair, Difference
from bridgework.plans.exposure import ChangedRow
from bridgework.plans.groups import Groups
from bridgework.plans.inverse import as_request
from bridgework.plans.notes import MAX_NOTED_PAIRS, Note
from bridgework.plans.reachability import Pair
from bridgework.plans.upgrade import BACKENDS, IPTABLES, NFTABLES
from bridgework.use_cases.plans.apply import Applied
from bridgework.use_cases.plans.make import Plan, Step

MAX_PAIRS = DETAILED_PAIRS


@dataclass(frozen=True, slots=True)
class ShownPlan:
    """A plan as it is answered: with what it did, if it was applied."""

    plan: Plan
    applied: Applied | None = None


_OUTCOMES = ("changes", "unchanged", "conflict")


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
    not_undoable_because = text(
        "Why the change cannot be undone, such as `db is deleted with its file system.`; null when it can.",
        null=True,
    )
    undo = list_of(
        CallSchema,
        "Requests that undo the change, in order; empty when nothing can or need be undone. Afterwards, an address "
        "that the engine chose may be another one, and a network that is made again has another id.",
    )


class PlanAddressSchema(Schema):
    """One address of the destination of a pair, before and after the plan."""

    address = text("The IP address, such as `172.18.0.3`.")
    ip_version = number("The IP version of the address, 4 or 6.", minimum=4, maximum=6)
    network = part(
        ReferenceSchema, "The network whose subnet has the address; null outside of the engine's networks.", null=True
    )
    before = word(
        "The predicted verdict before the plan; null where the source has no way to the address.", *VERDICTS, null=True
    )
    after = word(
        "The predicted verdict after the plan; null where the source has no way to the address.", *VERDICTS, null=True
    )


class PlanPairSchema(Schema):
    """A pair whose reachability changes."""

    source = part(ComponentSchema, "The container that sends, or the host.")
    destination = part(ComponentSchema, "The container that is reached, or the host, at a port that it publishes.")
    protocol = word("The protocol of the pair; `icmp` means a ping.", *PREDICTED_PROTOCOLS, grows=True)
    port = number("The destination port; null for `icmp`.", null=True)
    before = word("The predicted verdict before the plan.", *VERDICTS)
    after = word("The predicted verdict after the plan.", *VERDICTS)
    reason = text(
        "Why the verdict after the plan is inconclusive, or else the one before, as the code of a finding, such as "
        "`analysis-limited`; null when neither is.",
        null=True,
    )
    addresses = list_of(
        PlanAddressSchema, "The addresses of the destination that the source can send to, before or after the plan."
    )
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


class PlanExposureSchema(Schema):
    """A port of a container that opens or closes for one place. `GET /v1/exposure` has such rows with their rules."""

    container = part(ReferenceSchema, "The container that has the port.")
    network = part(ReferenceSchema, "The network by which the container gets the packet.")
    container_port = number("The port inside the container.")
    protocol = word("The transport protocol of the port.", "tcp udp", grows=True)
    published = flag("Whether the published port is asked for at the host, and not the container's own address.")
    origin = part(ExposureOriginSchema, "The place from which the port is asked for.")
    address = text("The address that a client there asks for.")
    port = number("The port that a client there asks for.")
    before = word("The predicted verdict before the plan; null where there is no such row.", *VERDICTS, null=True)
    after = word("The predicted verdict after the plan; null where there is no such row.", *VERDICTS, null=True)
    reason = text(
        "Why the port is not reachable, or why that is not known, after the plan or else before it, as the exposure "
        "says it, such as `firewall-rule`; null when it is reachable.",
        null=True,
    )


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
    exposure_total = number("The number of rows of the exposure that open or close.", minimum=0)
    exposure = list_of(
        PlanExposureSchema,
        f"The rows of the exposure that open or close, at most {MAX_PAIRS} of them: each a port of a container, and a "
        "neighbour on a link of the host, the host, or another network from which it is asked for.",
    )


class AppliedStepSchema(Schema):
    """What became of one change of an applied plan."""

    outcome = word(
        "`done`, `unchanged` when there was nothing to do, `failed`, or `not-made` after a failure.",
        "done unchanged failed not-made",
        grows=True,
    )
    problem = part(ProblemSchema, "Why the change failed; null when it did not.", null=True)


class MeasuredPairSchema(Schema):
    """A pair that was measured after the changes."""

    source = part(ComponentSchema, "The container that sent, or the host.")
    destination = part(ComponentSchema, "The container that was to be reached, or the host at a published port.")
    protocol = word("The protocol of the pair; `icmp` means a ping.", *PREDICTED_PROTOCOLS, grows=True)
    port = number("The destination port; null for `icmp`.", null=True)
    was_to_change = flag(
        "Whether the plan predicted a change; the other pairs are a sample of those that were to stay."
    )
    predicted = word("The verdict that the plan predicted.", *VERDICTS)
    measured = word("The verdict that was measured.", *VERDICTS)
    reason = word("Why the measurement failed; null when it succeeded.", *REASONS, grows=True, null=True)
    agrees = flag(
        "Whether both verdicts are the same; null when they cannot be compared: one is inconclusive, or no program "
        "listens where the plan assumed one.",
        null=True,
    )
    findings = list_of(
        FindingSchema,
        "Why both verdicts differ, as a check of the pair says after the changes; empty where they do not differ. At "
        "most 10 pairs are checked.",
    )


class UndoneChangeSchema(Schema):
    """A change that undid a part of the plan."""

    call = part(CallSchema, "The change, as the request that makes it.")
    problem = part(ProblemSchema, "Why it failed; null when it did not.", null=True)


class AppliedSchema(Schema):
    """What an applied plan did."""

    outcome = word(
        "`applied`: all changes are made, and no measured pair differs. `differs`: all are made, and a pair differs. "
        "`undone`: every change that was made is undone. `failed`: a change failed, or the undoing of one.",
        "applied differs undone failed",
        grows=True,
    )
    steps = list_of(AppliedStepSchema, "What became of each change, in the order of `steps` of the plan.")
    pairs = list_of(MeasuredPairSchema, "The pairs that were measured, each with both verdicts.")
    undone = list_of(UndoneChangeSchema, "What was undone, in that order; empty when nothing was.")


class PlannedEngineSchema(Schema):
    """The engine after an upgrade, as the plan takes it. A setting is null where it is not known."""

    version = text("The version that the plan names, such as `29.7`; that of the present engine where it names none.")
    answered_as = text("The release whose rules the plan takes, such as `29.7`.")
    firewall_backend = word("The firewall backend.", *BACKENDS, grows=True)
    userland_proxy = flag("Whether docker-proxy serves published ports.", null=True)
    iptables = flag("Whether the engine writes rules for IPv4.", null=True)
    ip6tables = flag("Whether the engine writes rules for IPv6.", null=True)


class PlanNoteSchema(Schema):
    """What an upgrade does to this host beside the pairs and ports, or a known fault of the release."""

    code = text("What the note says, as a stable code, such as `docker-user-not-used`. More codes can come.")
    message = text("The note, in one or two sentences.")
    remedy = text("What to do about it; null when nothing helps.", null=True)
    references = texts("Links to the public threads and documents about it.")
    components = list_of(ComponentSchema, "What of this host the note is about.")
    pairs_total = number("The number of pairs that the note says change.", minimum=0)
    pairs = list_of(PlanPairSchema, f"The pairs that the note says change, at most {MAX_NOTED_PAIRS} of them.")


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
    upgrade = part(PlannedEngineSchema, "The engine after the plan; null when the plan does not upgrade it.", null=True)
    notes = list_of(
        PlanNoteSchema,
        "What of this host the upgrade concerns beside that, and the known faults of the release; empty when the plan "
        "does not upgrade the engine.",
    )
    limited = list_of(
        LimitationSchema,
        "Why pairs are inconclusive, and what could not be seen or foreseen, so that the difference may be incomplete "
        "there.",
    )
    applied = part(AppliedSchema, "What the changes did; null when the plan was not applied.", null=True)

    @pre_dump
    def take_apart(self, shown: ShownPlan, **_: Any) -> Mapping[str, Any]:
        """Name the ends of the pairs and render the steps."""
        plan = shown.plan
        return {
            "id": plan.wanted.id,
            "steps": [step_of(step) for step in plan.steps],
            "possible": not plan.conflicts,
            "undoable": not plan.without_undo,
            "difference": {
                **_difference(plan.difference, plan.groups, plan.before.snapshot, plan.after.snapshot),
                "exposure_total": len(plan.exposure),
                "exposure": [_exposed(row) for row in plan.exposure[:MAX_PAIRS]],
            },
            "appearing_findings": plan.appearing,
            "disappearing_findings": plan.disappearing,
            "upgrade": _engine(plan),
            "notes": [_note(one, plan) for one in plan.notes],
            "limited": plan.limited,
            "applied": _applied(plan, shown.applied) if shown.applied is not None else None,
        }


def _exposed(row: ChangedRow) -> Mapping[str, Any]:
    target, origin = row.question.target, row.question.origin
    return {
        "container": target.container,
        "network": target.network,
        "container_port": target.port,
        "protocol": target.protocol,
        "published": target.published is not None,
        "origin": {"kind": origin.kind, "name": origin.name, "family": f"ipv{origin.version}"},
        "address": row.question.address,
        "port": row.question.port,
        "before": row.before,
        "after": row.after,
        "reason": row.reason,
    }


def _engine(plan: Plan) -> Mapping[str, Any] | None:
    target, seen = plan.target, plan.after.observations
    if target is None:
        return None
    return {
        "version": target.version,
        "answered_as": in_words(target.release),
        "firewall_backend": NFTABLES if target.nftables else IPTABLES,
        "userland_proxy": seen.userland_proxy,
        "iptables": seen.ipv4_firewall,
        "ip6tables": seen.ipv6_firewall,
    }


def _note(note: Note, plan: Plan) -> Mapping[str, Any]:
    pairs = [_pair(one, plan.before.snapshot, plan.after.snapshot) for one in note.pairs[:MAX_NOTED_PAIRS]]
    return {
        "code": note.code,
        "message": note.message,
        "remedy": note.remedy,
        "references": note.references,
        "components": note.components,
        "pairs_total": len(note.pairs),
        "pairs": pairs,
    }


def _applied(plan: Plan, applied: Applied) -> Mapping[str, Any]:
    return {
        "outcome": applied.outcome,
        "steps": [
            {"outcome": made.outcome, "problem": document_of(made.problem) if made.problem is not None else None}
            for made in applied.steps
        ],
        "pairs": [
            {
                **ends_of(one.pair, plan.before.snapshot, plan.after.snapshot),
                "was_to_change": one.was_to_change,
                "predicted": one.predicted,
                "measured": one.measured,
                "reason": one.reason,
                "agrees": one.agrees,
                "findings": one.findings,
            }
            for one in applied.pairs
        ],
        "undone": [
            {
                "call": call_of_change(one.change),
                "problem": document_of(one.problem) if one.problem is not None else None,
            }
            for one in applied.undone
        ],
    }


def step_of(step: Step) -> Mapping[str, Any]:
    """Return a step as its schema dumps it."""
    return {
        "call": step.wanted.call,
        "outcome": "conflict" if step.problem is not None else "changes" if step.changes else "unchanged",
        "problem": document_of(step.problem) if step.problem is not None else None,
        "undoable": step.undo is not None,
        "not_undoable_because": step.not_undoable or None,
        "undo": [call_of_change(change) for change in step.undo or ()],
    }


def call_of_change(change: Change) -> Any:
    """Return the request of a change."""
    rendered: Any = as_request(change)
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
    verdicts = {"before": one.before, "after": one.after, "reason": one.reason or None, "addresses": one.addresses}
    return {**ends_of(one.pair, before, after), **verdicts, "assumes_listener": one.assumed}


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


class PlanEndLineSchema(Schema):
    """The last line of a plan that was applied."""

    type = word("Always `plan`.", "plan")
    plan = part(PlanSchema, "The plan, with what its changes did. Only in the last line.")


class PlanLineSchema(Variants):
    """One line of a plan that is being applied. `type` names the kind of line."""

    variants: ClassVar = {
        "progress": ProgressLineSchema,
        "heartbeat": HeartbeatLineSchema,
        "plan": PlanEndLineSchema,
        "problem": ProblemLineSchema,
    }
