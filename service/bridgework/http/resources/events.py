"""The stream of changes, as Server-Sent Events (the HTML standard, section 9.2)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

from flask import Response
from marshmallow import Schema, fields, pre_dump

from bridgework.http.contract import Media, RequestContext, Resource
from bridgework.http.resources.expectations.schemas import ExpectationChangeSchema
from bridgework.http.schemas.answers import ReferenceSchema, Variants, number, part, text, word
from bridgework.http.schemas.fields import Choice, Strict, Text, absent, required
from bridgework.lifetime import stream_ends
from bridgework.model.event_log import EngineState, Gap, GapReason, Heartbeat, Reach
from bridgework.model.expectations import StatusChange
from bridgework.use_cases import events
from bridgework.use_cases.event_reader import KINDS, EventFilter

RESOURCE = Resource("events", "Follow the changes of networks and containers as they happen.")
SERVER_SENT_EVENTS = "text/event-stream"
RETRY_MS = 1000


class ChangeEventSchema(Schema):
    """What every event about a change has."""

    action = text("What happened, in Docker's words: `create`, `connect`, `start`, `die` and so on.")
    time = text("When the change happened, RFC 3339 in UTC.", format="date-time")
    id = text("The full id of the network or container that changed.")
    name = text("The name of the network or container that changed.")
    project = text("The project of the network or container that changed; null when it has none.", null=True)


class NetworkEventSchema(ChangeEventSchema):
    """A change of a network: the `data` of an event such as `network.connect`."""

    type = word("The kind of this event, `network`.", "network")
    network = part(ReferenceSchema, "The network that changed, or that the container was connected to.")
    container = part(
        ReferenceSchema,
        "The container that was connected or disconnected. Its name is empty when it was already removed.",
        null=True,
    )


class ContainerEventSchema(ChangeEventSchema):
    """A change of a container: the `data` of an event such as `container.start`."""

    type = word("The kind of this event, `container`.", "container")
    container = part(ReferenceSchema, "The container that changed, or that was connected or disconnected.")
    exit_code = number("The exit code of the container's process in a `container.die`; otherwise null.", null=True)


class GapEventSchema(Schema):
    """Events may be missing here: read again what you keep. The `data` of the event `gap`."""

    type = word("The kind of this event, `gap`.", "gap")
    reason = fields.Enum(
        GapReason,
        by_value=True,
        **required("Why events may be missing: the engine restarted, or its log no longer holds all of them."),
    )


class EngineEventSchema(Schema):
    """The engine has stopped answering, or answers again. The `data` of the event `engine`."""

    type = word("The kind of this event, `engine`.", "engine")
    state = fields.Enum(
        Reach,
        by_value=True,
        **required(
            "Whether the engine answers now. A stream begins only when the engine answers.", x_known_values=True
        ),
    )
    code = text(
        "The problem code of other requests now, such as `engine-unreachable`; null when all is well.", null=True
    )
    detail = text("Why the engine does not answer; null when the engine answers.", null=True)


class ExpectationEventSchema(Schema):
    """A change of the status of a kept expectation: the `data` of an event such as `expectation.violated`."""

    type = word("The kind of this event, `expectation`.", "expectation")
    # As text: in the one schema of all events, an enum here would hold for the actions of networks too.
    action = text("The status of the expectation from then on: `met`, `violated` or `unknown`.")
    change = part(ExpectationChangeSchema, "The change with its cause, as in the changes of the set.")

    @pre_dump
    def render(self, change: StatusChange, **_: Any) -> dict[str, Any]:
        """Put the change into what every event has."""
        return {"type": "expectation", "action": change.after, "change": change}


class EventSchema(Variants):
    """The `data` of one event. `type` names the kind of event."""

    variants: ClassVar = {
        "network": NetworkEventSchema,
        "container": ContainerEventSchema,
        "gap": GapEventSchema,
        "engine": EngineEventSchema,
        "expectation": ExpectationEventSchema,
    }


class EventQuery(Strict):
    """Which events."""

    type = Choice(
        (*KINDS, "expectation"), **absent("Only events of networks, only of containers, or only of kept expectations.")
    )
    action = Text(min_length=1, **absent("Only events with this action, in Docker's words, such as `start`."))
    network = Text(min_length=1, **absent("Only events of this network, by its name or id."))
    container = Text(min_length=1, **absent("Only events that concern this container, by its name or id."))
    project = Text(**absent("Only events of networks and containers of this project."))


@RESOURCE.get(
    "/v1/events",
    Media(SERVER_SENT_EVENTS, "The events, each one sent when it happens.", EventSchema),
    query=EventQuery(),
    concurrency_pool="streams",
    problems={400: "ambiguous-reference"},
)
def follow_events(context: RequestContext) -> Response:
    """Follow changes of networks and containers.

    The answer is a stream of Server-Sent Events without an end. The events are called `network.create`,
    `network.connect`, `container.start` and so on. Filters select events; a filter may name something that does not
    exist yet.

    With `Last-Event-ID`, the stream continues after that event. The engine's log holds the last 256 events of all
    kinds. When events may be missing, because the engine restarted or its log no longer holds them, the stream
    sends a `gap` event. An `engine` event tells you within a few seconds that the engine has stopped answering, and
    another one that the engine answers again. While nothing happens, the stream sends a comment every few seconds:
    if you have received nothing for ten seconds, the connection is lost.

    A change of a kept expectation is the event `expectation.violated`, `expectation.met` or `expectation.unknown`. It
    has no id, and the stream begins with those that come after the request: `GET /v1/expectations/{name}/changes` has
    what was before.

    Commands that run in a container (exec) and requests that only read are not in the stream. Docker reports no event
    when a stopped container is connected to a network or disconnected from it; read the endpoints of the container
    instead.
    """
    wanted = EventFilter(**context.query)
    items = events.follow(
        context.services, wanted, context.headers.get("Last-Event-ID"), stream_ends, context.expectations.store
    )
    return Response(_written(items), content_type=SERVER_SENT_EVENTS)


def _written(items: Iterator[events.Item]) -> Iterator[str]:
    schemas = {kind: schema() for kind, schema in EventSchema.variants.items()}
    yield f"retry: {RETRY_MS}\n\n"
    for item in items:
        if isinstance(item, Heartbeat):
            yield ": heartbeat\n" + (f"id: {item.event_id}\n" if item.event_id else "") + "\n"
            continue
        if isinstance(item, StatusChange):
            yield f"event: expectation.{item.after}\ndata: {json.dumps(schemas['expectation'].dump(item))}\n\n"
            continue
        data = json.dumps(schemas[item.type].dump(item))
        if isinstance(item, Gap | EngineState):
            yield f"event: {item.type}\ndata: {data}\n\n"
        else:
            yield f"id: {item.event_id}\nevent: {item.type}.{item.action}\ndata: {data}\n\n"
