"""The shapes of containers. What would hand out the host (privileges, mounts, devices) has no field at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from bridgework.http.fields import (
    ANY_IP_VERSION,
    MAX_LABELS,
    NAME,
    NAMES_PATTERN,
    NOT_AN_ID,
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
    never,
)
from bridgework.http.resources.endpoints.schemas import EndpointFieldsSchema, EndpointSchema
from bridgework.policy.access import is_reserved

STATES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
IMAGE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-/:]*(@sha256:[0-9a-f]{64})?\Z")
RESTART_POLICIES = ("no", "always", "unless-stopped", "on-failure")
TRANSPORTS = ("tcp", "udp", "sctp")
MAX_PORT = 65_535


class PublishedPortSchema(Schema):
    """A port of a container that is published on the host."""

    container_port = fields.Integer(
        required=True, metadata=described("The port inside the container, such as 8080.", minimum=1, maximum=MAX_PORT)
    )
    protocol = fields.String(
        required=True,
        validate=validate.OneOf(TRANSPORTS),
        metadata=described("The transport protocol of the port.", x_known_values=True),
    )
    host_ip = fields.String(
        required=True,
        metadata=described("The host address that the port is published on; empty or `0.0.0.0` for all addresses."),
    )
    host_port = fields.Integer(
        required=True,
        allow_none=True,
        metadata=described(
            "The port on the host, such as 8081; null while the engine has not chosen one.", minimum=1, maximum=MAX_PORT
        ),
    )


class ContainerSchema(Schema):
    """A container, with its place in each network and what is wrong with its configuration."""

    id = Assigned("The full id, 64 hexadecimal digits.")
    name = fields.String(
        required=True, metadata=described("The name of the container, unique on its engine.", examples=["tomcat81"])
    )
    image = fields.String(
        required=True,
        metadata=described("The image as the container was created with it, such as `busybox` or `busybox:1.37`."),
    )
    image_id = Assigned("The image's id, a digest such as `sha256:…`.")
    command = fields.List(
        fields.String(),
        required=True,
        metadata=described("The command that the container runs, with its entrypoint, one argument an item."),
    )
    state = fields.String(
        required=True,
        validate=validate.OneOf(STATES),
        metadata=described("The state of the container as Docker reports it, such as `running`."),
    )
    exit_code = fields.Integer(
        required=True,
        allow_none=True,
        metadata=described(
            "The exit code of the last run; null when the container has never run.",
            minimum=-2_147_483_648,
            maximum=2_147_483_647,
        ),
    )
    created_at = Assigned("When the container was created, RFC 3339 in UTC.", format="date-time")
    started_at = fields.String(
        required=True,
        allow_none=True,
        metadata=described(
            "When the container was last started, RFC 3339 in UTC; null when it never was.", format="date-time"
        ),
    )
    finished_at = fields.String(
        required=True,
        allow_none=True,
        metadata=described(
            "When the last run of the container ended, RFC 3339 in UTC; null when none has ended.", format="date-time"
        ),
    )
    hostname = fields.String(required=True, metadata=described("The host name inside the container."))
    network_mode = fields.String(
        required=True,
        metadata=described("The network mode: `bridge`, `host`, `none`, `container:<id>` or a network's name or id."),
    )
    shares_network_with = fields.Nested(
        ReferenceSchema,
        required=True,
        allow_none=True,
        metadata=described("The container whose network this container uses (mode `container:<id>`); otherwise null."),
    )
    endpoints = fields.List(
        fields.Nested(EndpointSchema),
        required=True,
        metadata=described("The endpoints of the container: one for each network that the container is in."),
    )
    published_ports = fields.List(
        fields.Nested(PublishedPortSchema),
        required=True,
        metadata=described("The ports that are published now; empty while the container does not run."),
    )
    configured_ports = fields.List(
        fields.Nested(PublishedPortSchema),
        required=True,
        metadata=described("The ports that were asked for when the container was created."),
    )
    labels = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata=described("The labels by key, such as `team: edge`, including those that this service sets."),
    )
    restart_policy = fields.String(
        required=True,
        validate=validate.OneOf(RESTART_POLICIES),
        metadata=described("When the engine restarts the container after it has stopped."),
    )
    findings = fields.List(
        fields.Nested(FindingSchema),
        required=True,
        metadata=described("Problems with the configuration that Docker accepts silently or only warns of."),
    )


class ContainerPageSchema(Schema):
    """One page of containers, sorted by name."""

    items = fields.List(
        fields.Nested(ContainerSchema), required=True, metadata=described("The containers on this page.")
    )
    next_cursor = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The `cursor` that the request for the next page needs; null on the last page."),
    )


class ContainerQuery(Strict):
    """Filters and paging of the list of containers."""

    limit = QueryWhole(1, 1000, load_default=100, metadata=described("The largest number of items on the page."))
    cursor = Cursor()
    name = Filter(Text(), "Only containers whose name contains this text.")
    state = Filter(fields.String(validate=validate.OneOf(STATES)), "Only containers in this state, such as `running`.")
    network = Filter(Text(min_length=1), "Only containers with an endpoint in this network, by its name or id.")
    label = fields.List(
        Text(),
        load_default=list,
        validate=validate.Length(max=MAX_LABELS),
        metadata=described(
            "Only containers with this label, `key` or `key=value`. Repeat it to require several labels."
        ),
    )
    image = Filter(Text(max_length=512), "Only containers of this image, by its reference or id.")
    publishes = Filter(QueryWhole(1, MAX_PORT), "Only containers that publish this port of the host.")
    project = Filter(Text(), "Only containers that belong to this project.")


class PortRequestSchema(Strict):
    """A port to publish on the host, or a range of ports."""

    container_port = Whole(
        1,
        MAX_PORT,
        required=True,
        metadata=described("The port inside the container, such as 8080; the first one of a range."),
    )
    protocol = fields.String(
        load_default="tcp",
        validate=validate.OneOf(TRANSPORTS),
        metadata=described("The transport protocol of the port, such as `udp`."),
    )
    host_ip = fields.IP(
        allow_none=True,
        load_default=None,
        metadata=described("The host address to publish on, such as `127.0.0.1`; null for all addresses."),
    )
    host_port = Whole(
        1,
        MAX_PORT,
        allow_none=True,
        load_default=None,
        metadata=described("The port on the host, such as 8081; null lets the engine choose a free port."),
    )
    count = Whole(
        1,
        1000,
        load_default=1,
        metadata=described("How many ports the range has, counted up from `container_port` and `host_port`."),
    )


class ContainerNetworkSchema(EndpointFieldsSchema):
    """A network to connect the new container to, with the settings of the endpoint."""

    network = Text(required=True, min_length=1, metadata=described("The network to connect to, by its name or id."))


class ContainerCreateSchema(Strict):
    """A container to create. Only `image` is required."""

    name = Text(
        allow_none=True,
        load_default=None,
        min_length=2,
        max_length=128,
        metadata=described(
            "The name of the container, unique on its engine; null lets the engine make up a name.",
            examples=["tomcat81"],
            pattern=NAME,
            **never(NOT_AN_ID),
        ),
    )
    image = Text(
        required=True,
        min_length=1,
        max_length=512,
        metadata=described(
            "The image to create the container from, such as `busybox` or `busybox:1.37`.",
            examples=["busybox"],
            pattern=f"^{IMAGE.pattern}",
        ),
    )
    command = fields.List(
        FreeText(),
        load_default=list,
        validate=validate.Length(max=256),
        metadata=described(
            "The command to run, one argument an item; an empty list runs the image's own command.",
            examples=[["httpd", "-f", "-p", "8080"]],
        ),
    )
    environment = FreeTextMap(
        load_default=dict,
        metadata={
            **described("Environment variables by name. Their values are never shown in any answer."),
            NAMES_PATTERN: r"^[^=\x00-\x1f\x7f]+$",
        },
    )
    labels = FreeTextMap(
        load_default=dict,
        metadata=described(
            "Labels by key, such as `team: edge`. Keys under `io.bridgework.` are reserved for this service."
        ),
    )
    network_mode = Text(
        allow_none=True, load_default=None, min_length=1,
        metadata=described(
            "The network mode: `bridge`, `host`, `none`, `container:<container>` or a network. Null means the "
            "first of `networks`, or `bridge` when there is none."
        ),
    )  # fmt: skip
    networks = fields.List(
        fields.Nested(ContainerNetworkSchema), load_default=list, validate=validate.Length(max=64),
        metadata=described("The networks to connect the container to, each with the settings of its endpoint."),
    )  # fmt: skip
    published_ports = fields.List(
        fields.Nested(PortRequestSchema), load_default=list, validate=validate.Length(max=256),
        metadata=described("The ports to publish on the host."),
    )  # fmt: skip
    hostname = Text(
        allow_none=True,
        load_default=None,
        max_length=63,
        validate=validate.Regexp(r"[A-Za-z0-9][A-Za-z0-9\-.]*\Z", error="Must be letters, digits, hyphens and dots."),
        metadata=described("The host name inside the container; null means the first 12 digits of its id."),
    )
    dns = fields.List(
        fields.IP(),
        load_default=list,
        validate=validate.Length(max=16),
        metadata=described("The DNS servers to use; an empty list leaves the choice to the engine."),
    )
    dns_search = fields.List(
        Text(min_length=1),
        load_default=list,
        validate=validate.Length(max=16),
        metadata=described("The search domains for short names, such as `example.com`."),
    )
    dns_options = fields.List(
        Text(min_length=1),
        load_default=list,
        validate=validate.Length(max=16),
        metadata=described("Options for resolv.conf, such as `ndots:1`."),
    )
    extra_hosts = Members(
        keys=Text(min_length=1),
        values=Text(
            min_length=1,
            max_length=64,
            metadata={"if": {"not": {"enum": ["host-gateway"]}}, "then": ANY_IP_VERSION},
        ),
        load_default=dict,
        validate=validate.Length(max=256),
        metadata=described("Lines for the hosts file: an address by host name; `host-gateway` stands for the host."),
    )
    sysctls = TextMap(
        load_default=dict,
        max_items=64,
        metadata={
            **described("Kernel settings of the network namespace, only `net.*`, such as `net.ipv4.ip_forward: 1`."),
            NAMES_PATTERN: r"^net\.[a-z0-9_.\-]+$",
        },
    )
    restart_policy = fields.String(
        load_default="no", validate=validate.OneOf(RESTART_POLICIES),
        metadata=described("When the engine restarts the container after it has stopped; `no` means never."),
    )  # fmt: skip
    start = Flag(
        load_default=True,
        metadata=described("Whether to start the container. If the start fails, the container is removed again."),
    )
    pull = fields.String(
        load_default="never", validate=validate.OneOf(["never", "missing", "always"]),
        metadata=described("When the engine pulls the image from its registry."),
    )  # fmt: skip

    @validates_schema(skip_on_field_errors=False)
    def check(self, data: dict[str, Any], **_: Any) -> None:
        """What single fields cannot say, of those that are sound by themselves. Every fault at once."""
        faults: dict[str, Any] = {}
        if "image" in data and not IMAGE.match(data["image"]):
            faults["image"] = ["Must be the reference of an image, such as busybox:1.37."]
        for field, sane, message in _NAMES:
            bad = {name: [message] for name in data.get(field, ()) if not sane(name)}
            if bad:
                faults[field] = bad
        hosts = {name: ["Must be an IP address or host-gateway."] for name, value in data.get("extra_hosts", {}).items()
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
    ("environment", lambda name: "=" not in name, "The name of a variable must not contain an equals sign."),
    ("labels", lambda name: not is_reserved(name), "This prefix is reserved for the service."),
)


class ContainerRenameSchema(Strict):
    """The new name for a container."""

    name = Text(
        required=True,
        min_length=2,
        max_length=128,
        metadata=described("The new name of the container, unique on its engine.", pattern=NAME, **never(NOT_AN_ID)),
    )


class StopQuery(Strict):
    """How long to wait."""

    grace_s = QueryWhole(
        0,
        300,
        load_default=None,
        metadata=described(
            "Seconds between SIGTERM and SIGKILL; the default is a setting of the service, normally 10."
        ),
    )
