"""What a registration of files did, as values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from registry.ingest.findings import Finding


@dataclass(frozen=True)
class RegistrationReport:
    """What a registration did and what it could not take."""

    data_set: str
    kind: str
    """``folder``, ``archive`` or ``shards``."""
    root: str
    files: int
    """Files and members of archives that were looked at."""
    archives: int
    registered: int
    unchanged: int
    moved: int
    found_again: int
    superseded: int
    """Works that were known by their metadata alone, of which the file has turned up."""
    missing: int
    duplicates: int
    refused: int
    declarations: int
    declarations_changed: int
    embedded: int
    """New works whose file says something about them."""
    signals: int
    """Rights signals in these."""
    conflicts: int
    hidden: int
    fingerprints: int
    """Works that were fingerprinted."""
    not_comparable: int
    """Those of them with too little detail to tell them from others."""
    near_duplicate_pairs: int
    """New pairs of works that look alike."""
    near_duplicates_across: int
    """Groups of works that look alike, with a new work in them, that belong to several
    rightsholders."""
    seconds: dict[str, float]
    """``registration`` and ``fingerprints``."""
    counts: dict[str, int]
    """Findings by kind, also those that are not listed."""
    findings: tuple[Finding, ...]
    """Sorted by path; of each kind at most :data:`registry.ingest.findings.KEPT`."""

    @property
    def works(self) -> int:
        """How many files of the source are in the registry now."""
        return self.registered + self.unchanged + self.moved

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return asdict(self)
