"""What the request in hand carries for whoever is asked on its behalf: its id and the caller's W3C trace context.

Kept beside the call, as ``deadline`` is; a thread that asks in another's stead takes it along by ``take``.
"""

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
    """From now on this thread asks for that request. A context that makes no sense is not passed on."""
    carried = {"X-Request-ID": request_id}
    if traceparent and len(traceparent) <= MAX_PARENT and _PARENT.fullmatch(traceparent):
        carried["traceparent"] = traceparent
        if tracestate and _STATE.fullmatch(tracestate):
            carried["tracestate"] = tracestate
    _CARRIED.set(carried)


def carried() -> Mapping[str, str]:
    """The headers to send along; none outside of a request."""
    return _CARRIED.get()


def take(headers: Mapping[str, str]) -> None:
    """This thread asks in the stead of another, whose ``carried`` they were."""
    _CARRIED.set(headers)
