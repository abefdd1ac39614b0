"""What changes, as the engine and the kernel tell it, gathered for the watch by two threads.

The engine tells by its event log, the kernel by multicast messages (``HostWatch``). Neither tells of switches of the
bridge filter, of rules of iptables-legacy and of sets of ipset: their state is read each second, in some tens of
microseconds (``ProbeRunner.firewall_state``).
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime

import structlog

from bridgework.model.errors import BridgeworkError, EngineMisbehaved, EngineTooSlow, EngineUnreachable
from bridgework.model.event_log import Change, Gap
from bridgework.model.expectations import HostWatch, SignOfChange
from bridgework.use_cases.event_reader import EventFilter, EventReader
from bridgework.use_cases.services import Services

SETTLE_S, LONGEST_SETTLE_S = 0.05, 0.3
"""After a sign, the signs of the same change follow: they are gathered until none came for so long.

Docker removes a link, then some rules by one program each, and then writes its event: 20 to 200 ms in all.
"""
_TRY_AGAIN_S = 0.5
_LOOK_FOR_HOST_S = 5.0
_POLL_S = 1.0
AWAY = "away"
"""The kind of a sign that the engine does not answer."""
log = structlog.get_logger()


class Signs:
    """Gathers signs from the moment that it is made. ``ending`` ends its threads within about a second."""

    def __init__(self, services: Services, ending: Callable[[], bool]) -> None:
        self._services, self._ending = services, ending
        self._queue: queue.SimpleQueue[SignOfChange | None] = queue.SimpleQueue()
        self._reopen = threading.Event()
        self.sees_host = False
        for work in (self._follow_engine, self._follow_host):
            threading.Thread(target=self._run, args=(work,), name=work.__name__, daemon=True).start()

    def gather(self, seconds: float) -> list[SignOfChange]:
        """Wait at most so long for a sign or ``wake``, and return the sign with those that follow it at once."""
        signs: list[SignOfChange] = []
        first, wait_s = True, seconds
        ends = math.inf
        while wait_s > 0:
            try:
                sign = self._queue.get(timeout=wait_s)
            except queue.Empty:
                break
            if sign is None and not signs:
                break
            if sign is not None:
                signs.append(sign)
            if first:
                first, ends = False, time.monotonic() + LONGEST_SETTLE_S
            wait_s = min(SETTLE_S, ends - time.monotonic())
        return signs

    def wake(self) -> None:
        """End the waiting for signs."""
        self._queue.put(None)

    def _run(self, work: Callable[[], None]) -> None:
        while not self._ending():
            try:
                work()
            except (OSError, BridgeworkError) as error:
                log.info("watch-interrupted", of=work.__name__, why=str(error))
                time.sleep(_TRY_AGAIN_S)

    def _follow_engine(self) -> None:
        try:
            reader = EventReader(self._services, EventFilter(), None)
            # Changes before this moment are in the first prediction.
            with closing(self._services.engine.subscribe()) as grown:
                for has_grown in grown:
                    if self._ending():
                        return
                    for item in reader.read() if has_grown else ():
                        self._queue.put(_of_engine(item))
        except (EngineUnreachable, EngineTooSlow, EngineMisbehaved) as error:
            self._queue.put(SignOfChange(AWAY, now(), error.detail))
            # A restarted engine may be in another namespace.
            self._reopen.set()
            raise

    def _follow_host(self) -> None:
        watch = self._services.runner.watch_host()
        self.sees_host = watch is not None
        if watch is None:
            time.sleep(_LOOK_FOR_HOST_S)
            return
        self._reopen.clear()
        with closing(watch):
            for sign in self._of_host(watch):
                self._queue.put(sign)

    def _of_host(self, watch: HostWatch) -> Iterator[SignOfChange]:
        state = self._services.runner.firewall_state()
        looked_at = time.monotonic()
        while not self._ending() and not self._reopen.is_set():
            signs = watch.wait(_POLL_S)
            yield from signs
            if time.monotonic() - looked_at < _POLL_S:
                continue
            looked_at = time.monotonic()
            before, state = state, self._services.runner.firewall_state()
            if before != state and before is not None and state is not None and _is_silent(before, state):
                yield SignOfChange("setting", now(), _difference(before, state))


def _is_silent(before: str, state: str) -> bool:
    """Whether the states differ in more than the number of the transaction of nf_tables, which comes first."""
    return before.partition(" ")[2] != state.partition(" ")[2]


def _difference(before: str, state: str) -> str:
    old, new = set(before.split(" ")[1:]), set(state.split(" ")[1:])
    switches = sorted(part for part in new - old if "=" in part)
    if switches:
        return f"{' and '.join(part.replace('=', ' is now ') for part in switches)}."
    return "Rules of iptables-legacy or sets of ipset changed."


def _of_engine(item: Change | Gap) -> SignOfChange:
    if isinstance(item, Gap):
        return SignOfChange("engine", now(), f"Events of the engine may be missing: {item.reason}.")
    # The thing that it is about comes first: a container that joins or leaves a network, else the network.
    about = [one for one in (item.container, item.network) if one is not None]
    to = f" {item.container.name}" if item.network is not None and item.container is not None else ""
    code = f" (exit code {item.exit_code})" if item.exit_code is not None else ""
    ids = (*([one.id for one in about] or [item.id]), item.name)
    return SignOfChange("engine", item.time, f"Docker: {item.type} {item.action} {item.name}{to}{code}.", ids)


def now() -> str:
    """Return the time of now, RFC 3339 in UTC."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
