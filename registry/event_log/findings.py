"""Results of verifying the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from registry.event_log.events import GENESIS
from registry.event_log.locations import LocationHistory
from registry.event_log.seals import KEYED_TABLES, NUMBERED_TABLES, Seal

MOST_FAULTS = 1000
"""Faults that are listed; more are only counted."""

RESTORE = (
    "restore registry.duckdb and log-head.json from a copy made before that; then run the commands since then again"
)

Progress = Callable[[int, int], object]
"""Called with the rows checked and the rows in all."""


@dataclass(frozen=True)
class Fault:
    """A change that creditline did not make."""

    event: int | None
    """The event that shows the change, if any."""
    what: str
    repair: str


@dataclass
class Verification:
    """The faults, and the facts read on the way."""

    events: int = 0
    head: str = GENESIS
    rows: int = 0
    """Rows covered by seals."""
    faults: list[Fault] = field(default_factory=list)
    unlisted: int = 0
    """Faults beyond :data:`MOST_FAULTS`."""
    notes: list[str] = field(default_factory=list)
    """Worth knowing, but no fault."""
    history: LocationHistory = field(default_factory=LocationHistory)

    def fault(self, event: int | None, what: str, repair: str = "") -> None:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(event, what, repair or RESTORE))
        else:
            self.unlisted += 1


@dataclass
class SealedRows:
    """All seals of a log in order, each with its event."""

    ranges: dict[str, list[tuple[int, Seal]]] = field(default_factory=lambda: {table: [] for table in NUMBERED_TABLES})
    keys: dict[str, dict[str, tuple[int, Seal]]] = field(default_factory=lambda: {table: {} for table in KEYED_TABLES})
    """The newest seal of each table and key."""
    divided: list[tuple[int, Seal]] = field(default_factory=list)
    """All seals with parts."""
