"""The conntrack entry of one flow, by ctnetlink (linux/netfilter/nfnetlink_conntrack.h)."""

from __future__ import annotations

import socket

from bridgework.model.trace import Connection, End, Flow
from bridgework.probes.kernel import netlink
from bridgework.probes.trace.heads import ECHO_TYPES, FAMILY, ICMP_NUMBER, PROTOCOL_NUMBERS
from bridgework.probes.trace.nft_messages import NFGENMSG

_GET = 1 << 8 | 1
_NESTED = 0x8000
_ORIGINAL, _REPLY, _MARK = 1, 2, 8
_IP, _PROTOCOL = 1, 2
_SOURCE, _DESTINATION = {4: 1, 6: 3}, {4: 2, 6: 4}
_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
# Identifier, type and code of an echo.
_ICMP = {4: (4, 5, 6), 6: (7, 8, 9)}


def connection_of(sock: socket.socket, flow: Flow) -> Connection | None:
    """Ask for the entry of the flow in the socket's namespace; ``None`` where there is none.

    ``sock`` is a netlink socket of the family NETLINK_NETFILTER. An entry exists only once the first packet has passed
    all hooks. Raises ``OSError`` where the kernel refuses.
    """
    family = FAMILY[flow.version]
    body = NFGENMSG.pack(family, 0, 0) + netlink.attribute(_ORIGINAL | _NESTED, _tuple_of(flow, family))
    try:
        return _read(netlink.ask(sock, _GET, body), flow.version)
    except FileNotFoundError:
        return None


def _tuple_of(flow: Flow, family: int) -> bytes:
    version = flow.version
    addresses = netlink.attribute(_SOURCE[version], socket.inet_pton(family, flow.source))
    addresses += netlink.attribute(_DESTINATION[version], socket.inet_pton(family, flow.address))
    number = PROTOCOL_NUMBERS.get(flow.protocol)
    protocol = netlink.attribute(_NUMBER, bytes((number or ICMP_NUMBER[version],)))
    if number is not None:
        protocol += netlink.attribute(_SOURCE_PORT, flow.identifier.to_bytes(2))
        protocol += netlink.attribute(_DESTINATION_PORT, (flow.port or 0).to_bytes(2))
    else:
        identifier, kind, code = _ICMP[version]
        protocol += netlink.attribute(identifier, flow.identifier.to_bytes(2))
        protocol += netlink.attribute(kind, bytes((ECHO_TYPES[version][0],))) + netlink.attribute(code, b"\0")
    return netlink.attribute(_IP | _NESTED, addresses) + netlink.attribute(_PROTOCOL | _NESTED, protocol)


def _read(body: bytes, version: int) -> Connection:
    attributes = netlink.attributes(body, NFGENMSG.size)
    source, destination = _ends(attributes.get(_ORIGINAL, b""), version)
    reply_source, reply_destination = _ends(attributes.get(_REPLY, b""), version)
    mark = int.from_bytes(attributes.get(_MARK, b""))
    return Connection(source, destination, reply_source, reply_destination, mark)


def _ends(data: bytes, version: int) -> tuple[End, End]:
    attributes = netlink.attributes(data)
    addresses, protocol = (netlink.attributes(attributes.get(kind, b"")) for kind in (_IP, _PROTOCOL))
    family = FAMILY[version]
    source, destination = (socket.inet_ntop(family, addresses[kind[version]]) for kind in (_SOURCE, _DESTINATION))
    if _SOURCE_PORT in protocol:
        return (source, int.from_bytes(protocol[_SOURCE_PORT])), (
            destination,
            int.from_bytes(protocol.get(_DESTINATION_PORT, b"")),
        )
    identifier = int.from_bytes(protocol.get(_ICMP[version][0], b""))
    return (source, identifier), (destination, identifier)
