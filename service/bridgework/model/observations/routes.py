"""How a kernel routes packets in one namespace: what was read of it, what it is asked, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network

MAIN_TABLE = 254
"""The routing table that ``ip route`` shows (rtnetlink(7), RT_TABLE_MAIN)."""
_TABLE_NAMES = {253: "default", MAIN_TABLE: "main", 255: "local"}
PROTOCOL_NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17, "ipv6-icmp": 58, "sctp": 132}
"""IANA's numbers of the protocols that the firewall and the policy rules compare, by iptables' names."""


@dataclass(frozen=True, slots=True)
class RouteQuestion:
    """A packet on the engine's host, and the interface by which it should leave.

    ``source`` and ``incoming`` (an interface) are ``None`` for a packet that the host sends. ``expected`` is ``None``
    where the host itself should take the packet. Ports are those of the packet after translation.
    """

    version: int
    destination: str
    source: str | None = None
    incoming: str | None = None
    expected: str | None = None
    mark: int = 0
    protocol: str | None = None
    source_port: int | None = None
    destination_port: int | None = None


@dataclass(frozen=True, slots=True)
class RouteAnswer:
    """What the kernel does with the packet of a ``RouteQuestion`` instead of what was expected.

    It leaves by ``interface``, or the kernel drops it for the reason in ``error``, or since it forwards nothing that
    comes in by the interface ``not_forwarded_from``. ``dead_end`` is the type of a route of the main table that drops
    it: ``blackhole``, ``prohibit`` or ``unreachable``. ``route`` is the destination of the
    route that decides, in ``table``. ``rule`` is the policy rule that leads to this table, as ``ip rule`` prints it
    behind its ``priority``; ``None`` where only the kernel's three default rules decide.

    ``reverse_path_filter`` is the sysctl of the filter that drops the packet, with its value (1 is strict, 2 is loose).
    Then the other fields describe the route back to the packet's source, and ``file`` is the file that sets the sysctl.
    """

    interface: str | None = None
    gateway: str | None = None
    table: int = MAIN_TABLE
    route: str | None = None
    rule: str | None = None
    priority: int | None = None
    error: str | None = None
    reverse_path_filter: tuple[str, int] | None = None
    file: str | None = None
    not_forwarded_from: str | None = None
    dead_end: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """A rule of policy routing. Subnets and names are ``None`` where any matches; ports are first and last.

    ``table`` is ``None`` where the rule drops the packet; ``suppressed`` is the longest prefix whose routes it ignores.
    """

    version: int
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
            and self.protocol in {None, PROTOCOL_NUMBERS.get(packet.protocol or "")}
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


def _within(subnet: str | None, address: str | None) -> bool:
    if subnet is None:
        return True
    # A packet that the host sends has no source yet when the kernel looks for its route.
    return address is not None and ip_network(f"{address}").subnet_of(ip_network(subnet))  # type: ignore[arg-type]


def _holds(ports: tuple[int, int] | None, port: int | None) -> bool:
    return ports is None or (port is not None and ports[0] <= port <= ports[1])


@dataclass(frozen=True, slots=True)
class TableRoute:
    """A route of any table. ``destination`` is a CIDR; ``kind`` as ``ip route`` writes it, such as ``unicast``.

    ``interfaces`` has one name for each next hop that is up; ``gateway`` is that of the first one.
    """

    version: int
    table: int
    destination: str
    kind: str
    interfaces: tuple[str, ...]
    gateway: str | None
    metric: int


@dataclass(frozen=True, slots=True)
class InterfaceSetting:
    """The sysctls of IPv4 of an interface: ``forwarding``, and ``rp_filter`` (0 off, 1 strict, 2 loose).

    ``all`` stands for all interfaces together, ``default`` for those that are made later.
    """

    interface: str
    forwarding: bool
    rp_filter: int


@dataclass(frozen=True, slots=True)
class Routing:
    """All that decides in one namespace where its kernel sends a packet. ``rules`` are in the kernel's order."""

    rules: tuple[PolicyRule, ...]
    routes: tuple[TableRoute, ...]
    settings: tuple[InterfaceSetting, ...]
