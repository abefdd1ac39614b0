"""When an endless answer has to end: its client has left, or the process has to end."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path


def _never() -> bool:
    return False


class Lifetime:
    """Whether the process has to end. The server sets the source once; any thread may read it often.

    ``shared_folder`` is in memory, and ends with the service: all its workers share it. ``None`` without a server.
    """

    def __init__(self) -> None:
        self._ending: Callable[[], bool] = _never
        self.shared_folder: Path | None = None

    def ends_when(self, ending: Callable[[], bool]) -> None:
        """Set the function that says whether the process has to end."""
        self._ending = ending

    def ending(self) -> bool:
        """Return whether the process has to end."""
        return self._ending()


PROCESS = Lifetime()
_CLIENT_LEFT: ContextVar[Callable[[], bool]] = ContextVar("client_left", default=_never)


def serve_client(left: Callable[[], bool]) -> None:
    """Answer a request of this context's client from now on; ``left`` says whether the client has left."""
    _CLIENT_LEFT.set(left)


def client_left() -> bool:
    """Return whether the client of the current request closed its end of the connection."""
    return _CLIENT_LEFT.get()()


def stream_ends() -> bool:
    """Return whether a stream has to end now."""
    return PROCESS.ending() or client_left()
