"""What the simulation asks the host about the route of a packet, and what a packet gets from the answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from bridgework.firewall.ruleset import LOCAL, UNICAST, Packet


@dataclass(frozen=True, slots=True)
class Route:
    """The routing decision for one packet: ``interface`` it leaves by, ``None`` when it is for the host itself."""

    interface: str | None
    source: str | None = None


# A protocol, because a test answers for the kernel; analysis/host_rules.py has the host's own routes.
class Routing(Protocol):
    """What the simulation asks the host."""

    def route(self, packet: Packet) -> Route | None:
        """Return the way of the packet; ``None`` where there is none."""
        ...

    def is_local(self, address: str) -> bool:
        """Return whether the address is one of the host's own."""
        ...

    def filters_bridged(self, version: int) -> bool:
        """Return whether packets within one bridge meet the rules (br_netfilter)."""
        ...


def _type_of(routing: Routing, address: str) -> str:
    # An empty address is the one of the host by which it masquerades, where the route did not name it.
    return LOCAL if not address or routing.is_local(address) else UNICAST


def typed(routing: Routing, packet: Packet) -> Packet:
    """Return the packet with the types of its addresses, as ``addrtype`` and ``fib`` compare them."""
    return replace(
        packet,
        destination_type=_type_of(routing, packet.destination),
        source_type=_type_of(routing, packet.source) if packet.source else UNICAST,
    )


def arrived(routing: Routing, packet: Packet) -> Packet:
    """Return the packet as it comes in: with the types of its addresses, and whether its reverse path is its own."""
    return replace(typed(routing, packet), reverse_path=_reverse_path(routing, packet))


def _reverse_path(routing: Routing, packet: Packet) -> bool | None:
    # A link-local source is on the link that the packet came by.
    if not packet.source or packet.incoming is None or packet.source.startswith("fe80:"):
        return True
    back = routing.route(replace(packet, destination=packet.source, source=None))
    # The name of the interface is empty where the host's routes were not seen.
    return None if back is not None and back.interface == "" else back is not None and back.interface == packet.incoming
