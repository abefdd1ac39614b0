"""Joins what the kernel showed of one packet with what was predicted of it, in the order of the packet's way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from bridgework.analysis.attachment import IPV4, IPV6
from bridgework.analysis.host_rules import ruleset_of_host
from bridgework.analysis.routing import host_address_on
from bridgework.analysis.rules.base import Situation
from bridgework.analysis.trace import predicted
from bridgework.analysis.trace.flow import Belonging, ends_of, handed_on
from bridgework.analysis.trace.loss import loss_of
from bridgework.firewall.ruleset import Rule, Ruleset
from bridgework.model.checks import Measurement, Prediction, Verdict
from bridgework.model.snapshot import Snapshot
from bridgework.model.trace import (
    CapturedPacket,
    Direction,
    End,
    Head,
    Loss,
    PacketSeen,
    Place,
    RouteSeen,
    RuleSeen,
    Trace,
    TracedPacket,
    TraceRecord,
    TraceStep,
)

_ORDER: dict[Direction, tuple[Place, ...]] = {
    "request": ("source", "host", "destination"),
    "reply": ("destination", "host", "source"),
}
# Where a namespace meets the packet: it comes in by interfaces, passes PREROUTING, is routed, passes the other hooks,
# and leaves by interfaces. What a host sends to itself leaves by lo and comes in again.
_IN, _PREROUTING, _ROUTE, _HOOKS, _OUT, _LO_IN, _LO_HOOKS = range(7)
Key = tuple[object, ...]


def joined(
    situation: Situation, prediction: Prediction, measurement: Measurement, record: TraceRecord, names: dict[Place, str]
) -> Trace:
    """Make the trace. ``names`` says what to call each namespace."""
    known = Belonging.of(record)
    proxied = handed_on(record, known, _host_addresses(situation.snapshot)) if record.flow.by_proxy else ()
    rules = situation.observations.firewall
    ruleset = ruleset_of_host(rules, record.flow.version) if rules is not None else None
    first_ns = min((p.time_ns for p in record.packets if p.time_ns and known.direction_of(p.head)), default=0)
    expected = predicted.steps_of(situation, prediction)
    steps: list[TraceStep] = []
    for direction in _ORDER:
        seen = _ordered(_seen(record, known, proxied, ruleset, direction, first_ns, names), direction)
        wanted = _ordered((step for step in expected if step.direction == direction), direction)
        steps += _merged(wanted, seen, direction)
    lost = _as_refused(loss_of(steps, measurement, is_whole=not record.missing), record, known)
    # Where docker-proxy answers the client, the container sees only the proxy's own connection.
    unknown = any(step.proxied for step in expected) and not proxied
    client, server = (None, None) if unknown else _ends(record, known, proxied, steps, lost)
    missing = record.missing
    if unknown and measurement.verdict is Verdict.REACHABLE:
        missing += ("Which connection docker-proxy made to the container could not be told apart from others.",)
    return Trace(
        record.flow,
        tuple(steps),
        client,
        server,
        record.connection,
        lost,
        missing,
        tuple(_captured(record, known, proxied, names)),
    )


def _as_refused(lost: Loss | None, record: TraceRecord, known: Belonging) -> Loss | None:
    """Say of an answer that came to the source from another address that the source does not take it."""
    came = [p.head for p in record.packets if p.place == "source" and not p.leaving]
    other = next((head.source for head in came if known.is_from_another_address(head)), None)
    if lost is None or lost.direction != "reply" or lost.by is not None or other is None:
        return lost
    message = (
        f"The answer came to the source from {other}, and not from {record.flow.address}, to which the packet was "
        f"sent. So the source refuses it."
    )
    return replace(lost, message=message, silent=None)


def _host_addresses(snapshot: Snapshot) -> frozenset[str]:
    """Return the host's addresses on the engine's networks, of both IP versions: docker-proxy connects from one."""
    found = (host_address_on(snapshot, network, version) for network in snapshot.networks for version in (IPV4, IPV6))
    return frozenset(address for address in found if address is not None)


def _seen(
    record: TraceRecord,
    known: Belonging,
    proxied: Sequence[PacketSeen],
    ruleset: Ruleset | None,
    direction: Direction,
    first_ns: int,
    names: dict[Place, str],
) -> Iterator[TraceStep]:
    """Yield a step for each interface and rule that the first packet of this direction came to."""
    # Packets of one namespace are in their order; the first of a direction is the one nearest to where it was sent.
    places = _ORDER[direction]
    own = sorted(
        (packet for packet in record.packets if known.direction_of(packet.head) == direction),
        key=lambda packet: places.index(packet.place),
    )
    first = own[0].head.identity if own else None
    for packet in (packet for packet in own if packet.head.identity == first):
        yield _at_interface(packet, direction, first_ns, names)
    for packet in _first_of(proxied, direction):
        yield replace(_at_interface(packet, direction, first_ns, names), proxied=True)
    for rule in record.rules:
        if known.direction_of(rule.head) == direction and first in {None, rule.head.identity}:
            yield from _at_rule(rule, direction, ruleset, names)
    route = record.route
    if direction == "request" and route is not None:
        yield TraceStep(
            "route", direction, route.place, names.get(route.place, route.place), predicted=False, seen=True,
            interface=route.interface,
            verdict=_route_verdict(route),
            packet=TracedPacket(None, None, route.destination, None),
        )  # fmt: skip


def _route_verdict(route: RouteSeen) -> str:
    if route.error is not None:
        return f"no-route: {route.error}"
    onward = f"forward via {route.gateway}" if route.gateway is not None else "forward"
    return "local" if route.local else onward


def _first_of(proxied: Sequence[PacketSeen], direction: Direction) -> list[PacketSeen]:
    """Return the first packet of the proxy's connection, or the first that answers it, at each interface."""
    request = [packet for packet in proxied if packet.head.ends == proxied[0].head.ends]
    own = request if direction == "request" else [packet for packet in proxied if packet not in request]
    return [packet for packet in own if packet.head.identity == own[0].head.identity]


def _at_interface(packet: PacketSeen, direction: Direction, first_ns: int, names: dict[Place, str]) -> TraceStep:
    return TraceStep(
        "interface", direction, packet.place, names.get(packet.place, packet.place), predicted=False, seen=True,
        packet=_packet(packet.head), interface=packet.interface, leaving=packet.leaving,
        time_us=round((packet.time_ns - first_ns) / 1000, 1) if packet.time_ns else None,
    )  # fmt: skip


def _at_rule(
    seen: RuleSeen, direction: Direction, ruleset: Ruleset | None, names: dict[Place, str]
) -> Iterator[TraceStep]:
    # The end of a chain and an accepting policy stop nothing and change nothing.
    if seen.kind == "return" or (seen.kind == "policy" and seen.verdict == "accept"):
        return
    rule = _rule_of(seen, ruleset) if seen.place == "host" else None
    yield TraceStep(
        seen.kind, direction, seen.place, names.get(seen.place, seen.place), predicted=False, seen=True,
        packet=_packet(seen.head), interface=seen.incoming, hook=seen.hook, family=seen.family, table=seen.table,
        chain=seen.chain, rule=rule.text if rule is not None else None, handle=seen.handle, verdict=seen.verdict,
    )  # fmt: skip


def _rule_of(seen: RuleSeen, ruleset: Ruleset | None) -> Rule | None:
    """Find the rule by its handle, or by its place in the chain where the dump has no handles (iptables-save)."""
    tables = ruleset.tables if ruleset is not None else ()
    chain = next((t.chains.get(seen.chain) for t in tables if (t.family, t.name) == (seen.family, seen.table)), None)
    if chain is None or seen.handle is None:
        return None
    by_handle = next((rule for rule in chain.rules if rule.handle == seen.handle), None)
    if by_handle is not None or seen.position is None:
        return by_handle
    # Another number of rules means that they changed between the trace and the dump: the place proves nothing then.
    return chain.rules[seen.position] if len(chain.rules) == seen.rules else None


def _packet(head: Head) -> TracedPacket:
    return TracedPacket(head.source, head.source_port, head.destination, head.destination_port, head.note)


def _ordered(steps: Iterable[TraceStep], direction: Direction) -> list[TraceStep]:
    """Return the steps in the order of the way, each once."""
    found: dict[Key, TraceStep] = {}
    for step in sorted(steps, key=lambda step: _at(step, direction)):
        found.setdefault(key_of(step), step)
    return list(found.values())


def _at(step: TraceStep, direction: Direction) -> tuple[bool, int, int]:
    """Return where on the way a step is."""
    # The client's connection comes first on the way there, and last on the way back.
    return step.proxied is (direction == "request"), _ORDER[direction].index(step.place), _stage(step)


def _stage(step: TraceStep) -> int:
    if step.kind == "route":
        return _ROUTE
    again = step.interface == "lo"
    if step.kind == "interface":
        return _OUT if step.leaving else _LO_IN if again else _IN
    if again and step.hook in {"prerouting", "input"}:
        return _LO_HOOKS
    return _PREROUTING if step.hook == "prerouting" else _HOOKS


def key_of(step: TraceStep) -> Key:
    """Return by what a predicted and a seen step are the same."""
    if step.kind == "interface":
        return step.kind, step.place, step.interface, step.leaving, step.proxied
    if step.kind == "route":
        return step.kind, step.place
    rule = step.rule if step.rule is not None or step.kind == "policy" else step.handle
    return step.kind, step.place, step.hook, step.family, step.table, step.chain, rule, step.proxied


def _merged(wanted: Sequence[TraceStep], seen: Sequence[TraceStep], direction: Direction) -> Iterator[TraceStep]:
    """Merge both lists: a step in both is one step."""
    keys = [key_of(step) for step in wanted], [key_of(step) for step in seen]
    for tag, from_wanted, to_wanted, from_seen, to_seen in SequenceMatcher(None, *keys, autojunk=False).get_opcodes():
        if tag == "equal":
            for expected, step in zip(wanted[from_wanted:to_wanted], seen[from_seen:to_seen], strict=True):
                yield replace(step, predicted=True, verdict=_verdict(expected, step))
        else:
            apart = [*wanted[from_wanted:to_wanted], *seen[from_seen:to_seen]]
            yield from sorted(apart, key=lambda step: _at(step, direction))


def _verdict(expected: TraceStep, step: TraceStep) -> str | None:
    # The kernel calls a translation "accept" and a rejection "drop". The rule's own word says more.
    same = {("dnat", "accept"), ("snat", "accept"), ("masquerade", "accept"), ("redirect", "accept"),
            ("reject", "drop")}  # fmt: skip
    return expected.verdict if (expected.verdict, step.verdict) in same else step.verdict


def _ends(
    record: TraceRecord,
    known: Belonging,
    proxied: Sequence[PacketSeen],
    steps: Sequence[TraceStep],
    lost: Loss | None,
) -> tuple[End | None, End | None]:
    """Return the client as the destination sees it, and the destination as it was reached."""
    arrived = [packet for packet in proxied if packet.place == "destination" and not packet.leaving] or [
        packet
        for packet in record.packets
        if packet.place == "destination" and not packet.leaving and known.direction_of(packet.head) == "request"
    ]
    if arrived:
        return arrived[0].head.ends
    if any(step.seen and step.direction == "reply" for step in steps) and (lost is None or lost.direction == "reply"):
        connection = record.connection
        if connection is not None:
            return connection.reply_destination, connection.reply_source
        return ends_of(record.flow)
    return None, None


def _captured(
    record: TraceRecord, known: Belonging, proxied: Sequence[PacketSeen], names: dict[Place, str]
) -> Iterator[CapturedPacket]:
    for packet in sorted(record.packets, key=lambda packet: packet.time_ns or record.started_ns):
        direction = known.direction_of(packet.head) or ("docker-proxy" if packet in proxied else None)
        if direction is None:
            continue
        of = names.get(packet.place, packet.place)
        way = "leaves by" if packet.leaving else "comes in by"
        comment = f"{direction}: {packet.head.note or packet.head.protocol} {way} {packet.interface} of {of}"
        yield CapturedPacket(f"{of} {packet.interface}", packet.time_ns or record.started_ns, packet.data, comment)
