"""One traced packet: what the kernel showed of it, and the steps that are made of it.

``TraceRecord`` is the raw record of the probes: packets seen at interfaces, rules that the kernel named, the conntrack
entry. ``Trace`` is the answer of a check: the same as steps in order, beside what the simulation predicted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TABLE_PREFIX = "bridgework-trace-"
"""How the names of the tables begin that mark a traced flow. They are in nftables only while a trace runs."""
Place = Literal["source", "host", "destination"]
"""The namespace in which something was seen: that of the source, the engine's host, or that of the destination."""
Direction = Literal["request", "reply"]
End = tuple[str, int | None]
"""An address with its port; ICMP has no ports."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What to trace: one flow from ``source`` to ``address``.

    ``identifier`` is the source port, or the identifier of an ICMP echo. ``answerers`` are the ends to which a rule or
    docker-proxy may lead the flow instead, such as the container behind a published port. ``by_proxy`` says that
    docker-proxy does, over a connection of its own. ``payload_bytes`` are kept of each packet behind its transport
    header.
    """

    version: int
    protocol: str
    source: str
    address: str
    port: int | None
    identifier: int
    answerers: tuple[End, ...] = ()
    by_proxy: bool = False
    payload_bytes: int = 0

    @property
    def behind(self) -> tuple[End, ...]:
        """The ends that docker-proxy may connect to; empty where no docker-proxy answers."""
        return self.answerers if self.by_proxy else ()


@dataclass(frozen=True, slots=True)
class Head:
    """The fields of a packet that tell it apart.

    For an ICMP echo both ports are its identifier. ``identity`` is what translation leaves as it is, such as the
    sequence number of TCP; ``None`` where nothing is known that distinguishes the packet from others. ``quoted`` is the
    head of the packet that an ICMP error quotes. ``note`` says in words which packet it is, such as ``SYN``.
    ``datagram_bytes`` is the length of a UDP datagram with its header.
    """

    version: int
    protocol: str
    source: str
    destination: str
    source_port: int | None = None
    destination_port: int | None = None
    identity: tuple[int, ...] | None = None
    quoted: Head | None = None
    note: str = ""
    datagram_bytes: int | None = None

    @property
    def ends(self) -> tuple[End, End]:
        """From where to where."""
        return (self.source, self.source_port), (self.destination, self.destination_port)

    @property
    def ends_back(self) -> tuple[End, End]:
        """The same for an answer."""
        return (self.destination, self.destination_port), (self.source, self.source_port)


@dataclass(frozen=True, slots=True)
class PacketSeen:
    """A packet at an interface.

    ``time_ns`` is the kernel's clock, 0 where it gave no time. ``data`` is the packet from its IP header to the end of
    its transport header, with at most ``payload_bytes`` of the flow behind it.
    """

    place: Place
    interface: str
    leaving: bool
    time_ns: int
    head: Head
    data: bytes


@dataclass(frozen=True, slots=True)
class RuleSeen:
    """One message of nf_tables about a packet: a rule that it met, the end of a chain, or a policy.

    ``hook`` is that of the base chain. ``handle`` is the rule's number, ``position`` its place in its chain, counted
    from 0. ``head`` is the packet as it was at the base chain. ``verdict`` is a word of nft, with the chain behind
    ``jump`` and ``goto``.
    """

    place: Place
    family: str
    table: str
    chain: str
    hook: str
    kind: Literal["rule", "return", "policy"]
    verdict: str
    head: Head
    handle: int | None = None
    position: int | None = None
    rules: int | None = None
    incoming: str | None = None
    outgoing: str | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """The entry that conntrack made for the flow: its ends as sent, and the ends of the answer that it expects."""

    source: End
    destination: End
    reply_source: End
    reply_destination: End
    mark: int = 0


@dataclass(frozen=True, slots=True)
class RouteSeen:
    """The route that the kernel chooses for the flow in one namespace; ``error`` where it has none.

    ``local`` means that the namespace itself takes the packet.
    """

    place: Place
    destination: str
    interface: str | None = None
    gateway: str | None = None
    local: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class TraceRecord:
    """What was recorded of one flow.

    ``started_ns`` is the time just before the probe. ``missing`` says in sentences what could not be recorded, and why.
    """

    flow: Flow
    started_ns: int = 0
    packets: tuple[PacketSeen, ...] = ()
    rules: tuple[RuleSeen, ...] = ()
    route: RouteSeen | None = None
    connection: Connection | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TracedPacket:
    """The addresses of the packet at one step. ``note`` says which packet it is, such as ``SYN``."""

    source: str | None
    source_port: int | None
    destination: str
    destination_port: int | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One step of a packet, predicted, seen or both.

    ``kind`` is ``interface``, ``rule``, ``policy`` or ``route``. ``of`` names the namespace. ``verdict`` is what a rule
    did, a word of nft such as ``drop`` or ``jump DOCKER-USER``, or ``no-route``. ``time_us`` counts microseconds since
    the first packet was seen; only interfaces have it. ``proxied`` steps are those of the connection that docker-proxy
    makes to the container.
    """

    kind: Literal["interface", "rule", "policy", "route"]
    direction: Direction
    place: Place
    of: str
    predicted: bool
    seen: bool
    packet: TracedPacket | None = None
    interface: str | None = None
    leaving: bool | None = None
    hook: str | None = None
    family: str | None = None
    table: str | None = None
    chain: str | None = None
    rule: str | None = None
    handle: int | None = None
    verdict: str | None = None
    time_us: float | None = None
    proxied: bool = False


@dataclass(frozen=True, slots=True)
class Loss:
    """Where the packet was lost: after ``last``, the last step that was seen.

    ``by`` is the step that stopped it, where the kernel named one; ``silent`` the first step where it did not come.
    """

    direction: Direction
    message: str
    last: TraceStep | None = None
    by: TraceStep | None = None
    silent: TraceStep | None = None


@dataclass(frozen=True, slots=True)
class CapturedPacket:
    """A packet of the flow for a capture file, with a comment that says where it was seen."""

    interface: str
    time_ns: int
    data: bytes
    comment: str


@dataclass(frozen=True, slots=True)
class Trace:
    """The answer of a traced check.

    ``client`` is the source as the destination sees it, ``server`` the destination as it was reached. ``missing`` are
    sentences about what could not be recorded.
    """

    flow: Flow
    steps: tuple[TraceStep, ...] = ()
    client: End | None = None
    server: End | None = None
    connection: Connection | None = None
    lost: Loss | None = None
    missing: tuple[str, ...] = ()
    capture: tuple[CapturedPacket, ...] = ()


@dataclass(frozen=True, slots=True)
class TracedSurprise:
    """What was recorded of a probe whose result was not the predicted one; else ``why_not`` says why nothing was."""

    trace: Trace | None = None
    why_not: str = "It was not traced."


NOT_TRACED = TracedSurprise()
