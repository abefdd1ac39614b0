"""The packet after one effect of a rule: translations and marks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from bridgework.firewall.routing import Routing, typed
from bridgework.firewall.ruleset import SNAT, Effect, Hook, Packet

UNTRACKED = "untracked"
"""The state of a packet that conntrack leaves out (NOTRACK)."""


def changed(effect: Effect, packet: Packet, hook: Hook, routing: Routing) -> Packet:
    """Return the packet after one effect."""
    change = _CHANGES.get(effect.kind)
    return packet if change is None else change(effect, packet, hook, routing)


def _redirected(effect: Effect, packet: Packet, hook: Hook, routing: Routing) -> Packet:
    """Return the packet after REDIRECT, which sends it to the host itself."""
    # A packet that the host sends goes to its loopback, one that comes in to the address of its interface.
    if hook is Hook.OUTPUT:
        return typed(routing, packet.with_destination(_LOOPBACK[packet.version], effect.port))
    here = routing.route(replace(packet, destination=packet.source or packet.destination))
    return typed(routing, packet.with_destination(here.source if here is not None else None, effect.port))


def _masqueraded(_: Effect, packet: Packet, __: Hook, routing: Routing) -> Packet:
    """Return the packet after MASQUERADE, with an address of the interface by which it leaves."""
    route = routing.route(packet)
    return replace(packet, source=route.source if route else None, translated=packet.translated | {SNAT})


def _marked(mark: int, effect: Effect) -> int:
    # --set-xmark of iptables: clear the bits of the mask, then exclusive-or the value.
    return (mark & ~effect.mask) ^ effect.value


# The destination of a packet that the host sends and redirects to itself (REDIRECT at OUTPUT).
_LOOPBACK = {4: "127.0.0.1", 6: "::1"}
_CHANGES: Mapping[str, Callable[[Effect, Packet, Hook, Routing], Packet]] = {
    "dnat": lambda e, p, _h, routing: typed(routing, p.with_destination(e.address, e.port)),
    "redirect": _redirected,
    "snat": lambda e, p, _h, _r: replace(p, source=e.address or p.source, translated=p.translated | {SNAT}),
    "masquerade": _masqueraded,
    "mark": lambda e, p, _h, _r: replace(p, mark=_marked(p.mark, e)),
    "connmark": lambda e, p, _h, _r: replace(p, connection_mark=_marked(p.connection_mark, e)),
    "save-mark": lambda _e, p, _h, _r: replace(p, connection_mark=p.mark),
    "restore-mark": lambda _e, p, _h, _r: replace(p, mark=p.connection_mark),
    "notrack": lambda _e, p, _h, _r: replace(p, state=UNTRACKED),
}
