"""Reads the rules of policy routing (``ip rule``)."""

from __future__ import annotations

import socket
import struct

from bridgework.model.observations import PolicyRule
from bridgework.printable import printable
from bridgework.probes.kernel import netlink

# linux/fib_rules.h
_RTM_GETRULE, _MESSAGE = 34, struct.Struct("=BBBBBBBBI")
_DST, _SRC, _IIFNAME, _PRIORITY, _FWMARK, _TABLE, _FWMASK, _OIFNAME = 1, 2, 3, 6, 10, 15, 16, 17
_SUPPRESS_PREFIXLEN, _UID_RANGE, _IP_PROTO, _SPORT_RANGE, _DPORT_RANGE = 14, 20, 22, 23, 24
_INVERT, _NOTHING_SUPPRESSED = 0x2, 0xFFFFFFFF
_LOOKUP, _ACTIONS = 1, {6: "blackhole", 7: "unreachable", 8: "prohibit"}
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_VERSIONS = {family: version for version, family in _FAMILIES.items()}


def policy_rules(sock: socket.socket, version: int, limit: netlink.Limit | None = None) -> list[PolicyRule]:
    """Return the rules that lead to a table or drop packets, in the kernel's order. Raises like ``netlink.dump``."""
    bodies = netlink.dump(sock, _RTM_GETRULE, _MESSAGE.pack(_FAMILIES[version], 0, 0, 0, 0, 0, 0, 0, 0), limit)
    return [rule for rule in map(_rule, bodies) if rule is not None]


def _rule(body: bytes) -> PolicyRule | None:
    family, destination_len, source_len, service, table, _, _, action, flags = _MESSAGE.unpack_from(body)
    attributes = netlink.attributes(body, _MESSAGE.size)
    # A goto leads to another rule of the list. A rule for one user's sockets says nothing about forwarded packets, and
    # one for a type of service nothing about packets without it.
    if (action != _LOOKUP and action not in _ACTIONS) or _UID_RANGE in attributes or service:
        return None

    def number(kind: int) -> int:
        return int.from_bytes(attributes.get(kind, b""), "little")

    def subnet(kind: int, length: int) -> str | None:
        return f"{socket.inet_ntop(family, attributes[kind])}/{length}" if kind in attributes else None

    def name(kind: int) -> str | None:
        return printable(attributes[kind].rstrip(b"\0").decode(errors="replace")) if kind in attributes else None

    def ports(kind: int) -> tuple[int, int] | None:
        first, last = struct.unpack("=HH", attributes[kind]) if kind in attributes else (0, 0)
        return (first, last) if last else None

    suppressed = number(_SUPPRESS_PREFIXLEN) if _SUPPRESS_PREFIXLEN in attributes else _NOTHING_SUPPRESSED
    return PolicyRule(
        version=_VERSIONS[socket.AddressFamily(family)],
        priority=number(_PRIORITY),
        inverted=bool(flags & _INVERT),
        source=subnet(_SRC, source_len),
        destination=subnet(_DST, destination_len),
        incoming=name(_IIFNAME),
        outgoing=name(_OIFNAME),
        mark=number(_FWMARK),
        mask=number(_FWMASK),
        protocol=number(_IP_PROTO) or None,
        source_ports=ports(_SPORT_RANGE),
        destination_ports=ports(_DPORT_RANGE),
        action=_ACTIONS.get(action, "lookup"),
        table=(number(_TABLE) or table) if action == _LOOKUP else None,
        suppressed=None if suppressed == _NOTHING_SUPPRESSED else suppressed,
    )
