"""All pairs at once: what the engine's state says of every source and destination, by classes that cannot differ.

**The idea.** The rules see little of a pair: what condition each is in, what kinds of networks each is on in which
order, by what kind of network each leaves, whether the port is listened on, and which of those networks are the same.
Containers that are alike in all of the former form a *class* (``classes``); the verdict of a pair is the
verdict of its two classes and of where they *meet*: the positions, in both lists, of the networks in common. So one
``predict`` is made per kind of meeting, never per pair, and the matrix is never stored. A container that was looked
into is a class of its own; a name that others use too is asked once for each group of sources.

10,000 containers in 1,000 networks are some ten predictions. Findings of a pair are predicted when asked for.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Literal

from bridgework.analysis.all_pairs.classes import Classes, classify
from bridgework.analysis.attachment import EngineState
from bridgework.analysis.case import Case
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

VERDICTS = (Verdict.REACHABLE, Verdict.UNREACHABLE, Verdict.INCONCLUSIVE)
"""A row of the matrix is bytes: each an index into this."""
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
    """A matrix that answers as if it were stored. Rows are sources, columns destinations, in the order given."""

    def __init__(
        self, state: EngineState, container_ids: tuple[str, ...], protocol: Protocol, port: int | None, by: By
    ) -> None:
        """Sort the containers into classes; nothing is predicted yet."""
        self.state = state
        self._protocol, self._port, self._by = protocol, port, by
        self._ids = container_ids
        self._classes: Classes = classify(state, container_ids, protocol, port, by_name=by == "name")
        self._known: dict[Hashable, int] = {}
        self._rows: dict[int, bytes] = {}

    def question(self, source: int, destination: int) -> Question:
        """The question of one pair."""
        aimed: ContainerDestination | NameDestination = ContainerDestination(self._ids[destination])
        container = self.state.snapshot.containers_by_id.get(self._ids[destination])
        if self._by == "name" and container is not None:
            aimed = NameDestination(container.name)
        return Question(self._ids[source], aimed, ProbeRequest(self._protocol, port=self._port))

    def prediction(self, source: int, destination: int) -> Prediction:
        """The pair predicted by itself, with path and findings."""
        return Case.within(self.state, self.question(source, destination)).predict()

    def verdict(self, source: int, destination: int) -> Verdict:
        """The verdict of one pair."""
        return VERDICTS[self._code(source, destination, self._classes.meeting(source, destination))]

    def rows(self) -> Iterator[bytes]:
        """Each source's verdicts in turn, a byte a destination; the diagonal is the container to itself."""
        for source in range(len(self._ids)):
            yield self.row(source)

    def row(self, source: int) -> bytes:
        """The verdicts of one source. Sources of one class on the same networks share the row, but for themselves."""
        group = self._classes.group_of[source]
        if group not in self._rows:
            self._rows[group] = self._row_of_group(source)
        row = self._rows[group]
        changed = bytearray(row)
        for destination in (*self._classes.same_namespace(source), *self._classes.non_uniform):
            meeting = self._classes.meeting(source, destination)
            changed[destination] = self._code(source, destination, meeting)
        return bytes(changed)

    def _row_of_group(self, source: int) -> bytes:
        """What is not met, by class; then the few that are met, one by one.

        The row serves the whole group, so what the source shares a namespace with is asked by another of the group.
        """
        classes = self._classes
        own, twin = classes.namespaces[source], classes.twin(source)
        apart = {
            kind: self._code(asker, stranger, ())
            for kind in classes.kinds
            for asker in (twin, source)
            if asker is not None and (stranger := classes.stranger(asker, kind)) is not None
        }
        row = classes.spread(apart)
        for destination in classes.met_by(source):
            asker = twin if classes.namespaces[destination] == own else source
            if asker is not None:
                row[destination] = self._code(asker, destination, classes.meeting(asker, destination))
        return bytes(row)

    def _code(self, source: int, destination: int, meeting: Meeting) -> int:
        classes = self._classes
        key: Hashable = (classes.class_of[source], classes.class_of[destination], meeting)
        involved = classes.non_uniform.get(destination)
        if involved is not None:
            key = (source if source in involved else f"group {classes.group_of[source]}", destination)
        if key not in self._known:
            self._known[key] = _CODES[self.prediction(source, destination).verdict]
        return self._known[key]
