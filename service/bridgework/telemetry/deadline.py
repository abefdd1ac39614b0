"""Since when the request in hand is here, and by when it must be answered; whoever waits asks how long it still may.

Kept beside the call, not handed through it: a request makes several engine calls, and their sum has one end.
"""

from __future__ import annotations

import time
from contextvars import ContextVar

_END: ContextVar[float | None] = ContextVar("deadline", default=None)
_ARRIVED: ContextVar[int | None] = ContextVar("arrived", default=None)


def arrived(at_ns: int) -> None:
    """This thread's request was here at this moment, by ``time.monotonic_ns``."""
    _ARRIVED.set(at_ns)


def asked_at_ns() -> int:
    """A moment at which the request in hand was here already: what is true later is fresh enough for its first read."""
    return _ARRIVED.get() or time.monotonic_ns()


def begin(seconds: float) -> None:
    """From now on this thread's request has so long."""
    _END.set(time.monotonic() + seconds)


def extend(seconds: float) -> None:
    """The caller asked for something that takes this much longer by itself."""
    end = _END.get()
    if end is not None:
        _END.set(end + seconds)


def lift() -> None:
    """The request has no end of its own (a stream), or is over: what comes now is asked now."""
    _END.set(None)
    _ARRIVED.set(None)


def left(at_most: float) -> float:
    """Seconds that may be waited: ``at_most``, less when the end is nearer; 0 when it is past."""
    end = _END.get()
    return at_most if end is None else max(0.0, min(at_most, end - time.monotonic()))
