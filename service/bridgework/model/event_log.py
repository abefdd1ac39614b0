"""A reader's place in the engine's event log, and whether anything can have escaped it.

The log holds 256 entries in memory. Continuity is proven only while it still holds the last entry taken (the anchor);
else something may be missing, and the reader is told. Concurrent changes may enter slightly out of the order of their
times, so each reading reaches behind the anchor, and what was taken already is skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bridgework.model.engine_port import EngineEvent

LOG_LIMIT = 256
OVERLAP_NS = 1_000_000_000
Key = tuple[int, str, str]


class GapReason(StrEnum):
    """Why entries may be missing."""

    ENGINE_RESTARTED = "engine-restarted"
    LOG_OVERRUN = "log-overrun"


@dataclass(frozen=True, slots=True)
class Reading:
    """What is new, in the log's order, and why something before it may be missing."""

    news: tuple[EngineEvent, ...]
    gap: GapReason | None = None


class LogPosition:
    """Where one reader stands. ``last_id_ns`` is the time of the last entry it was given before, else ``None``."""

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
        """What to resume after; ``None`` while the log is empty."""
        return str(self._anchor[0]) if self._anchor else None

    @property
    def since_ns(self) -> int:
        """From where to read the log."""
        return max(0, self._anchor[0] - OVERLAP_NS) if self._anchor else 0

    def interrupted(self) -> None:
        """The connection broke: an empty log proves no continuity any more."""
        self._whole = False

    def take(self, log: Sequence[EngineEvent]) -> Reading:
        """Take the log's entries from ``since_ns`` on; the place moves behind them."""
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
