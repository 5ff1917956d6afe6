"""The report of a data set: read from the registry in one transaction, as page, JSON and tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import duckdb

from registry.basis.check import checked_head
from registry.basis.rows import RIGHTS_EVENTS, Basis
from registry.errors import NotFoundError
from registry.export.files import write_listing
from registry.outputs.base_claim import bases_trained_on
from registry.storage.database import Registry
from registry.works.listings import BLOCK
from reports.data_sets import words
from reports.data_sets.counting import (
    SYNTHETIC,
    TABLES,
    prepare,
    read_conflicts,
    read_counts,
    read_permissions,
    read_totals,
)
from reports.data_sets.facts import VERSION, DataSetFacts
from reports.data_sets.models import OPT_OUTS, prepare_models, read_models
from reports.data_sets.page import page_values
from reports.issuing.document import Document, Reading
from reports.rendering.wording import clipped

Format = Literal["csv", "parquet"]

_FULL = {
    **{name: f"SELECT * FROM counted_{name} ORDER BY works DESC, name, note" for name in TABLES},  # noqa: S608 - our names
    "conflicts": "SELECT conflict, asset_id, sha256, path, detail FROM conflict JOIN asset ON asset.id = asset_id "
    "ORDER BY place, asset_id",
    "opt-outs": OPT_OUTS,
    "synthetic": f"SELECT asset_id, asset.sha256, asset.path, signs {SYNTHETIC} JOIN asset USING (id) ORDER BY asset_id",
}
"""By name, the query of a table beside the report."""


def read_data_set(registry: Registry, name: str, scratch: Path, form: Format = "csv") -> Reading[DataSetFacts]:
    """The facts of a data set's report; writes its tables into ``scratch``.

    Raises:
        NotFoundError: no data set has this name.
    """
    with registry.connection() as connection:
        row = connection.execute("SELECT id, kind, created_at FROM data_set WHERE name = ?", [name]).fetchone()
        if row is None:
            raise NotFoundError(f"no data set {clipped(name, 200)!r}; `creditline data-sets` lists them")
        data_set_id, kind, created_at = row
        prepare(connection, data_set_id)
        prepare_models(connection)
        bases = bases_trained_on(connection, name)
        works = connection.execute("SELECT id FROM asset WHERE data_set_id = ?", [data_set_id]).to_arrow_table()["id"]
        ensembles = [str(each) for (each,) in connection.execute("SELECT id FROM ensemble ORDER BY id").fetchall()]
        named = [base.id for base in bases]
        basis = Basis(works=works.to_numpy(), ensembles=ensembles, bases=named, events=RIGHTS_EVENTS)
        head = checked_head(connection, registry.home, basis)
        totals = read_totals(connection)
        counts: dict[str, Any] = {table: read_counts(connection, table) for table in TABLES}
        permissions = read_permissions(connection)
        conflicts = read_conflicts(connection)
        models = read_models(connection, data_set_id)
        facts = DataSetFacts(
            data_set_id=data_set_id,
            name=name,
            kind=kind,
            created_at=created_at,
            verdict=words.verdict(totals["works"], permissions),
            explanation=words.explanation(totals, conflicts, models, bases),
            **totals,
            permissions=permissions,
            **counts,
            conflicts=conflicts,
            models=models,
            gaps=_gaps(connection),
            limits=[f"{statement} {explained}" for statement, explained in words.LIMITS],
        )
        tables = {table: scratch / f"{table}.{form}" for table in _FULL}
        for table, query in _FULL.items():
            write_listing(connection.execute(query).to_arrow_reader(BLOCK), tables[table])
        # A data set's name may be anything; its id always fits a file name.
        return Reading(name, facts, head, f"data-set-{data_set_id}", tables)


def _gaps(connection: duckdb.DuckDBPyConnection) -> list[str]:
    (unnamed,) = connection.execute(
        "SELECT count(*) FROM unnamed_permission_change WHERE current = 'prohibited'"
    ).fetchall()[0]
    (fingerprints,) = connection.execute(
        "SELECT count(*) FROM selected_work WHERE byte_size IS NOT NULL AND id NOT IN (SELECT asset_id FROM fingerprint)"
    ).fetchall()[0]
    gaps = []
    if unnamed:
        gaps.append(
            f"{unnamed:,} changes to “prohibited” concerned more works than the log names one by one: it is not known "
            "since when these are prohibited"
        )
    if fingerprints:
        gaps.append(f"{fingerprints:,} works have no fingerprint, so their near duplicates are not known")
    return gaps


DATA_SET = Document(
    kind="data-set report",
    name="data-set-report",
    version=VERSION,
    model=DataSetFacts,
    template="data_set.html.j2",
    read=read_data_set,
    page_values=page_values,
)
