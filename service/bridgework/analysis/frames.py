"""The frames that carry a packet and its answer past the rules of bridges and devices (families bridge and netdev).

A host's IP rules see a packet between its frames: it comes in by a device, and leaves by another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from bridgework.firewall.frames import Drop, drop_of, frame_chains
from bridgework.firewall.ruleset import ESTABLISHED, REPLY, Packet

Frame = tuple[str, str, str, Packet]
"""The family of the rules, the hook, the device, and the packet as it is there."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device by which packets come and go. ``port`` is the port of the bridge; ``None`` for a plain link."""

    name: str
    port: str | None = None


def incoming(device: Device, packet: Packet) -> Iterator[Frame]:
    """Yield the frames of a packet that comes in by the device and is for the IP of the namespace."""
    if device.port is not None:
        inside = replace(packet, incoming=device.port, outgoing=None)
        yield "netdev", "ingress", device.port, inside
        yield "bridge", "prerouting", device.port, inside
        yield "bridge", "input", device.port, inside
    yield "netdev", "ingress", device.name, replace(packet, incoming=device.name, outgoing=None)


def outgoing(device: Device, packet: Packet) -> Iterator[Frame]:
    """Yield the frames of a packet that the IP of the namespace sends by the device."""
    yield "netdev", "egress", device.name, replace(packet, incoming=None, outgoing=device.name)
    if device.port is not None:
        inside = replace(packet, incoming=None, outgoing=device.port)
        yield "bridge", "output", device.port, inside
        yield "bridge", "postrouting", device.port, inside
        yield "netdev", "egress", device.port, inside


def switched(device: Device, packet: Packet) -> Iterator[Frame]:
    """Yield the frames of a packet that stays on its bridge and leaves by the device's port, and of its answer."""
    port, other = device.port or "", f"port of {device.name}"
    for at, there in ((other, True), (port, False)):
        one = packet if there else answered(packet)
        inside = replace(one, incoming=at, outgoing=port if there else other)
        yield "netdev", "ingress", at, inside
        for hook in ("prerouting", "forward", "postrouting"):
            yield "bridge", hook, at, inside
        yield "netdev", "egress", port if there else other, inside


def answered(packet: Packet) -> Packet:
    """Return the answer to a packet: its ends exchanged."""
    return replace(
        packet,
        source=packet.destination,
        source_port=packet.destination_port,
        destination=packet.source or "",
        destination_port=packet.source_port,
        state=ESTABLISHED,
        direction=REPLY,
    )


def drop_on_the_way(rules: str | None, frames: Iterable[Frame]) -> Drop | None:
    """Return the rule that drops one of the frames, or that may drop it; ``None`` where none does."""
    chains = frame_chains(rules or "")
    # Few hosts have such rules, so most packets are not followed there.
    for family, hook, device, packet in frames if chains else ():
        for chain in chains:
            met = chain.family == family and chain.hook == hook and (family == "bridge" or device in chain.devices)
            drop = drop_of(chain, packet) if met else None
            if drop is not None:
                return drop
    return None
