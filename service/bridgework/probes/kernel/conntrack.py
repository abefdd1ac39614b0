"""The connection tracking of the calling thread's namespace: its UDP entries (ctnetlink) and how full its table is.

Layouts and numbers are those of linux/netfilter/nfnetlink_conntrack.h.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from bridgework.model.observations import ConntrackTable, Flow
from bridgework.probes.kernel import netlink
from bridgework.probes.kernel.netlink import Limit

MAX_FLOWS = 16_384
_NETLINK_NETFILTER, _CT_GET = 12, (1 << 8) | 1
_NFGENMSG = struct.Struct("=BBH")
_NESTED = 0x8000
_TUPLE_ORIG, _TUPLE_REPLY, _FILTER = 1, 2, 25
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_PROTO_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
_FILTER_ORIG_FLAGS, _FILTER_REPLY_FLAGS, _BY_PROTOCOL = 1, 2, 1 << 3
# Attributes of source and destination, by family: CTA_IP_V4_SRC and so on.
_ADDRESSES = {socket.AF_INET: (1, 2), socket.AF_INET6: (3, 4)}
_FOLDER = Path("/proc/sys/net/netfilter")
_STATISTICS = Path("/proc/thread-self/net/stat/nf_conntrack")


def udp_flows(limit: Limit | None = None) -> tuple[Flow, ...] | None:
    """Return the UDP entries of both families, at most ``MAX_FLOWS``; ``None`` where the kernel refused."""
    limit = limit or Limit(messages=MAX_FLOWS)
    try:
        with netlink.open_socket(_NETLINK_NETFILTER) as sock:
            return tuple(
                flow
                for family in _ADDRESSES
                for body in netlink.dump(sock, _CT_GET, _request(family), limit)
                for flow in _flows(body, family)
            )
    except OSError:
        return None


def _request(family: int) -> bytes:
    # The kernel filters since 5.8; an older one ignores the filter, so the answer is filtered too.
    number = netlink.attribute(_PROTO_NUMBER, bytes([socket.IPPROTO_UDP]))
    original = netlink.attribute(_TUPLE_PROTO | _NESTED, number)
    flags = netlink.attribute(_FILTER_ORIG_FLAGS, struct.pack("=I", _BY_PROTOCOL))
    flags += netlink.attribute(_FILTER_REPLY_FLAGS, struct.pack("=I", 0))
    header = _NFGENMSG.pack(family, 0, 0)
    return header + netlink.attribute(_TUPLE_ORIG | _NESTED, original) + netlink.attribute(_FILTER | _NESTED, flags)


def _flows(body: bytes, family: int) -> Iterator[Flow]:
    attributes = netlink.attributes(body, _NFGENMSG.size)
    original, reply = _ends(attributes.get(_TUPLE_ORIG), family), _ends(attributes.get(_TUPLE_REPLY), family)
    if original is not None and reply is not None:
        yield Flow("udp", *original, *reply)


def _ends(data: bytes | None, family: int) -> tuple[str, int, str, int] | None:
    """Return source and destination of a tuple; ``None`` where it is not one of UDP."""
    attributes = netlink.attributes(data or b"")
    addresses = netlink.attributes(attributes.get(_TUPLE_IP, b""))
    ports = netlink.attributes(attributes.get(_TUPLE_PROTO, b""))
    source, destination = (addresses.get(kind) for kind in _ADDRESSES[socket.AddressFamily(family)])
    if ports.get(_PROTO_NUMBER) != bytes([socket.IPPROTO_UDP]) or source is None or destination is None:
        return None
    numbers = (int.from_bytes(ports.get(kind, b"")) for kind in (_SOURCE_PORT, _DESTINATION_PORT))
    first, second = numbers
    return socket.inet_ntop(family, source), first, socket.inet_ntop(family, destination), second


def table() -> ConntrackTable | None:
    """Return how full the table is; ``None`` where the kernel tracks no connections or its files are not visible."""
    try:
        in_use = int((_FOLDER / "nf_conntrack_count").read_text(encoding="ascii"))
        limit = int((_FOLDER / "nf_conntrack_max").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return ConntrackTable(limit=limit, in_use=in_use, dropped=_dropped())


def _dropped() -> int:
    """Return how many packets the table refused since the start; the file has one line for each CPU, in hexadecimal."""
    try:
        names, *lines = [line.split() for line in _STATISTICS.read_text(encoding="ascii").splitlines()]
        at = names.index("drop")
        return sum(int(line[at], 16) for line in lines)
    except (OSError, ValueError, IndexError):
        return 0
