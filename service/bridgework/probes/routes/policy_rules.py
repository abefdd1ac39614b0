"""The rules of policy routing (``ip rule``): which apply to a packet, and their text as ``ip rule`` prints it."""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_network
from typing import NamedTuple

from bridgework.model.observations import MAIN_TABLE, RouteQuestion
from bridgework.printable import printable
from bridgework.probes.kernel import netlink

# linux/fib_rules.h
_RTM_GETRULE, _MESSAGE = 34, struct.Struct("=BBBBBBBBI")
_DST, _SRC, _IIFNAME, _PRIORITY, _FWMARK, _TABLE, _FWMASK, _OIFNAME = 1, 2, 3, 6, 10, 15, 16, 17
_SUPPRESS_PREFIXLEN, _UID_RANGE, _IP_PROTO, _SPORT_RANGE, _DPORT_RANGE = 14, 20, 22, 23, 24
_INVERT, _NOTHING_SUPPRESSED = 0x2, 0xFFFFFFFF
_LOOKUP, _ACTIONS = 1, {6: "blackhole", 7: "unreachable", 8: "prohibit"}
_TABLE_NAMES = {253: "default", MAIN_TABLE: "main", 255: "local"}
_PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "ipv6-icmp": 58}
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


class PolicyRule(NamedTuple):
    """One rule. Subnets and names are ``None`` where any matches; ports are first and last.

    ``table`` is ``None`` where the rule drops the packet; ``suppressed`` is the longest prefix whose routes it ignores.
    ``is_default`` says that it is one of the three rules that the kernel makes itself.
    """

    priority: int
    inverted: bool
    source: str | None
    destination: str | None
    incoming: str | None
    outgoing: str | None
    mark: int
    mask: int
    protocol: int | None
    source_ports: tuple[int, int] | None
    destination_ports: tuple[int, int] | None
    action: str
    table: int | None
    suppressed: int | None

    @property
    def is_default(self) -> bool:
        """Whether the rule is one of the kernel's own, which lead to the tables local, main and default."""
        return self.table in _TABLE_NAMES and self.suppressed is None and not self.inverted

    def applies(self, packet: RouteQuestion) -> bool:
        """Return whether the rule matches the packet."""
        # The kernel gives a packet that the host sends the input interface lo.
        matched = (
            _within(self.source, packet.source)
            and _within(self.destination, packet.destination)
            and self.incoming in {None, packet.incoming or "lo"}
            and self.outgoing is None
            and packet.mark & self.mask == self.mark
            and self.protocol in {None, _PROTOCOLS.get(packet.protocol or "")}
            and _holds(self.source_ports, packet.source_port)
            and _holds(self.destination_ports, packet.destination_port)
        )
        return matched is not self.inverted

    @property
    def text(self) -> str:
        """The rule as ``ip rule`` prints it, without its priority."""
        words = ["not"] if self.inverted else []
        words += ["from", self.source or "all"]
        words += ["to", self.destination] if self.destination else []
        words += ["fwmark", f"{self.mark:#x}/{self.mask:#x}"] if self.mask else []
        words += ["iif", self.incoming] if self.incoming else []
        words += ["oif", self.outgoing] if self.outgoing else []
        words += ["ipproto", str(self.protocol)] if self.protocol else []
        for name, ports in (("sport", self.source_ports), ("dport", self.destination_ports)):
            words += [name, "-".join(map(str, dict.fromkeys(ports)))] if ports else []
        words += [self.action] if self.table is None else ["lookup", _TABLE_NAMES.get(self.table, str(self.table))]
        words += ["suppress_prefixlength", str(self.suppressed)] if self.suppressed is not None else []
        return " ".join(words)


def policy_rules(sock: socket.socket, version: int) -> list[PolicyRule]:
    """Return the rules that lead to a table or drop packets, in the kernel's order. Raises like ``netlink.dump``."""
    bodies = netlink.dump(sock, _RTM_GETRULE, _MESSAGE.pack(_FAMILIES[version], 0, 0, 0, 0, 0, 0, 0, 0))
    return [rule for rule in map(_rule, bodies) if rule is not None]


def _rule(body: bytes) -> PolicyRule | None:
    family, destination_len, source_len, _, table, _, _, action, flags = _MESSAGE.unpack_from(body)
    attributes = netlink.attributes(body, _MESSAGE.size)
    # A goto leads to another rule of the list. A rule for one user's sockets says nothing about forwarded packets.
    if (action != _LOOKUP and action not in _ACTIONS) or _UID_RANGE in attributes:
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


def _within(subnet: str | None, address: str | None) -> bool:
    if subnet is None:
        return True
    # A packet that the host sends has no source yet when the kernel looks for its route.
    return address is not None and ip_network(f"{address}").subnet_of(ip_network(subnet))  # type: ignore[arg-type]


def _holds(ports: tuple[int, int] | None, port: int | None) -> bool:
    return ports is None or (port is not None and ports[0] <= port <= ports[1])
