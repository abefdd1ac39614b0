"""The shapes of checks and their answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from bridgework.http.fields import ANY_IP_VERSION, ExactlyOne, Flag, Strict, Text, Whole, described
from bridgework.http.findings import FindingSchema
from bridgework.model.checks import HopStatus, Protocol, Reason, Verdict

PROTOCOLS = tuple(protocol.value for protocol in Protocol)
VERDICTS = tuple(verdict.value for verdict in Verdict)
REASONS = tuple(reason.value for reason in Reason)
MAX_PORT, MAX_PAYLOAD_BYTES = 65_535, 65_507
MAX_CHECK_MS = 60_000
WITH_PORT = frozenset({"tcp", "udp", "http"})
PORT_RULE: Mapping[str, Any] = {
    "if": {"required": ["protocol"], "properties": {"protocol": {"enum": sorted(WITH_PORT)}}},
    "then": {"required": ["port"], "properties": {"port": {"type": "integer"}}},
    "else": {
        "if": {"properties": {"protocol": {"enum": ["icmp"]}}},
        "then": {"properties": {"port": {"type": "null"}}},
    },
}
"""Which protocols need a port, and that icmp, the default, has none."""


class CheckSourceSchema(ExactlyOne):
    """Where the check starts: exactly one of these properties."""

    container = Text(min_length=1, metadata=described("The container to check from, by its name or id."))
    host = Flag(
        validate=validate.Equal(True), metadata=described("Check from the engine's host. The only value is `true`.")
    )


class CheckDestinationSchema(ExactlyOne):
    """What the check tries to reach: exactly one of these properties."""

    container = Text(
        min_length=1,
        metadata=described("A container by name or id, probed at an address on a network shared with the source."),
    )
    name = Text(
        min_length=1,
        max_length=253,
        metadata=described("A DNS name, such as `tomcat82`, resolved in the same way as the source resolves it."),
    )
    address = Text(
        min_length=1,
        max_length=64,
        metadata={**described("An IPv4 or IPv6 address, such as `10.77.0.3`."), **ANY_IP_VERSION},
    )
    host = Flag(
        validate=validate.Equal(True),
        metadata=described(
            "The engine's host: a container probes its default gateway, the host its loopback. Only `true`."
        ),
    )


class CheckRequestSchema(Strict):
    """A connectivity check to run."""

    keywords: ClassVar[Mapping[str, Any]] = PORT_RULE

    source = fields.Nested(
        CheckSourceSchema, required=True, metadata=described("The place that the check starts from.")
    )
    destination = fields.Nested(
        CheckDestinationSchema, required=True, metadata=described("What the check tries to reach.")
    )
    protocol = fields.String(
        load_default="icmp",
        validate=validate.OneOf(PROTOCOLS),
        metadata=described("The kind of probe to send; `icmp` sends ICMP echo requests."),
    )
    port = Whole(
        1,
        MAX_PORT,
        allow_none=True,
        load_default=None,
        metadata=described(
            "The destination port. tcp, udp and http need a port; dns uses 53 without one; icmp has none."
        ),
    )
    ip_version = fields.String(
        load_default="any",
        validate=validate.OneOf(["any", "4", "6"]),
        metadata=described("The IP version to use; `any` takes the one that the destination has."),
    )
    count = Whole(1, 100, load_default=1, metadata=described("How many probes to send, one after the other."))
    interval_ms = Whole(0, 10_000, load_default=0, metadata=described("Milliseconds to wait between two probes."))
    timeout_ms = Whole(
        1, 30_000, load_default=1000,
        metadata=described(
            "Milliseconds to wait for each answer. Resolving a name, and looking up the name of an address, may "
            "each take the same time again."
        ),
    )  # fmt: skip
    payload_bytes = Whole(
        0,
        MAX_PAYLOAD_BYTES,
        load_default=56,
        metadata=described("Bytes of payload in an ICMP echo request, without its headers."),
    )
    dont_fragment = Flag(
        load_default=False,
        metadata=described("Forbid fragmentation, to find out whether a packet of this size passes (path MTU)."),
    )
    path = Text(
        load_default="/",
        min_length=1,
        max_length=2048,
        metadata=described("The path of an http request, such as `/health`.", pattern=r"^/[^\x00-\x1f\x7f]*$"),
    )
    expected_status = Whole(
        100,
        599,
        allow_none=True,
        load_default=None,
        metadata=described("The HTTP status that counts as success, such as 200; null accepts every status."),
    )
    question = Text(
        allow_none=True,
        load_default=None,
        max_length=253,
        metadata=described("The name that a dns check asks for; null asks for the name servers of the root."),
    )

    @validates_schema(skip_on_field_errors=True)
    def check(self, data: dict[str, Any], **_: Any) -> None:
        """What single fields cannot say."""
        faults: dict[str, list[str]] = {}
        if data["protocol"] in WITH_PORT and data["port"] is None:
            faults["port"] = [f"The protocol {data['protocol']} needs a port."]
        if data["protocol"] == "icmp" and data["port"] is not None:
            faults["port"] = ["The protocol icmp has no port."]
        if data["count"] * (data["timeout_ms"] + data["interval_ms"]) > MAX_CHECK_MS:
            faults["count"] = ["The check could take more than a minute: count * (timeout_ms + interval_ms)."]
        if not data["path"].startswith("/"):
            faults["path"] = ["Must start with a slash."]
        if faults:
            raise ValidationError(faults)


class HopSchema(Schema):
    """One step on the way of a packet."""

    kind = fields.String(
        required=True,
        metadata=described(
            "The kind of step: `interface`, `veth`, `bridge`, `routing`, `published-port`, `proxy`, `port`, "
            "`listener` and so on, or the driver of a network on the way. The step that stops the packet may also "
            "be a `container`, `name`, `address`, `firewall` or `reply` (the packet arrives, but its answer is "
            "lost)."
        ),
    )
    name = fields.String(
        required=True,
        metadata=described("The name of the step on the host, such as `eth0`, `docker0` or `0.0.0.0:8080`."),
    )
    of = fields.String(
        required=True,
        allow_none=True,
        metadata=described(
            "The container, network or node that the step belongs to, or `the host`; null when there is none."
        ),
    )
    status = fields.String(
        required=True,
        validate=validate.OneOf([status.value for status in HopStatus]),
        metadata=described(
            "`passed`: the packet passes. `stopped`: the packet stops here, and the path ends. `unknown`: it was "
            "not observed whether the packet passes, so the next steps are unknown too.",
            x_known_values=True,
        ),
    )


class PredictionSchema(Schema):
    """What should happen according to the engine's state and the host's configuration."""

    verdict = fields.String(
        required=True,
        validate=validate.OneOf(VERDICTS),
        metadata=described("The predicted verdict, before anything is sent."),
    )
    path = fields.List(
        fields.Nested(HopSchema),
        required=True,
        metadata=described(
            "The steps of a packet, in order. When `verdict` is `unreachable`, the last step stops the packet."
        ),
    )


class RoundTripSchema(Schema):
    """Statistics of the round-trip times of all answered probes, in milliseconds."""

    min = fields.Float(required=True, metadata=described("The shortest round trip, in milliseconds."))
    avg = fields.Float(required=True, metadata=described("The arithmetic mean, in milliseconds."))
    max = fields.Float(required=True, metadata=described("The longest round trip, in milliseconds."))
    p50 = fields.Float(required=True, metadata=described("The 50th percentile (median), in milliseconds."))
    p95 = fields.Float(required=True, metadata=described("The 95th percentile, in milliseconds."))
    p99 = fields.Float(required=True, metadata=described("The 99th percentile, in milliseconds."))


class PhasesSchema(Schema):
    """How long each phase of the first probe took, in milliseconds."""

    resolve = fields.Float(
        required=True,
        allow_none=True,
        metadata=described("Milliseconds to resolve the name; null when no name was resolved."),
    )
    connect = fields.Float(
        required=True,
        allow_none=True,
        metadata=described("Milliseconds to connect; null when the protocol has no connection."),
    )
    first_byte = fields.Float(
        required=True,
        allow_none=True,
        metadata=described(
            "Milliseconds until the first byte of the answer; null when the protocol has no such phase."
        ),
    )


class MeasurementSchema(Schema):
    """What was measured by sending the probes."""

    verdict = fields.String(
        required=True,
        validate=validate.OneOf(VERDICTS),
        metadata=described("The measured verdict, from the answers to the probes."),
    )
    address = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The address that was probed; null when there was no address to probe."),
    )
    attempts = fields.Integer(required=True, metadata=described("How many probes were sent.", maximum=100))
    successes = fields.Integer(
        required=True, metadata=described("How many probes were answered as expected.", maximum=100)
    )
    reason = fields.String(
        required=True, allow_none=True, validate=validate.OneOf([*REASONS, None]),
        metadata=described("Why the check failed; null when it succeeded.", x_known_values=True),
    )  # fmt: skip
    detail = fields.String(
        required=True,
        allow_none=True,
        metadata=described("One sentence that adds to `reason`; null when there is nothing to add."),
    )
    rtt_ms = fields.Nested(
        RoundTripSchema,
        required=True,
        allow_none=True,
        metadata=described("Statistics of the round-trip times; null when no probe was answered."),
    )
    phases_ms = fields.Nested(
        PhasesSchema, required=True, metadata=described("How long each phase of the first probe took, in milliseconds.")
    )
    resolved_addresses = fields.List(
        fields.String(),
        required=True,
        metadata=described("The addresses that the name resolved to; empty when no name was resolved."),
    )
    resolver = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The DNS server that resolved the name, such as `127.0.0.11`; null when none did."),
    )
    reverse_name = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The name that a reverse lookup found for the address; null when it found none."),
    )
    status = fields.Integer(
        required=True,
        allow_none=True,
        metadata=described(
            "The HTTP status of an http check or the RCODE of a dns check; null for other protocols.",
            minimum=0,
            maximum=4095,
        ),
    )
    path_mtu_bytes = fields.Integer(
        required=True,
        allow_none=True,
        metadata=described(
            "The path MTU in bytes, when a router or the kernel reported one; otherwise null.", maximum=65_535
        ),
    )


class AnsweringNodeSchema(Schema):
    """The swarm node that made the check. The calls of a remedy are for the service on that node."""

    id = fields.String(required=True, metadata=described("The id of the node in its swarm."))
    hostname = fields.String(required=True, metadata=described("The host name of the node."))
    instance = fields.String(
        required=True, metadata=described("The address of the service on that node, as `host:port`.")
    )


class CheckResultSchema(Schema):
    """The result of a check: the prediction beside the measurement, and the findings."""

    verdict = fields.String(
        required=True,
        validate=validate.OneOf(VERDICTS),
        metadata=described("The overall verdict: what was measured, or the prediction when nothing could be sent."),
    )
    predicted = fields.Nested(
        PredictionSchema, required=True, metadata=described("What should happen according to the engine's state.")
    )
    measured = fields.Nested(
        MeasurementSchema, required=True, metadata=described("What was measured by sending the probes.")
    )
    findings = fields.List(
        fields.Nested(FindingSchema),
        required=True,
        metadata=described("The causes that were found and how to fix them, the most severe first."),
    )
    answered_by = fields.Nested(
        AnsweringNodeSchema, required=True, allow_none=True,
        metadata=described("The other swarm node that made the check; null when this node made the check."),
    )  # fmt: skip
