"""Findings of a registration: refusals and doubts, with the reason for the person who registers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import duckdb

from registry.rightsholders.alike_names import alike_names


class Kind(StrEnum):
    """Kinds of findings."""

    REFUSED = "refused"
    """The file is not registered: not an image, damaged, outside the folder, no owner stated, …"""
    DUPLICATE = "duplicate"
    """The same bytes are registered from another place."""
    MISSING = "missing"
    """Registered earlier and not found any more."""
    ROW = "row"
    """A row of the owner table that was not used, or not needed."""
    CONFLICT = "conflict"
    """The declaration contradicts the file or another declaration. Both stay on record."""
    LICENCE = "licence"
    """The words of a licence are not understood: they permit nothing; a person must read them."""
    METADATA = "metadata"
    """Part of the embedded metadata cannot be read. The work is registered without that part."""
    NAME = "name"
    """A new rightsholder's name is spelled like another one's: perhaps they are one."""
    CAPTION = "caption"
    """A caption that was not taken, or not as it stands."""
    NEAR_DUPLICATE = "near duplicate"
    """Works of different rightsholders look alike, or the search was left out."""


@dataclass(frozen=True, order=True)
class Finding:
    """One finding; ``path`` is relative to the folder, as in the table, or a place in a list."""

    path: str
    kind: Kind
    reason: str


def names_alike(connection: duckdb.DuckDBPyConnection, since: int) -> Iterator[Finding]:
    """A finding for each group of alike names with a rightsholder of an id from ``since`` on."""
    for group in alike_names(connection, since):
        yield Finding(group.names[-1][:80], Kind.NAME, group.reason)


KEPT = 10_000
"""Findings of each kind that are kept: a hostile archive can cause millions."""


class FindingLog:
    """Counts findings by kind and keeps the first of each."""

    def __init__(self) -> None:
        self.counts: Counter[Kind] = Counter()
        self._kept: list[Finding] = []

    def add(self, *findings: Finding) -> None:
        self.extend(findings)

    def extend(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.counts[finding.kind] += 1
            if self.counts[finding.kind] <= KEPT:
                self._kept.append(finding)

    @property
    def kept(self) -> tuple[Finding, ...]:
        """The findings that were kept, sorted by path."""
        return tuple(sorted(self._kept))
