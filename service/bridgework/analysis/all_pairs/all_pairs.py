"""Predicted verdicts for all pairs of many containers, with one prediction for each kind of pair.

The rules read few properties of a container (``classes``). Containers with equal properties form a class. The verdict
of a pair depends on the two classes, and on the positions of the networks that both containers are on. So each such
combination is predicted once: 10,000 containers in 1,000 networks take about ten predictions. The findings of one pair
are predicted on demand, and the matrix is never stored.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Literal

from bridgework.analysis.all_pairs.classes import Classes, classify
from bridgework.analysis.attachment import EngineState
from bridgework.analysis.case import Case
from bridgework.analysis.rules.table import LIMIT, why_undecided
from bridgework.model.checks import (
    ContainerDestination,
    NameDestination,
    Prediction,
    ProbeRequest,
    Protocol,
    Question,
    Verdict,
)
from bridgework.model.observations import NOTHING_SEEN, Observations
from bridgework.model.snapshot import Snapshot

By = Literal["address", "name"]
Meeting = tuple[tuple[int, int], ...] | Literal["same"]

# A row of the matrix is bytes. Each byte is an index into this tuple.
VERDICTS = (Verdict.REACHABLE, Verdict.UNREACHABLE, Verdict.INCONCLUSIVE)
_CODES = {verdict: code for code, verdict in enumerate(VERDICTS)}


def predict_matrix(
    snapshot: Snapshot,
    container_ids: Sequence[str],
    protocol: Protocol = Protocol.ICMP,
    port: int | None = None,
    by: By = "address",
    observations: Observations = NOTHING_SEEN,
) -> MatrixPrediction:
    """Predict every pair of these containers. A port whose listeners were not observed is inconclusive."""
    return MatrixPrediction(EngineState(snapshot, observations), tuple(container_ids), protocol, port, by)


class MatrixPrediction:
    """The predicted matrix. Rows are sources, columns are destinations, both in the order of the container ids."""

    def __init__(
        self, state: EngineState, container_ids: tuple[str, ...], protocol: Protocol, port: int | None, by: By
    ) -> None:
        """Sort the containers into classes; nothing is predicted yet."""
        self.state = state
        self._protocol, self._port, self._by = protocol, port, by
        self._ids = container_ids
        # This reads each container once. The predictions follow when a row is read.
        self._classes: Classes = classify(state, container_ids, protocol, port, by_name=by == "name")
        self._known: dict[Hashable, int] = {}
        # The positions of the addresses whose prediction differs from that of the first, for the keys that have any.
        self._others: dict[Hashable, tuple[int, ...]] = {}
        # Why the pairs with this key are inconclusive.
        self._reasons: dict[Hashable, str] = {}
        self._rows: dict[int, bytes] = {}

    def question(self, source: int, destination: int) -> Question:
        """Return the question of one pair, by positions."""
        asked: ContainerDestination | NameDestination = ContainerDestination(self._ids[destination])
        container = self.state.snapshot.containers_by_id.get(self._ids[destination])
        # A removed container has no name to ask by, so it is asked by its id.
        if self._by == "name" and container is not None:
            asked = NameDestination(container.name)
        return Question(self._ids[source], asked, ProbeRequest(self._protocol, port=self._port))

    def case(self, source: int, destination: int) -> Case:
        """Return the case of one pair alone, by positions."""
        return Case.within(self.state, self.question(source, destination))

    def prediction(self, source: int, destination: int) -> Prediction:
        """Predict one pair alone, with path and findings."""
        return self.case(source, destination).predict()

    def verdict(self, source: int, destination: int) -> Verdict:
        """Return the verdict of one pair."""
        return VERDICTS[self._code(source, destination, self._classes.meeting(source, destination))]

    @property
    def differ(self) -> bool:
        """Whether a pair that was predicted so far has addresses with different predictions."""
        return bool(self._others)

    def others(self, source: int, destination: int) -> tuple[int, ...]:
        """Return the positions of the addresses of a pair whose prediction differs from that of the first address.

        The addresses are those of the pair's case, in its order.
        """
        return self._others.get(self._key(source, destination, self._classes.meeting(source, destination)), ())

    def why_undecided(self, source: int, destination: int) -> str:
        """Return the code of what makes the inconclusive verdict of one pair so."""
        meeting = self._classes.meeting(source, destination)
        self._code(source, destination, meeting)
        return self._reasons.get(self._key(source, destination, meeting), LIMIT)

    def rows(self) -> Iterator[bytes]:
        """Yield the row of each source."""
        for source in range(len(self._ids)):
            yield self.row(source)

    def row(self, source: int) -> bytes:
        """Return the verdicts of one source: a byte for each destination, an index into ``VERDICTS``.

        The byte on the diagonal is the verdict of the container to itself.
        """
        group = self._classes.group_of[source]
        # 1,000 containers on 100 networks are 100 groups, so a row is derived 100 times, not 1,000 times.
        if group not in self._rows:
            self._rows[group] = self._row_of_group(source)
        row = self._rows[group]
        changed = bytearray(row)
        # The row is the group's. Only its own namespace and the non-uniform destinations differ within a group.
        for destination in (*self._classes.same_namespace(source), *self._classes.non_uniform):
            meeting = self._classes.meeting(source, destination)
            changed[destination] = self._code(source, destination, meeting)
        return bytes(changed)

    def _row_of_group(self, source: int) -> bytes:
        """Derive the row of a group: by class where the two share no network, then the few others one by one."""
        # The row serves the whole group. For destinations in the source's own namespace, another container of the
        # group stands in as the source.
        classes = self._classes
        own, twin = classes.namespaces[source], classes.twin(source)
        # Without a common network only the two classes count: one code for each class of destinations.
        apart = {
            kind: self._code(asker, stranger, ())
            for kind in classes.kinds
            for asker in (twin, source)
            if asker is not None and (stranger := classes.stranger(asker, kind)) is not None
        }
        row = classes.spread(apart)
        # On a common network the positions of the networks count too.
        for destination in classes.met_by(source):
            asker = twin if classes.namespaces[destination] == own else source
            if asker is not None:
                row[destination] = self._code(asker, destination, classes.meeting(asker, destination))
        return bytes(row)

    def _code(self, source: int, destination: int, meeting: Meeting) -> int:
        key = self._key(source, destination, meeting)
        if key not in self._known:
            prediction = self.prediction(source, destination)
            self._known[key] = _CODES[prediction.verdict]
            first = next(iter(prediction.addresses), None)
            others = tuple(
                at for at, one in enumerate(prediction.addresses) if first and one.predicted is not first.predicted
            )
            if others:
                self._others[key] = others
            if prediction.verdict is Verdict.INCONCLUSIVE:
                self._reasons[key] = why_undecided(prediction.findings)
        return self._known[key]

    def _key(self, source: int, destination: int, meeting: Meeting) -> Hashable:
        classes = self._classes
        key: Hashable = (classes.class_of[source], classes.class_of[destination], meeting)
        # Such a destination has one prediction for each group of sources, or for each source that uses its name.
        involved = classes.non_uniform.get(destination)
        if involved is not None:
            key = (source if source in involved else f"group {classes.group_of[source]}", destination)
        return key
