"""The same operations as plain SQL over plain tables: no checks, no seals, no log, no history.

The table ``works`` has the list's own columns and a number. Codes are DuckDB's hash of the unit's
number. What must not be trained on is found by the licence's text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.registry_size.works import forbidding_texts
from registry.ingest.lists.connection import literal

# ruff: noqa: S608 - statements of numbers and constants

COLUMNS = "url, sha256, title, byte_size, width, height, license, creator"


def _forbidden() -> str:
    return f"license IN ({', '.join(map(literal, forbidding_texts()))})"


def intake(works: Path) -> list[str]:
    """The list into a table."""
    return [
        "CREATE TABLE works (id BIGINT, url VARCHAR, sha256 VARCHAR, title VARCHAR, byte_size BIGINT, width INTEGER, "
        "height INTEGER, license VARCHAR, creator VARCHAR)",
        f"INSERT INTO works SELECT file_row_number, {COLUMNS} FROM read_parquet('{works}')",
    ]


def encode() -> list[str]:
    """A unit with a code for every work that may be encoded, and which work it is."""
    return [
        "CREATE TABLE unit (encoding_id VARCHAR, number BIGINT, key VARCHAR, label VARCHAR, code UBIGINT)",
        "CREATE TABLE unit_asset (encoding_id VARCHAR, unit_number BIGINT, asset_id BIGINT)",
        "CREATE TEMP TABLE usable AS SELECT row_number() OVER (ORDER BY id) - 1 AS number, id, title FROM works "
        f"WHERE NOT {_forbidden()}",
        "INSERT INTO unit SELECT 'e', number, id::VARCHAR, title, hash(number) FROM usable ORDER BY number",
        "INSERT INTO unit_asset SELECT 'e', number, id FROM usable ORDER BY number",
    ]


def listing(condition: str, offset: int) -> list[str]:
    """A page of fifty, and how many there are."""
    return [
        f"SELECT * FROM works WHERE {condition} ORDER BY id LIMIT 50 OFFSET {offset}",
        f"SELECT count(*) FROM works WHERE {condition}",
    ]


def export(out: Path) -> list[str]:
    """All works as Parquet, in order."""
    return [f"COPY (SELECT * FROM works ORDER BY id) TO '{out}' (FORMAT parquet, COMPRESSION zstd)"]


def permission() -> list[str]:
    """Works of the encoding that must not be trained on, each with its code."""
    return [
        "SELECT asset_id, code FROM unit_asset JOIN works ON id = asset_id JOIN unit ON number = unit_number "
        f"WHERE {_forbidden()}"
    ]


def exposure(condition: str, members: Sequence[int]) -> list[str]:
    """Works of one owner that each member saw."""
    seen = ", ".join(f"count(*) FILTER ((code >> {member}) & 1 = 1)" for member in members)
    return [
        f"SELECT count(*), {seen} FROM works JOIN unit_asset ON id = asset_id JOIN unit ON number = unit_number "
        f"WHERE {condition}"
    ]


def doctor(tables: Sequence[str]) -> list[str]:
    """One read of every value, every number counted once, and every work of a unit looked up.

    It runs on the registry's own file: what any check of these rows must do at least.
    """
    return [
        *(f"SELECT bit_xor(hash(COLUMNS(*))) FROM {table}" for table in tables),
        "SELECT count(DISTINCT id) FROM asset",
        "SELECT count(DISTINCT id) FROM asset_rights",
        "SELECT count(*) FROM unit_asset JOIN asset ON asset.id = asset_id JOIN unit ON number = unit_number",
        "SELECT count(*) FROM asset JOIN asset_rights ON asset_rights.id = declared_id JOIN licence "
        "ON licence.id = asset_rights.licence_id WHERE asset.permission <> licence.training",
    ]
