"""The current request's id and W3C trace context, in a context variable, for requests that are sent on its behalf."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextvars import ContextVar

_NOTHING: Mapping[str, str] = {}
_CARRIED: ContextVar[Mapping[str, str]] = ContextVar("trace", default=_NOTHING)
_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[\x21-\x7e]*)?")
_STATE = re.compile(r"[\x20-\x7e]{1,512}")
MAX_PARENT = 256


def begin(request_id: str, traceparent: str | None, tracestate: str | None) -> None:
    """Set the headers of this thread's request; an invalid trace context is left out."""
    carried = {"X-Request-ID": request_id}
    if traceparent and len(traceparent) <= MAX_PARENT and _PARENT.fullmatch(traceparent):
        carried["traceparent"] = traceparent
        if tracestate and _STATE.fullmatch(tracestate):
            carried["tracestate"] = tracestate
    _CARRIED.set(carried)


def carried() -> Mapping[str, str]:
    """Return the headers to send along; none outside of a request."""
    return _CARRIED.get()


def take(headers: Mapping[str, str]) -> None:
    """Set the headers that ``carried`` returned in another thread, which this thread works for."""
    _CARRIED.set(headers)
