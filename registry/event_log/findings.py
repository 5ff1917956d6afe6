"""What verifying the log finds, and what it reads on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from registry.event_log.events import GENESIS
from registry.event_log.locations import LocationHistory
from registry.event_log.seals import KEYED_TABLES, NUMBERED_TABLES, Seal

MOST_FAULTS = 1000
"""Faults that are listed; further ones are counted."""

RESTORE = (
    "restore registry.duckdb and log-head.json from a copy made before that; then run the commands since then again"
)

Progress = Callable[[int, int], object]
"""Told the rows that were checked and the rows there are."""


@dataclass(frozen=True)
class Fault:
    """Something that creditline did not do."""

    event: int | None
    """The event that shows it; None: none does."""
    what: str
    repair: str


@dataclass
class Verification:
    """What was found."""

    events: int = 0
    head: str = GENESIS
    rows: int = 0
    """Rows that seals cover."""
    faults: list[Fault] = field(default_factory=list)
    unlisted: int = 0
    """Faults beyond :data:`MOST_FAULTS`."""
    notes: list[str] = field(default_factory=list)
    """What is worth knowing and no fault."""
    history: LocationHistory = field(default_factory=LocationHistory)

    def fault(self, event: int | None, what: str, repair: str = "") -> None:
        """Add a fault."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(event, what, repair or RESTORE))
        else:
            self.unlisted += 1


RESTORE = (
    "restore registry.duckdb and log-head.json from a copy made before that; then run the commands since then again"
)


@dataclass
class SealedRows:
    """All seals of a log, in its order, each with the event that has it."""

    ranges: dict[str, list[tuple[int, Seal]]] = field(default_factory=lambda: {table: [] for table in NUMBERED_TABLES})
    keys: dict[str, dict[str, tuple[int, Seal]]] = field(default_factory=lambda: {table: {} for table in KEYED_TABLES})
    """By table and thing; the newest seal of a thing counts."""
