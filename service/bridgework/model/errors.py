"""The failures of a use case, as exceptions with a code and facts.

    BridgeworkError
    ├── InvalidInput        the request is invalid (every fault at once, with pointers)
    ├── AmbiguousReference  a name or id prefix fits more than one thing
    ├── NotFound            the named thing does not exist
    ├── Conflict            something else has the name, address, port or state
    ├── PreconditionFailed  the thing changed since the caller read it
    ├── Refused             the role, the project or the policy does not allow it
    ├── NotPossible         this installation cannot do it
    ├── TooBusy             a limit on requests or on work at once is reached
    ├── TookTooLong         the request reached its limit of time
    ├── StateUnavailable    the file of kept expectations cannot be read or written
    ├── EngineUnreachable   no engine answers
    ├── EngineTooSlow       the engine did not answer in time; the outcome is unknown
    └── EngineMisbehaved    the engine answered what its API does not promise
        └── NotSupported    the engine (Podman) has no such function

This module never names an HTTP status: ``service/bridgework/http/problems/documents.py`` decides that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridgework.model.actions import Action

MAX_QUOTED = 200


def quoted(text: str) -> str:
    """Quote what a caller sent, for a sentence: in JSON's quotes, control characters escaped, of bounded length."""
    return json.dumps(text[:MAX_QUOTED], ensure_ascii=False)


def plainly(error: Exception) -> str:
    """Say why the answer of another program could not be read, without Python's words (``KeyError('Id')``)."""
    if isinstance(error, KeyError) and error.args:
        return f"the field {error.args[0]} is missing"
    return "a part is not what the API promises"


@dataclass(frozen=True, slots=True)
class Remedy:
    """How to fix a problem: a sentence, actions in order, and commands for the host where no action can help."""

    summary: str
    actions: tuple[Action, ...] = ()
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InputFault:
    """One fault of a request: an RFC 6901 pointer into the body (or a parameter's name) and a sentence."""

    pointer: str
    message: str


@dataclass(eq=False)
class BridgeworkError(Exception):
    """The base class: ``code`` is stable and kebab-case, ``detail`` is a sentence that names the thing."""

    code: str
    detail: str
    remedy: Remedy | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


@dataclass(eq=False)
class InvalidInput(BridgeworkError):
    """The request is well-formed but invalid; ``faults`` lists everything that is wrong with it."""

    faults: Sequence[InputFault] = ()


def invalid(what: str, faults: Sequence[InputFault]) -> InvalidInput:
    """Return the error for the faults of ``what``, such as ``The body``; the detail quotes the first of them."""
    first = faults[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    detail = f"{what} is invalid: {first.pointer or 'the whole'}: {first.message}{more}"
    return InvalidInput(code="input-invalid", detail=detail, faults=faults)


class AmbiguousReference(BridgeworkError):
    """A reference fits several things; ``facts["candidates"]`` lists them."""


class NotFound(BridgeworkError):
    """The thing referred to does not exist."""


class Conflict(BridgeworkError):
    """Something else holds the name, address, port or state; ``facts`` names it."""


class PreconditionFailed(BridgeworkError):
    """``If-Match`` named another version of the thing."""


class Refused(BridgeworkError):
    """The caller's role, project or the policy in force forbids it."""


class NotPossible(BridgeworkError):
    """This installation cannot do it; ``detail`` says what is missing."""


@dataclass(eq=False)
class TooBusy(BridgeworkError):
    """A limit is reached; try again after ``retry_after_s`` seconds."""

    retry_after_s: int = 1


class TookTooLong(BridgeworkError):
    """The request took longer than it may; what it did not begin was not done."""


class StateUnavailable(BridgeworkError):
    """The file of kept expectations cannot be read or written."""


class EngineUnreachable(BridgeworkError):
    """No engine answers at its address."""


class EngineTooSlow(BridgeworkError):
    """The engine did not answer in time; whether it did the work is unknown."""


class EngineMisbehaved(BridgeworkError):
    """The engine answered outside of its API."""


class NotSupported(EngineMisbehaved):
    """The engine lacks a function of Docker's that the request needs."""
