"""Cases with their predictions, kept while nothing that they were derived from has changed.

A prediction is a function of the question, the snapshot and the observations. The snapshot and the rules in force are
the same objects while nothing changes. Sockets, links and routes are observed for each check, and compared.
"""

from __future__ import annotations

from collections.abc import Hashable

from bridgework.analysis.case import Case
from bridgework.model.checks import Question
from bridgework.model.observations import Observations
from bridgework.model.snapshot import Snapshot

_MAX_KEPT = 512
"""A case with its prediction takes about 15 KiB. Monitoring asks the same few questions again and again."""


class CaseMemory:
    """Cases of one snapshot by question, for any thread. Two threads may derive the same case at the same time."""

    def __init__(self) -> None:
        # One attribute, and no lock: both threads get the same prediction.
        self._memory: tuple[Snapshot | None, dict[Hashable, Case]] = (None, {})

    def of(self, snapshot: Snapshot, question: Question, observations: Observations) -> Case:
        """Return the case of a question: the same one, with what was predicted, while nothing changes."""
        of, cases = self._memory
        if of is not snapshot:
            cases = {}
            self._memory = (snapshot, cases)
        # A check has one case before the host's kernel is asked for the routes, and perhaps one after.
        key = (question, bool(observations.routes))
        case = cases.get(key)
        if case is None or case.observations != observations:
            if len(cases) >= _MAX_KEPT:
                cases.pop(next(iter(cases), None), None)
            case = cases[key] = Case.of(snapshot, question, observations)
        return case
