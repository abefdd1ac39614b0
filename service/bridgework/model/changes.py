"""An entry of the engine's event log as a change that says what it is about.

The log names a thing by its id and says little else; names and projects are handed in (``Known``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from bridgework.model.engine_port import EngineEvent
from bridgework.model.event_log import GapReason
from bridgework.model.snapshot import Reference

_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a thing beside its id."""

    name: str
    project: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """``network`` and ``container`` are those concerned; ``project`` is the changed thing's own."""

    event_id: str
    type: str
    action: str
    time: str
    id: str
    name: str
    network: Reference | None
    container: Reference | None
    project: str | None
    exit_code: int | None


@dataclass(frozen=True, slots=True)
class Gap:
    """Changes before the next one may be missing."""

    reason: GapReason
    type: str = "gap"


class Reach(StrEnum):
    """Whether the engine answers."""

    REACHABLE = "reachable"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class EngineState:
    """The engine has stopped answering, or answers again; ``code`` and ``detail`` say why it does not."""

    state: Reach
    code: str | None = None
    detail: str | None = None
    type: str = "engine"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Nothing new; ``event_id`` resumes here."""

    event_id: str | None


def change_of(event: EngineEvent, known: Mapping[str, Known]) -> Change:
    """The change that an entry tells of."""
    of_network = event.kind == "network"
    container_id = event.attributes.get("container", "") if of_network else event.object_id
    thing = known.get(event.object_id)
    exit_code = event.attributes.get("exitCode", "")
    return Change(
        event_id=event.id,
        type=event.kind,
        action=event.action.partition(":")[0],
        time=_time(event.time_ns),
        id=event.object_id,
        name=event.name or (thing.name if thing else ""),
        network=Reference(event.object_id, event.name) if of_network else None,
        container=_reference(container_id, known) if container_id else None,
        project=thing.project if thing else None,
        exit_code=int(exit_code) if exit_code.isdecimal() else None,
    )


def _reference(container_id: str, known: Mapping[str, Known]) -> Reference:
    thing = known.get(container_id)
    return Reference(container_id, thing.name if thing else "")


def _time(moment_ns: int) -> str:
    """RFC 3339 in UTC, to the nanosecond as the engine counts."""
    moment = datetime.fromtimestamp(moment_ns // _SECOND_NS, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment_ns % _SECOND_NS:09d}Z"
