"""A prediction from situations: each is judged by the table of rules, and the judgements are joined."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bridgework.analysis.path import joined, path_of
from bridgework.analysis.rules.base import Situation
from bridgework.analysis.rules.table import judge
from bridgework.explanations.compose import with_compose
from bridgework.model.checks import Finding, Prediction, Severity, Verdict
from bridgework.model.snapshot import Snapshot

_ORDER = {Severity.BLOCKING: 0, Severity.WARNING: 1, Severity.INFO: 2}


def predict(situations: Sequence[Situation]) -> Prediction:
    """Predict from the situations of one question, at least one.

    A name with several holders has one situation each, and the resolver picks any of them. Where their verdicts
    differ, the prediction is inconclusive.
    """
    judged = [judge(situation) for situation in situations]
    verdicts = {judgement.verdict for judgement in judged}
    findings = ordered(situations[0].snapshot, (finding for judgement in judged for finding in judgement.findings))
    paths = [path_of(situation, judgement) for situation, judgement in zip(situations, judged, strict=True)]
    # The first path is shown: the others have the same verdict, and usually the same hops.
    if len(verdicts) == 1:
        return Prediction(verdicts.pop(), paths[0], findings)
    return Prediction(Verdict.INCONCLUSIVE, joined(paths), findings)


def ordered(snapshot: Snapshot, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Remove duplicates, add what Compose knows, and sort: the most severe first, then by code and component."""
    unique: dict[tuple[str, str, str, str], Finding] = {}
    for finding in findings:
        # Several holders of a name often give the same finding. The message makes different facts different findings.
        key = (finding.code, finding.component.kind, finding.component.id, finding.message)
        unique.setdefault(key, with_compose(snapshot, finding))
    return tuple(
        sorted(unique.values(), key=lambda f: (_ORDER[f.severity], f.code, f.component.name, f.component.id, f.message))
    )
