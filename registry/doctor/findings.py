"""What the doctor finds: what is wrong, where, how bad it is, and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

MOST_PER_CHECK = 200
"""Findings of one check that are listed; further ones are counted."""


class Severity(StrEnum):
    """How bad a finding is."""

    NOTE = "note"
    """Worth knowing; nothing is wrong."""
    WARNING = "warning"
    """Something is missing or differs, and a command brings it back."""
    ERROR = "error"
    """The record is not what creditline wrote."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found."""

    check: str
    severity: Severity
    where: str
    what: str
    repair: str


Progress = Callable[[str, int, int], object]
"""Told the check, how far it is and how far it has to go."""


@dataclass
class Examination:
    """All that was looked at and found."""

    findings: list[Finding] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)
    """By check, how many things it looked at."""
    skipped: dict[str, str] = field(default_factory=dict)
    """By check that was not made, why."""
    unlisted: Counter[str] = field(default_factory=Counter)

    def add(self, check: str, severity: Severity, where: str, what: str, repair: str) -> None:
        """Add a finding."""
        if sum(1 for finding in self.findings if finding.check == check) < MOST_PER_CHECK:
            self.findings.append(Finding(check, severity, where, what, repair))
        else:
            self.unlisted[check] += 1

    def error(self, check: str, where: str, what: str, repair: str) -> None:
        """Add an error."""
        self.add(check, Severity.ERROR, where, what, repair)

    @property
    def wrong(self) -> list[Finding]:
        """The findings that are more than notes."""
        return [finding for finding in self.findings if finding.severity is not Severity.NOTE]
