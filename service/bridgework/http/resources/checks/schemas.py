"""The shapes of checks and their answers."""

from __future__ import annotations

from marshmallow import Schema

from bridgework.http.resources.checks.trace_schemas import TraceSchema
from bridgework.http.schemas.answers import ReferenceSchema, decimal, list_of, number, part, text, texts, word
from bridgework.http.schemas.findings import FindingSchema, LimitationSchema
from bridgework.model.checks import HopStatus, Reason, Verdict

VERDICTS = tuple(verdict.value for verdict in Verdict)
REASONS = tuple(reason.value for reason in Reason)


class HopSchema(Schema):
    """One step on the way of a packet."""

    kind = text(
        "The kind of step: `interface`, `veth`, `bridge`, `routing`, `published-port`, `proxy`, `port`, "
        "`listener` and so on, or the driver of a network on the way. The step that stops the packet may also "
        "be a `container`, `name`, `address`, `firewall` or `reply` (the packet arrives, but its answer is "
        "lost)."
    )
    name = text("The name of the step on the host, such as `eth0`, `docker0` or `0.0.0.0:8080`.")
    of = text(
        "The container, network or node that the step belongs to, or `the host`; null when there is none.", null=True
    )
    status = word(
        "`passed`: the packet passes. `stopped`: the packet stops here, and the path ends. `unknown`: it was "
        "not observed whether the packet passes, so the next steps are unknown too.",
        *(status.value for status in HopStatus),
        grows=True,
    )


class PredictionSchema(Schema):
    """What should happen according to the engine's state and the host's configuration."""

    verdict = word("The predicted verdict, before anything is sent.", *VERDICTS)
    path = list_of(
        HopSchema, "The steps of a packet, in order. When `verdict` is `unreachable`, the last step stops the packet."
    )


class RoundTripSchema(Schema):
    """Statistics of the round-trip times of all answered probes, in milliseconds."""

    min = decimal("The shortest round trip, in milliseconds.")
    avg = decimal("The arithmetic mean, in milliseconds.")
    max = decimal("The longest round trip, in milliseconds.")
    p50 = decimal("The 50th percentile (median), in milliseconds.")
    p95 = decimal("The 95th percentile, in milliseconds.")
    p99 = decimal("The 99th percentile, in milliseconds.")


class PhasesSchema(Schema):
    """How long each phase of the first probe took, in milliseconds."""

    resolve = decimal("Milliseconds to resolve the name; null when no name was resolved.", null=True)
    connect = decimal("Milliseconds to connect; null when the protocol has no connection.", null=True)
    first_byte = decimal(
        "Milliseconds until the first byte of the answer; null when the protocol has no such phase.", null=True
    )


class MeasurementSchema(Schema):
    """What was measured by sending the probes."""

    verdict = word("The measured verdict, from the answers to the probes.", *VERDICTS)
    address = text("The address that was probed; null when there was no address to probe.", null=True)
    attempts = number("How many probes were sent.", maximum=100)
    successes = number("How many probes were answered as expected.", maximum=100)
    reason = word("Why the check failed; null when it succeeded.", *REASONS, grows=True, null=True)
    detail = text(
        "What adds to `reason` or to a reachable verdict, in words; null when there is nothing to add.", null=True
    )
    rtt_ms = part(RoundTripSchema, "Statistics of the round-trip times; null when no probe was answered.", null=True)
    phases_ms = part(PhasesSchema, "How long each phase of the first probe took, in milliseconds.")
    resolved_addresses = texts("The addresses that the name resolved to; empty when no name was resolved.")
    resolver = text("The DNS server that resolved the name, such as `127.0.0.11`; null when none did.", null=True)
    reverse_name = text(
        "The name that a reverse lookup found for the address; null when it found none, or when no DNS server answered "
        "in time, which `detail` then says.",
        null=True,
    )
    status = number(
        "The HTTP status of an http check or the RCODE of a dns check; null for other protocols.",
        null=True,
        minimum=0,
        maximum=4095,
    )
    path_mtu_bytes = number(
        "The path MTU in bytes, when a router or the kernel reported one; otherwise null.", null=True, maximum=65_535
    )


class TriedAddressSchema(Schema):
    """One address of the destination, with its prediction and its measurement."""

    address = text("The IP address, such as `172.18.0.3`.")
    ip_version = number("The IP version of the address, 4 or 6.", minimum=4, maximum=6)
    network = part(
        ReferenceSchema, "The network whose subnet has the address; null outside of the engine's networks.", null=True
    )
    predicted = word("The predicted verdict of this address.", *VERDICTS)
    measured = word(
        "The measured verdict of this address. It is null when nothing was sent: the prediction is that of an address "
        "that was measured, or `reason` says why.",
        *VERDICTS,
        null=True,
    )
    reason = word(
        "Why the measurement failed, or why nothing was sent; null when there is no such reason.",
        *REASONS,
        grows=True,
        null=True,
    )


ADDRESSES = (
    "All addresses of the destination that the source can send to, in the order in which a program tries them. The "
    "first one is measured, and so is each other one whose prediction differs."
)


class AnsweringNodeSchema(Schema):
    """The swarm node that made the check. The calls of a remedy are for the service on that node."""

    id = text("The id of the node in its swarm.")
    hostname = text("The host name of the node.")
    instance = text("The address of the service on that node, as `host:port`.")


class CheckResultSchema(Schema):
    """The result of a check: the prediction beside the measurement, and the findings."""

    verdict = word(
        "The overall verdict: `reachable` when any address of the destination is. It is what was measured, or the "
        "prediction when nothing could be sent.",
        *VERDICTS,
    )
    predicted = part(PredictionSchema, "What should happen according to the engine's state.")
    measured = part(
        MeasurementSchema, "What was measured by sending the probes, at the first address with the overall verdict."
    )
    addresses = list_of(TriedAddressSchema, ADDRESSES)
    findings = list_of(FindingSchema, "The causes that were found and how to fix them, the most severe first.")
    limited = list_of(LimitationSchema, "Why the verdict is inconclusive, and what could not be observed.")
    answered_by = part(
        AnsweringNodeSchema, "The other swarm node that made the check; null when this node made the check.", null=True
    )
    trace = part(
        TraceSchema,
        "The way of the packet as the kernel showed it; null where nothing was recorded. It is that of a second probe "
        "where the check did not ask for a trace, and the destination was predicted reachable and is not.",
        null=True,
    )
