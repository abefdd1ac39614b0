"""The declaration of an operation: its path, role, schemas, answers and problems.

Routing, authorisation, parsing and the OpenAPI document all come from it, so they cannot disagree. A view takes a
``RequestContext`` and returns a ``ViewResult``; it never reads Flask's request.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Response, json
from marshmallow import Schema
from werkzeug.datastructures import Headers

from bridgework.model.expectations import ExpectationPorts
from bridgework.model.snapshot import Snapshot
from bridgework.policy.access import Caller, Role
from bridgework.use_cases.idempotency import Created
from bridgework.use_cases.services import Actor, Services

JSON = "application/json"


def json_text(value: Any) -> str:
    """Return a JSON document as one line with a line feed, so that a terminal's prompt begins on the next line."""
    return json.dumps(value) + "\n"


@dataclass(frozen=True, slots=True)
class RequestContext:
    """A request that is authenticated, authorised and valid. ``body`` and ``query`` are what the schemas loaded."""

    services: Services
    expectations: ExpectationPorts
    caller: Caller
    url_path: str
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Any
    media_type: str
    dry_run: bool
    idempotency_key: str | None
    headers: Headers
    read_snapshot: Callable[[], Snapshot]

    @property
    def snapshot(self) -> Snapshot:
        """The state of the engine. It is read once for each request, and is as new as the request."""
        return self.read_snapshot()

    @property
    def actor(self) -> Actor:
        """The caller as a use case takes it that changes something."""
        return Actor(self.services, self.caller, dry_run=self.dry_run)


@dataclass(frozen=True, slots=True)
class ViewResult:
    """The result of a view. ``value`` is dumped by the schema that is declared for ``status``."""

    value: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Media:
    """An answer that is not one JSON document: its media type, and the schema of its items if it has any.

    A ``binary`` one is no text, so a client must not decode it.
    """

    media_type: str
    description: str
    item: type[Schema] | None = None
    binary: bool = False


View = Callable[..., ViewResult | Response]
ResultShape = type[Schema] | Media | None
Answers = Mapping[int, ResultShape | tuple[ResultShape, ...]]
Declaration = Callable[[View], View]


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One method of one path. Each is declared once and compared by identity, so that it can be a key."""

    id: str
    method: str
    path: str
    view: View
    tag: str
    role: Role | None
    summary: str
    description: str
    body: Schema | None = None
    query: Schema | None = None
    answers: Mapping[int, Sequence[ResultShape]] = field(default_factory=dict)
    problems: Mapping[int, Sequence[str]] = field(default_factory=dict)
    supports_dry_run: bool = False
    idempotent: bool = False
    conditional: bool = False
    # The view compares If-Match itself: the tag is that of the answer that it is about to give.
    judges_precondition: bool = False
    cached: bool = False
    # The pool of ``limits.Pools`` in which it runs. A short request, which holds its thread briefly, is "light".
    concurrency_pool: str = "light"
    # Another pool for a request whose body sets this field: ("trace", "traces").
    pool_of_field: tuple[str, str] | None = None
    # How long a request may wait for its place, in seconds, if its pool has a queue.
    longest_wait_s: Callable[[RequestContext], float] = lambda _: 0.0
    max_items: int | None = None

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the path's parameters."""
        return tuple(re.findall(r"{(\w+)}", self.path))

    @property
    def pools(self) -> tuple[str, ...]:
        """The pools that limit its requests."""
        named = (self.concurrency_pool, *(self.pool_of_field or ())[1:])
        return tuple(pool for pool in named if pool != "light")

    def pool_of(self, body: Any) -> str:
        """Return the pool of a request with this body."""
        field_name, pool = self.pool_of_field or ("", self.concurrency_pool)
        return pool if getattr(body, field_name, False) else self.concurrency_pool

    @property
    def changes(self) -> bool:
        """Whether it changes a resource and answers it."""
        return self.role is not None and self.role > Role.VIEWER

    @property
    def requires_body(self) -> bool:
        """Whether a request without a body is a fault: an empty object is one."""
        return self.body is not None and (self.max_items is not None or bool(self.body.validate({})))

    @property
    def media_types(self) -> tuple[str, ...]:
        """The media types of its successes, the default first."""
        shapes = [shape for shapes in self.answers.values() for shape in shapes]
        found = [shape.media_type if isinstance(shape, Media) else JSON for shape in shapes if shape is not None]
        return tuple(dict.fromkeys(found)) or (JSON,)


class Resource:
    """The operations of one module, under one tag. ``description`` is a part of the tag's description."""

    def __init__(self, tag: str, description: str = "") -> None:
        self.tag = tag
        self.description = description
        self.operations: list[Operation] = []

    def get(self, path: str, *shapes: ResultShape, role: Role | None = Role.VIEWER, **traits: Any) -> Declaration:
        """Declare a view that reads, and answers 200 with one of ``shapes``, the default first."""
        return self.operation("GET", path, {200: shapes}, role=role, **traits)

    def change(
        self, method: str, path: str, answers: Answers, *, role: Role = Role.OPERATOR, **traits: Any
    ) -> Declaration:
        """Declare a view that changes something. A change of an existing resource takes ``If-Match``."""
        return self.operation(
            method, path, answers, role=role, supports_dry_run=True, conditional="{" in path, **traits
        )

    def operation(
        self,
        method: str,
        path: str,
        answers: Answers,
        *,
        role: Role | None,
        problems: Mapping[int, str] | None = None,
        **traits: Any,
    ) -> Declaration:
        """Declare the decorated view. Its docstring is the summary (first line) and description (the rest).

        ``problems`` maps a status to the codes of the operation's own problems, separated by spaces.
        """

        def declare(view: View) -> View:
            summary, _, rest = inspect.cleandoc(view.__doc__ or "").partition("\n\n")
            paragraphs = [part.replace("\n", " ") for part in rest.split("\n\n")]
            self.operations.append(
                Operation(
                    id=_camel(view.__name__),
                    method=method,
                    path=path,
                    view=view,
                    tag=self.tag,
                    role=role,
                    summary=summary.rstrip("."),
                    description="\n\n".join(paragraphs).strip() or summary,
                    answers={status: s if isinstance(s, tuple) else (s,) for status, s in answers.items()},
                    problems={status: tuple(codes.split()) for status, codes in (problems or {}).items()},
                    **traits,
                )
            )
            return view

        return declare


def created(context: RequestContext, made: Created[Any]) -> ViewResult:
    """Answer 201 with what was made, and where it is unless that was a dry run."""
    if context.dry_run:
        return ViewResult(made.value, 201)
    replayed = {"Idempotent-Replayed": "true"} if made.replayed else {}
    return ViewResult(made.value, 201, {"Location": f"{context.url_path}/{made.value.id}", **replayed})


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
