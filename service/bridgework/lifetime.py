"""Whether this process is asked to end. What has no end of its own (a stream) asks here, and ends in time."""

from __future__ import annotations

from collections.abc import Callable


def _never() -> bool:
    return False


class Lifetime:
    """Asked often, from any thread; whoever runs the process says once how to find out."""

    def __init__(self) -> None:
        self._ending: Callable[[], bool] = _never

    def ends_when(self, ending: Callable[[], bool]) -> None:
        """From now on the answer is what ``ending`` says."""
        self._ending = ending

    def ending(self) -> bool:
        """Whether to come to an end now."""
        return self._ending()


PROCESS = Lifetime()
