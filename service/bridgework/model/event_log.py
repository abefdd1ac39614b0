"""The engine's event log as a client follows it: a position in the log, and its entries as changes.

The log holds 256 entries in memory. That nothing is missing is proven only while it still holds the last entry that was
taken (the anchor). Otherwise the client receives a gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from bridgework.model.engine_port import EngineEvent
from bridgework.model.snapshot import Reference

LOG_LIMIT = 256

# Concurrent changes may enter the log out of the order of their times. So each reading reaches this far behind the
# anchor, and entries that were taken before are skipped.
OVERLAP_NS = 1_000_000_000

# Actions of containers that change nothing that this service shows.
SILENT_ACTIONS = ("exec_", "top", "attach", "archive-path", "extract-to-dir", "export", "copy", "resize")

_SECOND_NS = 1_000_000_000
Key = tuple[int, str, str]


class GapReason(StrEnum):
    """Why entries may be missing."""

    ENGINE_RESTARTED = "engine-restarted"
    LOG_OVERRUN = "log-overrun"


@dataclass(frozen=True, slots=True)
class Reading:
    """New entries in the log's order, and why entries before them may be missing."""

    news: tuple[EngineEvent, ...]
    gap: GapReason | None = None


class LogPosition:
    """One reader's position in the log; ``last_id_ns`` is the time of the last entry that a client received before."""

    def __init__(self, log: Sequence[EngineEvent], last_id_ns: int | None = None) -> None:
        self._seen = {_key(event) for event in log}
        self._anchor = _key(log[-1]) if log else None
        self._whole = True
        if last_id_ns is not None:
            places = [place for place, event in enumerate(log) if event.time_ns == last_id_ns]
            taken = log[: places[-1] + 1] if places else ()
            self._seen = {_key(event) for event in taken}
            self._anchor = _key(taken[-1]) if taken else (last_id_ns, "", "")

    @property
    def id(self) -> str | None:
        """The id after which a client resumes; ``None`` while the log is empty."""
        return str(self._anchor[0]) if self._anchor else None

    @property
    def since_ns(self) -> int:
        """The time from which to read the log."""
        return max(0, self._anchor[0] - OVERLAP_NS) if self._anchor else 0

    def interrupted(self) -> None:
        """Note that the connection broke: from now on an empty log may be that of a restarted engine."""
        self._whole = False

    def take(self, log: Sequence[EngineEvent]) -> Reading:
        """Take the log's entries from ``since_ns`` on, and move behind them."""
        keys = [_key(event) for event in log]
        whole = self._anchor in keys if self._anchor else self._whole and len(log) < LOG_LIMIT
        floor_ns = 0 if whole or self._anchor is None else self._anchor[0]
        fresh = (event for key, event in zip(keys, log, strict=True) if key not in self._seen)
        news = tuple(event for event in fresh if event.time_ns > floor_ns)
        self._seen, self._whole = set(keys), True
        self._anchor = keys[-1] if keys else None
        if whole:
            return Reading(news)
        return Reading(news, GapReason.LOG_OVERRUN if len(log) >= LOG_LIMIT else GapReason.ENGINE_RESTARTED)


def _key(event: EngineEvent) -> Key:
    return event.time_ns, event.object_id, event.action


@dataclass(frozen=True, slots=True)
class Known:
    """The name and the project of a network or container, which the log does not tell."""

    name: str
    project: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a network or container; ``project`` is that of the thing with this ``id``."""

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
    """A sign of life without news; a client resumes after ``event_id``."""

    event_id: str | None


def change_of(event: EngineEvent, known: Mapping[str, Known]) -> Change:
    """Return the change that an entry of the log reports; ``known`` maps full ids."""
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
    """Return RFC 3339 in UTC, to the nanosecond as the engine counts."""
    moment = datetime.fromtimestamp(moment_ns // _SECOND_NS, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment_ns % _SECOND_NS:09d}Z"
