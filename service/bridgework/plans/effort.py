"""How much one plan or query may predict: a bound that depends on the engine and the request only, and on its time."""

from __future__ import annotations

from collections.abc import Callable

from bridgework.model.errors import InvalidInput, Remedy

MAX_PREDICTIONS = 50_000
"""Predictions of pairs of different kinds, in both states together. Each takes about 0.1 ms of processor time. Deleting
a network of ten among 10,000 endpoints takes 4,059, and looks at 104,004 pairs."""
MAX_PAIRS = 1_000_000
"""Verdicts of pairs that are looked at, in both states together. Each takes 2 to 4 µs, and a changed pair 0.2 KB."""
_AT_ONCE = 64


def plan_too_large(what: str) -> InvalidInput:
    """Return the error of a plan that takes ``what``."""
    return InvalidInput(
        code="plan-too-large",
        detail=f"To say what these changes would do takes {what}.",
        remedy=Remedy("Plan fewer changes at once, or changes of containers with fewer ports."),
    )


def query_too_large(what: str) -> InvalidInput:
    """Return the error of a query that takes ``what``."""
    return InvalidInput(
        code="query-too-large",
        detail=f"To answer this query takes {what}.",
        remedy=Remedy("Name a `port`, or ask for the `sources` of one container after another."),
    )


class Effort:
    """Counts the work of one difference or query. ``require_time`` raises when the request has no time left.

    ``too_large`` makes the error for what is more than a plan or a query may take.
    """

    def __init__(
        self,
        require_time: Callable[[], None] = lambda: None,
        too_large: Callable[[str], InvalidInput] = plan_too_large,
    ) -> None:
        self.pairs = self.predictions = 0
        self._require_time = require_time
        self._too_large = too_large

    def pair(self) -> None:
        """Count a verdict that is looked at. Raises ``InvalidInput`` if that is one too many."""
        self.pairs += 1
        if self.pairs > MAX_PAIRS:
            raise self._too_large(f"the verdicts of more than {MAX_PAIRS:,} pairs of containers and ports")
        if self.pairs % (_AT_ONCE * 16) == 0:
            self._require_time()

    def prediction(self) -> None:
        """Count a prediction. Raises ``InvalidInput`` if that is one too many."""
        self.predictions += 1
        if self.predictions > MAX_PREDICTIONS:
            raise self._too_large(f"more than {MAX_PREDICTIONS:,} predictions")
        if self.predictions % _AT_ONCE == 0:
            self._require_time()
