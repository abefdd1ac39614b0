"""The walk of a packet through the base chains of one hook, rule by rule, with what each rule did to it.

A rule that cannot be decided raises ``UndecidedError``, unless the caller of the walk gave an assumption for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from bridgework.firewall.effects import UNTRACKED, changed
from bridgework.firewall.routing import Route, Routing
from bridgework.firewall.ruleset import (
    DNAT,
    NEW,
    SNAT,
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

# The packet arrives with its receiver's own address as its source, and the receiver's kernel discards it.
MARTIAN = "martian-source"

# nf_tables refuses deeper chains of jumps (NFT_JUMP_STACK_SIZE).
_MAX_DEPTH = 16
_INVALID = "invalid"

# Where conntrack looks a packet up (NF_IP_PRI_CONNTRACK). The table raw, at -300, comes before it.
_CONNTRACK_HOOKS, _CONNTRACK_PRIORITY = frozenset({Hook.PREROUTING, Hook.OUTPUT}), -200

# Where conntrack translates packets of a known connection (NF_IP_PRI_NAT_DST and NF_IP_PRI_NAT_SRC).
_DNAT_PRIORITY, _SNAT_PRIORITY = -100, 100


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
class Lookup:
    """A routing decision: the packet as it is then, and the interface by which it leaves (``None``: to the host)."""

    packet: Packet
    interface: str | None


# Exceptions, because a drop ends the walk from any depth of jumps.
class EndedError(Exception):
    """The packet goes no further; ``verdict`` says why, ``step`` is the rule that ended it."""

    def __init__(self, verdict: str, packet: Packet, step: Step | None = None) -> None:
        super().__init__(verdict)
        self.verdict, self.packet, self.step = verdict, packet, step


class UndecidedError(Exception):
    """Whether a rule matches is not known, and the walk was not told what to assume."""

    def __init__(self, rule: Rule, step: Step) -> None:
        super().__init__(rule.text)
        self.rule, self.step = rule, step


# "accept": the base chain is done. "return": back to the calling chain. None: on to the next rule.
Ended = Literal["accept", "return"] | None


@dataclass(slots=True)
class Walk:
    """One try: the rules of which it is assumed whether they match, the steps and the routing decisions so far."""

    ruleset: Ruleset
    routing: Routing
    assumed: Mapping[int, bool]
    steps: list[Step] = field(default_factory=list)
    lookups: list[Lookup] = field(default_factory=list)

    def hook(
        self, hook: Hook, packet: Packet, *, translate: Callable[[Packet], Packet] | None = None, nat: bool = True
    ) -> Packet:
        """Walk all base chains of one hook. ``translate`` is conntrack's own translation of a known connection."""
        # An accept ends one base chain only, so the next one can still drop the packet. A drop ends the packet.
        for table, chain in self.ruleset.base_chains(hook, packet.version):
            # Chains before this priority see the addresses of the wire, chains behind it the translated ones.
            if translate is not None and chain.priority > _priority_of_translation(hook):
                packet, translate = translate(packet), None
            place = Place(hook, table, chain)
            # In the table raw no packet has a connection yet; afterwards it has again what it had.
            if hook in _CONNTRACK_HOOKS and chain.priority <= _CONNTRACK_PRIORITY:
                packet = _with_connection(self._base_chain(place, _without_connection(packet)), packet)
            elif chain.kind != "nat" or (nat and _is_translatable(packet, hook)):
                packet = self._base_chain(place, packet)
        return translate(packet) if translate is not None else packet

    def routed(self, packet: Packet) -> Route:
        """Look up the route of the packet, and note it. Raises ``EndedError`` where there is none."""
        # Without a route the kernel answers "no route to host" itself, before any rule of FORWARD.
        route = self.routing.route(packet)
        if route is None:
            raise EndedError(NO_ROUTE, packet)
        self.lookups.append(Lookup(packet, route.interface))
        return route

    def _base_chain(self, place: Place, packet: Packet) -> Packet:
        ended, packet = self._chain(place, packet, depth=0)
        # The policy counts only where no rule has ended the chain.
        if ended is None and not place.chain.accepts:
            raise EndedError(DROPPED, packet, self._tell(place, None, "drop", packet, packet))
        return packet

    def _chain(self, place: Place, packet: Packet, *, depth: int) -> tuple[Ended, Packet]:
        for rule in place.chain.candidates(packet):
            if not self._applies(place, rule, packet):
                continue
            for effect in rule.effects:
                ended, packet = self._effect(place, rule, effect, packet, depth)
                if ended is not None:
                    # A return ends this chain; the calling chain goes on with its next rule.
                    return (None if ended == "return" else ended), packet
        return None, packet

    def _applies(self, place: Place, rule: Rule, packet: Packet) -> bool:
        # Only a rule that decides something is assumed: its matches alone may already exclude it.
        found = rule.applies(packet)
        # A rule that logs some of the packets (-m limit … -j LOG) decides nothing about any of them.
        if found is None and all(effect.kind == "continue" for effect in rule.effects):
            return False
        if found is None:
            found = self.assumed.get(id_of(rule))
        if found is None:
            raise UndecidedError(rule, Step(place, rule, UNKNOWN, packet, packet))
        # A rule that does not match does nothing, so its unknown target does not matter.
        if found and any(effect.kind == UNKNOWN for effect in rule.effects):
            raise EndedError(UNKNOWN, packet, self._tell(place, rule, UNKNOWN, packet, packet))
        return found

    def _effect(self, place: Place, rule: Rule, effect: Effect, packet: Packet, depth: int) -> tuple[Ended, Packet]:
        # A jump is no change of the packet: the steps of the called chain say what happened.
        if effect.kind in {"jump", "goto"}:
            return self._call(place, rule, effect, packet, depth)
        after = changed(effect, packet, place.hook, self.routing)
        # A counter or a log entry is no step: it decides nothing.
        if effect.kind == "continue":
            return None, after
        step = self._tell(place, rule, effect.kind, packet, after)
        if effect.kind in {"drop", "reject"}:
            raise EndedError(DROPPED if effect.kind == "drop" else REJECTED, after, step)
        # A translation accepts the packet as far as its base chain is concerned.
        if effect.kind in _ENDS_BASE_CHAIN:
            return "accept", after
        return ("return" if effect.kind == "return" else None), after

    def _call(self, place: Place, rule: Rule, effect: Effect, packet: Packet, depth: int) -> tuple[Ended, Packet]:
        called = place.table.chains.get(effect.chain)
        step = self._tell(place, rule, f"{effect.kind} {effect.chain}", packet, packet)
        # The dump may be older than the chain, or of a kernel with other limits.
        if called is None or depth >= _MAX_DEPTH:
            raise EndedError(UNKNOWN, packet, step)
        ended, packet = self._chain(replace(place, chain=called), packet, depth=depth + 1)
        # After a goto the packet does not come back to the chain that it left, but to that chain's caller.
        return ended or ("return" if effect.kind == "goto" else None), packet

    def _tell(self, place: Place, rule: Rule | None, effect: str, before: Packet, after: Packet) -> Step:
        # Before and after, so that a finding can say what a translation did.
        step = Step(place, rule, effect, before, after)
        self.steps.append(step)
        return step


def _without_connection(packet: Packet) -> Packet:
    """Return the packet as rules before conntrack see it: of no connection, which ``ctstate`` calls invalid."""
    return replace(packet, state=_INVALID, direction="", translated=frozenset(), original=None)


def _with_connection(packet: Packet, known: Packet) -> Packet:
    # A rule in the table raw can exclude a packet from conntrack (NOTRACK); that stays so at all later hooks.
    state = packet.state if packet.state == UNTRACKED else known.state
    return replace(packet, state=state, direction=known.direction, translated=known.translated, original=known.original)


_ENDS_BASE_CHAIN = frozenset({"accept", "dnat", "snat", "masquerade", "redirect"})


def id_of(rule: Rule) -> int:
    """Return an id of a rule for one walk; equal rules have equal ids, as they match alike.

    So do rules that depend on one setting: they are there together, or none of them is.
    """
    return hash(rule.setting or (rule.text, rule.handle, rule.matches))


def _priority_of_translation(hook: Hook) -> int:
    return _DNAT_PRIORITY if hook in {Hook.PREROUTING, Hook.OUTPUT} else _SNAT_PRIORITY


def _is_translatable(packet: Packet, hook: Hook) -> bool:
    """Return whether NAT chains see the packet: the first of a connection, not translated in this way before."""
    # The kernel sets up each of the two translations once for a connection, with its first packet.
    manipulation = DNAT if hook in {Hook.PREROUTING, Hook.OUTPUT} else SNAT
    return packet.state == NEW and manipulation not in packet.translated
