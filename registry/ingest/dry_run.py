"""What registering files would do, before it is done.

Everything is read as a registration reads it and goes the same way; only nothing is stored, so that
what is told here is what will happen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from registry.ingest.findings import Finding, Kind
from registry.ingest.intake import Intake
from registry.ingest.open_sources import FileSource
from registry.ingest.owners.declarations import OwnerSource
from registry.ingest.registration import BATCH, own_name
from registry.ingest.rehearsal import Landing, Rehearsal
from registry.storage.database import Registry


@dataclass(frozen=True)
class Look:
    """What would happen."""

    data_set: str
    kind: str
    root: str
    files: int
    """Files and members of archives that were looked at."""
    archives: int
    works: int
    """New works that would land."""
    known: int
    """Works that are registered already and would stay."""
    moved: int
    """Of these, those that would get a new path."""
    listed: int
    """New works that are known by their metadata alone, from a list: the files would take their
    places."""
    refused: int
    duplicates: int
    missing: int
    """Works that are registered from this source and are not in it any more."""
    embedded: int
    """New works whose file says something about them."""
    signals: int
    """Rights signals in these."""
    conflicts: int
    """Contradictions between what is declared for a work, new or known, and what its file says."""
    hidden: int
    counts: dict[str, int]
    """Findings by kind, also those that are not listed."""
    first: tuple[Landing, ...]
    """The first new works, as they would land."""
    findings: tuple[Finding, ...]
    """Sorted by path; of each kind at most :data:`registry.ingest.findings.KEPT`."""

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return asdict(self)


def look_at_files(
    registry: Registry,
    source: FileSource,
    owners: OwnerSource,
    *,
    now: datetime,
    data_set: str | None = None,
    on_progress: Callable[[int, int], object] = lambda _done, _total: None,
) -> Look:
    """Read a source of files and tell what registering it would do; the registry is only read.

    Raises:
        InputError: the source cannot be read.
        UsageError: the data set's name belongs to another source.
    """
    rehearsal = Rehearsal(registry, data_set or own_name(registry, source), source.root, now, source.kind)
    intake = Intake(rehearsal, owners)
    intake.findings.extend(source.findings)
    done = intake.take_all(
        source.inspect(intake.known),
        lambda number: on_progress(number, source.total and max(number, source.total)),
        BATCH,
    )
    total = intake.finish()
    counts = intake.findings.counts
    return Look(
        data_set=rehearsal.name,
        kind=source.kind,
        root=str(source.root),
        files=done,
        archives=source.archives,
        works=total.registered,
        known=total.unchanged + total.moved,
        moved=total.moved,
        listed=total.superseded,
        refused=counts[Kind.REFUSED],
        duplicates=counts[Kind.DUPLICATE],
        missing=counts[Kind.MISSING],
        embedded=total.embedded,
        signals=total.signals,
        conflicts=counts[Kind.CONFLICT],
        hidden=source.passed.hidden,
        counts={str(kind): number for kind, number in sorted(counts.items())},
        first=tuple(rehearsal.first),
        findings=intake.findings.kept,
    )
