"""The requests about containers. What would give access to the host (privileges, mounts, devices) has no field."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import chain
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from bridgework.http.resources.containers.schemas import MAX_PORT, RESTART_POLICIES, STATES, TRANSPORTS
from bridgework.http.resources.endpoints.requests import EndpointFieldsSchema
from bridgework.http.schemas.fields import (
    ANY_IP_VERSION,
    NAME,
    NAMES_PATTERN,
    NOT_AN_ID,
    Address,
    Choice,
    Flag,
    FreeText,
    FreeTextMap,
    Items,
    Members,
    Request,
    Strict,
    Text,
    TextMap,
    Whole,
    absent,
    never,
    optional,
    required,
)
from bridgework.http.schemas.queries import Filter, LabelFilter, PageQuery, QueryWhole
from bridgework.model.create_specs import ContainerRequest, NetworkPlace
from bridgework.model.snapshot import PublishedPort
from bridgework.policy.access import is_reserved

IMAGE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-/:]*(@sha256:[0-9a-f]{64})?\Z")


class ContainerQuery(PageQuery):
    """Filters and paging of the list of containers."""

    name = Filter(Text(), "Only containers whose name contains this text.")
    state = Filter(Choice(STATES), "Only containers in this state, such as `running`.")
    network = Filter(Text(min_length=1), "Only containers with an endpoint in this network, by its name or id.")
    label = LabelFilter("Only containers with this label")
    image = Filter(Text(max_length=512), "Only containers of this image, by its reference or id.")
    publishes = Filter(QueryWhole(1, MAX_PORT), "Only containers that publish this port of the host.")
    project = Filter(Text(), "Only containers that belong to this project.")


class PortRequestSchema(Request):
    """A port to publish on the host, or a range of ports."""

    container_port = Whole(
        1, MAX_PORT, **required("The port inside the container, such as 8080; the first one of a range.")
    )
    protocol = Choice(TRANSPORTS, **optional("The transport protocol of the port, such as `udp`.", "tcp"))
    host_ip = Address(**optional("The host address to publish on, such as `127.0.0.1`; null for all addresses."))
    host_port = Whole(
        1, MAX_PORT, **optional("The port on the host, such as 8081; null lets the engine choose a free port.")
    )
    count = Whole(
        1, 1000, **optional("How many ports the range has, counted up from `container_port` and `host_port`.", 1)
    )

    @validates_schema(skip_on_field_errors=False)
    def check(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a range that ends above the last port."""
        faults = {
            name: ["The range ends above 65535."]
            for name in ("container_port", "host_port")
            if (data.get(name) or 0) + data.get("count", 1) - 1 > MAX_PORT
        }
        if faults:
            raise ValidationError(faults)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> tuple[PublishedPort, ...]:
        count, first, host_port = data.pop("count"), data.pop("container_port"), data.pop("host_port")
        data["host_ip"] = data["host_ip"] or ""
        return tuple(
            PublishedPort(first + step, host_port=host_port + step if host_port else None, **data)
            for step in range(count)
        )


class PortRanges(Items):
    """The ports of all ranges, in one tuple."""

    def _deserialize(self, *args: Any, **kwargs: Any) -> Any:
        return tuple(chain.from_iterable(super()._deserialize(*args, **kwargs)))


class ContainerNetworkSchema(EndpointFieldsSchema):
    """A network to connect the new container to, with the settings of the endpoint."""

    makes = NetworkPlace

    network = Text(min_length=1, **required("The network to connect to, by its name or id."))


_NAMES: tuple[tuple[str, Callable[[str], bool], str], ...] = (
    (
        "sysctls",
        lambda name: re.fullmatch(r"net\.[a-z0-9_.\-]+", name) is not None,
        "Only sysctls under net. are allowed.",
    ),
    ("environment", lambda name: "=" not in name, "The name of a variable must not contain an equals sign."),
    ("labels", lambda name: not is_reserved(name), "This prefix is reserved for the service."),
)


class ContainerCreateSchema(Request):
    """A container to create. Only `image` is required."""

    makes = ContainerRequest

    name = Text(
        min_length=2,
        max_length=128,
        **optional(
            "The name of the container, unique on its engine; null lets the engine make up a name.",
            examples=["tomcat81"],
            pattern=NAME,
            **never(NOT_AN_ID),
        ),
    )
    image = Text(
        min_length=1,
        max_length=512,
        **required(
            "The image to create the container from, such as `busybox` or `busybox:1.37`.",
            examples=["busybox"],
            pattern=f"^{IMAGE.pattern}",
        ),
    )
    command = Items(
        FreeText(),
        256,
        **optional(
            "The command to run, one argument an item; an empty list runs the image's own command.",
            tuple,
            examples=[["httpd", "-f", "-p", "8080"]],
        ),
    )
    environment = FreeTextMap(
        **optional(
            "Environment variables by name. Their values are never shown in any answer.",
            dict,
            **{NAMES_PATTERN: r"^[^=\x00-\x1f\x7f]+$"},
        )
    )
    labels = FreeTextMap(
        **optional(
            "Labels by key, such as `team: edge`. Keys under `io.bridgework.` are reserved for this service.", dict
        )
    )
    network_mode = Text(
        min_length=1,
        **optional(
            "The network mode: `bridge`, `host`, `none`, `container:<container>` or a network. Null means the "
            "first of `networks`, or `bridge` when there is none."
        ),
    )
    networks = Items(
        fields.Nested(ContainerNetworkSchema),
        64,
        **optional("The networks to connect the container to, each with the settings of its endpoint.", tuple),
    )
    published_ports = PortRanges(
        fields.Nested(PortRequestSchema), 256, **optional("The ports to publish on the host.", tuple)
    )
    hostname = Text(
        max_length=63,
        validate=validate.Regexp(r"[A-Za-z0-9][A-Za-z0-9\-.]*\Z", error="Must be letters, digits, hyphens and dots."),
        **optional("The host name inside the container; null means the first 12 digits of its id."),
    )
    dns = Items(
        Address(), 16, **optional("The DNS servers to use; an empty list leaves the choice to the engine.", tuple)
    )
    dns_search = Items(
        Text(min_length=1), 16, **optional("The search domains for short names, such as `example.com`.", tuple)
    )
    dns_options = Items(Text(min_length=1), 16, **optional("Options for resolv.conf, such as `ndots:1`.", tuple))
    extra_hosts = Members(
        keys=Text(min_length=1),
        values=Text(
            min_length=1, max_length=64, metadata={"if": {"not": {"enum": ["host-gateway"]}}, "then": ANY_IP_VERSION}
        ),
        validate=validate.Length(max=256),
        **optional("Lines for the hosts file: an address by host name; `host-gateway` stands for the host.", dict),
    )
    sysctls = TextMap(
        max_items=64,
        **optional(
            "Kernel settings of the network namespace, only `net.*`, such as `net.ipv4.ip_forward: 1`.",
            dict,
            **{NAMES_PATTERN: r"^net\.[a-z0-9_.\-]+$"},
        ),
    )
    restart_policy = Choice(
        RESTART_POLICIES,
        **optional("When the engine restarts the container after it has stopped; `no` means never.", "no"),
    )
    start = Flag(
        **optional("Whether to start the container. If the start fails, the container is removed again.", True)
    )
    pull = Choice(
        ["never", "missing", "always"], **optional("When the engine pulls the image from its registry.", "never")
    )

    @validates_schema(skip_on_field_errors=False)
    def check(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse what no field can refuse by itself. Fields that have a fault of their own are not in ``data``."""
        faults: dict[str, Any] = {}
        if "image" in data and not IMAGE.match(data["image"]):
            faults["image"] = ["Must be the reference of an image, such as busybox:1.37."]
        for field, sane, message in _NAMES:
            bad = {name: [message] for name in data.get(field, ()) if not sane(name)}
            if bad:
                faults[field] = bad
        hosts = {
            name: ["Must be an IP address or host-gateway."]
            for name, value in data.get("extra_hosts", {}).items()
            if value != "host-gateway" and not _is_address(value)
        }
        if hosts:
            faults["extra_hosts"] = hosts
        if faults:
            raise ValidationError(faults)


def _is_address(text: str) -> bool:
    try:
        fields.IP().deserialize(text)
    except ValidationError:
        return False
    return True


class ContainerRenameSchema(Strict):
    """The new name for a container."""

    name = Text(
        min_length=2,
        max_length=128,
        **required("The new name of the container, unique on its engine.", pattern=NAME, **never(NOT_AN_ID)),
    )


class StopQuery(Strict):
    """How long to wait."""

    grace_s = QueryWhole(
        0, 300, **absent("Seconds between SIGTERM and SIGKILL; the default is a setting of the service, normally 10.")
    )
