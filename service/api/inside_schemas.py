"""The shapes of what is inside a container's network namespace, and on the engine's host."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from service.api.containers_schemas import MAX_PORT, TRANSPORTS, PublishedPortSchema
from service.api.fields import ReferenceSchema, described

_FAMILIES = ("ipv4", "ipv6")
_SCOPES = ("global", "site", "link", "host", "nowhere")
_OPERATIONAL_STATES = ("unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up")
_NEXT = described("The `cursor` of the next page; null on the last.")


def _text(text: str, *, null: bool = False, attribute: str | None = None, **metadata: Any) -> fields.String:
    return fields.String(required=True, allow_none=null, attribute=attribute, metadata=described(text, **metadata))


def _number(text: str, *, null: bool = False, attribute: str | None = None, **metadata: Any) -> fields.Integer:
    return fields.Integer(required=True, allow_none=null, attribute=attribute, metadata=described(text, **metadata))


def _word(text: str, *values: str, grows: bool = False, attribute: str | None = None) -> fields.String:
    """One of a set: closed where it is ours, growing where the kernel or the engine may say another word."""
    metadata = described(text, x_known_values=True) if grows else described(text)
    return fields.String(required=True, attribute=attribute, validate=validate.OneOf(values), metadata=metadata)


def _truncated(what: str) -> fields.Boolean:
    text = f"Whether there are more {what} than the service reads: then the list is not whole, on any page."
    return fields.Boolean(required=True, metadata=described(text))


def _cursor() -> fields.String:
    return fields.String(required=True, allow_none=True, metadata=_NEXT)


def _list(item: type[Schema], text: str) -> fields.List[Any]:
    return fields.List(fields.Nested(item), required=True, metadata=described(text))


class InterfaceAddressSchema(Schema):
    """An address of an interface."""

    address = _text("The address.", examples=["172.17.0.2"])
    prefix_len = _number("How many bits of it name the subnet.", minimum=0, maximum=128)
    family = _word("The IP version.", *_FAMILIES)
    scope = _word("As `ip addr` prints it.", *_SCOPES, grows=True)


class InterfaceCountersSchema(Schema):
    """Totals since the link came up."""

    rx_bytes = _number("Bytes received.", minimum=0)
    rx_packets = _number("Packets received.", minimum=0)
    rx_errors = _number("Faults in receiving.", minimum=0)
    rx_dropped = _number("Received and dropped.", minimum=0)
    tx_bytes = _number("Bytes sent.", minimum=0)
    tx_packets = _number("Packets sent.", minimum=0)
    tx_errors = _number("Faults in sending.", minimum=0)
    tx_dropped = _number("Dropped instead of sent.", minimum=0)


class LinkSchema(Schema):
    """What every link has, as the kernel tells it (rtnetlink)."""

    index = _number("The kernel's number of it, within its namespace.", attribute="interface.index", minimum=1)
    name = _text("Its name.", attribute="interface.name", examples=["eth0"])
    kind = _text("`veth`, `bridge`, `macvlan`, `loopback`, `device`…", attribute="interface.kind")
    mac_address = _text("Its MAC address.", null=True, attribute="interface.mac_address")
    mtu_bytes = _number("The largest packet it carries.", attribute="interface.mtu_bytes")
    state = _word(
        "Whether packets pass; `unknown` for what never says so, as a loopback.", *_OPERATIONAL_STATES, grows=True,
        attribute="interface.state",
    )  # fmt: skip
    flags = fields.List(
        fields.String(),
        required=True,
        attribute="interface.flags",
        metadata=described("`up`, `lower-up`…"),
    )
    addresses = fields.List(
        fields.Nested(InterfaceAddressSchema), required=True, attribute="interface.addresses",
        metadata=described("Its addresses."),
    )  # fmt: skip
    counters = fields.Nested(
        InterfaceCountersSchema, required=True, allow_none=True, attribute="interface.counters",
        metadata=described("Totals since it came up; null where the kernel gave none."),
    )  # fmt: skip


class LinkEndSchema(Schema):
    """A link of the host."""

    index = _number("Its number on the host.", minimum=1)
    name = _text("Its name.", examples=["veth27a5c19"])


class LinkBridgeSchema(LinkEndSchema):
    """A bridge of the host."""

    network = fields.Nested(
        ReferenceSchema, required=True, allow_none=True, metadata=described("The Docker network that it belongs to.")
    )


class InsideInterfaceSchema(LinkSchema):
    """An interface inside a container."""

    network = fields.Nested(
        ReferenceSchema, required=True, allow_none=True,
        metadata=described("The Docker network whose endpoint it carries."),
    )  # fmt: skip
    peer = fields.Nested(
        LinkEndSchema, required=True, allow_none=True,
        metadata=described("Of a veth, its other end on the host; null of others, and where the host cannot be seen."),
    )  # fmt: skip
    bridge = fields.Nested(
        LinkBridgeSchema, required=True, allow_none=True,
        metadata=described("The bridge of the host that the peer is a port of; null without one."),
    )  # fmt: skip


class InsideInterfacePageSchema(Schema):
    """A page of interfaces, by index."""

    items = _list(InsideInterfaceSchema, "The interfaces.")
    next_cursor = _cursor()
    truncated = _truncated("interfaces (16,384)")


class RouteSchema(Schema):
    """A unicast route of the main table."""

    destination = _text("In CIDR notation; `0.0.0.0/0` or `::/0` is the default route.")
    family = _word("The IP version.", *_FAMILIES)
    gateway = _text("The next router; null where the destination is on the link itself.", null=True)
    interface = _text("The interface it leaves by.", null=True)
    preferred_source = _text("The address that packets on it come from, where one is set.", null=True)
    scope = _word("How far it reaches, as `ip route` prints it.", *_SCOPES, grows=True)
    protocol = _word("Who made it.", "redirect", "kernel", "boot", "static", "ra", "dhcp", grows=True)
    metric = _number("Its cost; the lowest wins.", null=True)


class RoutePageSchema(Schema):
    """A page of routes, by family and destination."""

    items = _list(RouteSchema, "The routes.")
    next_cursor = _cursor()
    truncated = _truncated("routes (16,384 of each IP version)")


class NeighbourSchema(Schema):
    """An entry of the ARP or NDP table."""

    address = _text("The neighbour's address.")
    mac_address = _text("Its MAC address; null while it has not answered.", null=True)
    interface = _text("The interface it is asked for on.")
    state = _word(
        "As `ip neigh` prints it.", "incomplete", "reachable", "stale", "delay", "probe", "failed", "permanent"
    )


class NeighbourPageSchema(Schema):
    """A page of neighbours, by interface and address."""

    items = _list(NeighbourSchema, "The neighbours.")
    next_cursor = _cursor()
    truncated = _truncated("neighbours (16,384 of each IP version)")


class SocketSchema(Schema):
    """A socket that waits: TCP in LISTEN, UDP bound and unconnected."""

    protocol = _word("What it waits for.", "tcp", "udp")
    family = _word("The IP version.", *_FAMILIES)
    address = _text("The address it is bound to; `0.0.0.0` or `::` for every one.")
    port = _number("Its port.", minimum=0, maximum=MAX_PORT)
    process = _text("The process's name, where visible.", null=True)
    pid = _number("The process's id as the service sees it, where visible.", null=True)
    ipv6_only = fields.Boolean(
        required=True,
        metadata=described("Whether an IPv6 socket refuses IPv4 (`IPV6_V6ONLY`); false for an IPv4 socket."),
    )


class SocketPageSchema(Schema):
    """A page of sockets, by protocol and port."""

    items = _list(SocketSchema, "The sockets.")
    next_cursor = _cursor()
    truncated = _truncated("sockets (16,384 of each protocol and IP version)")


class HostsEntrySchema(Schema):
    """A line of the hosts file."""

    address = _text("The address.")
    names = fields.List(fields.String(), required=True, metadata=described("Its names."))


class ResolverSchema(Schema):
    """The resolver's configuration inside the container (resolv.conf)."""

    nameservers = fields.List(fields.String(), required=True, metadata=described("The servers it asks, in order."))
    search = fields.List(fields.String(), required=True, metadata=described("Domains tried behind a name."))
    options = fields.List(fields.String(), required=True, metadata=described("Options of resolv.conf."))
    uses_embedded_dns = fields.Boolean(required=True, metadata=described("Whether it asks Docker's own `127.0.0.11`."))
    upstreams = fields.List(
        fields.String(), required=True, metadata=described("The servers that Docker's own asks in turn.")
    )


class ResolvableNameSchema(Schema):
    """A name that the container can resolve without asking outside."""

    name = _text("What to ask for; each name of a network also with the network's name behind it.", examples=["web"])
    addresses = fields.List(fields.String(), required=True, metadata=described("What it resolves to."))
    network = fields.Nested(
        ReferenceSchema, required=True, allow_none=True,
        metadata=described("The network whose embedded server answers; null for the hosts file."),
    )  # fmt: skip
    containers = _list(ReferenceSchema, "Who answers to the name in that network; more than one take turns.")


class ContainerDnsSchema(Schema):
    """How a container resolves names."""

    resolver = fields.Nested(
        ResolverSchema, required=True, allow_none=True,
        metadata=described("Its resolver's configuration; null where it cannot be read."),
    )  # fmt: skip
    hosts = fields.List(
        fields.Nested(HostsEntrySchema), required=True, allow_none=True,
        metadata=described("The hosts file, line by line; null where it cannot be read."),
    )  # fmt: skip
    names = _list(ResolvableNameSchema, "Every name it can resolve by the hosts file or the embedded server, sorted.")
    truncated = fields.Boolean(
        required=True,
        metadata=described(
            "Whether its files hold more than the service reads (256 KiB of each, 8,192 names, 32 search domains). "
            "Then `hosts` and `names` are not whole."
        ),
    )  # fmt: skip


class ContainerPortSchema(Schema):
    """A port of a container."""

    container_port = _number("Inside.", minimum=1, maximum=MAX_PORT)
    protocol = _word("What is sent to it.", *TRANSPORTS, grows=True)
    exposed = fields.Boolean(required=True, metadata=described("Whether its image or its creation declares it."))
    published = _list(PublishedPortSchema, "Where it is offered at the host now.")
    configured = _list(PublishedPortSchema, "Where it was asked to be offered.")
    listening = fields.Boolean(
        required=True, allow_none=True,
        metadata=described("Whether something waits there inside; null where that cannot be seen."),
    )  # fmt: skip
    listeners = fields.List(
        fields.Nested(SocketSchema), required=True, allow_none=True,
        metadata=described("What waits there; bound to a loopback address alone it serves no published port."),
    )  # fmt: skip


class ContainerPortPageSchema(Schema):
    """A page of ports, by number."""

    items = _list(ContainerPortSchema, "The ports.")
    next_cursor = _cursor()


class HostLinkSchema(LinkSchema):
    """A link of the engine's host."""

    bridge = fields.Nested(
        LinkEndSchema, required=True, allow_none=True, metadata=described("The bridge that it is a port of.")
    )
    ports = _list(LinkEndSchema, "Of a bridge, its ports.")
    network = fields.Nested(
        ReferenceSchema, required=True, allow_none=True,
        metadata=described("The Docker network of the bridge, or that the veth serves."),
    )  # fmt: skip
    container = fields.Nested(
        ReferenceSchema, required=True, allow_none=True, metadata=described("The container at a veth's other end.")
    )
    orphan = fields.Boolean(
        required=True, metadata=described("Whether it is a bridge of Docker's making that no network owns any more.")
    )


class HostInterfacePageSchema(Schema):
    """A page of the host's links, by index, with all of its routes."""

    items = _list(HostLinkSchema, "The links.")
    next_cursor = _cursor()
    routes = _list(RouteSchema, "The host's routes, whatever the page.")
    truncated = _truncated("links or routes (262,144)")
