"""One explanation: what the code of a finding means on any engine."""

from __future__ import annotations

from dataclasses import dataclass

from bridgework.explanations.symptoms import SYMPTOMS
from bridgework.model.checks import Severity

BLOCKING, WARNING, INFO = Severity.BLOCKING, Severity.WARNING, Severity.INFO


@dataclass(frozen=True, slots=True)
class Explanation:
    """A row of the catalogue.

    ``severity`` is the usual one; a rule may give another where the situation is worse or less severe.
    ``meaning`` describes the state, ``detection`` the evidence for it, ``remedy`` how to fix it. ``example`` is the
    message of one finding. ``seen`` is what a user sees before any check, and ``references`` are URLs of documents and
    public threads that describe it.
    """

    code: str
    severity: Severity
    meaning: str
    detection: str
    remedy: str
    example: str
    seen: str
    references: tuple[str, ...]

    @property
    def symptoms(self) -> tuple[str, ...]:
        """The names of the symptoms that may have this cause, in alphabetical order."""
        return tuple(sorted(name for name, symptom in SYMPTOMS.items() if self.code in symptom.codes))
