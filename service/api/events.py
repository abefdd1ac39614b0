"""The stream of changes, as Server-Sent Events (the HTML standard, section 9.2)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import ClassVar

from flask import Response
from marshmallow import Schema, fields, validate

from service.api.contract import Asked, Media, Resource
from service.api.fields import ReferenceSchema, Strict, Text, Variants, described
from service.core.access import Role
from service.core.changes import EngineState, Gap, Heartbeat, Reach
from service.core.event_log import GapReason
from service.lifetime import PROCESS
from service.operations import events
from service.operations.event_reader import KINDS, EventFilter

RESOURCE = Resource("events", "Changes of networks and containers, as they happen.")
SERVER_SENT_EVENTS = "text/event-stream"
RETRY_MS = 1000


class ChangeEventSchema(Schema):
    """What every change says."""

    action = fields.String(
        required=True, metadata=described("What was done, in Docker's word: `create`, `connect`, `start`, `die`…")
    )
    time = fields.String(required=True, metadata=described("When.", format="date-time"))
    id = fields.String(required=True, metadata=described("The full id of what changed."))
    name = fields.String(required=True, metadata=described("Its name."))
    project = fields.String(
        required=True, allow_none=True, metadata=described("The project that it belongs to, where known.")
    )


class NetworkEventSchema(ChangeEventSchema):
    """A change of a network: the `data` of an event such as `network.connect`."""

    type = fields.String(required=True, validate=validate.OneOf(["network"]), metadata=described("What changed."))
    network = fields.Nested(ReferenceSchema, required=True, metadata=described("The network."))
    container = fields.Nested(
        ReferenceSchema, required=True, allow_none=True,
        metadata=described("Who was connected or disconnected; its name is empty when it was gone before it was read."),
    )  # fmt: skip


class ContainerEventSchema(ChangeEventSchema):
    """A change of a container: the `data` of an event such as `container.start`."""

    type = fields.String(required=True, validate=validate.OneOf(["container"]), metadata=described("What changed."))
    container = fields.Nested(ReferenceSchema, required=True, metadata=described("The container."))
    exit_code = fields.Integer(
        required=True, allow_none=True, metadata=described("Of `container.die`, how its process ended.")
    )


class GapEventSchema(Schema):
    """Changes may be missing here: read again what you keep. The `data` of an event whose `event` is `gap`."""

    type = fields.String(required=True, validate=validate.OneOf(["gap"]), metadata=described("Always `gap`."))
    reason = fields.Enum(
        GapReason, by_value=True, required=True,
        metadata=described("The engine's log began anew, or held no longer what came after the last event given."),
    )  # fmt: skip


class EngineEventSchema(Schema):
    """The engine has stopped answering, or answers again. The `data` of an event whose `event` is `engine`."""

    type = fields.String(required=True, validate=validate.OneOf(["engine"]), metadata=described("Always `engine`."))
    state = fields.Enum(
        Reach, by_value=True, required=True,
        metadata=described("Whether the engine answers now. A stream begins only when it does.", x_known_values=True),
    )  # fmt: skip
    code = fields.String(
        required=True, allow_none=True,
        metadata=described("The problem code that other requests are answered with now, such as `engine-unreachable`."),
    )  # fmt: skip
    detail = fields.String(required=True, allow_none=True, metadata=described("Why the engine does not answer."))


class EventSchema(Variants):
    """The `data` of one event."""

    variants: ClassVar = {
        "network": NetworkEventSchema, "container": ContainerEventSchema, "gap": GapEventSchema,
        "engine": EngineEventSchema,
    }  # fmt: skip


class EventQuery(Strict):
    """Which events."""

    type = fields.String(load_default=None, validate=validate.OneOf(KINDS), metadata=described("What changed."))
    action = Text(load_default=None, min_length=1, metadata=described("What was done, in Docker's word."))
    network = Text(load_default=None, min_length=1, metadata=described("Only events of this network."))
    container = Text(load_default=None, min_length=1, metadata=described("Only events that concern this container."))
    project = Text(load_default=None, metadata=described("Only of networks or containers of this project."))


@RESOURCE.operation(
    "GET", "/v1/events", role=Role.VIEWER, query=EventQuery(), weight="streams",
    answers={200: Media(SERVER_SENT_EVENTS, "Events as they come.", EventSchema)},
    problems={400: ("ambiguous-reference",)},
)  # fmt: skip
def follow_events(asked: Asked) -> Response:
    """Follow changes of networks and containers.

    As Server-Sent Events without an end, named `network.create`, `network.connect`, `container.start`… Filters narrow
    them, and may name what does not exist yet. `Last-Event-ID` resumes from the engine's log, which holds 256 entries
    of all kinds. Where continuity cannot be proven (the engine restarted, or its log was overrun) a `gap` says so.
    An `engine` event says within a few seconds that the engine has stopped answering, or stalls, and another one that
    it answers again. While nothing happens a comment comes every few seconds: a client that has heard nothing for ten
    seconds has lost the service. Looking into a container and
    running commands in it is not shown. The engine writes no event when a *stopped* container is connected to a network
    or disconnected from it; such a change shows in the container's endpoints alone.
    """
    wanted = EventFilter(**asked.query)
    beats = events.follow(asked.house, wanted, asked.headers.get("Last-Event-ID"), PROCESS.ending)
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
