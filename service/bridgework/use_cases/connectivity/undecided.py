"""The inconclusive pairs of a matrix: why each is so, and what is predicted for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridgework.model.checks import Verdict


@dataclass(frozen=True, slots=True)
class Undecided:
    """The inconclusive pairs of one source that have a reason and a predicted verdict in common.

    ``source`` and ``destinations`` are positions in the order of the containers. ``reason`` is a ``Reason``, or a code
    of the catalogue.
    """

    # Grouped: where a whole matrix is inconclusive, one object for each of 159,600 pairs would be 10 MB.
    source: int
    reason: str
    predicted: str
    destinations: tuple[int, ...]


def grouped(
    source: int, verdicts: Sequence[str], predicted: Sequence[str], why: Callable[[int], str]
) -> tuple[Undecided, ...]:
    """Group the inconclusive columns of a row by reason and prediction. ``why`` returns the reason of a column."""
    found: dict[tuple[str, str], list[int]] = {}
    for column, verdict in enumerate(verdicts):
        if verdict == Verdict.INCONCLUSIVE.value:
            found.setdefault((why(column), predicted[column]), []).append(column)
    return tuple(Undecided(source, *words, tuple(columns)) for words, columns in sorted(found.items()))
