"""One batch of a list into the registry: one transaction, one event."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.event_log.events import Change
from registry.ingest.bulk.batches import Batch
from registry.ingest.bulk.known_works import NAMED, declare_newer
from registry.ingest.bulk.matching import known_rows, match
from registry.ingest.bulk.names import NOBODY, Named, licences, rightsholders
from registry.ingest.bulk.stated_signals import stated_signals
from registry.ingest.findings import Finding, Kind
from registry.ingest.lists.source import ListSource
from registry.ingest.store.rows import insert_rows
from registry.permissions.derived_columns import recompute
from registry.site_policies.signal_rows import insert_signals
from registry.site_policies.store import apply_policies

_OF_WORK = ("path", "url", "sha256", "other_hash", "media_type", "width", "height")
_OF_RIGHTS = ("title", "creator", "source_url", "attributes")
_MEMORY = "700MB"
# For texts that hardly repeat, these save half the space but take as long as writing the texts.
_PLAIN = "fsst,zstd,dict_fsst,dictionary"
_WORTH_IT = 61_440


@dataclass
class Stored:
    """Changes of batches to the registry."""

    registered: int = 0
    unchanged: int = 0
    repeated: int = 0
    declarations: int = 0
    declarations_changed: int = 0
    conflicts: int = 0
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
        self.findings: list[Finding] = []
        """The first conflicts with the registry."""
        self.stated = np.empty(0, bool)  # by asset id: whether an earlier row declared it

    def add(self, change: Change, batch: Batch) -> Stored:
        change.connection.execute(f"SET memory_limit = '{_MEMORY}'")
        if batch.rows.num_rows >= _WORTH_IT:
            change.connection.execute(f"SET disabled_compression_methods = '{_PLAIN}'")
        found = match(change.connection, batch.rows, self.data_set_id)
        first_time = ~self._was_stated(found.asset_ids)
        known, asset_ids = found.known[first_time], found.asset_ids[first_time]
        # Two rows of a batch may be one work under two keys: the first one counts.
        asset_ids, at = np.unique(asset_ids, return_index=True)
        known = known[at]
        stored = Stored(unchanged=len(known), repeated=len(found.repeated) + len(found.known) - len(known))
        # Names of other rows are not looked up: a new one would be a row without an event.
        used = np.sort(np.concatenate([found.new, known]))
        rows = batch.rows if len(used) == batch.rows.num_rows else batch.rows.take(pa.array(used))
        new, known = np.searchsorted(used, found.new), np.searchsorted(used, known)
        holders, terms = rightsholders(change, rows), licences(change, rows)
        if len(new):
            ids, declared = self._insert(change, rows, new, holders, terms)
            stored.registered, stored.declarations = len(ids), declared
            asset_ids = np.concatenate([asset_ids, ids])
        newer = declare_newer(
            change,
            self.source,
            rows,
            known,
            asset_ids[: len(known)],
            holders.ids,
            terms.ids,
            named=NAMED - len(self.findings),
        )
        self.findings.extend(newer.findings)
        stored.conflicts = newer.conflicts
        stored.declarations += newer.first
        stored.declarations_changed = newer.changed
        stored.unchanged -= newer.changed + newer.first
        self._mark_stated(asset_ids)
        stored.signals = self._record_signals(change, batch.rows)
        if stored.registered or newer.first or newer.changed or stored.signals:
            facts = {"registered": stored.registered, "declarations": stored.declarations}
            facts |= {"newer declarations": stored.declarations_changed, "rights signals": stored.signals}
            change.record("works registered", f"data set {self.data_set}", after={**facts, "list": self.source.name})
        return stored

    def _insert(
        self, change: Change, rows: pa.Table, places: NDArray[np.int64], holders: Named, terms: Named
    ) -> tuple[NDArray[np.int64], int]:
        """Append new works with their declarations; returns the ids and number of declarations."""
        everything = len(places) == rows.num_rows
        rows = rows if everything else rows.take(pa.array(places))
        ids = change.next_id("asset") + np.arange(len(places))
        stated = _stated(rows, holders.ids[places], terms.ids[places])
        declared_ids = change.next_id("asset_rights") + np.cumsum(stated) - 1
        kinds = np.zeros(len(places), np.int64) if terms.kinds is None else terms.kinds[places]
        works = {
            "id": pa.array(ids),
            **{name: rows.column(name) for name in _OF_WORK if name in rows.column_names},
            "identity": rows.column("identity"),
            "declared_id": pa.array(declared_ids, mask=~stated),
            "rightsholder_id": _some(holders.current[places]),
            "licence_id": _some(terms.ids[places]),
            "permission": pa.DictionaryArray.from_arrays(pa.array(kinds), list(terms.training)),
        }
        constants = {"data_set_id": self.data_set_id, "registered_at": change.now}
        insert_rows(change, "asset", pa.table(works), constants, hashed=True)
        rights = {
            "id": pa.array(declared_ids),
            "asset_id": pa.array(ids),
            "rightsholder_id": _some(holders.ids[places]),
            "licence_id": _some(terms.ids[places]),
            **{name: rows.column(name) for name in _OF_RIGHTS if name in rows.column_names},
        }
        table = pa.table(rights)
        constants = {"basis": "declared", "recorded_from": self.source.name, "recorded_by": change.actor}
        constants |= {"recorded_at": change.now}
        insert_rows(
            change, "asset_rights", table if stated.all() else table.filter(pa.array(stated)), constants, hashed=True
        )
        if _something_else_counts(change):
            apply_policies(change, ids)
            recompute(change, ids)
        return ids, int(stated.sum())

    def _record_signals(self, change: Change, rows: pa.Table) -> int:
        """Record the signals of all rows of a batch, also of rows that repeat a work."""
        stated = stated_signals(change.connection, rows, self.source)
        for number, problem in stated.problems[: NAMED - len(self.findings)]:
            self.findings.append(Finding(self.source.place(number), Kind.METADATA, f"not understood: {problem}"))
        if not len(stated.places):
            return 0
        identities = rows.column("identity").to_numpy()
        at, asset_ids = known_rows(change.connection, rows, identities, np.unique(stated.places), self.data_set_id)
        told = np.isin(stated.places, at)
        works = asset_ids[np.searchsorted(at, stated.places[told])]
        pairs = np.unique(np.stack([works, stated.outcomes[told]]), axis=1)
        recorded = insert_signals(change, pairs[0], pairs[1], stated.distinct)
        recompute(change, np.unique(works))
        return recorded

    def _was_stated(self, asset_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        if len(asset_ids) and int(asset_ids.max()) >= len(self.stated):
            self.stated = np.append(self.stated, np.zeros(int(asset_ids.max()) + 1 - len(self.stated), bool))
        return self.stated[asset_ids]

    def _mark_stated(self, asset_ids: NDArray[np.int64]) -> None:
        self._was_stated(asset_ids)
        self.stated[asset_ids] = True


def _stated(rows: pa.Table, holder_ids: NDArray[np.int64], licence_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Rows that declare anything."""
    stated = np.asarray((holder_ids != NOBODY) | (licence_ids != NOBODY))
    for name in _OF_RIGHTS:
        if not stated.all() and name in rows.column_names:
            stated = stated | np.asarray(rows.column(name).is_valid().to_numpy())
    return stated


def _some(ids: NDArray[np.int64]) -> pa.Array:
    absent = ids == NOBODY
    return pa.array(ids, mask=absent if absent.any() else None)


def _something_else_counts(change: Change) -> bool:
    """Whether more than the licence may decide about a new work."""
    row = change.connection.execute(
        "SELECT EXISTS (FROM review) OR EXISTS (FROM withdrawal) OR EXISTS (FROM site_policy)"
    ).fetchone()
    return bool(row and row[0])
