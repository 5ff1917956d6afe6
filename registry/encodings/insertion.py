"""The rows of an encoding: units with their codes, by blocks, then the facts and the seals."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.encodings.codes import codes_of, decoys_available
from registry.encodings.keys import FIRST_FORMAT
from registry.encodings.nested import check_nested, draw_slots, places_within, slots_for
from registry.encodings.unit_works import UnitWorks
from registry.encodings.works import left_out
from registry.event_log.events import Change
from registry.permissions.rule import Permission
from registry.storage.current_rights import rights_within
from registry.storage.row_groups import BLOCK
from registry.storage.tables import Encoding, EncodingCodes


@dataclass(frozen=True, eq=False)
class DrawnSlots:
    """Where new units stand in their groups."""

    groups: pa.Table
    """All groups of the encoding: number, key, label, support, slots."""
    group_of_unit: NDArray[np.int64]
    """Shape (new units,)."""
    places: NDArray[np.int64]
    """Shape (new units,): the slot in the group."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """The codes of new units, and how they were drawn."""

    made: EncodingCodes
    codes: Callable[[NDArray[np.int64]], NDArray[np.uint64]]
    """The codes of some of the new units, by number."""
    slots: DrawnSlots | None = None
    """Where codes nest."""


def draw_codes(works: UnitWorks, made: EncodingCodes, n: int, h: int, seed: int) -> Drawn:
    """Draw the codes of an encoding that extends no other.

    Raises:
        UsageError: sizes that do not nest.
        CapacityError: more units than codes, or groups that do not fit.
    """
    if made.within is None or made.support is None:
        decoys_available(n, h, works.units, made.code_format)
        return plain_codes(made, n, h, seed)
    # A unit is a work here.
    group = works.group_numbers()
    counts, open_slots = slots_for(group)
    group[group < 0] = len(counts)
    check_nested(n, made.support, h, counts, open_slots)
    found = draw_slots(seed, n, made.support, h, counts, open_slots)
    made.attempt = found.attempt
    named = works.connection.execute("SELECT key, label FROM group_name ORDER BY number").to_arrow_table()
    if open_slots:
        named = pa.concat_tables([named, pa.table({"key": [None], "label": [""]}, named.schema)])
    groups = pa.table(
        {
            "number": np.arange(len(found.supports)),
            "key": named["key"],
            "label": named["label"],
            "support": found.supports,
            "slots": found.counts,
        }
    )
    places = places_within(group)
    codes = found.codes[found.starts[group] + places]
    return Drawn(made, lambda numbers: codes[numbers], DrawnSlots(groups, group, places))


def plain_codes(made: EncodingCodes, n: int, h: int, seed: int) -> Drawn:
    """Codes that do not nest follow from the number of the unit."""
    return Drawn(made, lambda numbers: codes_of(seed, n, h, numbers, made.code_format))


def add_encoding(
    change: Change,
    encoding: Encoding,
    works: UnitWorks,
    drawn: Drawn,
    permissions: Collection[Permission],
    reason: str | None,
    probes: pa.Table | None = None,
) -> None:
    """Add the rows of an encoding, with the codes of new units, count what it leaves out, and seal.

    ``probes``: the works, column asset_id, that it keeps out of all members.
    """
    connection, made = change.connection, drawn.made
    tables = ["encoding", "unit", "unit_asset"]
    if works.are_works:
        _insert_works(connection, encoding.id, works, drawn)
    else:
        _insert_units(connection, encoding.id, works, drawn)
    encoding.left_out = left_out(connection, encoding.id, permissions, probes)
    change.insert(encoding)
    if made.code_format != FIRST_FORMAT or made.extends is not None:
        made.encoding_id = encoding.id
        change.insert(made)
        tables.append("encoding_codes")
    if drawn.slots is not None:
        _insert_slots(connection, encoding.id, works.first, drawn.slots)
        tables += ["unit_group", "unit_slot"]
    if probes is not None and probes.num_rows:
        connection.register("kept_out", probes)
        connection.execute(
            "INSERT INTO encoding_probe (encoding_id, asset_id) SELECT ?, asset_id FROM kept_out ORDER BY asset_id",
            [encoding.id],
        )
        connection.unregister("kept_out")
        tables.append("encoding_probe")
    facts = encoding.model_dump(mode="json", exclude={"id", "created_at"})
    facts |= {"works": works.works, "permissions": sorted(str(each) for each in permissions)}
    facts |= {name: value for name, value in made.model_dump(exclude={"encoding_id"}).items() if value is not None}
    if "encoding_probe" in tables and probes is not None:
        facts["probes"] = probes.num_rows
    if reason is not None:
        facts["reason"] = reason
    change.record("works encoded", f"encoding {encoding.id}", after=facts)
    for table in tables:
        change.seal(table, encoding.id)


def _insert_works(connection: duckdb.DuckDBPyConnection, encoding_id: str, works: UnitWorks, drawn: Drawn) -> None:
    """Units that are works: both are in the order of ids, and nothing is sorted but blocks."""
    query = (
        "SELECT unit_number, asset_id, coalesce(title, path) AS label "  # noqa: S608 - a constant
        f"FROM ({rights_within('BETWEEN $first AND $last')}) "
        "JOIN (SELECT * FROM taken_work WHERE asset_id BETWEEN $first AND $last) USING (asset_id) ORDER BY asset_id"
    )
    for first, last in works.blocks():
        rows = connection.execute(query, {"first": first, "last": last}).to_arrow_table()
        rows = rows.append_column("code", pa.array(drawn.codes(rows["unit_number"].to_numpy())))
        _insert(
            connection,
            "INSERT INTO unit (encoding_id, number, key, label, code) "
            "SELECT ?, unit_number, asset_id::VARCHAR, label, code FROM new_rows",
            encoding_id,
            rows,
        )
        _insert(
            connection,
            "INSERT INTO unit_asset (encoding_id, unit_number, asset_id) SELECT ?, unit_number, asset_id FROM new_rows",
            encoding_id,
            rows,
        )


def _insert_units(connection: duckdb.DuckDBPyConnection, encoding_id: str, works: UnitWorks, drawn: Drawn) -> None:
    """Units of several works, from their names."""
    for first in range(0, works.units, BLOCK):
        rows = connection.execute(
            "SELECT number, key, label FROM unit_name WHERE number BETWEEN ? AND ? ORDER BY number",
            [first, first + BLOCK - 1],
        ).to_arrow_table()
        rows = rows.append_column("code", pa.array(drawn.codes(rows["number"].to_numpy())))
        _insert(
            connection,
            "INSERT INTO unit (encoding_id, number, key, label, code) SELECT ?, number, key, label, code FROM new_rows",
            encoding_id,
            rows,
        )
    connection.execute(
        "INSERT INTO unit_asset (encoding_id, unit_number, asset_id) "
        "SELECT ?, unit_number, asset_id FROM taken_work ORDER BY unit_number, asset_id",
        [encoding_id],
    )


def _insert_slots(connection: duckdb.DuckDBPyConnection, encoding_id: str, first_unit: int, slots: DrawnSlots) -> None:
    connection.register("unit_groups", slots.groups)
    connection.execute(
        "INSERT INTO unit_group (encoding_id, number, key, label, support, slots) "
        "SELECT ?, number, key, label, support, slots FROM unit_groups ORDER BY number",
        [encoding_id],
    )
    connection.unregister("unit_groups")
    for start in range(0, len(slots.places), BLOCK):
        group, places = slots.group_of_unit[start : start + BLOCK], slots.places[start : start + BLOCK]
        numbers = first_unit + start + np.arange(len(places))
        _insert(
            connection,
            "INSERT INTO unit_slot (encoding_id, unit_number, group_number, place) "
            "SELECT ?, unit_number, group_number, place FROM new_rows",
            encoding_id,
            pa.table({"unit_number": numbers, "group_number": group, "place": places}),
        )


def _insert(connection: duckdb.DuckDBPyConnection, statement: str, encoding_id: str, new_rows: pa.Table) -> None:  # noqa: ARG001
    """Run a statement that reads ``new_rows``, for a block of many in one transaction.

    DuckDB finds the table here by its name. A registered one would stay in memory until the
    transaction ends.
    """
    connection.execute(statement, [encoding_id])
