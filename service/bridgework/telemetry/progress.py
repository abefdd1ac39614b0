"""Progress of long work, told to the request that waits for it.

Kept beside the call, as ``deadline`` is: the engine room tells what it is doing, and the HTTP room listens where its
client asked for progress. Without a listener nothing is done with it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

_LISTENER: ContextVar[Callable[[str], None] | None] = ContextVar("progress", default=None)


def listen(listener: Callable[[str], None]) -> None:
    """Let ``listener`` hear what this context's work tells from now on."""
    _LISTENER.set(listener)


def tell(message: str) -> None:
    """Say in a short sentence what is being done now."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(message)
