"""The shapes of checks and their answers."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from service.api.fields import ExactlyOne, FindingSchema, Flag, Strict, Text, Whole, described
from service.core.checks import HopStatus, Protocol, Reason, Verdict

PROTOCOLS = tuple(protocol.value for protocol in Protocol)
VERDICTS = tuple(verdict.value for verdict in Verdict)
REASONS = tuple(reason.value for reason in Reason)
MAX_PORT, MAX_PAYLOAD_BYTES = 65_535, 65_507
MAX_CHECK_MS = 60_000
WITH_PORT = frozenset({"tcp", "udp", "http"})


class CheckSourceSchema(ExactlyOne):
    """Where to stand: exactly one of these."""

    container = Text(min_length=1, metadata=described("A container by name or id."))
    host = Flag(validate=validate.Equal(True), metadata=described("The engine's host; true."))


class CheckDestinationSchema(ExactlyOne):
    """What to reach: exactly one of these."""

    container = Text(min_length=1, metadata=described("A container: its address on a network shared with the source."))
    name = Text(min_length=1, max_length=253, metadata=described("A name, resolved as the source would."))
    address = Text(min_length=1, max_length=64, metadata=described("A literal IPv4 or IPv6 address."))
    host = Flag(
        validate=validate.Equal(True),
        metadata=described("From a container its default gateway, from the host the loopback; true."),
    )


class CheckRequestSchema(Strict):
    """A check to run."""

    source = fields.Nested(CheckSourceSchema, required=True, metadata=described("Where to stand."))
    destination = fields.Nested(CheckDestinationSchema, required=True, metadata=described("What to reach."))
    protocol = fields.String(
        load_default="icmp", validate=validate.OneOf(PROTOCOLS), metadata=described("What is sent.")
    )
    port = Whole(1, MAX_PORT, allow_none=True, load_default=None, metadata=described("Of tcp, udp, http; of dns 53."))
    ip_version = fields.String(
        load_default="any", validate=validate.OneOf(["any", "4", "6"]), metadata=described("The address family.")
    )
    count = Whole(1, 100, load_default=1, metadata=described("How many attempts."))
    interval_ms = Whole(0, 10_000, load_default=0, metadata=described("Between attempts."))
    timeout_ms = Whole(
        1, 30_000, load_default=1000,
        metadata=described(
            "Milliseconds for each attempt. To resolve a name, and to look up the name of the address, may each take "
            "as long again."
        ),
    )  # fmt: skip
    payload_bytes = Whole(
        0, MAX_PAYLOAD_BYTES, load_default=56, metadata=described("Of an icmp echo, without its headers.")
    )
    dont_fragment = Flag(load_default=False, metadata=described("Ask whether the size passes unfragmented."))
    path = Text(load_default="/", min_length=1, max_length=2048, metadata=described("Of http."))
    expected_status = Whole(
        100, 599, allow_none=True, load_default=None, metadata=described("Of http; null accepts every answer.")
    )
    question = Text(allow_none=True, load_default=None, max_length=253, metadata=described("Of dns: the name to ask."))

    @validates_schema(skip_on_field_errors=True)
    def check(self, data: dict[str, Any], **_: Any) -> None:
        """What single fields cannot say."""
        faults: dict[str, list[str]] = {}
        if data["protocol"] in WITH_PORT and data["port"] is None:
            faults["port"] = [f"The protocol {data['protocol']} needs one."]
        if data["protocol"] == "icmp" and data["port"] is not None:
            faults["port"] = ["The protocol icmp has none."]
        if data["count"] * (data["timeout_ms"] + data["interval_ms"]) > MAX_CHECK_MS:
            faults["count"] = ["count * (timeout_ms + interval_ms) is more than a minute."]
        if not data["path"].startswith("/"):
            faults["path"] = ["Must start with a slash."]
        if faults:
            raise ValidationError(faults)


class HopSchema(Schema):
    """A step of a path."""

    kind = fields.String(
        required=True,
        metadata=described(
            "What the packet comes to: `interface`, `veth`, `bridge`, `routing`, `published-port`, `proxy`, `port`, "
            "`listener`… or the driver of a network on the way. Where the packet stops it may also be `container`, "
            "`name`, `address`, `firewall` or `reply` (the packet arrives and its answer is lost)."
        ),
    )
    name = fields.String(
        required=True, metadata=described("Its name on the host, such as `eth0`, `docker0` or `0.0.0.0:8080`.")
    )
    of = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The container, network or node that it belongs to, or `the host`; null where it has none."),
    )
    status = fields.String(
        required=True,
        validate=validate.OneOf([status.value for status in HopStatus]),
        metadata=described(
            "`passed`: the packet passes here. `stopped`: it stops here, and the path ends. `unknown`: whether it "
            "passes here was not seen, which leaves the hops behind it unknown too.",
            x_known_values=True,
        ),
    )


class PredictionSchema(Schema):
    """What the engine's state says should happen."""

    verdict = fields.String(required=True, validate=validate.OneOf(VERDICTS), metadata=described("The prediction."))
    path = fields.List(
        fields.Nested(HopSchema),
        required=True,
        metadata=described(
            "The hops of a packet, in order. Where `verdict` is `unreachable`, the last one stops the packet."
        ),
    )


class RoundTripSchema(Schema):
    """Statistics in milliseconds."""

    min = fields.Float(required=True, metadata=described("The fastest."))
    avg = fields.Float(required=True, metadata=described("The mean."))
    max = fields.Float(required=True, metadata=described("The slowest."))
    p50 = fields.Float(required=True, metadata=described("The median."))
    p95 = fields.Float(required=True, metadata=described("The 95th percentile."))
    p99 = fields.Float(required=True, metadata=described("The 99th percentile."))


class PhasesSchema(Schema):
    """Where the time of the first attempt went, in milliseconds."""

    resolve = fields.Float(required=True, allow_none=True, metadata=described("Resolving the name."))
    connect = fields.Float(required=True, allow_none=True, metadata=described("Connecting."))
    first_byte = fields.Float(
        required=True, allow_none=True, metadata=described("Waiting for the answer's first byte.")
    )


class MeasurementSchema(Schema):
    """What the wire said."""

    verdict = fields.String(required=True, validate=validate.OneOf(VERDICTS), metadata=described("The measurement."))
    address = fields.String(required=True, allow_none=True, metadata=described("The address probed."))
    attempts = fields.Integer(required=True, metadata=described("How many were made.", maximum=100))
    successes = fields.Integer(required=True, metadata=described("How many were answered.", maximum=100))
    reason = fields.String(
        required=True, allow_none=True, validate=validate.OneOf([*REASONS, None]),
        metadata=described("Why it failed; null where it did not.", x_known_values=True),
    )  # fmt: skip
    detail = fields.String(required=True, allow_none=True, metadata=described("More on the reason."))
    rtt_ms = fields.Nested(RoundTripSchema, required=True, allow_none=True, metadata=described("Round trips."))
    phases_ms = fields.Nested(PhasesSchema, required=True, metadata=described("The first attempt's phases."))
    resolved_addresses = fields.List(fields.String(), required=True, metadata=described("What the name resolved to."))
    resolver = fields.String(required=True, allow_none=True, metadata=described("Who answered for the name."))
    reverse_name = fields.String(required=True, allow_none=True, metadata=described("The name of the address."))
    status = fields.Integer(
        required=True, allow_none=True, metadata=described("Of http; of dns the RCODE.", minimum=0, maximum=4095)
    )
    path_mtu_bytes = fields.Integer(
        required=True, allow_none=True, metadata=described("Where the path told.", maximum=65_535)
    )


class AnsweringNodeSchema(Schema):
    """Another node of the swarm, whose instance made the check; a remedy's calls are for that instance."""

    id = fields.String(required=True, metadata=described("The node's id."))
    hostname = fields.String(required=True, metadata=described("Its host's name."))
    instance = fields.String(required=True, metadata=described("Where its instance of the service is: `host:port`."))


class CheckResultSchema(Schema):
    """Predicted and measured, side by side."""

    verdict = fields.String(required=True, validate=validate.OneOf(VERDICTS), metadata=described("What holds."))
    predicted = fields.Nested(PredictionSchema, required=True, metadata=described("From the engine's state."))
    measured = fields.Nested(MeasurementSchema, required=True, metadata=described("From the wire."))
    findings = fields.List(
        fields.Nested(FindingSchema), required=True, metadata=described("Why, and what mends it; the worst first.")
    )
    answered_by = fields.Nested(
        AnsweringNodeSchema, required=True, allow_none=True,
        metadata=described("The other node that made the check; null where it was made here."),
    )  # fmt: skip
