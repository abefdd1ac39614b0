"""One explanation: what the code of a finding means on any engine."""

from __future__ import annotations

from dataclasses import dataclass

from bridgework.model.checks import Severity, Verdict

BLOCKING, WARNING, INFO = Severity.BLOCKING, Severity.WARNING, Severity.INFO


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """A row of the catalogue.

    ``severity`` is the usual one; a rule may give another where the situation is worse or less severe.
    ``meaning`` describes the state, ``detection`` the evidence for it, ``remedy`` how to fix it. ``example`` is the
    message of one finding. ``seen`` is what a user sees before any check, ``symptoms`` names the kinds of it
    (``symptoms.py``), and ``references`` are URLs of documents and public threads that describe the state.
    ``unseen`` says what may have let the packet pass where a prediction with this cause says that it does not. A
    warning that is ``undecided`` makes the verdict inconclusive: something was not observed, may change while the probe
    waits, or depends on which of two stations answers first. ``about`` is the
    verdict that the cause explains, where it has nothing to say of another one. With ``quotes_rule`` the finding names
    a setting for which Docker writes a rule, and it quotes that rule as evidence.
    """

    code: str
    severity: Severity
    meaning: str
    detection: str
    remedy: str
    example: str
    seen: str
    symptoms: tuple[str, ...]
    references: tuple[str, ...]
    unseen: str = ""
    undecided: bool = False
    about: Verdict | None = None
    quotes_rule: bool = False
