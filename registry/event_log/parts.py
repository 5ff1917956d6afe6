"""Parts of seals: a few rows with one hash, so that some rows are checked without reading all.

A seal names the hash over its parts. A small change has a part per row; a large one has parts of up
to :data:`~registry.event_log.computed_parts.LARGEST` rows, so the check of one row reads that many
rows at most, however many works there are. The table :class:`~registry.storage.tables.SealPart` has
the parts: by their ranges, the part of a row is found, and by the ids that its rows are about, a
part whose row was removed. :mod:`registry.event_log.computed_parts` makes parts of rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from registry.event_log.seals import KEYED_TABLES, Seal
from registry.ids import canonical_json, sha256_of

DIVIDED = "seals divided"
"""The event of a migration that seals the rows of earlier events by their parts."""
_HINT = 8

SUBJECTS: Mapping[str, str] = {
    "data_set": "id",
    "asset": "id",
    "asset_rights": "asset_id",
    "caption": "asset_id",
    "co_rightsholder": "asset_id",
    "embedded_metadata": "asset_id",
    "rights_signal": "asset_id",
    "site_policy": "id",
    "fingerprint": "asset_id",
    "near_duplicate": "asset_id",
    "rightsholder": "id",
    "rightsholder_details": "rightsholder_id",
    "rightsholder_identifier": "rightsholder_id",
    "rightsholder_merge": "merged_id",
    "licence": "id",
    "review": "subject_id",
    "claim": "id",
    "claim_work": "asset_id",
    "claim_decision": "claim_id",
    "withdrawal": "id",
    "withdrawal_work": "asset_id",
}
"""By numbered table, the column that says what a row is about."""

NUMBERS_OF_KEY: Mapping[str, str] = {
    "unit": "number",
    "unit_asset": "unit_number",
    "unit_group": "number",
    "unit_slot": "unit_number",
    "encoding_probe": "asset_id",
    "base_component": "number",
    "base_details": "number",
    "candidate": "rank",
    "candidate_work": "unit_number",
}
"""By keyed table with several rows per key, the number that divides them into parts."""


@dataclass(frozen=True)
class _Place:
    """The place of a part in its table."""

    table: str
    key: str | None
    first: int | None
    last: int | None
    lowest: int | None
    highest: int | None
    rows: int


@dataclass(frozen=True)
class Part(_Place):
    """Some sealed rows of one table."""

    columns: Mapping[str, str] = field(hash=False)
    """A hash per column that is not null in all rows."""

    @property
    def sha256(self) -> str:
        return sha256_of([self.rows, dict(self.columns)])

    @property
    def hints(self) -> str:
        """The beginnings of the columns' hashes, as they are kept."""
        return canonical_json({name: sha256[:_HINT] for name, sha256 in self.columns.items()})


@dataclass(frozen=True)
class Kept(_Place):
    """A part as the table keeps it."""

    sha256: str
    hints: str
    sequence: int


def place_of(part: Kept) -> str:
    """The rows of a part, for messages."""
    if part.key is not None:
        number = NUMBERS_OF_KEY.get(part.table)
        where = "" if number is None else f", {number} {_span(part)}"
        return f"{part.table}, {KEYED_TABLES[part.table][0]} {part.key}{where}"
    return f"{part.table}, {'row' if part.first == part.last else 'rows'} {_span(part)}"


def _span(part: Kept) -> str:
    return f"{part.first:,}" if part.first == part.last else f"{part.first:,} to {part.last:,}"


def difference(part: Kept, now: Part) -> str:
    """What differs between a part and its rows now; empty: nothing."""
    if part.rows != now.rows:
        return f"{part.rows:,} rows were sealed, {now.rows:,} are there"
    if part.sha256 == now.sha256:
        return "" if (part.lowest, part.highest, part.hints) == (now.lowest, now.highest, now.hints) else _INDEX
    try:
        then = json.loads(part.hints)
    except (ValueError, RecursionError):
        return _INDEX
    names = sorted(then.keys() | now.columns.keys()) if isinstance(then, dict) else []
    altered = [name for name in names if then.get(name) != (now.columns.get(name) or "")[:_HINT]]
    return f"{', '.join(altered) or 'a value'} {'differ' if len(altered) > 1 else 'differs'}"


_INDEX = "its entry in seal_part was edited"
KEPT = "table_name, key, first, last, lowest, highest, row_count, sha256, columns, sequence"
"""The columns of the table of parts, in the order of :class:`Kept`."""


def sha256_of_parts(parts: Iterable[Part | Kept]) -> str:
    """The hash over all parts of a seal, which the seal states."""
    return sha256_of(
        [
            [each.first, each.last, each.lowest, each.highest, each.rows, each.sha256, each.hints]
            for each in sorted(parts, key=lambda part: (part.first is not None, part.first or 0))
        ]
    )


def parts_of_seal(parts: Iterable[Kept], seal: Seal) -> list[Kept]:
    """Of the parts that an event sealed of a table (and of the seal's key), those of one seal."""
    return [part for part in parts if seal.key or (seal.first or 0) <= (part.first or 0) <= (seal.last or 0)]


def store_parts(connection: duckdb.DuckDBPyConnection, sequence: int, parts: Sequence[Part]) -> None:
    """Keep the parts of an event's seals."""
    if not parts:
        return
    columns: dict[str, tuple[Callable[[Part], Any], pa.DataType]] = {
        "sequence": (lambda _: sequence, pa.int64()),
        "table_name": (lambda part: part.table, pa.string()),
        "key": (lambda part: part.key, pa.string()),
        "first": (lambda part: part.first, pa.int64()),
        "last": (lambda part: part.last, pa.int64()),
        "lowest": (lambda part: part.lowest, pa.int64()),
        "highest": (lambda part: part.highest, pa.int64()),
        "row_count": (lambda part: part.rows, pa.int64()),
        "sha256": (lambda part: part.sha256, pa.string()),
        "columns": (lambda part: part.hints, pa.string()),
    }
    rows = pa.table({name: pa.array([get(part) for part in parts], kind) for name, (get, kind) in columns.items()})
    connection.register("new_parts", rows)
    connection.execute(f"INSERT INTO seal_part ({KEPT}) SELECT {KEPT} FROM new_parts")  # noqa: S608 - constants
    connection.unregister("new_parts")


def kept_parts(
    connection: duckdb.DuckDBPyConnection,
    events: Sequence[int] | None = None,
    tables: Sequence[str] | None = None,
    keys: Sequence[str] | None = None,
) -> list[Kept]:
    """The kept parts of all events' seals, or of some events, tables, keys."""
    rows = connection.execute(
        f"SELECT {KEPT} FROM seal_part WHERE ($events IS NULL OR list_contains($events, sequence)) "  # noqa: S608 - constants
        "AND ($tables IS NULL OR list_contains($tables, table_name)) AND ($keys IS NULL OR list_contains($keys, key)) "
        "ORDER BY sequence, table_name, first",
        {
            "events": events if events is None else list(events),
            "tables": tables if tables is None else list(tables),
            "keys": keys if keys is None else list(keys),
        },
    ).fetchall()
    return [Kept(*row) for row in rows]
