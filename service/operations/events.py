"""Changes of networks and containers as they happen, without an end: heartbeats, and the engine coming and going.

The engine's live stream only rings; its log is then read (``event_reader``), since the engine drops lines of the stream
for a slow reader and ends it in silence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from enum import Enum, auto

from service.core.changes import Change, Gap, Heartbeat
from service.core.errors import EngineMisbehaved, EngineTooSlow, EngineUnreachable, InputFault, InvalidInput
from service.operations.event_reader import EventFilter, EventReader
from service.operations.house import House

HEARTBEAT_S = 3.0
SHORTEST_WAIT_S, LONGEST_WAIT_S, STEP_S = 0.25, 4.0, 0.25
MAX_ID_DIGITS = 19
_AWAY = (EngineUnreachable, EngineTooSlow, EngineMisbehaved)


def follow(
    house: House, wanted: EventFilter, last_event_id: str | None, ending: Callable[[], bool]
) -> Iterator[Change | Gap | Heartbeat]:
    """Begin to follow; it ends only when ``ending`` says so, which is asked at least once a second.

    Raises ``InvalidInput``, ``AmbiguousReference`` and the ``Engine*`` errors now; what it answers raises none of them.
    """
    return _beats(EventReader(house, wanted, _read_id(last_event_id)), _rings(house), ending)


def _read_id(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_ID_DIGITS):
        fault = InputFault("Last-Event-ID", "Not an id of this stream.")
        raise InvalidInput(code="input-invalid", detail=f"The header is invalid: {fault.message}", faults=[fault])
    return int(text)


class _Ring(Enum):
    RUNG = auto()
    QUIET = auto()
    AWAY = auto()


def _rings(house: House) -> Iterator[_Ring]:
    """The engine's bell, hung up again whenever the engine comes back; at least one ring a second."""
    wait_s = SHORTEST_WAIT_S
    while True:
        try:
            with closing(house.engine.bell()) as bell:
                for rung in bell:
                    wait_s = SHORTEST_WAIT_S
                    yield _Ring.RUNG if rung else _Ring.QUIET
        except _AWAY:
            yield from _away(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)


def _away(wait_s: float) -> Iterator[_Ring]:
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        yield _Ring.AWAY
        time.sleep(STEP_S)


def _beats(
    reader: EventReader, rings: Iterator[_Ring], ending: Callable[[], bool]
) -> Iterator[Change | Gap | Heartbeat]:
    due = False
    spoke_at = time.monotonic()
    for ring in rings:
        if ending():
            return
        beats: list[Change | Gap | Heartbeat] = []
        if ring is _Ring.AWAY:
            reader.interrupted()
        elif due or ring is _Ring.RUNG:
            try:
                beats, due = [*reader.read()], False
            except _AWAY:
                due = True
        now = time.monotonic()
        if not beats and now - spoke_at >= HEARTBEAT_S:
            beats = [Heartbeat(reader.event_id)]
        spoke_at = now if beats else spoke_at
        yield from beats
