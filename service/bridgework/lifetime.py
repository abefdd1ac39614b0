"""When an answer without an end of its own has to end: its client has left, or the process is asked to end."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar


def _never() -> bool:
    return False


class Lifetime:
    """Ask it often, from any thread. The server says once how to find out."""

    def __init__(self) -> None:
        self._ending: Callable[[], bool] = _never

    def ends_when(self, ending: Callable[[], bool]) -> None:
        """From now on the answer is what ``ending`` says."""
        self._ending = ending

    def ending(self) -> bool:
        """Return whether the process is asked to end."""
        return self._ending()


PROCESS = Lifetime()
_CLIENT_LEFT: ContextVar[Callable[[], bool]] = ContextVar("client_left", default=_never)


def serve_client(left: Callable[[], bool]) -> None:
    """Answer a request of this context's client from now on; ``left`` says whether the client has left."""
    _CLIENT_LEFT.set(left)


def client_left() -> bool:
    """Return whether the client of the request in hand closed its end of the connection."""
    return _CLIENT_LEFT.get()()


def stream_ends() -> bool:
    """Return whether a stream has to end now."""
    return PROCESS.ending() or client_left()
