"""One explanation: what the code of a finding means on any engine."""

from __future__ import annotations

from dataclasses import dataclass

from bridgework.model.checks import Severity

BLOCKING, WARNING, INFO = Severity.BLOCKING, Severity.WARNING, Severity.INFO


@dataclass(frozen=True, slots=True)
class Explanation:
    """A row of the catalogue.

    ``severity`` is the usual one; a rule may give another where the situation is worse or less severe.
    ``meaning`` describes the state, ``detection`` the evidence for it, ``remedy`` how to fix it. ``example`` is the
    message of one finding.
    """

    code: str
    severity: Severity
    meaning: str
    detection: str
    remedy: str
    example: str
