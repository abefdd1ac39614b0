"""Changes of networks and containers as they happen, without an end: heartbeats, and the engine coming and going.

The engine's live stream only rings; its log is then read (``event_reader``), since the engine drops lines of the stream
for a slow reader and ends it in silence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from enum import Enum, auto

from bridgework.model.errors import EngineMisbehaved, EngineTooSlow, EngineUnreachable, InputFault, InvalidInput
from bridgework.model.event_log import Change, EngineState, Gap, Heartbeat, Reach
from bridgework.use_cases.event_reader import EventFilter, EventReader
from bridgework.use_cases.services import Services

HEARTBEAT_S = 3.0
SHORTEST_WAIT_S, LONGEST_WAIT_S, STEP_S = 0.25, 2.0, 0.25
MAX_ID_DIGITS = 19
_AWAY = (EngineUnreachable, EngineTooSlow, EngineMisbehaved)
Away = EngineUnreachable | EngineTooSlow | EngineMisbehaved
Beat = Change | Gap | EngineState | Heartbeat


def follow(
    services: Services, wanted: EventFilter, last_event_id: str | None, ending: Callable[[], bool]
) -> Iterator[Beat]:
    """Begin to follow; it ends only when ``ending`` says so, which is asked at least every three seconds.

    Raises ``InvalidInput``, ``AmbiguousReference`` and the ``Engine*`` errors now; what it answers raises none of them.
    """
    return _beats(EventReader(services, wanted, _read_id(last_event_id)), _rings(services), ending)


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


def _rings(services: Services) -> Iterator[_Ring | Away]:
    """The engine's bell, hung up again whenever the engine comes back, else why the engine is away.

    A stalled engine (a stopped process, a full disk) keeps the bell's connection open and says nothing, just as an
    engine on which nothing happens. So it is pinged at every ring and every second; a ping takes at most two seconds.
    """
    wait_s = SHORTEST_WAIT_S
    while True:
        try:
            services.engine.ping()
            with closing(services.engine.subscribe()) as subscribe:
                for rung in subscribe:
                    services.engine.ping()
                    wait_s = SHORTEST_WAIT_S
                    yield _Ring.RUNG if rung else _Ring.QUIET
        except _AWAY as error:
            yield from _away(error, wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)


def _away(error: Away, wait_s: float) -> Iterator[Away]:
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        yield error
        time.sleep(STEP_S)


def _beats(reader: EventReader, rings: Iterator[_Ring | Away], ending: Callable[[], bool]) -> Iterator[Beat]:
    due, reachable = False, True
    spoke_at = time.monotonic()
    for ring in rings:
        if ending():
            return
        beats: list[Beat] = []
        away = None if isinstance(ring, _Ring) else ring
        if reachable != (away is None):
            reachable = away is None
            beats.append(
                EngineState(Reach.UNREACHABLE, away.code, away.detail) if away else EngineState(Reach.REACHABLE)
            )
        if away:
            reader.interrupted()
        elif due or ring is _Ring.RUNG:
            try:
                beats += reader.read()
                due = False
            except _AWAY:
                due = True
        now = time.monotonic()
        if not beats and now - spoke_at >= HEARTBEAT_S:
            beats = [Heartbeat(reader.event_id)]
        spoke_at = now if beats else spoke_at
        yield from beats
