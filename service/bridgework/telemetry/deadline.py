"""The time limit of the current request, in context variables: its engine calls share one limit."""

from __future__ import annotations

import time
from contextvars import ContextVar

from bridgework.model.errors import Remedy, TookTooLong

_END: ContextVar[float | None] = ContextVar("deadline", default=None)
_LIMIT_S: ContextVar[float] = ContextVar("limit", default=0.0)
_ARRIVED: ContextVar[int | None] = ContextVar("arrived", default=None)


def arrived(at_ns: int) -> None:
    """Note when this thread's request arrived, by ``time.monotonic_ns``."""
    _ARRIVED.set(at_ns)


def asked_at_ns() -> int:
    """Return when the current request arrived, else now: a proof of freshness that began later holds for it."""
    return _ARRIVED.get() or time.monotonic_ns()


def begin(seconds: float) -> None:
    """Limit this thread's request to so many seconds from its arrival: the time that it waited for a thread counts."""
    arrived_ns = _ARRIVED.get()
    _END.set((time.monotonic() if arrived_ns is None else arrived_ns / 1e9) + seconds)
    _LIMIT_S.set(seconds)


def extend(seconds: float) -> None:
    """Lengthen the limit by the time that the caller asked the request to take, such as a stop's grace."""
    end = _END.get()
    if end is not None:
        _END.set(end + seconds)
        _LIMIT_S.set(_LIMIT_S.get() + seconds)


def lift() -> None:
    """Remove the limit and the arrival: the request is a stream, or it is over."""
    _END.set(None)
    _ARRIVED.set(None)


def left(at_most: float) -> float:
    """Return the seconds that are left, ``at_most`` at most; 0 when the limit is over."""
    end = _END.get()
    return at_most if end is None else max(0.0, min(at_most, end - time.monotonic()))


def require_left() -> None:
    """Raise ``TookTooLong`` when the limit is over. Loops that compute for long call it: nothing interrupts them."""
    end = _END.get()
    if end is not None and time.monotonic() >= end:
        raise TookTooLong(
            code="time-limit-reached",
            detail=f"The request took longer than the {_LIMIT_S.get():g} s that it may take, and was ended.",
            remedy=Remedy("Ask for less at once, or try again when the service has less to do."),
        )
