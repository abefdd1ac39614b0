"""The stream of changes, as Server-Sent Events (the HTML standard, section 9.2)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import ClassVar

from flask import Response
from marshmallow import Schema, fields, validate

from bridgework.http.contract import Media, RequestContext, Resource
from bridgework.http.fields import ReferenceSchema, Strict, Text, Variants, described
from bridgework.lifetime import PROCESS
from bridgework.model.event_log import EngineState, Gap, GapReason, Heartbeat, Reach
from bridgework.use_cases import events
from bridgework.use_cases.event_reader import KINDS, EventFilter

RESOURCE = Resource("events", "Follow the changes of networks and containers as they happen.")
SERVER_SENT_EVENTS = "text/event-stream"
RETRY_MS = 1000


class ChangeEventSchema(Schema):
    """What every event about a change has."""

    action = fields.String(
        required=True,
        metadata=described("What happened, in Docker's words: `create`, `connect`, `start`, `die` and so on."),
    )
    time = fields.String(
        required=True, metadata=described("When the change happened, RFC 3339 in UTC.", format="date-time")
    )
    id = fields.String(required=True, metadata=described("The full id of the network or container that changed."))
    name = fields.String(required=True, metadata=described("The name of the network or container that changed."))
    project = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The project of the network or container that changed; null when it has none."),
    )


class NetworkEventSchema(ChangeEventSchema):
    """A change of a network: the `data` of an event such as `network.connect`."""

    type = fields.String(
        required=True, validate=validate.OneOf(["network"]), metadata=described("The kind of this event, `network`.")
    )
    network = fields.Nested(
        ReferenceSchema,
        required=True,
        metadata=described("The network that changed, or that the container was connected to."),
    )
    container = fields.Nested(
        ReferenceSchema,
        required=True,
        allow_none=True,
        metadata=described(
            "The container that was connected or disconnected. Its name is empty when it was already removed."
        ),
    )


class ContainerEventSchema(ChangeEventSchema):
    """A change of a container: the `data` of an event such as `container.start`."""

    type = fields.String(
        required=True,
        validate=validate.OneOf(["container"]),
        metadata=described("The kind of this event, `container`."),
    )
    container = fields.Nested(
        ReferenceSchema,
        required=True,
        metadata=described("The container that changed, or that was connected or disconnected."),
    )
    exit_code = fields.Integer(
        required=True,
        allow_none=True,
        metadata=described("The exit code of the container's process in a `container.die`; otherwise null."),
    )


class GapEventSchema(Schema):
    """Events may be missing here: read again what you keep. The `data` of the event `gap`."""

    type = fields.String(
        required=True, validate=validate.OneOf(["gap"]), metadata=described("The kind of this event, `gap`.")
    )
    reason = fields.Enum(
        GapReason, by_value=True, required=True,
        metadata=described("Why events may be missing: the engine restarted, or its log no longer holds all of them."),
    )  # fmt: skip


class EngineEventSchema(Schema):
    """The engine has stopped answering, or answers again. The `data` of the event `engine`."""

    type = fields.String(
        required=True, validate=validate.OneOf(["engine"]), metadata=described("The kind of this event, `engine`.")
    )
    state = fields.Enum(
        Reach,
        by_value=True,
        required=True,
        metadata=described(
            "Whether the engine answers now. A stream begins only when the engine answers.", x_known_values=True
        ),
    )
    code = fields.String(
        required=True,
        allow_none=True,
        metadata=described(
            "The problem code of other requests now, such as `engine-unreachable`; null when all is well."
        ),
    )
    detail = fields.String(
        required=True,
        allow_none=True,
        metadata=described("Why the engine does not answer; null when the engine answers."),
    )


class EventSchema(Variants):
    """The `data` of one event. `type` names the kind of event."""

    variants: ClassVar = {
        "network": NetworkEventSchema, "container": ContainerEventSchema, "gap": GapEventSchema,
        "engine": EngineEventSchema,
    }  # fmt: skip


class EventQuery(Strict):
    """Which events."""

    type = fields.String(
        load_default=None,
        validate=validate.OneOf(KINDS),
        metadata=described("Only events of networks, or only events of containers."),
    )
    action = Text(
        load_default=None,
        min_length=1,
        metadata=described("Only events with this action, in Docker's words, such as `start`."),
    )
    network = Text(
        load_default=None, min_length=1, metadata=described("Only events of this network, by its name or id.")
    )
    container = Text(
        load_default=None,
        min_length=1,
        metadata=described("Only events that concern this container, by its name or id."),
    )
    project = Text(load_default=None, metadata=described("Only events of networks and containers of this project."))


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

    Commands that run in a container (exec) and requests that only read are not in the stream. Docker reports no event
    when a stopped container is connected to a network or disconnected from it; read the endpoints of the container
    instead.
    """
    wanted = EventFilter(**context.query)
    beats = events.follow(context.services, wanted, context.headers.get("Last-Event-ID"), PROCESS.ending)
    return Response(_written(beats), content_type=SERVER_SENT_EVENTS)


def _written(beats: Iterator[events.Beat]) -> Iterator[str]:
    schemas = {kind: schema() for kind, schema in EventSchema.variants.items()}
    yield f"retry: {RETRY_MS}\n\n"
    for beat in beats:
        if isinstance(beat, Heartbeat):
            yield ": heartbeat\n" + (f"id: {beat.event_id}\n" if beat.event_id else "") + "\n"
            continue
        data = json.dumps(schemas[beat.type].dump(beat))
        if isinstance(beat, Gap | EngineState):
            yield f"event: {beat.type}\ndata: {data}\n\n"
        else:
            yield f"id: {beat.event_id}\nevent: {beat.type}.{beat.action}\ndata: {data}\n\n"
