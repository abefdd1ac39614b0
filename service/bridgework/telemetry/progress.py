"""Progress of long work, in a context variable: the engine package reports it, and a request may listen to it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

_LISTENER: ContextVar[Callable[[str], None] | None] = ContextVar("progress", default=None)


def listen(listener: Callable[[str], None]) -> None:
    """Call ``listener`` with each sentence that this context's work reports from now on."""
    _LISTENER.set(listener)


def tell(message: str) -> None:
    """Report in a short sentence what is being done now; without a listener nothing happens."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(message)
