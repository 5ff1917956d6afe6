"""A batch of works into the registry, by columns: what files and lists have in common.

New works are inserted with their declarations. A declaration of a known work is recorded if it
differs from the newest one, and a further declaration of a work of the same source if it adds
anything. Contradictions are listed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from registry.event_log.events import Change
from registry.ingest.findings import Finding
from registry.ingest.owners.declarations import Holder
from registry.ingest.store.captions import StoredCaptions, caption_ids, captions_in, store_captions
from registry.ingest.store.co_owners import CoOwners
from registry.ingest.store.contradictions import append_further, conflicts_among
from registry.ingest.store.matching import Numbers
from registry.ingest.store.names import NOBODY, licences, rightsholders
from registry.ingest.store.rights import EMPTY, append_newer
from registry.ingest.store.rows import insert_rows
from registry.permissions.derived_columns import recompute_rights

_OF_WORK = (
    *("path", "url", "sha256", "other_hash", "byte_size", "media_type", "width", "height", "pixel_mode"),
    "identity",
)
_OF_RIGHTS = ("title", "creator", "source_url", "attributes")
_NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class Batch:
    """Works and declarations of a source."""

    rows: pa.Table
    """Columns of asset and asset_rights that the source has, with the names ``rightsholder`` and
    ``licence`` in place of ids; ``identity``; ``row_number``. Files add ``recorded_from``,
    ``statement``, the place of the row's declaration in ``holders``, and the columns of
    :data:`registry.ingest.store.rights.EMPTY`. With captions also ``caption`` and
    ``caption_source``."""
    asset_ids: Numbers
    """The work of every row."""
    data_set_id: int
    stated: Collection[str]
    """Those of :data:`registry.ingest.store.rights.COLUMNS` that the source has."""
    place: Callable[[int], str]
    """The place of a row (by its ``row_number``) in the source, for people."""
    origin: str = ""
    """The source of the declarations, if the rows have no ``recorded_from``."""
    holders: Sequence[tuple[Holder, ...] | None] = ()
    """All rightsholders by statement; None where a statement names one or none."""


@dataclass(frozen=True)
class StoredWorks:
    """Changes of a batch to the registry."""

    registered: int = 0
    unchanged: int = 0
    """Known works that were declared so before."""
    declarations: int = 0
    """First declarations."""
    changed: int = 0
    """Newer declarations of known works."""
    further: int = 0
    """Further declarations, beside that of an earlier row."""
    conflicts: int = 0
    """Declarations that contradict the one before."""
    findings: tuple[Finding, ...] = ()
    """The first conflicts."""
    added: Numbers = field(default_factory=_NONE.copy)
    """New works."""
    declared: Numbers = field(default_factory=_NONE.copy)
    """Known works, or works of several rows, with a new declaration; ascending."""
    captions: StoredCaptions = field(default_factory=StoredCaptions)
    new_licences: bool = False
    """Whether a licence was recorded, perhaps a new spelling of a known one."""

    @property
    def anything(self) -> bool:
        """Whether anything was changed."""
        return bool(len(self.added) or len(self.declared) or self.new_licences or self.captions.recorded)


def store_works(
    change: Change, batch: Batch, *, new: Numbers = _NONE, known: Numbers = _NONE, again: Numbers = _NONE, named: int
) -> StoredWorks:
    """Insert and declare rows of a batch, by their places in it; the others are left out.

    ``new``: first rows of new works. ``known``: the row that counts of each known work. ``again``:
    further rows of any of these works. ``named``: conflicts to describe, at most. The permissions
    of new works are those of their licences; recompute all others.
    """
    every = new, known, again
    if not {"rightsholder_id", "licence_id"} & set(batch.stated):
        again = again[:0]
    # Names of other rows are not looked up: a new one would be a row without an event.
    used = np.sort(np.concatenate([new, known, again]))
    stated = _Stated(change, batch, used)
    declared = stated.insert(np.searchsorted(used, new)) if len(new) else 0
    appended: list[pa.Table] = []
    first = changed = 0
    if len(known) and batch.stated:
        newer = append_newer(change, stated.table(np.searchsorted(used, known)))
        first, changed = newer.first, newer.changed
        appended.append(newer.rows)
    if len(again):
        recompute_rights(change.connection, batch.asset_ids[known])
        declared_again = stated.table(np.searchsorted(used, again), with_owners=True)
        appended.append(append_further(change, declared_again))
    conflicts, touched = 0, [_NONE]
    findings: tuple[Finding, ...] = ()
    for rows in appended:
        if rows.num_rows:
            stated.insert_co_owners(rows)
            found = conflicts_among(change.connection, rows, batch.place, named - len(findings))
            conflicts, findings = conflicts + found.count, (*findings, *found.findings)
            touched.append(rows.column("asset_id").to_numpy())
    captions = StoredCaptions()
    if "caption" in batch.rows.column_names:
        taken = (captions_in(batch.rows.take(pa.array(rows)), batch.asset_ids[rows], batch.origin) for rows in every)
        captions = store_captions(change, *taken)
        findings = (*findings, *captions.findings(batch.place, named - len(findings)))
    return StoredWorks(
        registered=len(new),
        unchanged=len(known) - first - changed,
        declarations=declared + first,
        changed=changed,
        further=appended[-1].num_rows if len(again) else 0,
        conflicts=conflicts,
        findings=findings,
        added=batch.asset_ids[new],
        declared=np.unique(np.concatenate(touched)),
        captions=captions,
        new_licences=stated.new_licences,
    )


class _Stated:
    """The rows of a batch that are stored, with the ids of the names in them."""

    def __init__(self, change: Change, batch: Batch, used: Numbers) -> None:
        everything = len(used) == batch.rows.num_rows
        self.change, self.batch = change, batch
        self.rows = batch.rows if everything else batch.rows.take(pa.array(used))
        self.asset_ids = batch.asset_ids[used]
        first_licence = change.next_id("licence")
        self.holders, self.terms = rightsholders(change, self.rows), licences(change, self.rows)
        self.new_licences = change.next_id("licence") > first_licence
        """Whether the change added licences: even one that no row uses belongs to an event."""
        shared = any(each is not None for each in batch.holders)
        self.co_owners = CoOwners(change, batch.holders, self.rows.column("statement")) if shared else None

    def insert(self, places: Numbers) -> int:
        """Append new works with their declarations; returns the number of declarations."""
        change, rows = self.change, self._rows(places)
        if "attributes" in rows.column_names:
            attributes = rows.column("attributes")
            place = rows.column_names.index("attributes")
            rows = rows.set_column(place, "attributes", pc.if_else(pc.equal(attributes, "{}"), None, attributes))
        holder_ids, licence_ids = self.holders.ids[places], self.terms.ids[places]
        declares = self._declares(rows, holder_ids, licence_ids)
        ids = self.asset_ids[places]
        declared_ids = change.next_id("asset_rights") + np.cumsum(declares) - 1
        kinds = np.zeros(len(places), np.int64) if self.terms.kinds is None else self.terms.kinds[places]
        works = {
            "id": pa.array(ids),
            **{name: rows.column(name) for name in _OF_WORK if name in rows.column_names},
            "declared_id": pa.array(declared_ids, mask=~declares),
            "rightsholder_id": _some(self.holders.current[places]),
            "licence_id": _some(licence_ids),
            "permission": pa.DictionaryArray.from_arrays(pa.array(kinds), list(self.terms.training)),
            **({"caption_id": caption_ids(change, rows)} if "caption" in rows.column_names else {}),
        }
        constants = {"data_set_id": self.batch.data_set_id, "registered_at": change.now}
        insert_rows(change, "asset", pa.table(works), constants, hashed=True)
        named = (*_OF_RIGHTS, "recorded_from")
        rights = {
            "id": pa.array(declared_ids),
            "asset_id": pa.array(ids),
            "rightsholder_id": _some(holder_ids),
            "licence_id": _some(licence_ids),
            **{name: rows.column(name) for name in named if name in rows.column_names},
        }
        constants = {"basis": "declared", "recorded_by": change.actor, "recorded_at": change.now}
        constants |= {} if "recorded_from" in rights else {"recorded_from": self.batch.origin}
        table = pa.table(rights) if declares.all() else pa.table(rights).filter(pa.array(declares))
        insert_rows(change, "asset_rights", table, constants, hashed=True)
        if self.co_owners:
            statements = rows.column("statement")
            self.co_owners.insert(
                pa.table({"id": declared_ids, "asset_id": ids, "statement": statements}).filter(declares)
            )
        return int(declares.sum())

    def table(self, places: Numbers, *, with_owners: bool = False) -> pa.Table:
        """What rows declare about known works, ascending by work, for :func:`append_newer`.

        ``with_owners``: also the effective rightsholders, for :func:`append_further`.
        """
        places = places[np.argsort(self.asset_ids[places], kind="stable")]
        rows, batch = self._rows(places), self.batch
        columns = {"asset_id": pa.array(self.asset_ids[places]), "row_number": rows.column("row_number")}
        for name in batch.stated:
            if name.endswith("_id"):
                columns[name] = _some((self.holders if name == "rightsholder_id" else self.terms).ids[places])
            else:
                columns[name] = rows.column(name)
        if "recorded_from" in rows.column_names:
            columns |= {name: rows.column(name) for name in ("recorded_from", "statement")}
            columns |= {} if with_owners else {name: rows.column(name) for name in EMPTY}
        else:
            for name in () if with_owners else sorted({"rightsholder_id", "licence_id"} & set(batch.stated)):
                columns[f"{name}_empty"] = pc.is_null(columns[name])
            origin = np.zeros(len(places), np.int32)
            columns["recorded_from"] = pa.DictionaryArray.from_arrays(pa.array(origin), [batch.origin])
        if with_owners:
            columns["owners"] = pc.cast(_some(self.holders.current[places]), pa.string())
            if self.co_owners:
                several = [self.co_owners.owners.get(place) for place in rows.column("statement").to_pylist()]
                columns["owners"] = pc.coalesce(pa.array(several, pa.string()), columns["owners"])
        return self.co_owners.compared(pa.table(columns)) if self.co_owners else pa.table(columns)

    def insert_co_owners(self, rights: pa.Table) -> None:
        """Append the further rightsholders of new rows of asset_rights."""
        if self.co_owners:
            self.co_owners.insert(rights)

    def _rows(self, places: Numbers) -> pa.Table:
        everything = np.array_equal(places, np.arange(self.rows.num_rows))
        return self.rows if everything else self.rows.take(pa.array(places))

    @staticmethod
    def _declares(rows: pa.Table, holder_ids: Numbers, licence_ids: Numbers) -> NDArray[np.bool_]:
        declares = np.asarray((holder_ids != NOBODY) | (licence_ids != NOBODY))
        for name in _OF_RIGHTS:
            if not declares.all() and name in rows.column_names:
                declares = declares | np.asarray(rows.column(name).is_valid().to_numpy())
        return declares


def _some(ids: Numbers) -> pa.Array:
    absent = ids == NOBODY
    return pa.array(ids, mask=absent if absent.any() else None)
