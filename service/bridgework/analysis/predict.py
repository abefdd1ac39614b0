"""What the engine's state says about a question: verdict, path and findings, without sending anything.

Three steps: where the source stands (``standing``); which addresses the destination means to it
(``aim``); what the table of rules says to each (``rules``, which tells the theory). Total: whatever
the snapshot holds, there is an answer.
"""

from __future__ import annotations

from collections.abc import Iterable

from bridgework.analysis.attachment import attachment_of
from bridgework.analysis.candidate_addresses import candidate_addresses
from bridgework.analysis.path import joined, path_of
from bridgework.analysis.rules.base import Situation
from bridgework.analysis.rules.table import judge
from bridgework.model.checks import Finding, Prediction, Question, Severity, Verdict
from bridgework.model.observations import NOTHING_SEEN, Observations
from bridgework.model.snapshot import Snapshot

_ORDER = {Severity.BLOCKING: 0, Severity.WARNING: 1, Severity.INFO: 2}


def predict(snapshot: Snapshot, question: Question, observations: Observations = NOTHING_SEEN) -> Prediction:
    """The verdict, the way there, and why. Where a name has several holders that differ, it is inconclusive."""
    situations = situations_of(snapshot, question, observations)
    judged = [judge(situation) for situation in situations]
    verdicts = {judgement.verdict for judgement in judged}
    findings = ordered(finding for judgement in judged for finding in judgement.findings)
    paths = [path_of(situation, judgement) for situation, judgement in zip(situations, judged, strict=True)]
    if len(verdicts) == 1:
        return Prediction(verdicts.pop(), paths[0], findings)
    return Prediction(Verdict.INCONCLUSIVE, joined(paths), findings)


def situations_of(snapshot: Snapshot, question: Question, observations: Observations) -> tuple[Situation, ...]:
    """One situation a goal; one without, where there is no goal. Never empty."""
    source = attachment_of(snapshot, question.source_id, observations)
    aimed = candidate_addresses(snapshot, source, question, observations)
    candidates = aimed.candidates or (None,)
    return tuple(Situation(snapshot, question, observations, source, aimed, candidate) for candidate in candidates)


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Without duplicates, what blocks first, then by code and component: the same order every time."""
    unique: dict[tuple[str, str, str, str], Finding] = {}
    for finding in findings:
        key = (finding.code, finding.component.kind, finding.component.id, finding.message)
        unique.setdefault(key, finding)
    return tuple(
        sorted(unique.values(), key=lambda f: (_ORDER[f.severity], f.code, f.component.name, f.component.id, f.message))
    )
