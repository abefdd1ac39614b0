"""The shapes of what is inside a container's network namespace, and on the engine's host."""

from __future__ import annotations

from marshmallow import Schema, fields

from bridgework.http.resources.containers.schemas import MAX_PORT, TRANSPORTS, PublishedPortSchema
from bridgework.http.schemas.answers import (
    ReferenceSchema,
    flag,
    list_of,
    next_page,
    number,
    page_of,
    part,
    text,
    texts,
    word,
)

_FAMILIES = ("ipv4", "ipv6")
_SCOPES = ("global", "site", "link", "host", "nowhere")
_OPERATIONAL_STATES = ("unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up")


def _truncated(what: str) -> fields.Boolean:
    words = f"Whether items are missing from all pages, because the service reads at most {what}."
    return flag(words)


class InterfaceAddressSchema(Schema):
    """An IP address of an interface."""

    address = text("The IP address without its prefix length.", examples=["172.17.0.2"])
    prefix_len = number("The prefix length of the subnet, such as 16.", minimum=0, maximum=128)
    family = word("The IP version of the address.", *_FAMILIES)
    scope = word("The scope of the address, as `ip addr` prints it.", *_SCOPES, grows=True)
    flags = texts(
        "The flags of an IPv6 address, as `ip addr` prints them: `tentative` while the kernel looks for a "
        "duplicate and does not use the address, `dadfailed` once it found one, `nodad`, `optimistic`, "
        "`deprecated`. Empty for IPv4."
    )


class InterfaceCountersSchema(Schema):
    """What the interface has received and sent since it was created."""

    rx_bytes = number("The number of bytes received.", minimum=0)
    rx_packets = number("The number of packets received.", minimum=0)
    rx_errors = number("The number of errors on receive.", minimum=0)
    rx_dropped = number("The number of received packets that were dropped.", minimum=0)
    tx_bytes = number("The number of bytes sent.", minimum=0)
    tx_packets = number("The number of packets sent.", minimum=0)
    tx_errors = number("The number of errors on send.", minimum=0)
    tx_dropped = number("The number of packets that were dropped instead of sent.", minimum=0)


class LinkSchema(Schema):
    """A network interface, as the kernel reports it (rtnetlink)."""

    index = number("The index of the interface in its network namespace, as `ip link` prints it.", minimum=1)
    name = text("The name of the interface.", examples=["eth0"])
    kind = text("The kind of interface: `veth`, `bridge`, `macvlan`, `loopback`, `device` or another one.")
    mac_address = text("The MAC address of the interface; null when it has none.", null=True)
    mtu_bytes = number("The MTU: the largest packet in bytes that the interface sends, such as 1500.")
    state = word(
        "The operational state of the interface; a loopback is always `unknown`.", *_OPERATIONAL_STATES, grows=True
    )
    flags = texts("The flags of the interface, as `ip link` prints them, such as `up` and `lower-up`.")
    addresses = list_of(InterfaceAddressSchema, "The IP addresses of the interface.")
    counters = part(
        InterfaceCountersSchema,
        "What the interface has received and sent; null when the kernel reports no counters.",
        null=True,
    )


class LinkEndSchema(Schema):
    """A network interface of the host, named by its index and its name."""

    index = number("The index of the interface on the host.", minimum=1)
    name = text("The name of the interface on the host.", examples=["veth27a5c19"])


class LinkBridgeSchema(LinkEndSchema):
    """A bridge of the host, and the Docker network that the bridge belongs to."""

    network = part(ReferenceSchema, "The Docker network that owns the bridge; null when no network owns it.", null=True)


class InsideInterfaceSchema(LinkSchema):
    """A network interface inside a container."""

    network = part(
        ReferenceSchema, "The Docker network whose endpoint is on this interface; null for a loopback.", null=True
    )
    peer = part(
        LinkEndSchema,
        "The host's end of a veth pair; null for other interfaces, or when the host cannot be inspected.",
        null=True,
    )
    bridge = part(
        LinkBridgeSchema, "The bridge on the host that `peer` is a port of; null when there is none.", null=True
    )


InsideInterfacePageSchema = page_of(
    InsideInterfaceSchema,
    "One page of interfaces, sorted by index.",
    "The interfaces on this page.",
    truncated=_truncated("16,384 interfaces"),
)


class RouteSchema(Schema):
    """A unicast route of the main routing table."""

    destination = text("The destination subnet in CIDR notation; `0.0.0.0/0` and `::/0` are the default routes.")
    family = word("The IP version of the route.", *_FAMILIES)
    gateway = text("The next router, such as `10.77.0.1`; null when the destination is directly connected.", null=True)
    interface = text("The interface that packets leave by, such as `eth0`; null when the route names none.", null=True)
    preferred_source = text("The preferred source address of packets on this route; null when none is set.", null=True)
    scope = word("The scope of the route, as `ip route` prints it.", *_SCOPES, grows=True)
    protocol = word(
        "What installed the route, as `ip route` prints it.", "redirect kernel boot static ra dhcp", grows=True
    )
    metric = number("The metric of the route; the lowest wins. Null when none is set.", null=True)


RoutePageSchema = page_of(
    RouteSchema,
    "One page of routes, sorted by IP version and destination.",
    "The routes on this page of the list.",
    truncated=_truncated("16,384 routes of each IP version"),
)


class NeighbourSchema(Schema):
    """An entry of the ARP table (IPv4) or the NDP table (IPv6)."""

    address = text("The IP address of the neighbour.")
    mac_address = text("The MAC address of the neighbour; null while the neighbour has not answered.", null=True)
    interface = text("The interface that leads to the neighbour, such as `eth0`.")
    state = word(
        "The state of the entry, as `ip neigh` prints it.", "incomplete reachable stale delay probe failed permanent"
    )


NeighbourPageSchema = page_of(
    NeighbourSchema,
    "One page of neighbours, sorted by interface and address.",
    "The neighbours on this page.",
    truncated=_truncated("16,384 neighbours of each IP version"),
)


class SocketSchema(Schema):
    """A listening socket: TCP in the state LISTEN, or UDP that is bound and not connected."""

    protocol = word("The transport protocol of the socket.", "tcp udp")
    family = word("The IP version of the socket.", *_FAMILIES)
    address = text("The address that the socket is bound to; `0.0.0.0` or `::` for all addresses.")
    port = number("The port that the socket is bound to, such as 8080.", minimum=0, maximum=MAX_PORT)
    process = text("The name of the process, such as `httpd`; null when the process is not visible.", null=True)
    pid = number("The process id as the service sees it; null when the process is not visible.", null=True)
    ipv6_only = flag("Whether an IPv6 socket refuses IPv4 (`IPV6_V6ONLY`); always false for IPv4.")


SocketPageSchema = page_of(
    SocketSchema,
    "One page of listening sockets, sorted by protocol and port.",
    "The listening sockets on this page.",
    truncated=_truncated("16,384 sockets of each protocol and IP version"),
)


class HostsEntrySchema(Schema):
    """One line of the hosts file."""

    address = text("The IP address that the names resolve to.")
    names = texts("The names that resolve to the address, in the order of the file.")


class ResolverSchema(Schema):
    """The resolver configuration inside the container (resolv.conf)."""

    nameservers = texts("The addresses of the DNS servers, in the order in which they are asked.")
    search = texts("The search domains that are appended to short names.")
    options = texts("The options of resolv.conf, such as `ndots:0`.")
    uses_embedded_dns = flag("Whether the container asks Docker's embedded DNS server, `127.0.0.11`.")
    upstreams = texts("The DNS servers that Docker's embedded DNS server forwards to.")


class ResolvableNameSchema(Schema):
    """A name that the container can resolve without an outside DNS server."""

    name = text("The name. A name in a network also resolves with the network's name appended.", examples=["web"])
    addresses = texts("The IP addresses that the name resolves to.")
    network = part(
        ReferenceSchema,
        "The network in which Docker resolves the name; null when it comes from the hosts file.",
        null=True,
    )
    containers = list_of(
        ReferenceSchema, "The containers that have this name in that network. Docker alternates between several."
    )


class ContainerDnsSchema(Schema):
    """How a container resolves names: its files, and every name that it can resolve."""

    resolver = part(ResolverSchema, "The resolver configuration (resolv.conf); null when it cannot be read.", null=True)
    hosts = list_of(HostsEntrySchema, "The lines of the hosts file; null when the file cannot be read.", null=True)
    names = list_of(
        ResolvableNameSchema, "Every name that the hosts file or Docker's DNS server resolves, sorted by name."
    )
    truncated = flag(
        "Whether `hosts` and `names` are incomplete. The service reads at most 256 KiB of each file, 8,192 "
        "names and 32 search domains."
    )


class ContainerPortSchema(Schema):
    """A port of a container: where it is published, and what listens on it."""

    container_port = number("The port inside the container, such as 8080.", minimum=1, maximum=MAX_PORT)
    protocol = word("The transport protocol of the port.", *TRANSPORTS, grows=True)
    exposed = flag("Whether the image or the creation of the container declares the port (`EXPOSE`).")
    published = list_of(PublishedPortSchema, "Where the port is published on the host now; empty when it is not.")
    configured = list_of(PublishedPortSchema, "Where the creation of the container requested the port to be published.")
    listening = flag("Whether a process listens on the port; null when that cannot be inspected.", null=True)
    listeners = list_of(
        SocketSchema,
        "The sockets that listen on the port. A socket on a loopback address alone gets no traffic from a "
        "published port.",
        null=True,
    )


ContainerPortPageSchema = page_of(
    ContainerPortSchema, "One page of ports, sorted by number.", "The ports on this page of the list."
)


class HostLinkSchema(LinkSchema):
    """A network interface of the engine's host."""

    bridge = part(LinkEndSchema, "The bridge that this interface is a port of; null when it is not a port.", null=True)
    ports = list_of(LinkEndSchema, "For a bridge: the interfaces that are its ports. Otherwise empty.")
    network = part(
        ReferenceSchema, "The Docker network that owns the bridge or that the veth serves; otherwise null.", null=True
    )
    container = part(ReferenceSchema, "The container at the other end of a veth pair; otherwise null.", null=True)
    orphan = flag("Whether Docker made this bridge and no network owns the bridge any more.")


class HostInterfacePageSchema(Schema):
    """One page of the host's interfaces, sorted by index, and all routes of the host."""

    items = list_of(HostLinkSchema, "The interfaces on this page.")
    next_cursor = next_page()
    routes = list_of(RouteSchema, "All routes of the host; every page has all of them.")
    truncated = _truncated("262,144 interfaces and as many routes")
