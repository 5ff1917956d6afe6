"""What registration could not take as it was given: typed data with a reason, listed to whoever
registered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Why something is listed."""

    REFUSED = "refused"
    """The file is no work of the registry: not an image, damaged, outside the folder, no owner
    stated, …"""
    DUPLICATE = "duplicate"
    """The same bytes are registered from another place."""
    MISSING = "missing"
    """Registered earlier and not found any more."""
    ROW = "row"
    """A row of the owner table that was not used."""
    CONFLICT = "conflict"
    """What is declared for a work is not what its file says. It is registered as declared."""
    METADATA = "metadata"
    """Something of what a file says about itself cannot be read. It is registered without."""
    NEAR_DUPLICATE = "near duplicate"
    """Works of different rightsholders look alike, or it was not looked for."""


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that was not taken; ``path`` is relative to the folder, or as the table wrote
    it.
    """

    path: str
    kind: Kind
    reason: str


KEPT = 10_000
"""Findings of each kind that are kept; a hostile archive has millions of them to give."""


class FindingLog:
    """Counts findings by kind and keeps the first of each."""

    def __init__(self) -> None:
        self.counts: Counter[Kind] = Counter()
        self._kept: list[Finding] = []

    def add(self, *findings: Finding) -> None:
        """Take findings in."""
        self.extend(findings)

    def extend(self, findings: Iterable[Finding]) -> None:
        """Take many in."""
        for finding in findings:
            self.counts[finding.kind] += 1
            if self.counts[finding.kind] <= KEPT:
                self._kept.append(finding)

    @property
    def kept(self) -> tuple[Finding, ...]:
        """Those that were kept, sorted by path."""
        return tuple(sorted(self._kept))
