"""The shape of one explanation: what a finding's code means, apart from any one engine."""

from __future__ import annotations

from dataclasses import dataclass

from bridgework.model.checks import Severity

BLOCKING, WARNING, INFO = Severity.BLOCKING, Severity.WARNING, Severity.INFO


@dataclass(frozen=True, slots=True)
class Explanation:
    """A row of the catalogue.

    ``severity`` is the usual one; a rule may give another where the question makes it worse or milder.
    ``meaning`` says what is so, ``detection`` from what it is read, ``remedy`` what mends it, ``example`` one message.
    """

    code: str
    severity: Severity
    meaning: str
    detection: str
    remedy: str
    example: str
