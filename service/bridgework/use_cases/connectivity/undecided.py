"""Inconclusive pairs: why each is so, and in a matrix what is predicted for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bridgework.explanations.undecided import Limitation, limitation
from bridgework.model.checks import Verdict

NODE_UNREACHABLE = "node-unreachable"


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


def limitations(reasons: Mapping[str, int]) -> tuple[Limitation, ...]:
    """Return what a matrix, search or plan leaves open, with the number of pairs, the most frequent reason first."""
    most_first = sorted(reasons.items(), key=lambda one: (-one[1], one[0]))
    return tuple(limitation(code, f"{count:,} {'pair' if count == 1 else 'pairs'}") for code, count in most_first)
