"""The shape of a trace in the answer of a check."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, pre_dump

from bridgework.http.schemas.answers import decimal, flag, list_of, number, part, plain, text, texts, word
from bridgework.model.trace import Connection, End, Loss, Trace, TraceStep

_MAX_PORT = 65_535


class TraceEndSchema(Schema):
    """An address with its port."""

    address = text("The IP address, such as `172.18.0.2`.")
    port = number(
        "The port; the identifier for an ICMP echo; null where there is none.", null=True, minimum=0, maximum=_MAX_PORT
    )


class TraceStepSchema(Schema):
    """One step of the packet: predicted, seen in the kernel, or both."""

    kind = word(
        "`interface`: the packet at an interface. `rule`: a firewall rule that matched. `policy`: the policy of a "
        "chain, which dropped the packet. `route`: the route that the host chose.",
        "interface rule policy route",
        grows=True,
    )
    direction = word(
        "`request`: the packet that the check sent. `reply`: the answer to it.", "request reply", grows=True
    )
    place = word("The network namespace of this step.", "source host destination", grows=True)
    of = text("Whose namespace it is: the name of a container, or `the host`.")
    predicted = flag("Whether this step was predicted from the engine's state and the rules in force.")
    seen = flag("Whether the kernel showed the packet at this step.")
    source = part(TraceEndSchema, "The source of the packet as it came to this step; null where unknown.", null=True)
    destination = part(TraceEndSchema, "The destination of the packet; null where unknown.", null=True)
    note = text("Which packet it is, such as `SYN` or `echo reply`; empty where there is nothing to say.")
    interface = text(
        "The interface of the step; of a rule, the interface that the packet came in by; null where there is none.",
        null=True,
    )
    leaving = flag(
        "At an interface: whether the packet leaves by it or comes in by it; null at other steps.", null=True
    )
    hook = text("The hook of the rule, such as `forward`; null at other steps.", null=True)
    table = text("The rule's table with its family, such as `ip filter`; null at other steps.", null=True)
    chain = text("The rule's chain, such as `DOCKER-USER`; null at other steps.", null=True)
    rule = text("The rule as its program prints it; null where it was not read, and at other steps.", null=True)
    handle = number("The number that the kernel gave to the rule; null where it has none.", null=True, minimum=0)
    verdict = text(
        "What the rule did, such as `drop`, `accept`, `dnat` or `jump DOCKER-USER`; of a route `forward` (with "
        "`via` and its gateway), `local`, or `no-route` with the reason; null at interfaces.",
        null=True,
    )
    proxied = flag("Whether this is docker-proxy's own connection to the container, not that of the client.")
    time_us = decimal(
        "Microseconds since the packet was first seen; null where the kernel gives no time, such as at rules.",
        null=True,
    )

    @pre_dump
    def _flat(self, step: TraceStep, **_: Any) -> dict[str, Any]:
        packet = step.packet
        source = None if packet is None or packet.source is None else (packet.source, packet.source_port)
        return {
            **plain(step),
            "table": None if step.table is None else f"{step.family} {step.table}",
            "source": _end(source),
            "destination": None if packet is None else _end((packet.destination, packet.destination_port)),
            "note": "" if packet is None else packet.note,
        }


class TraceLossSchema(Schema):
    """Where the packet or its answer was lost."""

    direction = word("Whether the packet (`request`) or its answer (`reply`) was lost.", "request reply", grows=True)
    message = text("One sentence that says where.")
    by = part(TraceStepSchema, "The step that stopped it; null where no rule and no route did.", null=True)
    silent = part(
        TraceStepSchema, "The first predicted interface where it was not seen; null where there is none.", null=True
    )


class TraceConnectionSchema(Schema):
    """The entry of the connection in conntrack. It shows how the packet and its answer are translated."""

    source = part(TraceEndSchema, "The source as the client sent it.")
    destination = part(TraceEndSchema, "The destination as the client sent it.")
    reply_source = part(TraceEndSchema, "Where the answer is expected from: the destination after translation.")
    reply_destination = part(TraceEndSchema, "Where the answer is expected to go: the source after translation.")
    mark = number("The mark of the connection.", minimum=0)

    @pre_dump
    def _pairs(self, found: Connection, **_: Any) -> dict[str, Any]:
        names = ("source", "destination", "reply_source", "reply_destination")
        return {**{name: _end(getattr(found, name)) for name in names}, "mark": found.mark}


class TraceSchema(Schema):
    """The way of the check's first packet and of its answer, as the kernel showed it."""

    protocol = word("The protocol of the packet.", "icmp tcp udp", grows=True)
    identifier = number(
        "The source port of the packet, or the identifier of the ICMP echo.", minimum=0, maximum=_MAX_PORT
    )
    steps = list_of(TraceStepSchema, "The steps in order: first those of the packet, then those of its answer.")
    client = part(
        TraceEndSchema, "The client as the destination sees it; null where the packet did not arrive.", null=True
    )
    server = part(
        TraceEndSchema, "The destination after all translations; null where the packet did not arrive.", null=True
    )
    connection = part(TraceConnectionSchema, "The host's entry in conntrack; null where there is none.", null=True)
    lost = part(TraceLossSchema, "Where the packet or its answer was lost; null where nothing was lost.", null=True)
    missing = texts("Sentences about what could not be recorded, and why; empty where everything was.")

    @pre_dump
    def _flat(self, trace: Trace, **_: Any) -> dict[str, Any]:
        lost: Loss | None = trace.lost
        return {
            "protocol": trace.flow.protocol,
            "identifier": trace.flow.identifier,
            "steps": trace.steps,
            "client": _end(trace.client),
            "server": _end(trace.server),
            "connection": trace.connection,
            "lost": lost,
            "missing": trace.missing,
        }


def _end(end: End | None) -> dict[str, Any] | None:
    return None if end is None else {"address": end[0], "port": end[1]}
