"""Findings of the doctor: the fault, its place, its severity and its repair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

MOST_PER_CHECK = 200
"""Findings of one check that are listed; further ones are counted."""


class Severity(StrEnum):
    """How serious a finding is."""

    NOTE = "note"
    """Worth knowing; nothing is wrong."""
    WARNING = "warning"
    """Something is missing or differs, and a command restores it."""
    ERROR = "error"
    """The record is not as creditline wrote it."""


@dataclass(frozen=True)
class Finding:
    """One finding."""

    check: str
    severity: Severity
    where: str
    what: str
    repair: str


Progress = Callable[[str, int, int], object]
"""Called with the check, the number done and the number in all."""


@dataclass
class Examination:
    """All checks and findings."""

    findings: list[Finding] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)
    """Number of things checked, by check."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Reason, by skipped check."""
    unlisted: Counter[str] = field(default_factory=Counter)

    def add(self, check: str, severity: Severity, where: str, what: str, repair: str) -> None:
        if sum(1 for finding in self.findings if finding.check == check) < MOST_PER_CHECK:
            self.findings.append(Finding(check, severity, where, what, repair))
        else:
            self.unlisted[check] += 1

    def error(self, check: str, where: str, what: str, repair: str) -> None:
        self.add(check, Severity.ERROR, where, what, repair)

    @property
    def wrong(self) -> list[Finding]:
        """The findings that are more than notes."""
        return [finding for finding in self.findings if finding.severity is not Severity.NOTE]
