"""One batch of a list into the registry: one transaction, one event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from registry.event_log.events import Change
from registry.ingest.bulk.batches import ROWS
from registry.ingest.bulk.batches import Batch as Rows
from registry.ingest.bulk.stated_signals import stated_signals
from registry.ingest.findings import Finding, Kind
from registry.ingest.lists.source import ListSource
from registry.ingest.store.known_identities import KnownIdentities
from registry.ingest.store.matching import match
from registry.ingest.store.rights import COLUMNS
from registry.ingest.store.works import Batch, StoredWorks, store_works
from registry.permissions.derived_columns import recompute
from registry.site_policies.signal_rows import insert_signals
from registry.site_policies.store import apply_policies, recompute_with_policies

NAMED = 20
"""Conflicts of a list that are named; all are counted."""
_LEFT_OUT = ("byte_size",)
"""Only a work with a file here has it, whatever the list says."""
_FURTHER_NOTES = "has a caption that was not taken as it stands"
_MEMORY = "700MB"
# FSST halves texts that hardly repeat, in no time that can be measured. These take longer than
# writing the texts, for a sixth of the space.
_PLAIN = "zstd,dict_fsst,dictionary"
_WORTH_IT = 61_440
_KEPT_FROM = 8 * ROWS
"""Rows of a list from which the identities of works are kept between its batches."""


@dataclass
class Stored:
    """Changes of batches to the registry."""

    registered: int = 0
    unchanged: int = 0
    repeated: int = 0
    declarations: int = 0
    declarations_changed: int = 0
    further: int = 0
    conflicts: int = 0
    captions: int = 0
    captions_changed: int = 0
    signals: int = 0

    def add(self, other: Stored) -> None:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


class ListStore:
    """The works of one list."""

    def __init__(self, source: ListSource, data_set_id: int, data_set: str) -> None:
        self.source = source
        self.data_set_id = data_set_id
        self.data_set = data_set
        self.columns = tuple(name for name in COLUMNS if _states(source, name.removesuffix("_id")))
        """Columns of the rights that the list has."""
        self.findings: list[Finding] = []
        """The first conflicts with the registry."""
        self.nobody: set[str] = set()
        """Words of the findings about rightsholders that name nobody."""
        self.notes: dict[str, tuple[int, int]] = {}
        """Notes about captions: the number of the first row, and how many rows there are."""
        # A short list asks the registry instead: sorting all identities would take longer.
        self.identities = KnownIdentities() if source.rows > _KEPT_FROM else None
        self.stated = np.empty(0, bool)  # by asset id: whether an earlier row declared it

    def add(self, change: Change, batch: Rows) -> Stored:
        change.connection.execute(f"SET memory_limit = '{_MEMORY}'")
        if batch.rows.num_rows >= _WORTH_IT:
            change.connection.execute(f"SET disabled_compression_methods = '{_PLAIN}'")
        for word, number in batch.nobody:
            if len(self.findings) < NAMED and word not in self.nobody:
                self.nobody.add(word)
                reason = f"{word!r} names nobody: it counts as an empty cell"
                self.findings.append(Finding(self.source.place(number), Kind.ROW, reason))
        self._note(batch.captions)
        rows = batch.rows.drop_columns([name for name in _LEFT_OUT if name in batch.rows.column_names])
        if "attributes" in self.columns:  # a row without attributes states that there are none
            attributes = pc.fill_null(rows.column("attributes"), "{}")
            rows = rows.set_column(rows.column_names.index("attributes"), "attributes", attributes)
        found = match(change, rows, self.data_set_id, identities_kept=self.identities)
        known = found.first & ~found.new & ~self._was_stated(found.asset_ids)
        again = ~(found.new | known)
        stored = store_works(
            change,
            Batch(rows, found.asset_ids, self.data_set_id, self.columns, self.source.place, origin=self.source.name),
            new=np.flatnonzero(found.new),
            known=np.flatnonzero(known),
            again=np.flatnonzero(again),
            named=NAMED - len(self.findings),
        )
        self.findings.extend(stored.findings)
        self._recompute(change, stored)
        signals = self._record_signals(change, batch.rows, found.asset_ids)
        self.stated[found.asset_ids] = True
        if stored.anything or signals:
            facts = {"registered": stored.registered, "declarations": stored.declarations}
            facts |= {"newer declarations": stored.changed, "rights signals": signals}
            facts |= {"further declarations": stored.further} if stored.further else {}
            facts |= {"captions": stored.captions.recorded} if stored.captions.recorded else {}
            change.record("works registered", f"data set {self.data_set}", after={**facts, "list": self.source.name})
        return Stored(
            registered=stored.registered,
            unchanged=stored.unchanged,
            repeated=int(again.sum()),
            declarations=stored.declarations,
            declarations_changed=stored.changed,
            further=stored.further,
            conflicts=stored.conflicts,
            captions=stored.captions.recorded,
            captions_changed=stored.captions.changed,
            signals=signals,
        )

    def caption_findings(self) -> list[Finding]:
        """Notes about captions, each at its first row."""
        return [
            Finding(
                self.source.place(first), Kind.CAPTION, note + (f"; so do {count - 1:,} more rows" if count > 1 else "")
            )
            for note, (first, count) in self.notes.items()
        ]

    def _note(self, notes: Mapping[str, Sequence[int]]) -> None:
        for note, numbers in notes.items():
            kept = note if note in self.notes or len(self.notes) < NAMED else _FURTHER_NOTES
            first, count = self.notes.get(kept, (numbers[0], 0))
            self.notes[kept] = first, count + len(numbers)

    def _recompute(self, change: Change, stored: StoredWorks) -> None:
        if len(stored.added) and _something_else_counts(change):
            apply_policies(change, stored.added)
            recompute(change, stored.added)
        if len(stored.declared):
            (recompute_with_policies if "source_url" in self.columns else recompute)(change, stored.declared)

    def _record_signals(self, change: Change, rows: pa.Table, asset_ids: NDArray[np.int64]) -> int:
        """Record the signals of all rows of a batch, also of rows that repeat a work."""
        stated = stated_signals(change.connection, rows, self.source)
        for number, problem in stated.problems[: NAMED - len(self.findings)]:
            self.findings.append(Finding(self.source.place(number), Kind.METADATA, f"not understood: {problem}"))
        if not len(stated.places):
            return 0
        pairs = np.unique(np.stack([asset_ids[stated.places], stated.outcomes]), axis=1)
        recorded = insert_signals(change, pairs[0], pairs[1], stated.distinct)
        recompute(change, np.unique(pairs[0]))
        return recorded

    def _was_stated(self, asset_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        if len(asset_ids) and int(asset_ids.max()) >= len(self.stated):
            self.stated = np.append(self.stated, np.zeros(int(asset_ids.max()) + 1 - len(self.stated), bool))
        return self.stated[asset_ids]


def _states(source: ListSource, name: str) -> bool:
    if name == "attributes":
        return bool(source.attributes or source.attribute_constants)
    return source.states(name)


def _something_else_counts(change: Change) -> bool:
    """Whether more than the licence may decide about a new work."""
    row = change.connection.execute(
        "SELECT EXISTS (FROM review) OR EXISTS (FROM withdrawal) OR EXISTS (FROM site_policy)"
    ).fetchone()
    return bool(row and row[0])
