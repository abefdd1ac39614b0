"""The body of a check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from marshmallow import ValidationError, fields, post_load, pre_dump, validate, validates_schema

from bridgework.http.schemas.answers import plain
from bridgework.http.schemas.fields import (
    ANY_IP_VERSION,
    Choice,
    ExactlyOne,
    Flag,
    Request,
    Text,
    Whole,
    described,
    optional,
    required,
)
from bridgework.model.checks import (
    AddressDestination,
    CheckRequest,
    ContainerDestination,
    Destination,
    HostDestination,
    NameDestination,
    ProbeRequest,
    Protocol,
)

PROTOCOLS = tuple(protocol.value for protocol in Protocol)
PREDICTED_PROTOCOLS = tuple(protocol.value for protocol in Protocol if not protocol.traits.is_application)
"""The protocols of plans and searches, which measure nothing."""
MAX_PORT, MAX_PAYLOAD_BYTES = 65_535, 65_507
MAX_CHECK_MS = 60_000
MAX_TRACE_PAYLOAD_BYTES = 1024
WITH_PORT = tuple(protocol.value for protocol in Protocol if protocol.traits.needs_port)
WITHOUT_PORT = tuple(protocol.value for protocol in Protocol if protocol.transport is None)
_DESTINATIONS: Mapping[str, Callable[[str], Destination]] = {
    "container": ContainerDestination,
    "name": NameDestination,
    "address": AddressDestination,
}
_IP_VERSIONS = {"any": None, "4": 4, "6": 6}
PORT_RULE: Mapping[str, Any] = {
    "if": {"required": ["protocol"], "properties": {"protocol": {"enum": sorted(WITH_PORT)}}},
    "then": {"required": ["port"], "properties": {"port": {"type": "integer"}}},
    "else": {
        "if": {"properties": {"protocol": {"enum": list(WITHOUT_PORT)}}},
        "then": {"properties": {"port": {"type": "null"}}},
    },
}
"""Which protocols need a port, and that icmp, the default, has none."""


_OPTIONAL_PORT = (protocol for protocol in Protocol if protocol.transport and not protocol.traits.needs_port)
PORT_TEXT = "; ".join(
    (
        f"The destination port. {', '.join(WITH_PORT[:-1])} and {WITH_PORT[-1]} need a port",
        *(f"{protocol} uses {protocol.traits.default_port} without one" for protocol in _OPTIONAL_PORT),
        f"{' and '.join(WITHOUT_PORT)} has none.",
    )
)


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
        metadata=described(
            "A container by name or id, at all of its addresses that the source can send to. Those on a network that "
            "both are on come first."
        ),
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
            "The engine's host: a container probes its default gateways and the host's addresses on its own networks, "
            "the host its loopback. Only `true`."
        ),
    )


def protocol_field() -> fields.String:
    """Declare the protocol of a check or a matrix."""
    return Choice(PROTOCOLS, **optional("The kind of probe to send; `icmp` sends ICMP echo requests.", "icmp"))


def port_field() -> Whole:
    """Declare the port of a check or a matrix."""
    return Whole(1, MAX_PORT, **optional(PORT_TEXT))


def port_faults(protocol: str, port: int | None) -> dict[str, list[str]]:
    """Return the fault of a port that is missing or out of place; see ``PORT_RULE``."""
    if protocol in WITH_PORT and port is None:
        return {"port": [f"The protocol {protocol} needs a port."]}
    if protocol in WITHOUT_PORT and port is not None:
        return {"port": [f"The protocol {protocol} has no port."]}
    return {}


class ProbeSchema(Request):
    """What a check sends, from where and to where: the fields of a check and of an assertion."""

    keywords: ClassVar[Mapping[str, Any]] = PORT_RULE

    source = fields.Nested(CheckSourceSchema, **required("The place that the check starts from."))
    destination = fields.Nested(CheckDestinationSchema, **required("What the check tries to reach."))
    protocol = protocol_field()
    port = port_field()
    ip_version = Choice(
        ["any", "4", "6"], **optional("The IP version to use; `any` means the addresses of both.", "any")
    )
    count = Whole(1, 100, **optional("How many probes to send, one after the other.", 1))
    interval_ms = Whole(0, 10_000, **optional("Milliseconds to wait between two probes.", 0))
    timeout_ms = Whole(
        1,
        30_000,
        **optional(
            "Milliseconds to wait for each answer. Resolving a name, and looking up the name of an address, may "
            "each take the same time again.",
            1000,
        ),
    )
    payload_bytes = Whole(
        0, MAX_PAYLOAD_BYTES, **optional("Bytes of payload in an ICMP echo request, without its headers.", 56)
    )
    dont_fragment = Flag(
        **optional("Forbid fragmentation, to find out whether a packet of this size passes (path MTU).", False)
    )
    path = Text(
        min_length=1,
        max_length=2048,
        attribute="http_path",
        **optional("The path of an http request, such as `/health`.", "/", pattern=r"^/[^\x00-\x1f\x7f]*$"),
    )
    expected_status = Whole(
        100, 599, **optional("The HTTP status that counts as success, such as 200; null accepts every status.")
    )
    question = Text(
        max_length=253,
        attribute="dns_question",
        **optional("The name that a dns check asks for; null asks for the name servers of the root."),
    )

    @validates_schema(skip_on_field_errors=True)
    def check(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse what no field can refuse by itself."""
        faults = port_faults(data["protocol"], data["port"])
        if data["count"] * (data["timeout_ms"] + data["interval_ms"]) > MAX_CHECK_MS:
            faults["count"] = ["The check could take more than a minute: count * (timeout_ms + interval_ms)."]
        if not data["http_path"].startswith("/"):
            faults["path"] = ["Must start with a slash."]
        if faults:
            raise ValidationError(faults)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Any:
        source = data.pop("source").get("container")
        trace, payload = data.pop("trace", None), data.pop("trace_payload_bytes", 0)
        [(kind, value)] = data.pop("destination").items()
        protocol = Protocol(data.pop("protocol"))
        port = data.pop("port") or protocol.traits.default_port
        ip_version = _IP_VERSIONS[data.pop("ip_version")]
        destination = HostDestination() if kind == "host" else _DESTINATIONS[kind](value)
        probe = ProbeRequest(protocol, port=port, ip_version=ip_version, **data)
        return CheckRequest(source, destination, probe, trace=trace, trace_payload_bytes=payload)


def taken_apart(wanted: CheckRequest) -> dict[str, Any]:
    """Return the fields of ``ProbeSchema`` that make this request."""
    host = {"host": True}
    return {
        **plain(wanted.probe),
        "ip_version": str(wanted.probe.ip_version or "any"),
        "source": host if wanted.source is None else {"container": wanted.source},
        "destination": asdict(wanted.destination) or host,
    }


class CheckRequestSchema(ProbeSchema):
    """A connectivity check to run."""

    trace = Flag(
        **optional(
            "With true, record the packet of the first probe at every interface and firewall rule on its way, and "
            "answer that as `trace`; this needs the role operator. With null, a second probe is recorded where the "
            "destination was predicted reachable and is not, and the caller may trace. With false, nothing is recorded."
        )
    )
    trace_payload_bytes = Whole(
        0,
        MAX_TRACE_PAYLOAD_BYTES,
        **optional(
            "How many bytes behind the transport header of each traced packet are kept for the capture file. By "
            "default none: what programs send to each other can be secret.",
            0,
        ),
    )

    @validates_schema(skip_on_field_errors=True)
    def check_payload(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse payload without a trace."""
        if data["trace_payload_bytes"] and not data["trace"]:
            raise ValidationError({"trace_payload_bytes": ["Needs `trace`: without it no packet is recorded."]})

    @pre_dump
    def _taken_apart(self, wanted: CheckRequest, **_: Any) -> dict[str, Any]:
        return {**taken_apart(wanted), "trace": wanted.trace, "trace_payload_bytes": wanted.trace_payload_bytes}
