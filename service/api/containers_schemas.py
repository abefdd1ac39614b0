"""The shapes of containers. What would hand out the host (privileges, mounts, devices) has no field at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from service.api.endpoints_schemas import EndpointFieldsSchema, EndpointSchema
from service.api.fields import (
    MAX_LABELS,
    NAME,
    Assigned,
    Cursor,
    Filter,
    FindingSchema,
    Flag,
    FreeText,
    FreeTextMap,
    Members,
    QueryWhole,
    ReferenceSchema,
    Strict,
    Text,
    TextMap,
    Whole,
    described,
)
from service.core.access import is_reserved

STATES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
IMAGE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-/:]*(@sha256:[0-9a-f]{64})?\Z")
RESTART_POLICIES = ("no", "always", "unless-stopped", "on-failure")
TRANSPORTS = ("tcp", "udp", "sctp")
MAX_PORT = 65_535


class PublishedPortSchema(Schema):
    """A port of the container offered at the host."""

    container_port = fields.Integer(required=True, metadata=described("Inside.", minimum=1, maximum=MAX_PORT))
    protocol = fields.String(
        required=True, validate=validate.OneOf(TRANSPORTS), metadata=described("The protocol.", x_known_values=True)
    )
    host_ip = fields.String(required=True, metadata=described("The host's address; empty or `0.0.0.0` for every one."))
    host_port = fields.Integer(
        required=True,
        allow_none=True,
        metadata=described("On the host; null until chosen.", minimum=1, maximum=MAX_PORT),
    )


class ContainerSchema(Schema):
    """A container."""

    id = Assigned("The full id, 64 hexadecimal digits.")
    name = fields.String(required=True, metadata=described("The name.", examples=["tomcat81"]))
    image = fields.String(required=True, metadata=described("The image's reference."))
    image_id = Assigned("The image's id, a digest such as `sha256:…`.")
    command = fields.List(fields.String(), required=True, metadata=described("What it runs."))
    state = fields.String(required=True, validate=validate.OneOf(STATES), metadata=described("Docker's state."))
    exit_code = fields.Integer(
        required=True, allow_none=True,
        metadata=described("Of its last end; null while it never ran.", minimum=-2_147_483_648, maximum=2_147_483_647),
    )  # fmt: skip
    created_at = Assigned("When the container was created, RFC 3339 in UTC.", format="date-time")
    started_at = fields.String(
        required=True, allow_none=True, metadata=described("When it was last started.", format="date-time")
    )
    finished_at = fields.String(
        required=True, allow_none=True, metadata=described("When it last ended.", format="date-time")
    )
    hostname = fields.String(required=True, metadata=described("Its host name."))
    network_mode = fields.String(
        required=True, metadata=described("`bridge`, `host`, `none`, `container:<id>` or a network's name or id.")
    )
    shares_network_with = fields.Nested(
        ReferenceSchema, required=True, allow_none=True, metadata=described("Of `container:<id>`, that container.")
    )
    endpoints = fields.List(fields.Nested(EndpointSchema), required=True, metadata=described("Its places in networks."))
    published_ports = fields.List(
        fields.Nested(PublishedPortSchema), required=True, metadata=described("Ports in force now.")
    )
    configured_ports = fields.List(
        fields.Nested(PublishedPortSchema), required=True, metadata=described("Ports asked for at creation.")
    )
    labels = fields.Dict(keys=fields.String(), values=fields.String(), required=True, metadata=described("Labels."))
    restart_policy = fields.String(
        required=True, validate=validate.OneOf(RESTART_POLICIES), metadata=described("When the engine starts it again.")
    )
    findings = fields.List(
        fields.Nested(FindingSchema), required=True, metadata=described("What Docker does silently or only warns of.")
    )


class ContainerPageSchema(Schema):
    """A page of containers, by name."""

    items = fields.List(fields.Nested(ContainerSchema), required=True, metadata=described("The containers."))
    next_cursor = fields.String(
        required=True, allow_none=True, metadata=described("The `cursor` of the next page; null on the last.")
    )


class ContainerQuery(Strict):
    """Filters and paging of the list of containers."""

    limit = QueryWhole(1, 1000, load_default=100, metadata=described("How many items a page has at most."))
    cursor = Cursor()
    name = Filter(Text(), "Only containers whose name contains this text.")
    state = Filter(fields.String(validate=validate.OneOf(STATES)), "Only containers in this state, such as `running`.")
    network = Filter(Text(min_length=1), "Only containers with an endpoint in this network, by its name or id.")
    label = fields.List(
        Text(), load_default=list, validate=validate.Length(max=MAX_LABELS),
        metadata=described("Only containers with this label, `key` or `key=value`. Given several times, all must fit."),
    )  # fmt: skip
    image = Filter(Text(max_length=512), "Only containers of this image, by its reference or id.")
    publishes = Filter(QueryWhole(1, MAX_PORT), "Only containers that publish this port of the host.")
    project = Filter(Text(), "Only containers that belong to this project.")


class PortRequestSchema(Strict):
    """A port to publish."""

    container_port = Whole(1, MAX_PORT, required=True, metadata=described("Inside."))
    protocol = fields.String(
        load_default="tcp", validate=validate.OneOf(TRANSPORTS), metadata=described("The protocol.")
    )
    host_ip = fields.IP(
        allow_none=True, load_default=None, metadata=described("One address of the host; null for all.")
    )
    host_port = Whole(
        1, MAX_PORT, allow_none=True, load_default=None, metadata=described("Null lets the engine choose.")
    )
    count = Whole(
        1, 1000, load_default=1, metadata=described("A range: this many ports, counting up from both numbers.")
    )


class ContainerNetworkSchema(EndpointFieldsSchema):
    """A network to be in, and how."""

    network = Text(required=True, min_length=1, metadata=described("A network by name or id."))


class ContainerCreateSchema(Strict):
    """A container to create."""

    name = Text(
        allow_none=True, load_default=None, min_length=1, max_length=128,
        metadata=described("Unique on its engine; null for one made up.", examples=["tomcat81"], pattern=NAME),
    )  # fmt: skip
    image = Text(
        required=True,
        min_length=1,
        max_length=512,
        metadata=described("An image's reference.", examples=["busybox"], pattern=f"^{IMAGE.pattern}"),
    )
    command = fields.List(
        FreeText(), load_default=list, validate=validate.Length(max=256),
        metadata=described("What to run; empty for the image's own.", examples=[["httpd", "-f", "-p", "8080"]]),
    )  # fmt: skip
    environment = FreeTextMap(load_default=dict, metadata=described("Environment; never shown again."))
    labels = FreeTextMap(
        load_default=dict, metadata=described("Labels; those under `io.bridgework.` are the service's.")
    )
    network_mode = Text(
        allow_none=True, load_default=None, min_length=1,
        metadata=described(
            "`bridge`, `host`, `none`, `container:<container>`, or a network. "
            "Null: the first of `networks`, else `bridge`."
        ),
    )  # fmt: skip
    networks = fields.List(
        fields.Nested(ContainerNetworkSchema), load_default=list, validate=validate.Length(max=64),
        metadata=described("Networks to be in."),
    )  # fmt: skip
    published_ports = fields.List(
        fields.Nested(PortRequestSchema), load_default=list, validate=validate.Length(max=256),
        metadata=described("Ports to offer at the host."),
    )  # fmt: skip
    hostname = Text(
        allow_none=True, load_default=None, max_length=63, validate=validate.Regexp(r"[A-Za-z0-9][A-Za-z0-9\-.]*\Z"),
        metadata=described("Its host name; null for its short id."),
    )  # fmt: skip
    dns = fields.List(fields.IP(), load_default=list, validate=validate.Length(max=16), metadata=described("Servers."))
    dns_search = fields.List(
        Text(min_length=1), load_default=list, validate=validate.Length(max=16), metadata=described("Search domains.")
    )
    dns_options = fields.List(
        Text(min_length=1),
        load_default=list,
        validate=validate.Length(max=16),
        metadata=described("resolv.conf options."),
    )
    extra_hosts = Members(
        keys=Text(min_length=1), values=Text(min_length=1, max_length=64), load_default=dict,
        validate=validate.Length(max=256), metadata=described("Names to addresses, or to `host-gateway`."),
    )  # fmt: skip
    sysctls = TextMap(
        load_default=dict, max_items=64, metadata=described("Network sysctls (`net.*`) of its namespace.")
    )
    restart_policy = fields.String(
        load_default="no", validate=validate.OneOf(RESTART_POLICIES),
        metadata=described("When the engine starts it again."),
    )  # fmt: skip
    start = Flag(load_default=True, metadata=described("Start it; when that fails, nothing is left."))
    pull = fields.String(
        load_default="never", validate=validate.OneOf(["never", "missing", "always"]),
        metadata=described("Whether the engine may fetch the image."),
    )  # fmt: skip

    @validates_schema(skip_on_field_errors=False)
    def check(self, data: dict[str, Any], **_: Any) -> None:
        """What single fields cannot say, of those that are sound by themselves. Every fault at once."""
        faults: dict[str, Any] = {}
        if "image" in data and not IMAGE.match(data["image"]):
            faults["image"] = ["Not an image's reference."]
        for field, sane, message in _NAMES:
            bad = {name: [message] for name in data.get(field, ()) if not sane(name)}
            if bad:
                faults[field] = bad
        hosts = {name: ["Must be an address, or host-gateway."] for name, value in data.get("extra_hosts", {}).items()
                 if value != "host-gateway" and not _is_address(value)}  # fmt: skip
        if hosts:
            faults["extra_hosts"] = hosts
        _check_ports(data.get("published_ports", ()), faults)
        if faults:
            raise ValidationError(faults)


def _is_address(text: str) -> bool:
    try:
        fields.IP().deserialize(text)
    except ValidationError:
        return False
    return True


def _check_ports(ports: Sequence[dict[str, Any]], faults: dict[str, Any]) -> None:
    for index, port in enumerate(ports):
        for name in ("container_port", "host_port"):
            if (port.get(name) or 0) + port.get("count", 1) - 1 > MAX_PORT:
                faults.setdefault("published_ports", {})[index] = {name: ["The range ends above 65535."]}


_NAMES: tuple[tuple[str, Callable[[str], bool], str], ...] = (
    (
        "sysctls",
        lambda name: re.fullmatch(r"net\.[a-z0-9_.\-]+", name) is not None,
        "Only sysctls under net. are allowed.",
    ),
    ("environment", lambda name: "=" not in name, "A variable's name holds no equals sign."),
    ("labels", lambda name: not is_reserved(name), "This prefix is the service's own."),
)


class ContainerRenameSchema(Strict):
    """A new name."""

    name = Text(
        required=True,
        min_length=1,
        max_length=128,
        metadata=described("The new name: unique on its engine.", pattern=NAME),
    )


class StopQuery(Strict):
    """How long to wait."""

    grace_s = QueryWhole(
        0,
        300,
        load_default=None,
        metadata=described("Seconds between SIGTERM and SIGKILL; null for the service's own."),
    )
