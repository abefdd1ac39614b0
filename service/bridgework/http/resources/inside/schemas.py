"""The shapes of what is inside a container's network namespace, and on the engine's host."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from bridgework.http.fields import ReferenceSchema, described
from bridgework.http.resources.containers.schemas import MAX_PORT, TRANSPORTS, PublishedPortSchema

_FAMILIES = ("ipv4", "ipv6")
_SCOPES = ("global", "site", "link", "host", "nowhere")
_OPERATIONAL_STATES = ("unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up")
_NEXT = described("The `cursor` that the request for the next page needs; null on the last page.")


def _text(text: str, *, null: bool = False, attribute: str | None = None, **metadata: Any) -> fields.String:
    return fields.String(required=True, allow_none=null, attribute=attribute, metadata=described(text, **metadata))


def _number(text: str, *, null: bool = False, attribute: str | None = None, **metadata: Any) -> fields.Integer:
    return fields.Integer(required=True, allow_none=null, attribute=attribute, metadata=described(text, **metadata))


def _word(text: str, *values: str, grows: bool = False, attribute: str | None = None) -> fields.String:
    """One of a set: closed where it is ours, growing where the kernel or the engine may say another word."""
    metadata = described(text, x_known_values=True) if grows else described(text)
    return fields.String(required=True, attribute=attribute, validate=validate.OneOf(values), metadata=metadata)


def _truncated(what: str) -> fields.Boolean:
    text = f"Whether items are missing from all pages, because the service reads at most {what}."
    return fields.Boolean(required=True, metadata=described(text))


def _cursor() -> fields.String:
    return fields.String(required=True, allow_none=True, metadata=_NEXT)


def _list(item: type[Schema], text: str) -> fields.List[Any]:
    return fields.List(fields.Nested(item), required=True, metadata=described(text))


class InterfaceAddressSchema(Schema):
    """An IP address of an interface."""

    address = _text("The IP address without its prefix length.", examples=["172.17.0.2"])
    prefix_len = _number("The prefix length of the subnet, such as 16.", minimum=0, maximum=128)
    family = _word("The IP version of the address.", *_FAMILIES)
    scope = _word("The scope of the address, as `ip addr` prints it.", *_SCOPES, grows=True)
    flags = fields.List(
        fields.String(),
        required=True,
        metadata=described(
            "The flags of an IPv6 address, as `ip addr` prints them: `tentative` while the kernel looks for a "
            "duplicate and does not use the address, `dadfailed` once it found one, `nodad`, `optimistic`, "
            "`deprecated`. Empty for IPv4."
        ),
    )


class InterfaceCountersSchema(Schema):
    """What the interface has received and sent since it was created."""

    rx_bytes = _number("The number of bytes received.", minimum=0)
    rx_packets = _number("The number of packets received.", minimum=0)
    rx_errors = _number("The number of errors on receive.", minimum=0)
    rx_dropped = _number("The number of received packets that were dropped.", minimum=0)
    tx_bytes = _number("The number of bytes sent.", minimum=0)
    tx_packets = _number("The number of packets sent.", minimum=0)
    tx_errors = _number("The number of errors on send.", minimum=0)
    tx_dropped = _number("The number of packets that were dropped instead of sent.", minimum=0)


class LinkSchema(Schema):
    """A network interface, as the kernel reports it (rtnetlink)."""

    index = _number(
        "The index of the interface in its network namespace, as `ip link` prints it.",
        attribute="interface.index",
        minimum=1,
    )
    name = _text("The name of the interface.", attribute="interface.name", examples=["eth0"])
    kind = _text(
        "The kind of interface: `veth`, `bridge`, `macvlan`, `loopback`, `device` or another one.",
        attribute="interface.kind",
    )
    mac_address = _text(
        "The MAC address of the interface; null when it has none.", null=True, attribute="interface.mac_address"
    )
    mtu_bytes = _number(
        "The MTU: the largest packet in bytes that the interface sends, such as 1500.", attribute="interface.mtu_bytes"
    )
    state = _word(
        "The operational state of the interface; a loopback is always `unknown`.", *_OPERATIONAL_STATES, grows=True,
        attribute="interface.state",
    )  # fmt: skip
    flags = fields.List(
        fields.String(),
        required=True,
        attribute="interface.flags",
        metadata=described("The flags of the interface, as `ip link` prints them, such as `up` and `lower-up`."),
    )
    addresses = fields.List(
        fields.Nested(InterfaceAddressSchema), required=True, attribute="interface.addresses",
        metadata=described("The IP addresses of the interface."),
    )  # fmt: skip
    counters = fields.Nested(
        InterfaceCountersSchema, required=True, allow_none=True, attribute="interface.counters",
        metadata=described("What the interface has received and sent; null when the kernel reports no counters."),
    )  # fmt: skip


class LinkEndSchema(Schema):
    """A network interface of the host, named by its index and its name."""

    index = _number("The index of the interface on the host.", minimum=1)
    name = _text("The name of the interface on the host.", examples=["veth27a5c19"])


class LinkBridgeSchema(LinkEndSchema):
    """A bridge of the host, and the Docker network that the bridge belongs to."""

    network = fields.Nested(
        ReferenceSchema,
        required=True,
        allow_none=True,
        metadata=described("The Docker network that owns the bridge; null when no network owns it."),
    )


class InsideInterfaceSchema(LinkSchema):
    """A network interface inside a container."""

    network = fields.Nested(
        ReferenceSchema, required=True, allow_none=True,
        metadata=described("The Docker network whose endpoint is on this interface; null for a loopback."),
    )  # fmt: skip
    peer = fields.Nested(
        LinkEndSchema,
        required=True,
        allow_none=True,
        metadata=described(
            "The host's end of a veth pair; null for other interfaces, or when the host cannot be inspected."
        ),
    )
    bridge = fields.Nested(
        LinkBridgeSchema, required=True, allow_none=True,
        metadata=described("The bridge on the host that `peer` is a port of; null when there is none."),
    )  # fmt: skip


class InsideInterfacePageSchema(Schema):
    """One page of interfaces, sorted by index."""

    items = _list(InsideInterfaceSchema, "The interfaces on this page.")
    next_cursor = _cursor()
    truncated = _truncated("16,384 interfaces")


class RouteSchema(Schema):
    """A unicast route of the main routing table."""

    destination = _text("The destination subnet in CIDR notation; `0.0.0.0/0` and `::/0` are the default routes.")
    family = _word("The IP version of the route.", *_FAMILIES)
    gateway = _text("The next router, such as `10.77.0.1`; null when the destination is directly connected.", null=True)
    interface = _text("The interface that packets leave by, such as `eth0`; null when the route names none.", null=True)
    preferred_source = _text("The preferred source address of packets on this route; null when none is set.", null=True)
    scope = _word("The scope of the route, as `ip route` prints it.", *_SCOPES, grows=True)
    protocol = _word(
        "What installed the route, as `ip route` prints it.",
        "redirect",
        "kernel",
        "boot",
        "static",
        "ra",
        "dhcp",
        grows=True,
    )
    metric = _number("The metric of the route; the lowest wins. Null when none is set.", null=True)


class RoutePageSchema(Schema):
    """One page of routes, sorted by IP version and destination."""

    items = _list(RouteSchema, "The routes on this page of the list.")
    next_cursor = _cursor()
    truncated = _truncated("16,384 routes of each IP version")


class NeighbourSchema(Schema):
    """An entry of the ARP table (IPv4) or the NDP table (IPv6)."""

    address = _text("The IP address of the neighbour.")
    mac_address = _text("The MAC address of the neighbour; null while the neighbour has not answered.", null=True)
    interface = _text("The interface that leads to the neighbour, such as `eth0`.")
    state = _word(
        "The state of the entry, as `ip neigh` prints it.",
        "incomplete",
        "reachable",
        "stale",
        "delay",
        "probe",
        "failed",
        "permanent",
    )


class NeighbourPageSchema(Schema):
    """One page of neighbours, sorted by interface and address."""

    items = _list(NeighbourSchema, "The neighbours on this page.")
    next_cursor = _cursor()
    truncated = _truncated("16,384 neighbours of each IP version")


class SocketSchema(Schema):
    """A listening socket: TCP in the state LISTEN, or UDP that is bound and not connected."""

    protocol = _word("The transport protocol of the socket.", "tcp", "udp")
    family = _word("The IP version of the socket.", *_FAMILIES)
    address = _text("The address that the socket is bound to; `0.0.0.0` or `::` for all addresses.")
    port = _number("The port that the socket is bound to, such as 8080.", minimum=0, maximum=MAX_PORT)
    process = _text("The name of the process, such as `httpd`; null when the process is not visible.", null=True)
    pid = _number("The process id as the service sees it; null when the process is not visible.", null=True)
    ipv6_only = fields.Boolean(
        required=True,
        metadata=described("Whether an IPv6 socket refuses IPv4 (`IPV6_V6ONLY`); always false for IPv4."),
    )


class SocketPageSchema(Schema):
    """One page of listening sockets, sorted by protocol and port."""

    items = _list(SocketSchema, "The listening sockets on this page.")
    next_cursor = _cursor()
    truncated = _truncated("16,384 sockets of each protocol and IP version")


class HostsEntrySchema(Schema):
    """One line of the hosts file."""

    address = _text("The IP address that the names resolve to.")
    names = fields.List(
        fields.String(),
        required=True,
        metadata=described("The names that resolve to the address, in the order of the file."),
    )


class ResolverSchema(Schema):
    """The resolver configuration inside the container (resolv.conf)."""

    nameservers = fields.List(
        fields.String(),
        required=True,
        metadata=described("The addresses of the DNS servers, in the order in which they are asked."),
    )
    search = fields.List(
        fields.String(), required=True, metadata=described("The search domains that are appended to short names.")
    )
    options = fields.List(
        fields.String(), required=True, metadata=described("The options of resolv.conf, such as `ndots:0`.")
    )
    uses_embedded_dns = fields.Boolean(
        required=True, metadata=described("Whether the container asks Docker's embedded DNS server, `127.0.0.11`.")
    )
    upstreams = fields.List(
        fields.String(),
        required=True,
        metadata=described("The DNS servers that Docker's embedded DNS server forwards to."),
    )


class ResolvableNameSchema(Schema):
    """A name that the container can resolve without an outside DNS server."""

    name = _text("The name. A name in a network also resolves with the network's name appended.", examples=["web"])
    addresses = fields.List(
        fields.String(), required=True, metadata=described("The IP addresses that the name resolves to.")
    )
    network = fields.Nested(
        ReferenceSchema, required=True, allow_none=True,
        metadata=described("The network in which Docker resolves the name; null when it comes from the hosts file."),
    )  # fmt: skip
    containers = _list(
        ReferenceSchema, "The containers that have this name in that network. Docker alternates between several."
    )


class ContainerDnsSchema(Schema):
    """How a container resolves names: its files, and every name that it can resolve."""

    resolver = fields.Nested(
        ResolverSchema, required=True, allow_none=True,
        metadata=described("The resolver configuration (resolv.conf); null when it cannot be read."),
    )  # fmt: skip
    hosts = fields.List(
        fields.Nested(HostsEntrySchema), required=True, allow_none=True,
        metadata=described("The lines of the hosts file; null when the file cannot be read."),
    )  # fmt: skip
    names = _list(
        ResolvableNameSchema, "Every name that the hosts file or Docker's DNS server resolves, sorted by name."
    )
    truncated = fields.Boolean(
        required=True,
        metadata=described(
            "Whether `hosts` and `names` are incomplete. The service reads at most 256 KiB of each file, 8,192 "
            "names and 32 search domains."
        ),
    )  # fmt: skip


class ContainerPortSchema(Schema):
    """A port of a container: where it is published, and what listens on it."""

    container_port = _number("The port inside the container, such as 8080.", minimum=1, maximum=MAX_PORT)
    protocol = _word("The transport protocol of the port.", *TRANSPORTS, grows=True)
    exposed = fields.Boolean(
        required=True,
        metadata=described("Whether the image or the creation of the container declares the port (`EXPOSE`)."),
    )
    published = _list(PublishedPortSchema, "Where the port is published on the host now; empty when it is not.")
    configured = _list(PublishedPortSchema, "Where the creation of the container asked for the port to be published.")
    listening = fields.Boolean(
        required=True, allow_none=True,
        metadata=described("Whether a process listens on the port; null when that cannot be inspected."),
    )  # fmt: skip
    listeners = fields.List(
        fields.Nested(SocketSchema), required=True, allow_none=True,
        metadata=described(
            "The sockets that listen on the port. A socket on a loopback address alone gets no traffic from a "
            "published port."
        ),
    )  # fmt: skip


class ContainerPortPageSchema(Schema):
    """One page of ports, sorted by number."""

    items = _list(ContainerPortSchema, "The ports on this page of the list.")
    next_cursor = _cursor()


class HostLinkSchema(LinkSchema):
    """A network interface of the engine's host."""

    bridge = fields.Nested(
        LinkEndSchema,
        required=True,
        allow_none=True,
        metadata=described("The bridge that this interface is a port of; null when it is not a port."),
    )
    ports = _list(LinkEndSchema, "For a bridge: the interfaces that are its ports. Otherwise empty.")
    network = fields.Nested(
        ReferenceSchema, required=True, allow_none=True,
        metadata=described("The Docker network that owns the bridge or that the veth serves; otherwise null."),
    )  # fmt: skip
    container = fields.Nested(
        ReferenceSchema,
        required=True,
        allow_none=True,
        metadata=described("The container at the other end of a veth pair; otherwise null."),
    )
    orphan = fields.Boolean(
        required=True, metadata=described("Whether Docker made this bridge and no network owns the bridge any more.")
    )


class HostInterfacePageSchema(Schema):
    """One page of the host's interfaces, sorted by index, and all routes of the host."""

    items = _list(HostLinkSchema, "The interfaces on this page.")
    next_cursor = _cursor()
    routes = _list(RouteSchema, "All routes of the host; every page has all of them.")
    truncated = _truncated("262,144 interfaces and as many routes")
