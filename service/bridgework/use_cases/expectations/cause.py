"""The cause of a change: the finding that appeared or disappeared, and the event that made it so.

The findings are those of the check before and of the check after. An event is named only where it fits the finding and
no other event does: two programs that changed the rules at the same time leave it open who was the one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bridgework.explanations import SUBJECTS
from bridgework.explanations.answers import PREDICTION_INCONSISTENT
from bridgework.explanations.explanation import Explanation
from bridgework.explanations.links import LINK_DOWN
from bridgework.explanations.networks import NETWORKS_NOT_ISOLATED
from bridgework.model.checks import Severity, Verdict
from bridgework.model.expectations import NOT_KNOWN, Cause, ExpectationState, Json, SignOfChange

_SUBJECT_OF = {
    row.code: subject.__name__.rpartition(".")[2]
    for subject in SUBJECTS
    for row in vars(subject).values()
    if isinstance(row, Explanation)
}
# What can make a finding of each subject appear or disappear, the nearest first.
_KINDS_OF: Mapping[str, tuple[str, ...]] = {
    "firewall": ("rules", "setting", "engine"),
    "networks": ("engine", "rules"),
    "ports": ("engine", "rules"),
    "links": ("link", "engine"),
    "addresses": ("address", "engine", "link"),
    "routes": ("route", "policy-rule", "setting", "address", "link", "engine"),
    "containers": ("engine",),
    "names": ("engine",),
    "overlay": ("engine", "link"),
}
_NOTHING = "What changed is not known."


@dataclass(frozen=True, slots=True)
class Seen:
    """What a check showed: its verdict, its findings as JSON, a sentence, and the code of an error or of a limit.

    ``ends`` are the full ids of both containers and of their networks. ``path`` are the names of the hops that the
    packet was predicted to pass.
    """

    verdict: Verdict | None
    findings: Sequence[Json]
    message: str
    code: str | None = None
    ends: frozenset[str] = frozenset()
    path: frozenset[str] = frozenset()


def cause_of(before: ExpectationState | None, seen: Seen, signs: Sequence[SignOfChange]) -> Cause:
    """Return why the status changed; ``signs`` are the events since it was known to be as before."""
    if seen.code is not None:
        event = _event(("engine",), signs, lambda sign: any(name and name in seen.message for name in sign.ids[-1:]))
        return Cause(seen.code, seen.message, event=event or _of_ends(signs, seen.ends))
    told = _gone(before, seen) if seen.verdict is Verdict.REACHABLE else _come(before, seen)
    if told is None:
        link = _link_of(seen, signs)
        if link is not None:
            return link
        surprise = next((one for one in seen.findings if one["code"] == PREDICTION_INCONSISTENT.code), None)
        return Cause(NOT_KNOWN, f"{_NOTHING} {surprise['message']}" if surprise is not None else _NOTHING)
    finding, has_gone = told
    message = f"This holds no longer: {finding['message']}" if has_gone else str(finding["message"])
    return Cause(finding["code"], message, finding["component"], _event_of(finding, signs, seen.ends))


def _link_of(seen: Seen, signs: Sequence[SignOfChange]) -> Cause | None:
    """Return the link on the packet's path that went down or came up, where no finding explains the change."""
    passed = [sign for sign in signs if sign.kind == "link" and seen.path.intersection(sign.ids)]
    if not passed:
        return None
    [name, *_] = passed[-1].ids
    is_open = seen.verdict is Verdict.REACHABLE
    message = f"{name}, which the packet passes, {'is up again' if is_open else 'is down'}."
    # A link may go down and come up again while the packet waits.
    if passed[-1].what != f"The link {name} is {'up' if is_open else 'down'}.":
        return None
    return Cause(LINK_DOWN.code, message, {"kind": "interface", "id": name, "name": name}, passed[-1])


def _come(before: ExpectationState | None, seen: Seen) -> tuple[Json, bool] | None:
    """Return the finding that closed the way."""
    known = {_key(one) for one in before.findings} if before is not None else set()
    closing = [one for one in seen.findings if one["severity"] == Severity.BLOCKING and _explains(one)]
    new = next((one for one in closing if _key(one) not in known), None) or next(iter(closing), None)
    return (new, False) if new is not None else None


def _gone(before: ExpectationState | None, seen: Seen) -> tuple[Json, bool] | None:
    """Return the finding that kept the way closed and is gone, or that explains why it is open."""
    now = {_key(one) for one in seen.findings}
    closing = (one for one in (before.findings if before else ()) if one["severity"] == Severity.BLOCKING)
    gone = next((one for one in closing if _explains(one) and _key(one) not in now), None)
    if gone is not None:
        return gone, True
    opened = next((one for one in seen.findings if one["code"] == NETWORKS_NOT_ISOLATED.code), None)
    return (opened, False) if opened is not None else None


def _explains(finding: Json) -> bool:
    return bool(finding["code"] != PREDICTION_INCONSISTENT.code)


def _key(finding: Json) -> tuple[str, str, str]:
    return finding["code"], finding["component"]["kind"], finding["component"]["id"]


def _event_of(finding: Json, signs: Sequence[SignOfChange], ends: frozenset[str]) -> SignOfChange | None:
    related = ends | {finding["component"]["id"]}
    text = f"{finding['message']} {finding['evidence']}"
    subject = _SUBJECT_OF.get(finding["code"], "")
    for kind in _KINDS_OF.get(subject, ()):
        if kind == "engine":
            event = _of_ends(signs, related) or (_of_members(signs, related) if subject == "names" else None)
        else:
            event = _event((kind,), signs, lambda sign: any(name and name in text for name in sign.ids))
        if event is not None:
            return event
    return None


def _of_ends(signs: Iterable[SignOfChange], related: frozenset[str]) -> SignOfChange | None:
    """Return the newest event of the engine about one of these things."""
    fitting = [sign for sign in signs if sign.kind == "engine" and related.intersection(sign.ids[:1])]
    return fitting[-1] if fitting else None


def _of_members(signs: Iterable[SignOfChange], related: frozenset[str]) -> SignOfChange | None:
    """Return the newest event of the only container that joined or left one of these networks: names go with it."""
    fitting = [sign for sign in signs if sign.kind == "engine" and related.intersection(sign.ids)]
    return fitting[-1] if len({sign.ids[0] for sign in fitting}) == 1 else None


def _event(
    kinds: Sequence[str], signs: Iterable[SignOfChange], names_it: Callable[[SignOfChange], bool]
) -> SignOfChange | None:
    """Return the event of these kinds that names the thing, else the only one there is of one author."""
    of_kind = [sign for sign in signs if sign.kind in kinds]
    named = [sign for sign in of_kind if names_it(sign)]
    if named:
        return named[-1]
    if "engine" in kinds:
        return None
    authors = {sign.ids for sign in of_kind} if kinds == ("rules",) else {sign.what for sign in of_kind}
    return of_kind[-1] if len(authors) == 1 else None
