"""By when the request in hand must be answered; whoever waits for something asks how long it still may.

Kept beside the call, not handed through it: a request makes several engine calls, and their sum has one end.
"""

from __future__ import annotations

import time
from contextvars import ContextVar

_END: ContextVar[float | None] = ContextVar("deadline", default=None)


def begin(seconds: float) -> None:
    """From now on this thread's request has so long."""
    _END.set(time.monotonic() + seconds)


def extend(seconds: float) -> None:
    """The caller asked for something that takes this much longer by itself."""
    end = _END.get()
    if end is not None:
        _END.set(end + seconds)


def lift() -> None:
    """The request has no end of its own (a stream), or is over."""
    _END.set(None)


def left(at_most: float) -> float:
    """Seconds that may be waited: ``at_most``, less when the end is nearer; 0 when it is past."""
    end = _END.get()
    return at_most if end is None else max(0.0, min(at_most, end - time.monotonic()))
