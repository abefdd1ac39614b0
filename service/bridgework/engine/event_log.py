"""The engine's event log: the proof that nothing happened unseen, and its lines as values.

The engine writes a change into its log before the changing call returns. So a query of the log says whether a snapshot
still stands. The log holds the last 256 events in memory, and a restarted engine has an empty one: that nothing is
missing is proven only while the log still holds the newest event that was seen before (the anchor).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from bridgework.model.engine_port import EngineEvent
from bridgework.model.event_log import LOG_LIMIT, OVERLAP_NS

Event = dict[str, Any]


class EventLog:
    """One reader's position in the log. ``read`` asks the engine: path and query to body. ``queries`` counts.

    ``ahead_ns`` is how far the engine's clock is ahead of ours, at most: the log is queried by the engine's time.
    """

    def __init__(self, read: Callable[[str, Mapping[str, str]], bytes]) -> None:
        self._read = read
        self._ahead_ns = 0
        self._anchor: tuple[int, bytes] | None = None
        self._settled_ns = 0  # no line that is older than this is expected any more
        self._raw = b""
        self._seen: dict[bytes, int] = {}
        self.queries = 0

    def restart(self, ahead_ns: int) -> None:
        """Take everything in the log as seen."""
        self._ahead_ns = ahead_ns
        self._anchor, self._seen = None, {}
        # Since the beginning, so that lines which enter late are known as such.
        self._raw = self._query(0, self._now_ns())
        self._remember(_lines(self._raw))

    def news(self) -> list[Event] | None:
        """Return the events that were not seen before; ``None`` when some may be missing."""
        now_ns = self._now_ns()
        if self._anchor and now_ns < self._anchor[0]:
            return None  # The clock was set back: an event of now can have an older time than the anchor.
        raw = self._query(self._since_ns(), now_ns)
        if raw == self._raw:
            return []  # Most reads end here, and nothing was parsed.
        self._raw = raw
        lines = _lines(raw)
        whole = self._anchor[1] in lines if self._anchor else len(lines) < LOG_LIMIT
        return self._remember(lines) if whole else None

    def _now_ns(self) -> int:
        return time.time_ns() + self._ahead_ns

    def _query(self, since_ns: int, until_ns: int) -> bytes:
        self.queries += 1
        raw = self._read("/events", log_query(since_ns, until_ns))
        # Concurrent changes may enter the log out of the order of their times, by less than OVERLAP_NS.
        self._settled_ns = until_ns - OVERLAP_NS
        return raw

    def _since_ns(self) -> int:
        """Return since when to ask: nothing older than this can be new.

        The engine reads its log backwards, to the first line that is older than this (moby, daemon/events). So no line
        behind the anchor may be older, or the engine would stop before it reaches the anchor. A line that enters the
        log later than OVERLAP_NS hides the anchor all the same; then everything is read again.
        """
        if self._anchor is None:
            return 0
        lines = list(self._seen)
        behind_ns = [self._seen[line] for line in lines[lines.index(self._anchor[1]) :]]
        # Once the log was quiet for OVERLAP_NS, the answer is the newest line alone: that costs the engine least.
        return min(self._settled_ns, *behind_ns)

    def _remember(self, lines: list[bytes]) -> list[Event]:
        """Return the new lines, parsed. The newest by time becomes the anchor."""
        fresh = {line: json.loads(line) for line in lines if line not in self._seen}
        # Lines are compared as bytes: the engine repeats a line exactly, and a line has a time in nanoseconds.
        for line, event in fresh.items():
            moment = int(event["timeNano"])
            if self._anchor is None or moment >= self._anchor[0]:
                self._anchor = (moment, line)
        # What the answer no longer holds cannot come again, so it is forgotten.
        if fresh:
            self._seen = {line: int(fresh[line]["timeNano"]) if line in fresh else self._seen[line] for line in lines}
        return list(fresh.values())


def log_query(since_ns: int, until_ns: int) -> dict[str, str]:
    """Return the query of ``GET /events`` for a span of time, which makes it end instead of following the log."""
    return {"since": _timestamp(since_ns), "until": _timestamp(until_ns)}


def read_event(raw: Mapping[str, Any]) -> EngineEvent:
    """Read one line of ``GET /events`` (Docker Engine API v1.45, ``EventMessage``)."""
    # The id is the time: it orders the events, and a client resumes after it.
    actor = raw.get("Actor") or {}
    attributes = {str(key): str(value) for key, value in (actor.get("Attributes") or {}).items()}
    moment = int(raw["timeNano"])
    return EngineEvent(
        id=str(moment),
        time_ns=moment,
        kind=str(raw.get("Type") or ""),
        action=str(raw.get("Action") or ""),
        object_id=str(actor.get("ID") or ""),
        name=attributes.get("name", ""),
        attributes=attributes,
    )


def _lines(raw: bytes) -> list[bytes]:
    return [line for line in raw.split(b"\n") if line]


def _timestamp(moment_ns: int) -> str:
    return f"{moment_ns // 1_000_000_000}.{moment_ns % 1_000_000_000:09d}"
