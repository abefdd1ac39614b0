"""The stream of changes of networks and containers: changes, heartbeats, and whether the engine answers.

The engine's live stream only signals that there is something new; then its event log is read (``event_reader``). The
live stream alone would not do: the engine drops lines of it for a slow reader, and ends it without an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing

from bridgework.model.errors import (
    EngineMisbehaved,
    EngineTooSlow,
    EngineUnreachable,
    InputFault,
    StateUnavailable,
    invalid,
)
from bridgework.model.event_log import Change, EngineState, Gap, Heartbeat, Reach
from bridgework.model.expectations import ExpectationStore, StatusChange
from bridgework.use_cases.event_reader import EventFilter, EventReader
from bridgework.use_cases.services import Services

HEARTBEAT_S = 3.0
SHORTEST_WAIT_S, LONGEST_WAIT_S, STEP_S = 0.25, 2.0, 0.25
MAX_ID_DIGITS = 19
_AWAY = (EngineUnreachable, EngineTooSlow, EngineMisbehaved)
Away = EngineUnreachable | EngineTooSlow | EngineMisbehaved
Item = Change | Gap | EngineState | Heartbeat | StatusChange


def follow(
    services: Services,
    wanted: EventFilter,
    last_event_id: str | None,
    ending: Callable[[], bool],
    store: ExpectationStore,
) -> Iterator[Item]:
    """Follow the changes until ``ending`` returns true, which is checked at least every three seconds.

    Changes of expectations are followed from now on: they have their own list for what was before.

    Raises ``InvalidInput``, ``AmbiguousReference`` and the ``Engine*`` errors now; the iterator raises none of them.
    """
    news = _StatusChanges(store, wanted)
    return _items(EventReader(services, wanted, _read_id(last_event_id)), _signals(services), ending, news.read)


class _StatusChanges:
    """The changes of expectations since the last reading that a client asks for."""

    def __init__(self, store: ExpectationStore, wanted: EventFilter) -> None:
        self._store, self._wanted = store, wanted
        self._last: int | None = None

    def read(self) -> list[StatusChange]:
        wanted = self._wanted
        if wanted.type not in {None, "expectation"} or wanted.network is not None or wanted.container is not None:
            return []
        try:
            if self._last is None:
                self._last = self._store.last_number()
            found = self._store.changes_after(self._last)
        except StateUnavailable:
            return []
        self._last = found[-1].number if found else self._last
        return [
            one for one in found if wanted.action in {None, one.after.value} and wanted.project in {None, one.project}
        ]


def _read_id(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_ID_DIGITS):
        raise invalid("The header", [InputFault("Last-Event-ID", "Not an id of this stream.")])
    return int(text)


def _signals(services: Services) -> Iterator[bool | Away]:
    """Yield whether something is new, about once a second, or the error while the engine does not answer.

    A stalled engine (a stopped process, a full disk) keeps the connection of its live stream open and sends nothing,
    just like an engine without changes. So the engine is pinged for each signal; a ping takes at most two seconds.
    """
    wait_s = SHORTEST_WAIT_S
    while True:
        try:
            services.engine.ping()
            with closing(services.engine.subscribe()) as signals:
                for is_new in signals:
                    services.engine.ping()
                    wait_s = SHORTEST_WAIT_S
                    yield is_new
        except _AWAY as error:
            yield from _away(error, wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)


def _away(error: Away, wait_s: float) -> Iterator[Away]:
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        yield error
        time.sleep(STEP_S)


def _items(
    reader: EventReader,
    signals: Iterator[bool | Away],
    ending: Callable[[], bool],
    status_changes: Callable[[], list[StatusChange]],
) -> Iterator[Item]:
    due, reachable = False, True
    sent_at = time.monotonic()
    for signal in signals:
        if ending():
            return
        items: list[Item] = []
        away = None if isinstance(signal, bool) else signal
        if reachable != (away is None):
            reachable = away is None
            items.append(
                EngineState(Reach.UNREACHABLE, away.code, away.detail) if away else EngineState(Reach.REACHABLE)
            )
        if away:
            reader.interrupted()
        elif due or signal:
            try:
                items += reader.read()
                due = False
            except _AWAY:
                due = True
        items += status_changes()
        now = time.monotonic()
        if not items and now - sent_at >= HEARTBEAT_S:
            items = [Heartbeat(reader.event_id)]
        sent_at = now if items else sent_at
        yield from items
