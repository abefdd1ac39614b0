"""Which packets belong to a traced flow, in spite of translation, and in which direction each one goes.

A packet belongs to the flow if its addresses and ports are known to be the flow's, or if it is the same packet as one
that belongs: NAT changes addresses and ports, but not the sequence number of TCP, the number of an echo, or the
identification of a datagram. So each packet that belongs makes more addresses known, at any place on the way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from bridgework.model.trace import Connection, Direction, End, Flow, Head, PacketSeen, TraceRecord

# Each pass can make one more translation known; a packet on one host is translated twice at most.
_PASSES = 4
_Ends = tuple[End, End]


@dataclass(slots=True)
class Belonging:
    """What is known of one flow: its ends at each place, and the numbers of its packets."""

    ends: set[_Ends]
    identities: set[tuple[str, tuple[int, ...]]] = field(default_factory=set)

    @classmethod
    def of(cls, record: TraceRecord) -> Belonging:
        """Find out all ends of the recorded flow."""
        known = cls(_first_ends(record.flow, record.connection))
        heads = [*(packet.head for packet in record.packets), *(rule.head for rule in record.rules)]
        for _ in range(_PASSES):
            before = len(known.ends) + len(known.identities)
            known.learn(heads)
            if before == len(known.ends) + len(known.identities):
                break
        return known

    def learn(self, heads: Iterable[Head]) -> None:
        """Add ends and numbers of the packets that belong."""
        for head in heads:
            direction = self.direction_of(head)
            # An answer from another address stays one: its ends are not the flow's.
            if direction is None or head.quoted is not None or self.is_from_another_address(head):
                continue
            self.ends.add(head.ends if direction == "request" else head.ends_back)
            if head.identity is not None and direction == "request":
                self.identities.add((head.protocol, head.identity))

    def direction_of(self, head: Head) -> Direction | None:
        """Return the direction of a packet of the flow; ``None`` for another packet."""
        if head.quoted is not None:
            # An error that quotes a packet goes back to where that packet came from.
            quoted = self.direction_of(head.quoted)
            return None if quoted is None else "reply" if quoted == "request" else "request"
        if head.ends in self.ends:
            return "request"
        if head.ends_back in self.ends or self.is_from_another_address(head):
            return "reply"
        return "request" if head.identity and (head.protocol, head.identity) in self.identities else None

    def is_from_another_address(self, head: Head) -> bool:
        """Whether a datagram answers the flow with another source address than the one that it was sent to.

        A program with a UDP socket on every address, such as docker-proxy, answers from the address that the kernel
        chooses. The source's number is the flow's alone (``_free_number`` of the probe).
        """
        if head.protocol != "udp" or head.quoted is not None or head.ends_back in self.ends:
            return False
        return any(head.ends[1] == own and head.source_port == asked[1] for own, asked in self.ends)


def ends_of(flow: Flow) -> _Ends:
    """Return the flow's ends as it was sent. An echo has its identifier in the place of both ports."""
    echo = flow.protocol == "icmp"
    return (flow.source, flow.identifier), (flow.address, flow.identifier if echo else flow.port)


def _first_ends(flow: Flow, connection: Connection | None) -> set[_Ends]:
    ends = {ends_of(flow)}
    # What conntrack expects of the answer shows both translations, also where no packet was seen behind them.
    if connection is not None:
        ends.add((connection.reply_destination, connection.reply_source))
    return ends


def handed_on(record: TraceRecord, known: Belonging, own: Collection[str]) -> Sequence[PacketSeen]:
    """Return the packets of the connection by which docker-proxy leads the flow on; empty where that is not certain.

    ``own`` are the host's addresses on the networks of the destination: docker-proxy is a program of the host, so its
    connection comes from one of them. The proxy connects to the container once it has the client's connection, or the
    client's datagram, which it sends on with the same length. Where several connections to the same port began
    meanwhile, it cannot be told which one is the proxy's.
    """
    behind = {end for end in record.flow.behind if end[1] is not None}
    taken_ns = min((packet.time_ns for packet in record.packets if _is_taken(record.flow, packet, known)), default=0)
    begun = [
        packet
        for packet in record.packets
        if packet.place == "destination"
        and not packet.leaving
        and known.direction_of(packet.head) is None
        and packet.head.ends[1] in behind
        and packet.head.note in {"SYN", ""}
    ]
    if not taken_ns or len({packet.head.ends for packet in begun}) != 1:
        return ()
    first = begun[0]
    if first.head.source not in own or first.time_ns < taken_ns or not _is_as_long(record, known, first):
        return ()
    ends = begun[0].head.ends
    found = [packet for packet in record.packets if ends in {packet.head.ends, packet.head.ends_back}]
    return sorted(found, key=lambda packet: packet.head.ends != ends)  # what the proxy sent comes first


def _is_taken(flow: Flow, packet: PacketSeen, known: Belonging) -> bool:
    """Whether the packet shows that a program of the host has the flow: its answer to a SYN, or the datagram itself."""
    if packet.place != "host" or not packet.time_ns:
        return False
    if flow.protocol == "tcp":
        return packet.head.note == "SYN-ACK" and known.direction_of(packet.head) == "reply"
    return known.direction_of(packet.head) == "request"


def _is_as_long(record: TraceRecord, known: Belonging, packet: PacketSeen) -> bool:
    """Whether a datagram of the proxy has the length of one of the flow. A connection has none to compare."""
    if record.flow.protocol != "udp":
        return True
    lengths = {one.head.datagram_bytes for one in record.packets if known.direction_of(one.head) == "request"}
    return packet.head.datagram_bytes in lengths
