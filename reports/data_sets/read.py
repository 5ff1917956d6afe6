"""Reads the facts of a data-set report from the registry alone, in one transaction; its full tables
are files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import duckdb

from registry.errors import NotFoundError, RegistryError
from registry.event_log.events import head_of
from registry.export.files import write_listing
from registry.members.serving import Service, services
from registry.storage.database import Registry
from registry.works.listings import BLOCK
from reports.data_sets import words
from reports.data_sets.counting import (
    TABLES,
    prepare,
    read_conflicts,
    read_counts,
    read_permissions,
    read_totals,
)
from reports.data_sets.facts import DataSetFacts
from reports.data_sets.models import OPT_OUTS, prepare_models, read_model
from reports.rendering.texts import clipped

KIND = "data-set report"
ATTEMPTS = 3
Format = Literal["csv", "parquet"]

_FULL = {
    **{name: f"SELECT * FROM counted_{name} ORDER BY works DESC, name, note" for name in TABLES},  # noqa: S608 - our names
    "conflicts": "SELECT conflict, asset_id, sha256, path, detail FROM conflict JOIN asset ON asset.id = asset_id "
    "ORDER BY place, asset_id",
    "opt-outs": OPT_OUTS,
}
"""By the end of the file's name, all rows of a table."""


def read_data_set(
    registry: Registry, name: str, folder: Path | None = None, form: Format = "csv"
) -> tuple[DataSetFacts, dict[str, Path], tuple[int, str]]:
    """Everything that the report of a data set says, its tables by name, where a ``folder`` is
    given for them, and the log's end.

    Raises:
        NotFoundError: no data set has this name.
        RegistryError: the registry was changed again and again while it was read.
    """
    for _ in range(ATTEMPTS):
        with registry.connection() as connection:
            head = head_of(connection)
        seen_by = services(registry)
        with registry.connection() as connection:
            if head_of(connection) == head:
                return *_read(connection, name, seen_by, folder, form), head
    raise RegistryError("the registry was changed while it was read; try again when nobody else is at work")


def facts_again(registry: Registry, subject: str) -> object:
    """The facts of a report as plain values, for its stamp; ``subject`` is the name of the data
    set.
    """
    facts, _, _ = read_data_set(registry, subject)
    return facts.model_dump(mode="json")


def _read(
    connection: duckdb.DuckDBPyConnection, name: str, seen_by: Sequence[Service], folder: Path | None, form: Format
) -> tuple[DataSetFacts, dict[str, Path]]:
    row = connection.execute("SELECT id, kind, created_at FROM data_set WHERE name = ?", [name]).fetchone()
    if row is None:
        raise NotFoundError(f"no data set {clipped(name, 200)!r}; `creditline data-sets` lists what there is")
    prepare(connection, row[0])
    prepare_models(connection)
    totals = read_totals(connection)
    counts: dict[str, Any] = {table: read_counts(connection, table) for table in TABLES}
    permissions = read_permissions(connection)
    conflicts = read_conflicts(connection)
    models = [model for service in seen_by if (model := read_model(connection, service)) is not None]
    facts = DataSetFacts(
        data_set_id=row[0],
        name=name,
        kind=row[1],
        created_at=row[2],
        verdict=words.verdict(totals["works"], permissions),
        explanation=words.explanation(totals, conflicts, models),
        **totals,
        permissions=permissions,
        **counts,
        conflicts=conflicts,
        models=models,
        gaps=_gaps(connection),
        limits=[f"{statement} {explained}" for statement, explained in words.LIMITS],
    )
    tables: dict[str, Path] = {}
    if folder is not None:
        for table, query in _FULL.items():
            tables[table] = folder / f"{table}.{form}"
            write_listing(connection.execute(query).to_arrow_reader(BLOCK), tables[table])
    return facts, tables


def _gaps(connection: duckdb.DuckDBPyConnection) -> list[str]:
    (unnamed,) = connection.execute("SELECT count(*) FROM unnamed_move WHERE current = 'prohibited'").fetchall()[0]
    (fingerprints,) = connection.execute(
        "SELECT count(*) FROM corpus WHERE byte_size IS NOT NULL AND id NOT IN (SELECT asset_id FROM fingerprint)"
    ).fetchall()[0]
    gaps = []
    if unnamed:
        gaps.append(
            f"{unnamed:,} changes to “prohibited” were of more works than the log names one by one: since when these are "
            "prohibited is not known"
        )
    if fingerprints:
        gaps.append(f"{fingerprints:,} works have no perceptual hash, so that near duplicates of them are not known")
    return gaps
