"""A prediction from situations: each address is judged by the table of rules, and the judgements are joined.

The destination is reached where any of its addresses is, as a program falls to the next address of a name where the
first one fails (RFC 6724, section 2).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bridgework.analysis.path import path_of
from bridgework.analysis.routing import Way
from bridgework.analysis.rules.base import Situation
from bridgework.analysis.rules.table import judge
from bridgework.explanations.compose import with_compose
from bridgework.explanations.ports import (
    LISTENS_ON_LOOPBACK_ONLY,
    NO_LISTENER,
    PORT_BOUND_TO_LOOPBACK,
    PORT_NOT_PUBLISHED,
)
from bridgework.model.checks import Finding, Prediction, Severity, TriedAddress, Verdict
from bridgework.model.snapshot import Reference, Snapshot

# A port of the host that is published at another of its addresses.
_ELSEWHERE = frozenset({PORT_NOT_PUBLISHED.code, PORT_BOUND_TO_LOOPBACK.code})
_REFUSED_AT_ONCE = frozenset({NO_LISTENER.code, LISTENS_ON_LOOPBACK_ONLY.code})
_ORDER = {Severity.BLOCKING: 0, Severity.WARNING: 1, Severity.INFO: 2}


def predict_one(situation: Situation) -> Prediction:
    """Predict from one situation."""
    judgement = judge(situation)
    findings = ordered(situation.snapshot, judgement.findings)
    return Prediction(judgement.verdict, path_of(situation, judgement), findings)


def joined(situations: Sequence[Situation], predictions: Sequence[Prediction]) -> Prediction:
    """Join the predictions of all addresses of one question, at least one."""
    addresses = tuple(
        TriedAddress(
            situation.candidate.address,
            situation.candidate.version,
            _network_of(situation),
            prediction.verdict,
        )
        for situation, prediction in zip(situations, predictions, strict=True)
        if situation.candidate is not None
    )
    verdict = any_reachable(one.verdict for one in predictions)
    path = next(one.path for one in predictions if one.verdict is verdict)
    found = [(one.verdict, one.findings) for one in predictions]
    return Prediction(verdict, path, joined_findings(situations, verdict, found), addresses)


def any_reachable(verdicts: Iterable[Verdict]) -> Verdict:
    """Join the verdicts of several addresses: reachable where one is, unreachable only where all are."""
    found = set(verdicts)
    return next(one for one in (Verdict.REACHABLE, Verdict.INCONCLUSIVE, Verdict.UNREACHABLE) if one in found)


def joined_findings(
    situations: Sequence[Situation], verdict: Verdict, found: Sequence[tuple[Verdict, Sequence[Finding]]]
) -> tuple[Finding, ...]:
    """Join the findings of all addresses, each with the verdict of its address. ``verdict`` is that of all together.

    The first address with that verdict explains it. Of the others, what it has not told is added.
    """
    first = next(at for at, (own, _) in enumerate(found) if own is verdict)
    joint = list(found[first][1])
    for at, (own, findings) in enumerate(found):
        if at == first:
            continue
        more: Iterable[Finding] = findings
        if verdict is Verdict.REACHABLE and own is not Verdict.REACHABLE:
            # Where it is not known whether one more address answers, nothing is lost.
            more = _of_closed(situations[at], findings) if own is Verdict.UNREACHABLE else ()
        known = {(one.code, one.component.kind, one.component.id) for one in joint}
        joint += (one for one in more if (one.code, one.component.kind, one.component.id) not in known)
    return ordered(situations[0].snapshot, joint) if len(found) > 1 else tuple(joint)


def _of_closed(situation: Situation, findings: Iterable[Finding]) -> Iterable[Finding]:
    """Return what to tell of an address that is closed where the destination is reached at another one."""
    candidate = situation.candidate
    # The addresses on other networks are closed on purpose: two networks are kept apart.
    if candidate is None or (candidate.way is Way.FORWARDED and not candidate.is_host):
        return
    for one in findings:
        if one.severity is not Severity.BLOCKING or one.code in _ELSEWHERE:
            continue
        # A connection that is refused costs a program nothing: it tries the next address at once.
        severity = Severity.INFO if one.code in _REFUSED_AT_ONCE else Severity.WARNING
        yield replace(one, severity=severity, evidence={"address": candidate.address, **one.evidence})


def _network_of(situation: Situation) -> Reference | None:
    candidate = situation.candidate
    network = candidate.network if candidate is not None else None
    return Reference(network.id, network.name) if network is not None else None


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
