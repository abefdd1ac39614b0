"""The other addresses of a pair in a matrix: measured where their prediction differs from that of the first address.

Another address of a column is a target of its own. Its index is the column's, plus the number of columns for each
address before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bridgework.analysis.address_choice import Reach
from bridgework.analysis.all_pairs.all_pairs import MatrixPrediction
from bridgework.analysis.attachment import Attachment
from bridgework.analysis.candidate_addresses import candidate_addresses
from bridgework.analysis.predict import any_reachable
from bridgework.model.checks import ContainerDestination, TriedAddress
from bridgework.model.probe_port import SweepOutcome
from bridgework.model.snapshot import Reference


@dataclass(frozen=True, slots=True)
class PairAddresses:
    """A pair whose addresses have different predictions, with what was measured at each."""

    source: Reference
    destination: Reference
    addresses: tuple[TriedAddress, ...]


def addresses_of_pair(
    prediction: MatrixPrediction, outcomes: Sequence[SweepOutcome], row: int, column: int, columns: int
) -> tuple[TriedAddress, ...]:
    """Return the addresses of a pair, each with its prediction and, where it was probed, its measurement."""
    predicted = prediction.prediction(row, column).addresses
    measured: dict[str, SweepOutcome] = {}
    for outcome in outcomes:
        at = outcome.index // columns
        if outcome.index % columns == column and at < len(predicted):
            # A name may lead to another address than the first one.
            measured[outcome.address or predicted[at].address] = outcome
    return tuple(
        replace(one, measured=found.verdict, reason=found.reason)
        if (found := measured.get(one.address)) is not None
        else one
        for one in predicted
    )


def other_addresses(
    prediction: MatrixPrediction, reach: Reach, attachments: Sequence[Attachment], source: int
) -> Iterator[tuple[int, int, str]]:
    """Yield column, number and text of each other address to measure from a source; the first address has number 0."""
    # The row is predicted by now, so that the kinds of pairs are known.
    prediction.row(source)
    if not prediction.differ:
        return
    for column, destination in enumerate(attachments):
        others = prediction.others(source, column) if column != source else ()
        if not others:
            continue
        question = prediction.question(source, column)
        if isinstance(question.destination, ContainerDestination):
            addresses = reach.addresses_of(attachments[source], destination)
        else:
            found = candidate_addresses(prediction.state, attachments[source], question).candidates
            addresses = tuple(candidate.address for candidate in found)
        yield from ((column, at, addresses[at]) for at in others if at < len(addresses))


def one_a_column(outcomes: Sequence[SweepOutcome], columns: int) -> Sequence[SweepOutcome]:
    """Join the outcomes of all addresses of a column, in the order of the columns: any address is enough."""
    # The outcomes are in the order of the targets, and the other addresses come last.
    if not outcomes or outcomes[-1].index < columns:
        return outcomes
    found = {outcome.index: outcome for outcome in outcomes if outcome.index < columns}
    for outcome in outcomes[len(found) :]:
        column = outcome.index % columns
        first = found.get(column)
        if first is None or any_reachable((first.verdict, outcome.verdict)) is not first.verdict:
            found[column] = SweepOutcome(column, outcome.verdict, outcome.rtt_ms, outcome.reason, outcome.address)
    return [found[column] for column in sorted(found)]
