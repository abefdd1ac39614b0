"""What the kernel of the engine's host is asked about the route of a packet, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass

MAIN_TABLE = 254
"""The routing table that ``ip route`` shows (rtnetlink(7), RT_TABLE_MAIN)."""


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
