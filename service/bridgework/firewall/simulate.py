"""Lead one packet through a ruleset, as the kernel does, and say what each rule did to it.

The hooks follow netfilter's picture of the packet flow: PREROUTING, the routing decision, INPUT or FORWARD,
POSTROUTING; OUTPUT and POSTROUTING for what the host sends. At each hook the base chains are called in the order of
their priorities. An ``accept`` ends one base chain only, a ``drop`` ends the packet. NAT chains see the first packet of
a connection only; conntrack translates all others, and the answers, at the same priorities.

Some rules cannot be decided: a match that is not understood, or a value that is not known. Then both ways are walked.
If they end alike, the rule does not matter; if not, the verdict is *unknown* and the rule is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from bridgework.firewall.ruleset import (
    DNAT,
    ESTABLISHED,
    LOCAL,
    NEW,
    REPLY,
    SNAT,
    UNICAST,
    Chain,
    Effect,
    Hook,
    Packet,
    Rule,
    Ruleset,
    Table,
)

ACCEPTED, DROPPED, REJECTED, UNKNOWN = "accepted", "dropped", "rejected", "unknown"
NO_ROUTE, UNTRANSLATED = "no-route", "answer-untranslated"
MARTIAN = "martian-source"
"""The packet arrives with its receiver's own address as its source, and the receiver's kernel discards it."""
_MAX_DEPTH = 16
"""nf_tables refuses deeper chains of jumps (NFT_JUMP_STACK_SIZE)."""
_MAX_GUESSES = 6
_UNTRACKED, _INVALID = "untracked", "invalid"
_CONNTRACK_HOOKS, _CONNTRACK_PRIORITY = frozenset({Hook.PREROUTING, Hook.OUTPUT}), -200
"""Where conntrack looks a packet up (NF_IP_PRI_CONNTRACK). The table raw comes before it."""
_DNAT_PRIORITY, _SNAT_PRIORITY = -100, 100
"""Where conntrack translates back what belongs to a known connection (NF_IP_PRI_NAT_DST and NF_IP_PRI_NAT_SRC)."""


@dataclass(frozen=True, slots=True)
class Route:
    """The routing decision for one packet: ``interface`` it leaves by, ``None`` when it is for the host itself."""

    interface: str | None
    source: str | None = None


class Routing(Protocol):
    """What the simulation asks the host."""

    def route(self, packet: Packet) -> Route | None:
        """The way of the packet; ``None`` where there is none."""
        ...

    def is_local(self, address: str) -> bool:
        """Whether the address is one of the host's own."""
        ...

    def filters_bridged(self, version: int) -> bool:
        """Whether packets within one bridge meet the rules (br_netfilter)."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a packet is: a chain of a table, called from a hook."""

    hook: Hook
    table: Table
    chain: Chain


@dataclass(frozen=True, slots=True)
class Step:
    """A rule that did something to the packet. ``rule`` is ``None`` for the policy of a base chain."""

    place: Place
    rule: Rule | None
    effect: str
    before: Packet
    after: Packet


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the packet's way ended. ``step`` is the one that ended it, or the one that cannot be decided."""

    verdict: str
    packet: Packet
    steps: tuple[Step, ...]
    step: Step | None = None

    @property
    def delivered_locally(self) -> bool:
        """Whether the host itself takes the packet."""
        return self.verdict == ACCEPTED and self.packet.outgoing is None


class _EndedError(Exception):
    def __init__(self, verdict: str, packet: Packet, step: Step | None = None) -> None:
        super().__init__(verdict)
        self.verdict, self.packet, self.step = verdict, packet, step


class _UndecidedError(Exception):
    def __init__(self, rule: Rule, step: Step) -> None:
        super().__init__(rule.text)
        self.rule, self.step = rule, step


Ended = Literal["accept", "return"] | None
"""``accept``: the base chain is done. ``return``: back to the calling chain. ``None``: on to the next rule."""


@dataclass(slots=True)
class _Walk:
    """One try: the rules of which it is assumed whether they match, and the steps so far."""

    ruleset: Ruleset
    routing: Routing
    assumed: Mapping[int, bool]
    steps: list[Step] = field(default_factory=list)

    def hook(
        self, hook: Hook, packet: Packet, *, translate: Callable[[Packet], Packet] | None = None, nat: bool = True
    ) -> Packet:
        """All base chains of one hook. ``translate`` is conntrack's own translation of a known connection."""
        for table, chain in self.ruleset.base_chains(hook, packet.version):
            if translate is not None and chain.priority > _priority_of_translation(hook):
                packet, translate = translate(packet), None
            place = Place(hook, table, chain)
            if hook in _CONNTRACK_HOOKS and chain.priority <= _CONNTRACK_PRIORITY:
                packet = _with_connection(self._base_chain(place, _without_connection(packet)), packet)
            elif chain.kind != "nat" or (nat and _is_translatable(packet, hook)):
                packet = self._base_chain(place, packet)
        return translate(packet) if translate is not None else packet

    def _base_chain(self, place: Place, packet: Packet) -> Packet:
        ended, packet = self._chain(place, packet, depth=0)
        if ended is None and not place.chain.accepts:
            raise _EndedError(DROPPED, packet, self._tell(place, None, "drop", packet, packet))
        return packet

    def _chain(self, place: Place, packet: Packet, *, depth: int) -> tuple[Ended, Packet]:
        for rule in place.chain.rules:
            if not self._applies(place, rule, packet):
                continue
            for effect in rule.effects:
                ended, packet = self._effect(place, rule, effect, packet, depth)
                if ended is not None:
                    return (None if ended == "return" else ended), packet
        return None, packet

    def _applies(self, place: Place, rule: Rule, packet: Packet) -> bool:
        found = rule.applies(packet)
        if found is None:
            found = self.assumed.get(id_of(rule))
        if found is None:
            raise _UndecidedError(rule, Step(place, rule, UNKNOWN, packet, packet))
        if found and any(effect.kind == UNKNOWN for effect in rule.effects):
            raise _EndedError(UNKNOWN, packet, self._tell(place, rule, UNKNOWN, packet, packet))
        return found

    def _effect(self, place: Place, rule: Rule, effect: Effect, packet: Packet, depth: int) -> tuple[Ended, Packet]:
        if effect.kind in {"jump", "goto"}:
            return self._call(place, rule, effect, packet, depth)
        after = _applied(effect, packet, place.hook, self.routing)
        if effect.kind == "continue":
            return None, after
        step = self._tell(place, rule, effect.kind, packet, after)
        if effect.kind in {"drop", "reject"}:
            raise _EndedError(DROPPED if effect.kind == "drop" else REJECTED, after, step)
        if effect.kind in _ENDS_BASE_CHAIN:
            return "accept", after
        return ("return" if effect.kind == "return" else None), after

    def _call(self, place: Place, rule: Rule, effect: Effect, packet: Packet, depth: int) -> tuple[Ended, Packet]:
        called = place.table.chains.get(effect.chain)
        step = self._tell(place, rule, f"{effect.kind} {effect.chain}", packet, packet)
        if called is None or depth >= _MAX_DEPTH:
            raise _EndedError(UNKNOWN, packet, step)
        ended, packet = self._chain(replace(place, chain=called), packet, depth=depth + 1)
        # After a goto the packet does not come back to the chain that it left, but to that chain's caller.
        return ended or ("return" if effect.kind == "goto" else None), packet

    def _tell(self, place: Place, rule: Rule | None, effect: str, before: Packet, after: Packet) -> Step:
        step = Step(place, rule, effect, before, after)
        self.steps.append(step)
        return step


def _without_connection(packet: Packet) -> Packet:
    """The packet as rules see it before conntrack has looked it up: in an invalid state, of no connection."""
    return replace(packet, state=_INVALID, direction="", translated=frozenset(), original=None)


def _with_connection(packet: Packet, known: Packet) -> Packet:
    state = packet.state if packet.state == _UNTRACKED else known.state
    return replace(packet, state=state, direction=known.direction, translated=known.translated, original=known.original)


_ENDS_BASE_CHAIN = frozenset({"accept", "dnat", "snat", "masquerade", "redirect"})


def id_of(rule: Rule) -> int:
    """What tells a rule from others while one packet is walked; equal rules are assumed alike."""
    return hash((rule.text, rule.handle, rule.matches))


def forward(ruleset: Ruleset, routing: Routing, packet: Packet) -> Outcome:
    """The way of a packet that comes in by an interface: to the host itself, or on to another interface."""
    return _decided(ruleset, routing, lambda walk: _received(walk, packet))


def output(ruleset: Ruleset, routing: Routing, packet: Packet) -> Outcome:
    """The way of a packet that the host sends."""
    return _decided(ruleset, routing, lambda walk: _sent(walk, packet))


def bridged(ruleset: Ruleset, routing: Routing, packet: Packet) -> Outcome:
    """The way of a packet within one bridge, where br_netfilter shows it to the rules of its IP version.

    ``packet.incoming`` and ``packet.outgoing`` are the bridge, ``packet.bridge_ports`` its ports. A packet that the
    rules translate to an address elsewhere leaves the bridge and is routed.
    """
    return _decided(ruleset, routing, lambda walk: _within_bridge(walk, packet))


def reply(ruleset: Ruleset, routing: Routing, first: Outcome, packet: Packet) -> Outcome:
    """The way of the answer to ``packet``, whose own way ended as ``first`` says: conntrack knows the connection."""
    return _decided(ruleset, routing, lambda walk: _answered(walk, first.packet, packet))


def later(ruleset: Ruleset, routing: Routing, first: Outcome, packet: Packet) -> Outcome:
    """The way of a later packet of the same direction: conntrack translates it as it did the first."""
    return _decided(ruleset, routing, lambda walk: _continued(walk, first.packet, packet))


def _decided(ruleset: Ruleset, routing: Routing, walk_it: Callable[[_Walk], Packet]) -> Outcome:
    """Walk both ways at each rule that cannot be decided, and compare how they end."""
    outcomes = list(_outcomes(ruleset, routing, walk_it, {}))
    first = outcomes[0]
    differs = any(_ending(outcome) != _ending(first) for outcome in outcomes)
    if not differs:
        return first
    step = next((o.step for o in outcomes if o.verdict == UNKNOWN), None) or _undecided_step(outcomes)
    return Outcome(UNKNOWN, first.packet, first.steps, step)


def _ending(outcome: Outcome) -> tuple[object, ...]:
    packet = outcome.packet
    kept = (packet.destination, packet.destination_port, packet.outgoing) if outcome.verdict == ACCEPTED else ()
    return (outcome.verdict, *kept)


def _undecided_step(outcomes: list[Outcome]) -> Step | None:
    """The first rule at which the ways part: the last step that they have not in common."""
    ended = next((o for o in outcomes if o.verdict != ACCEPTED), outcomes[0])
    return ended.step


def _outcomes(
    ruleset: Ruleset, routing: Routing, walk_it: Callable[[_Walk], Packet], assumed: Mapping[int, bool]
) -> Iterator[Outcome]:
    walk = _Walk(ruleset, routing, assumed)
    try:
        packet = walk_it(walk)
    except _EndedError as end:
        yield Outcome(end.verdict, end.packet, tuple(walk.steps), end.step)
    except _UndecidedError as end:
        if len(assumed) >= _MAX_GUESSES:
            yield Outcome(UNKNOWN, end.step.before, tuple(walk.steps), end.step)
            return
        for matches in (True, False):
            for outcome in _outcomes(ruleset, routing, walk_it, {**assumed, id_of(end.rule): matches}):
                # The undecided rule is what a reader needs to see where the two ways end differently.
                yield replace(outcome, step=outcome.step or end.step)
    else:
        yield Outcome(ACCEPTED, packet, tuple(walk.steps))


def _received(walk: _Walk, packet: Packet) -> Packet:
    packet = walk.hook(Hook.PREROUTING, _typed(walk.routing, packet))
    route = _routed(walk.routing, packet)
    if route.interface is None:
        return walk.hook(Hook.INPUT, replace(packet, outgoing=None))
    packet = walk.hook(Hook.FORWARD, replace(packet, outgoing=route.interface))
    return _leaving(walk, packet)


def _leaving(walk: _Walk, packet: Packet) -> Packet:
    packet = walk.hook(Hook.POSTROUTING, packet)
    if packet.source == packet.destination:
        raise _EndedError(MARTIAN, packet)
    return packet


def _sent(walk: _Walk, packet: Packet) -> Packet:
    packet = _typed(walk.routing, packet)
    route = _routed(walk.routing, packet)
    packet = replace(packet, incoming=None, outgoing=route.interface or "lo", source=packet.source or route.source)
    packet = walk.hook(Hook.OUTPUT, packet)
    route = _routed(walk.routing, packet)
    packet = walk.hook(Hook.POSTROUTING, replace(packet, outgoing=route.interface or "lo"))
    if route.interface is not None:
        return packet
    # What the host sends to itself comes in again by lo. Its connection is known by then, so NAT is done with it.
    packet = walk.hook(Hook.PREROUTING, replace(packet, incoming="lo", outgoing=None), nat=False)
    return walk.hook(Hook.INPUT, packet, nat=False)


def _within_bridge(walk: _Walk, packet: Packet) -> Packet:
    bridge, ports = packet.outgoing, packet.bridge_ports
    before = replace(packet, outgoing=None, bridge_ports=(ports[0], None))
    before = _typed(walk.routing, before)
    after = walk.hook(Hook.PREROUTING, before)
    if (after.destination, after.destination_port) != (before.destination, before.destination_port):
        route = _routed(walk.routing, after)
        if route.interface is None:
            return walk.hook(Hook.INPUT, after)
        after = replace(after, outgoing=route.interface, bridge_ports=(ports[0], None))
    else:
        after = replace(after, outgoing=bridge, bridge_ports=ports)
    return _leaving(walk, walk.hook(Hook.FORWARD, after))


def _answered(walk: _Walk, delivered: Packet, sent: Packet) -> Packet:
    """The answer goes out as a packet of the known connection, with the ends of the delivered packet exchanged.

    Where the host itself answers, it passes OUTPUT; elsewhere it comes in by the interface that the first packet left.
    """
    by_host = delivered.outgoing is None
    if _is_answered_directly(walk.routing, delivered, sent):
        raise _EndedError(UNTRANSLATED, delivered)
    answer = Packet(
        delivered.version,
        delivered.protocol,
        delivered.destination,
        delivered.source or "",
        delivered.destination_port,
        delivered.source_port,
        incoming=None if by_host else delivered.outgoing,
        outgoing=(sent.incoming or "lo") if by_host else None,
        state=ESTABLISHED,
        direction=REPLY,
        translated=delivered.translated,
        connection_mark=delivered.connection_mark,
        original=(sent.destination, sent.destination_port),
    )

    def back(packet: Packet) -> Packet:
        return _typed(walk.routing, replace(packet, destination=sent.source or "", destination_port=sent.source_port))

    def as_asked(packet: Packet) -> Packet:
        return replace(packet, source=sent.destination, source_port=sent.destination_port)

    if by_host:
        packet = walk.hook(Hook.OUTPUT, answer, translate=back)
    else:
        packet = walk.hook(Hook.PREROUTING, _typed(walk.routing, answer), translate=back)
    if sent.incoming is None:  # the host had asked
        if by_host:
            packet = walk.hook(Hook.POSTROUTING, replace(packet, outgoing="lo"), translate=as_asked)
            packet = walk.hook(Hook.PREROUTING, replace(packet, incoming="lo", outgoing=None))
        return walk.hook(Hook.INPUT, replace(packet, outgoing=None))
    packet = replace(packet, outgoing=sent.incoming)
    if not by_host:
        packet = walk.hook(Hook.FORWARD, packet)
    return walk.hook(Hook.POSTROUTING, packet, translate=as_asked)


def _continued(walk: _Walk, delivered: Packet, sent: Packet) -> Packet:
    """A later packet is established, and NAT rules do not see it; its addresses change where the first one's did."""
    packet = replace(
        _typed(walk.routing, sent),
        state=ESTABLISHED,
        translated=delivered.translated,
        connection_mark=delivered.connection_mark,
        original=(sent.destination, sent.destination_port),
    )

    def onward(packet: Packet) -> Packet:
        to, port = delivered.destination, delivered.destination_port
        return _typed(walk.routing, replace(packet, destination=to, destination_port=port))

    def from_here(packet: Packet) -> Packet:
        return replace(packet, source=delivered.source)

    if sent.incoming is None:
        # At OUTPUT the kernel still names the interface of the route before translation, also to the rules after it.
        out = _routed(walk.routing, sent).interface or "lo"
        packet = walk.hook(Hook.OUTPUT, replace(packet, outgoing=out), translate=onward)
        packet = replace(packet, outgoing=delivered.outgoing or "lo")
        packet = walk.hook(Hook.POSTROUTING, packet, translate=from_here)
        if delivered.outgoing is not None:
            return packet
        packet = walk.hook(Hook.PREROUTING, replace(packet, incoming="lo", outgoing=None))
        return walk.hook(Hook.INPUT, packet)
    packet = walk.hook(Hook.PREROUTING, packet, translate=onward)
    if delivered.outgoing is None:
        return walk.hook(Hook.INPUT, packet)
    packet = walk.hook(Hook.FORWARD, replace(packet, outgoing=delivered.outgoing))
    return walk.hook(Hook.POSTROUTING, packet, translate=from_here)


def _is_answered_directly(routing: Routing, delivered: Packet, sent: Packet) -> bool:
    """Whether a translated packet went back to the bridge that it came from, and its answer stays within that bridge.

    Then conntrack does not translate the answer back, and the client does not know the connection that it is for.
    """
    back = delivered.outgoing is not None and delivered.outgoing == sent.incoming
    unmasked = delivered.source == sent.source and delivered.destination != sent.destination
    return back and unmasked and not routing.filters_bridged(sent.version)


def _priority_of_translation(hook: Hook) -> int:
    return _DNAT_PRIORITY if hook in {Hook.PREROUTING, Hook.OUTPUT} else _SNAT_PRIORITY


def _is_translatable(packet: Packet, hook: Hook) -> bool:
    """Whether NAT chains see the packet: the first of a connection, not translated in this way before."""
    manipulation = DNAT if hook in {Hook.PREROUTING, Hook.OUTPUT} else SNAT
    return packet.state == NEW and manipulation not in packet.translated


def _routed(routing: Routing, packet: Packet) -> Route:
    route = routing.route(packet)
    if route is None:
        raise _EndedError(NO_ROUTE, packet)
    return route


def _type_of(routing: Routing, address: str) -> str:
    return LOCAL if routing.is_local(address) else UNICAST


def _typed(routing: Routing, packet: Packet) -> Packet:
    return replace(
        packet,
        destination_type=_type_of(routing, packet.destination),
        source_type=_type_of(routing, packet.source) if packet.source else UNICAST,
    )


def _applied(effect: Effect, packet: Packet, hook: Hook, routing: Routing) -> Packet:
    """The packet after one effect."""
    change = _CHANGES.get(effect.kind)
    return packet if change is None else change(effect, packet, hook, routing)


def _redirected(effect: Effect, packet: Packet, hook: Hook, routing: Routing) -> Packet:
    """To the loopback for what the host sends, to the address of the interface for what comes in."""
    if hook is Hook.OUTPUT:
        return _typed(routing, packet.with_destination(_LOOPBACK[packet.version], effect.port))
    here = routing.route(replace(packet, destination=packet.source or packet.destination))
    return _typed(routing, packet.with_destination(here.source if here is not None else None, effect.port))


def _masqueraded(_: Effect, packet: Packet, __: Hook, routing: Routing) -> Packet:
    """The source becomes an address of the interface by which the packet leaves."""
    route = routing.route(packet)
    return replace(packet, source=route.source if route else None, translated=packet.translated | {SNAT})


def _marked(mark: int, effect: Effect) -> int:
    return (mark & ~effect.mask) ^ effect.value


_LOOPBACK = {4: "127.0.0.1", 6: "::1"}
_CHANGES: Mapping[str, Callable[[Effect, Packet, Hook, Routing], Packet]] = {
    "dnat": lambda e, p, _h, routing: _typed(routing, p.with_destination(e.address, e.port)),
    "redirect": _redirected,
    "snat": lambda e, p, _h, _r: replace(p, source=e.address or p.source, translated=p.translated | {SNAT}),
    "masquerade": _masqueraded,
    "mark": lambda e, p, _h, _r: replace(p, mark=_marked(p.mark, e)),
    "connmark": lambda e, p, _h, _r: replace(p, connection_mark=_marked(p.connection_mark, e)),
    "save-mark": lambda _e, p, _h, _r: replace(p, connection_mark=p.mark),
    "restore-mark": lambda _e, p, _h, _r: replace(p, mark=p.connection_mark),
    "notrack": lambda _e, p, _h, _r: replace(p, state=_UNTRACKED),
}
