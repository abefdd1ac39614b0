"""Long changes that answer line by line: their progress, and in the last line the resource or the problem.

The work runs in a thread of its own and ends even if the client leaves, because calls of the engine cannot be
cancelled. A failure before the first line is an ordinary problem document with its status.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, ClassVar

from flask import Response, json, stream_with_context
from marshmallow import Schema

from bridgework.http.contract import Media, RequestContext, ViewResult, created, json_text
from bridgework.http.problems.documents import HttpProblem, problem_of
from bridgework.http.problems.schemas import ProblemSchema
from bridgework.http.resources.containers.schemas import ContainerSchema
from bridgework.http.schemas.answers import Variants, part, text, word
from bridgework.model.errors import BridgeworkError
from bridgework.telemetry import progress
from bridgework.use_cases.idempotency import Created

NDJSON = "application/x-ndjson"
FIRST_LINE_S = 0.5
"""Seconds to wait for a failure before the answer begins with status 200 or 201."""
HEARTBEAT_S = 1.0


class ProgressLineSchema(Schema):
    """What is being done now."""

    type = word("Always `progress`.", "progress")
    message = text("What is being done now, such as `Pulling busybox: Downloading`.")


class HeartbeatLineSchema(Schema):
    """A sign of life, about once a second, while nothing else happens."""

    type = word("Always `heartbeat`.", "heartbeat")


class ContainerLineEndSchema(Schema):
    """The last line of a change that succeeded."""

    type = word("Always `container`.", "container")
    container = part(ContainerSchema, "The container as it is now. Only in the last line.")


class ProblemLineSchema(Schema):
    """The last line of a change that failed after the first line was sent."""

    type = word("Always `problem`.", "problem")
    problem = part(ProblemSchema, "The problem document of a failure. Only in the last line.")


class ContainerLineSchema(Variants):
    """One line of a streamed change of a container. `type` names the kind of line."""

    variants: ClassVar = {
        "progress": ProgressLineSchema,
        "heartbeat": HeartbeatLineSchema,
        "container": ContainerLineEndSchema,
        "problem": ProblemLineSchema,
    }


LINES = Media(NDJSON, "Progress line by line; the last line holds the container or the problem.", ContainerLineSchema)


class ProgressResponse(Response):
    """The answer in lines. ``failure`` is the problem of the last line; it is known when the answer is closed."""

    failure: Exception | None = None
    made: str | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """The last line of a success: its ``kind``, which also names the field of the result, and the result's schema."""

    kind: str
    schema: type[Schema]


A_CONTAINER = Ending("container", ContainerSchema)


def answered(
    context: RequestContext, work: Callable[[], Any], status: int = 200, ending: Ending = A_CONTAINER
) -> ViewResult | Response:
    """Do the work and answer its result, or its progress line by line if the client accepts lines."""

    def result() -> ViewResult:
        outcome = work()
        return created(context, outcome) if isinstance(outcome, Created) else ViewResult(outcome)

    return _streamed(result, status, ending) if context.media_type == NDJSON else result()


def _streamed(work: Callable[[], ViewResult], status: int, ending: Ending) -> ProgressResponse:
    """Do the work in a thread and answer its progress. Raises what the work raises before the first line."""
    steps: queue.SimpleQueue[str | ViewResult | Exception] = queue.SimpleQueue()
    threading.Thread(target=copy_context().run, args=(_run, work, steps), daemon=True).start()
    first: str | ViewResult | Exception | None
    try:
        first = steps.get(timeout=FIRST_LINE_S)
    except queue.Empty:
        first = None
    if isinstance(first, Exception):
        raise first
    # nginx would keep the lines back until its buffer is full.
    response = ProgressResponse(status=status, content_type=NDJSON, headers={"X-Accel-Buffering": "no"})
    response.response = stream_with_context(_lines(first, steps, response, ending))
    return response


def _run(work: Callable[[], ViewResult], steps: queue.SimpleQueue[str | ViewResult | Exception]) -> None:
    progress.listen(steps.put)
    try:
        steps.put(work())
    except (BridgeworkError, HttpProblem) as error:
        steps.put(error)
    except BaseException as error:
        steps.put(RuntimeError(f"{type(error).__name__} in the thread of a change"))
        raise


def _lines(
    first: str | ViewResult | Exception | None,
    steps: queue.SimpleQueue[str | ViewResult | Exception],
    response: ProgressResponse,
    ending: Ending,
) -> Iterator[str]:
    step = first
    while not isinstance(step, ViewResult | Exception):
        yield json_text({"type": "heartbeat"} if step is None else {"type": "progress", "message": step})
        try:
            step = steps.get(timeout=HEARTBEAT_S)
        except queue.Empty:
            step = None
    if isinstance(step, Exception):
        response.failure = step
        yield json_text({"type": "problem", "problem": json.loads(problem_of(step).get_data())})
        return
    response.made = step.headers.get("Location")
    dumped: Any = ending.schema().dump(step.value)
    yield json_text({"type": ending.kind, ending.kind: dumped})
