"""Captions of a batch: a row of ``caption`` where a work has none, or where another one is stated.

The newest statement counts, as for declarations, with two exceptions. What the file itself says
replaces nothing that was stated for it. And a second statement of one registration, about a file
with the same bytes or in a second row, replaces nothing that was stated either: it is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from registry.captions.sources import EMBEDDED
from registry.event_log.events import Change
from registry.ingest.findings import Finding, Kind
from registry.ingest.store.matching import Numbers
from registry.ingest.store.rows import insert_rows
from registry.permissions.derived_columns import recompute_captions

_ROW = ("asset_id", "row_number", "caption", "caption_source", "recorded_from")
_IN_FILE = ", ".join(f"'{source}'" for source in sorted(EMBEDDED))
_JOINED = """
    FROM stated_captions AS stated JOIN asset ON asset.id = stated.asset_id
    LEFT JOIN caption AS last ON last.id = asset.caption_id AND last.asset_id = asset.id
"""
_COUNTING = f"""
    SELECT stated.*, last.id AS last_id {_JOINED}
    WHERE last.id IS NULL OR (last.text <> stated.caption AND (
        last.source IN ({_IN_FILE}) OR (stated.caption_source NOT IN ({_IN_FILE}) AND NOT ?)
    ))
    QUALIFY row_number() OVER (PARTITION BY stated.asset_id ORDER BY stated.row_number) = 1
    ORDER BY stated.asset_id
"""
_DIFFERING = f"""
    SELECT stated.row_number, stated.asset_id {_JOINED}
    WHERE last.text <> stated.caption AND stated.caption_source NOT IN ({_IN_FILE}) ORDER BY stated.row_number
"""


@dataclass(frozen=True)
class StoredCaptions:
    """Captions that were recorded, and rows with other ones that were not."""

    recorded: int = 0
    changed: int = 0
    """Of these, captions in place of another one."""
    differing: tuple[tuple[int, int], ...] = ()
    """Row number and work of further rows with another caption than the one that counts."""

    def findings(self, place: Callable[[int], str], most: int) -> list[Finding]:
        """The first ``most`` differing rows."""
        return [
            Finding(place(number), Kind.CAPTION, f"states another caption for work {work} than the one that counts")
            for number, work in self.differing[:most]
        ]


def caption_ids(change: Change, rows: pa.Table) -> pa.Array:
    """The ids that :func:`store_captions` gives to the captions of new works; null without one."""
    stated = np.asarray(rows.column("caption").is_valid().to_numpy())
    return pa.array(change.next_id("caption") + np.cumsum(stated) - 1, pa.int64(), mask=~stated)


def captions_in(rows: pa.Table, asset_ids: Numbers, origin: str) -> pa.Table:
    """The rows of a batch that have a caption, as :func:`store_captions` takes them."""
    if "recorded_from" not in rows.column_names:
        rows = rows.append_column("recorded_from", pa.repeat(origin, rows.num_rows))
    rows = rows.append_column("asset_id", pa.array(asset_ids, pa.int64())).select(_ROW)
    return rows.filter(rows.column("caption").is_valid())


def store_captions(change: Change, new: pa.Table, known: pa.Table, again: pa.Table) -> StoredCaptions:
    """Record captions; the tables are those of :func:`captions_in`.

    ``new``: of new works, in their order; they have their ids from :func:`caption_ids`. ``known``:
    of the row that counts of each known work. ``again``: of further rows of any of these works.
    """
    newer, changed = _counting(change, known, second=False)
    _insert(change, pa.concat_tables([new, newer.cast(new.schema)]), newer, hashed=True)
    further, completed = _counting(change, again, second=True)
    _insert(change, further, further, hashed=False)
    return StoredCaptions(
        new.num_rows + newer.num_rows + further.num_rows, changed + completed, _differing(change, again)
    )


def _counting(change: Change, stated: pa.Table, *, second: bool) -> tuple[pa.Table, int]:
    """The rows to record, by work, and how many of them replace a caption."""
    if not stated.num_rows:
        return stated, 0
    change.connection.register("stated_captions", stated)
    found = change.connection.execute(_COUNTING, [second]).to_arrow_table()
    change.connection.unregister("stated_captions")
    return found.select(_ROW), found.num_rows - int(found.column("last_id").null_count)


def _differing(change: Change, again: pa.Table) -> tuple[tuple[int, int], ...]:
    if not again.num_rows:
        return ()
    change.connection.register("stated_captions", again)
    found = change.connection.execute(_DIFFERING).fetchall()
    change.connection.unregister("stated_captions")
    return tuple((int(number), int(work)) for number, work in found)


def _insert(change: Change, rows: pa.Table, known: pa.Table, *, hashed: bool) -> None:
    """Append captions; ``known``: the rows whose works are in the registry already."""
    if not rows.num_rows:
        return
    renamed = rows.select(["asset_id", "caption", "caption_source", "recorded_from"])
    renamed = renamed.rename_columns(["asset_id", "text", "source", "recorded_from"])
    insert_rows(change, "caption", renamed, {"recorded_by": change.actor, "recorded_at": change.now}, hashed=hashed)
    if known.num_rows:
        recompute_captions(change.connection, known.column("asset_id").to_numpy())
