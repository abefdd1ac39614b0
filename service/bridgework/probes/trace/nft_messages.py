"""Messages of nf_tables (linux/netfilter/nf_tables.h): the table that marks one flow, and the kernel's trace messages.

The table has the flag ``owner``. So the kernel deletes it when the socket that made it is closed, also when the process
is killed. No other program can change it meanwhile.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from bridgework.model.trace import Flow
from bridgework.probes.kernel import netlink
from bridgework.probes.trace.heads import ECHO_TYPES, FAMILY, ICMP_NUMBER, PROTOCOL_NUMBERS, RST, SYN

NFTABLES = 10
BATCH_BEGIN, BATCH_END = 0x10, 0x11
NEWTABLE, GETTABLE, NEWCHAIN, GETCHAIN, NEWRULE, GETRULE, TRACE = (
    NFTABLES << 8 | kind for kind in (0, 1, 3, 4, 6, 7, 17)
)
NLM_F_ACK, NLM_F_CREATE, NLM_F_APPEND = 0x4, 0x400, 0x800
FAMILIES = {1: "inet", 2: "ip", 5: "netdev", 7: "bridge", 10: "ip6"}
HOOKS = ("prerouting", "input", "forward", "output", "postrouting")
NFGENMSG = struct.Struct("!BBH")
CHAINS = (("prerouting", 0), ("output", 3))
# Before the table raw (-300), and behind the defragmentation of conntrack (-400): the headers are whole.
PRIORITY = -350
_OWNER = 0x2
_NFPROTO, _NFPROTO_BRIDGE = {4: 2, 6: 10}, 7
_ETHER_TYPE = {4: b"\x08\x00", 6: b"\x86\xdd"}
_NETWORK, _TRANSPORT = 1, 2
_META_PROTOCOL, _META_NFTRACE, _META_L4PROTO = 1, 12, 16
_REGISTER = 1
_EQUAL, _DIFFERENT = 0, 1
_NESTED = 0x8000
# Where the IP header has the source and the destination address.
_OFFSETS = {4: (12, 16), 6: (8, 24)}
# Where an ICMP error quotes the source port or the echo's identifier, behind its own header and the quoted IP header.
_QUOTED_HEADER = {4: 28, 6: 48}
_QUOTED_PROTOCOL = {4: 17, 6: 14}
_TCP_FLAGS, _ICMP_IDENTIFIER = 13, 4
_ERROR_TYPES = {4: (3, 11), 6: (1, 2, 3)}
Match = bytes


def begin(kind: int) -> bytes:
    """Build the message that begins or ends a batch."""
    return netlink.message(kind, netlink.NLM_F_REQUEST, NFGENMSG.pack(0, 0, NFTABLES))


def table_of(flow: Flow, name: str, *, anywhere: bool, bridge: bool = False) -> list[bytes]:
    """Build the messages that make the table; the kernel acknowledges each one.

    With ``anywhere`` the flow is also marked where it is already translated: towards ``answerers``, from any address.
    With ``bridge`` the table is one of the family bridge, which sees frames before IP does.
    """
    head = NFGENMSG.pack(_NFPROTO_BRIDGE if bridge else _NFPROTO[flow.version], 0, 0)
    frames = _is_frame_of(flow.version) if bridge else []
    messages = [_create(NEWTABLE, head + _text(1, name) + _number(2, _OWNER))]
    for chain, hook in CHAINS:
        at = _nested(4, _number(1, hook), _number(2, PRIORITY & 0xFFFFFFFF))
        body = _text(1, name) + _text(3, chain) + at + _number(5, 1) + _text(7, "filter")
        messages.append(_create(NEWCHAIN, head + body))
        for matches in _flows(flow, anywhere=anywhere):
            expressions = _nested(4, *frames, *matches, *_mark())
            messages.append(_create(NEWRULE, head + _text(1, name) + _text(2, chain) + expressions, NLM_F_APPEND))
    return messages


def _create(kind: int, body: bytes, flags: int = 0) -> bytes:
    return netlink.message(kind, netlink.NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | flags, body)


def _flows(flow: Flow, *, anywhere: bool) -> Iterator[list[Match]]:
    """Yield the matches of each rule: the request, its answers, and ICMP errors that quote either."""
    asked = (flow.address, flow.port)
    yield [*_from(flow, flow.source), *_towards(flow, flow.address, flow.port)]
    for address, port in flow.answerers if anywhere else ():
        yield _towards(flow, address, port)
    for address, port in dict.fromkeys((asked, *flow.answerers)):
        yield [*_from(flow, address), *_answer(flow, port)]
    number = PROTOCOL_NUMBERS.get(flow.protocol, ICMP_NUMBER[flow.version])
    # The quoted packet has its protocol in byte 9 (IPv4) or 6 (IPv6) of its own header, which follows eight bytes.
    protocol_at = _QUOTED_PROTOCOL[flow.version]
    quoted = _QUOTED_HEADER[flow.version] + (_ICMP_IDENTIFIER if flow.protocol == "icmp" else 0)
    for kind in _ERROR_TYPES[flow.version]:
        yield [
            *_protocol(ICMP_NUMBER[flow.version]),
            *_bytes(_TRANSPORT, 0, bytes((kind,))),
            *_bytes(_TRANSPORT, protocol_at, bytes((number,))),
            *_bytes(_TRANSPORT, quoted, flow.identifier.to_bytes(2)),
        ]


def _from(flow: Flow, address: str) -> list[Match]:
    at, _ = _OFFSETS[flow.version]
    return _bytes(_NETWORK, at, socket.inet_pton(FAMILY[flow.version], address))


def _towards(flow: Flow, address: str, port: int | None) -> list[Match]:
    _, at = _OFFSETS[flow.version]
    return [
        *_bytes(_NETWORK, at, socket.inet_pton(FAMILY[flow.version], address)),
        *_transport(flow, 0, flow.identifier, port),
    ]


def _answer(flow: Flow, port: int | None) -> list[Match]:
    return _transport(flow, 1, port, flow.identifier)


def _transport(flow: Flow, way: int, source_port: int | None, destination_port: int | None) -> list[Match]:
    """Match the ports, or type and identifier of an echo; ``way`` is 0 for a request and 1 for its answer."""
    number = PROTOCOL_NUMBERS.get(flow.protocol)
    if number is None:
        echo = bytes((ECHO_TYPES[flow.version][way],))
        identifier = _bytes(_TRANSPORT, _ICMP_IDENTIFIER, flow.identifier.to_bytes(2))
        return [*_protocol(ICMP_NUMBER[flow.version]), *_bytes(_TRANSPORT, 0, echo), *identifier]
    ports = _protocol(number)
    for at, port in ((0, source_port), (2, destination_port)):
        ports += _bytes(_TRANSPORT, at, port.to_bytes(2)) if port is not None else []
    # Of TCP only the packets that open or refuse a connection: each packet makes twenty messages.
    return ports + (_flags(SYN | RST) if flow.protocol == "tcp" else [])


def _bytes(base: int, at: int, value: bytes) -> list[Match]:
    return [_payload(base, at, len(value)), _compared(_EQUAL, value)]


def _payload(base: int, at: int, length: int) -> Match:
    return _expression("payload", _number(1, _REGISTER) + _number(2, base) + _number(3, at) + _number(4, length))


def _compared(how: int, value: bytes) -> Match:
    return _expression("cmp", _number(1, _REGISTER) + _number(2, how) + _data(3, value))


def _is_frame_of(version: int) -> list[Match]:
    """Match the frames of one IP version: other frames have other bytes at the same offsets."""
    return [
        _expression("meta", _number(1, _REGISTER) + _number(2, _META_PROTOCOL)),
        _compared(_EQUAL, _ETHER_TYPE[version]),
    ]


def _protocol(number: int) -> list[Match]:
    return [
        _expression("meta", _number(1, _REGISTER) + _number(2, _META_L4PROTO)),
        _compared(_EQUAL, bytes((number,))),
    ]


def _flags(flags: int) -> list[Match]:
    mask = _data(4, bytes((flags,))) + _data(5, b"\0")
    both = _number(1, _REGISTER) + _number(2, _REGISTER) + _number(3, 1)
    return [_payload(_TRANSPORT, _TCP_FLAGS, 1), _expression("bitwise", both + mask), _compared(_DIFFERENT, b"\0")]


def _mark() -> list[bytes]:
    return [
        _expression("immediate", _number(1, _REGISTER) + _data(2, b"\1")),
        _expression("meta", _number(2, _META_NFTRACE) + _number(3, _REGISTER)),
    ]


def _expression(name: str, data: bytes) -> bytes:
    return _nested(1, _text(1, name), netlink.attribute(2 | _NESTED, data))


def _data(kind: int, value: bytes) -> bytes:
    return _nested(kind, netlink.attribute(1, value))


def _nested(kind: int, *inner: bytes) -> bytes:
    return netlink.attribute(kind | _NESTED, b"".join(inner))


def _text(kind: int, value: str) -> bytes:
    return netlink.attribute(kind, value.encode() + b"\0")


def _number(kind: int, value: int) -> bytes:
    return netlink.attribute(kind, value.to_bytes(4))


class TraceMessage(NamedTuple):
    """One trace message. Only the first message of a base chain has the headers ``network`` and ``transport``."""

    id: int
    family: int
    table: str
    chain: str
    kind: int
    handle: int | None
    verdict: str
    network: bytes
    transport: bytes
    incoming: int | None
    outgoing: int | None


POLICY, RETURN, RULE = 1, 2, 3
KINDS: Mapping[int, Literal["policy", "return", "rule"]] = {POLICY: "policy", RETURN: "return", RULE: "rule"}
_VERDICTS = {0: "drop", 1: "accept", 2: "stolen", 3: "queue", -1: "continue", -2: "break", -3: "jump", -4: "goto",
             -5: "return"}  # fmt: skip


def read_trace(body: bytes) -> TraceMessage:
    """Decode the body of a trace message (enum nft_trace_attributes)."""
    attributes = netlink.attributes(body, NFGENMSG.size)
    kind = _whole(attributes.get(4)) or 0
    return TraceMessage(
        id=_whole(attributes.get(6)) or 0,
        family=body[0],
        table=_string(attributes.get(1)),
        chain=_string(attributes.get(2)),
        kind=kind,
        handle=_whole(attributes.get(3)),
        verdict=_verdict(attributes),
        network=attributes.get(8, b""),
        transport=attributes.get(9, b""),
        incoming=_whole(attributes.get(10)),
        outgoing=_whole(attributes.get(12)),
    )


def _verdict(attributes: dict[int, bytes]) -> str:
    if (policy := _whole(attributes.get(16))) is not None:
        return _VERDICTS.get(policy & 0xFF, str(policy))
    verdict = netlink.attributes(attributes.get(5, b""))
    code, chain = int.from_bytes(verdict.get(1, b"\0"), signed=True), _string(verdict.get(2))
    word = _VERDICTS.get(code if code < 0 else code & 0xFF, str(code))
    return f"{word} {chain}" if chain else word


def table_named(version: int, name: str) -> bytes:
    """Build the body that asks for the table that marks a flow of this IP version."""
    return NFGENMSG.pack(_NFPROTO[version], 0, 0) + _text(1, name)


def chain_named(family: int, table: str, chain: str) -> bytes:
    """Build the body that asks for one chain."""
    return NFGENMSG.pack(family, 0, 0) + _text(1, table) + _text(3, chain)


def hook_of(body: bytes) -> str:
    """Decode the hook of a chain (enum nft_chain_attributes); empty unless it is a base chain."""
    attributes = netlink.attributes(body, NFGENMSG.size)
    number = _whole(netlink.attributes(attributes.get(4, b"")).get(1))
    return HOOKS[number] if number is not None and number < len(HOOKS) else ""


def rules_of_chain(family: int, table: str, chain: str) -> bytes:
    """Build the body that asks for the rules of one chain."""
    return NFGENMSG.pack(family, 0, 0) + _text(1, table) + _text(2, chain)


def handles(bodies: Iterable[bytes]) -> list[int]:
    """Return the handles of rules in their order (enum nft_rule_attributes)."""
    return [_whole(netlink.attributes(body, NFGENMSG.size).get(3)) or 0 for body in bodies]


def _whole(data: bytes | None) -> int | None:
    return int.from_bytes(data) if data else None


def _string(data: bytes | None) -> str:
    return (data or b"").rstrip(b"\0").decode(errors="replace")
