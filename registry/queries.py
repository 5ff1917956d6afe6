"""Questions that commands and attribution ask the registry. Reading only; every list has a stable order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import literal_column
from sqlmodel import Session, SQLModel, col, select

from registry.database import Registry
from registry.encodings import load_units
from registry.errors import NotFoundError, UsageError
from registry.models import Encoding, Ensemble, Member
from registry.rights import ASSET_RIGHTS, attribute_names, column_expression

Row = TypeVar("Row", bound=SQLModel)


@dataclass(frozen=True, eq=False)
class TrainingAssets:
    """The works of an encoding, as training needs them; all fields in order of asset id."""

    asset_ids: NDArray[np.int64]
    sha256: list[str]
    paths: list[Path]
    """Absolute. The file may have changed since: check its hash when it is read."""
    unit_numbers: NDArray[np.int64]
    values: list[str | None] | None
    """The works' values of the column that was asked for; None for a work without one."""


def latest_encoding(session: Session) -> Encoding:
    """The encoding that was made last, by the order of rows: a clock may have gone backwards.

    Raises:
        NotFoundError: there is none.
    """
    found = session.exec(select(Encoding).order_by(literal_column("rowid").desc()).limit(1)).first()
    if found is None:
        raise NotFoundError("no encoding yet; run `creditline encode --unit asset --members 10` first")
    return found


def latest_ensemble(session: Session) -> Ensemble:
    """The ensemble that was made last, of those that have all their members if any has.

    Raises:
        NotFoundError: there is none.
    """
    query = (
        select(Ensemble, Encoding.n)
        .join(Encoding, col(Encoding.id) == col(Ensemble.encoding_id))
        .order_by(literal_column("ensemble.rowid"))
    )
    found = list(session.exec(query))
    if not found:
        raise NotFoundError("no ensemble yet; run `creditline train` first")
    counts = Counter(session.exec(select(Member.ensemble_id).where(Member.generation == 1)))
    # The last one in the order of rows, since a clock may have gone backwards.
    return max(enumerate(found), key=lambda item: (counts[item[1][0].id] == item[1][1], item[0]))[1][0]


def find_by_prefix(session: Session, model: type[Row], prefix: str) -> Row:
    """The one row of ``model`` whose id starts with ``prefix``.

    Raises:
        NotFoundError: none does.
        UsageError: several do.
    """
    key: Any = model.id  # type: ignore[attr-defined]  # the models with text ids, all of which have it
    found = session.exec(select(model).where(key.startswith(prefix, autoescape=True)).order_by(key).limit(2)).all()
    if not prefix or not found:
        raise NotFoundError(f"no {_name(model)} {prefix!r}; `creditline status` says what there is")
    exact = [row for row in found if row.id == prefix]  # type: ignore[attr-defined]
    if len(exact or found) > 1:
        raise UsageError(f"{prefix!r} is the start of several {_name(model)} ids; give more digits")
    return (exact or list(found))[0]


def training_assets(registry: Registry, encoding_id: str, column: str | None) -> TrainingAssets:
    """The works of an encoding with their files, and their values of ``column`` if one is given.

    Raises:
        NotFoundError: no such encoding, or no work has a value in the column.
    """
    units = load_units(registry, encoding_id)
    value = column_expression(column) if column is not None else "NULL::VARCHAR"
    with registry.connection() as connection:
        connection.register("wanted", pa.table({"wanted_id": units.asset_ids}))
        # The column's name enters as an escaped literal.
        rows = connection.execute(
            f"SELECT asset_id, sha256, root, path, {value} AS value "  # noqa: S608
            f"FROM ({ASSET_RIGHTS}) JOIN wanted ON asset_id = wanted_id ORDER BY asset_id"
        ).to_arrow_table()
        known = attribute_names(connection) if column is not None else []
    values = rows["value"].to_pylist()
    if column is not None and not any(values):
        raise NotFoundError(f"no work has a value in the column {column!r}; the columns there are: {', '.join(known)}")
    roots, paths = rows["root"].to_pylist(), rows["path"].to_pylist()
    return TrainingAssets(
        asset_ids=rows["asset_id"].to_numpy(),
        sha256=rows["sha256"].to_pylist(),
        paths=[Path(root, path) for root, path in zip(roots, paths, strict=True)],
        unit_numbers=units.unit_numbers,
        values=values if column is not None else None,
    )


def asset_rights_table(connection: duckdb.DuckDBPyConnection, asset_ids: Sequence[int] | None = None) -> pa.Table:
    """Works with their newest rights (columns: see :data:`registry.rights.ASSET_RIGHTS`), by asset id."""
    query = f"SELECT * FROM ({ASSET_RIGHTS})"  # noqa: S608  # a constant
    if asset_ids is not None:
        connection.register("wanted", pa.table({"wanted_id": pa.array(list(asset_ids), pa.int64())}))
        query += " WHERE asset_id IN (SELECT wanted_id FROM wanted)"
        if asset_ids:
            # The blocks that can hold them are few; DuckDB passes over the others.
            query += f" AND asset_id BETWEEN {int(min(asset_ids))} AND {int(max(asset_ids))}"
    return connection.execute(query + " ORDER BY asset_id").to_arrow_table()


@dataclass(frozen=True)
class WorksFilter:
    """Which works to list; every field is an exact name, None for any."""

    rightsholder: str | None = None
    licence: str | None = None
    data_set: str | None = None
    permission: str | None = None

    def conditions(self, connection: duckdb.DuckDBPyConnection) -> tuple[str, list[Any]]:
        """SQL over ``asset`` and its values: names become ids first, so that a column of numbers is all that is read.

        A rightsholder's name counts for the record that it was merged into.
        """
        ids = {
            "rightsholder_id": (
                self.rightsholder,
                "SELECT coalesce(merged_into, id) FROM rightsholder WHERE name = ?",
            ),
            "licence_id": (self.licence, "SELECT id FROM licence WHERE reference = ? OR spdx = ?"),
            "data_set_id": (self.data_set, "SELECT id FROM data_set WHERE name = ?"),
        }
        terms: list[str] = []
        values: list[Any] = []
        for column, (name, query) in ids.items():
            if name is not None:
                rows = connection.execute(query, [name] * query.count("?")).fetchall()
                terms.append(f"list_contains(?, {column})")
                values.append([int(number) for (number,) in rows])
        if self.permission is not None:
            terms.append("permission = ?")
            values.append(self.permission)
        return " AND ".join(terms) or "true", values


def count_works(connection: duckdb.DuckDBPyConnection, chosen: WorksFilter) -> int:
    """How many works a filter chooses."""
    condition, values = chosen.conditions(connection)
    return int(_one(connection, f"SELECT count(*) FROM asset WHERE {condition}", values)[0])  # noqa: S608  # built above


def works(
    connection: duckdb.DuckDBPyConnection,
    chosen: WorksFilter = WorksFilter(),
    *,
    limit: int | None = None,
    offset: int = 0,
) -> pa.Table:
    """A page of works with their current rights, by asset id."""
    condition, values = chosen.conditions(connection)
    if limit is None:
        return connection.execute(
            f"SELECT * FROM ({ASSET_RIGHTS}) WHERE asset_id IN (SELECT id FROM asset WHERE {condition}) "  # noqa: S608  # built above
            "ORDER BY asset_id OFFSET ?",
            [*values, offset],
        ).to_arrow_table()
    # The page's ids come from the columns of numbers alone; only then are the page's texts fetched.
    page = connection.execute(
        f"SELECT id FROM asset WHERE {condition} ORDER BY id LIMIT ? OFFSET ?",  # noqa: S608  # built above
        [*values, limit, offset],
    ).fetchall()
    return asset_rights_table(connection, [int(number) for (number,) in page])


def rightsholders(connection: duckdb.DuckDBPyConnection, *, limit: int | None = None, offset: int = 0) -> pa.Table:
    """Rightsholders by name, with the number of their works, their bytes and the licences they are under."""
    return connection.execute(
        """
        WITH page AS (
            SELECT id, name FROM rightsholder WHERE merged_into IS NULL ORDER BY name, id LIMIT ? OFFSET ?
        )
        SELECT
            page.id AS rightsholder_id, any_value(page.name) AS rightsholder, any_value(contact) AS contact,
            count(asset.id) AS works, coalesce(sum(byte_size), 0)::BIGINT AS bytes,
            coalesce(list_sort(list(DISTINCT reference) FILTER (reference IS NOT NULL)), []) AS licences
        FROM page
        LEFT JOIN asset ON asset.rightsholder_id = page.id
        LEFT JOIN licence ON licence.id = asset.licence_id
        LEFT JOIN (
            SELECT rightsholder_id AS described_id, arg_max(contact, id) AS contact FROM rightsholder_details GROUP BY 1
        ) ON described_id = page.id
        GROUP BY page.id ORDER BY rightsholder, page.id
        """,
        [limit, offset],
    ).to_arrow_table()


@dataclass(frozen=True)
class Status:
    """How much the registry holds."""

    counts: dict[str, int]
    """Rows per table of things that people count."""
    works_without_rightsholder: int
    works_without_licence: int
    works_missing: int
    bytes: int
    data_sets: list[dict[str, Any]]
    encodings: list[dict[str, Any]]
    ensembles: list[dict[str, Any]]


def status(connection: duckdb.DuckDBPyConnection) -> Status:
    """Count what there is."""
    tables = ("asset", "rightsholder", "licence", "data_set", "encoding", "ensemble", "member", "sample", "audit")
    counts = {name: int(_one(connection, f"SELECT count(*) FROM {name}")[0]) for name in tables}  # noqa: S608  # names above
    gaps = _one(
        connection,
        "SELECT count(*) FILTER (rightsholder_id IS NULL), count(*) FILTER (licence_id IS NULL), "
        "count(*) FILTER (missing_since IS NOT NULL), coalesce(sum(byte_size), 0)::BIGINT FROM asset",
    )
    return Status(
        counts=counts,
        works_without_rightsholder=int(gaps[0]),
        works_without_licence=int(gaps[1]),
        works_missing=int(gaps[2]),
        bytes=int(gaps[3]),
        data_sets=_records(
            connection,
            "SELECT name, root, count(asset.id) AS works FROM data_set "
            "LEFT JOIN asset ON data_set_id = data_set.id GROUP BY ALL ORDER BY name",
        ),
        encodings=_records(
            connection,
            "SELECT id, unit_kind, unit_column, n, h, seed, unit_count, created_at FROM encoding ORDER BY rowid",
        ),
        ensembles=_records(
            connection,
            "SELECT ensemble.id AS id, encoding_id, count(member.id) AS members, any_value(n) AS n, "
            "ensemble.created_at AS created_at FROM ensemble JOIN encoding ON encoding.id = encoding_id "
            "LEFT JOIN member ON ensemble_id = ensemble.id AND generation = 1 GROUP BY ALL "
            "ORDER BY ensemble.created_at, ensemble.id",
        ),
    )


def works_outside(connection: duckdb.DuckDBPyConnection, encoding_id: str) -> int:
    """How many of the registered works no unit of the encoding has: registered later, without a value, or missing."""
    row = _one(
        connection,
        "SELECT count(*) FROM asset WHERE id NOT IN (SELECT asset_id FROM unit_asset WHERE encoding_id = ?)",
        [encoding_id],
    )
    return int(row[0])


def _one(connection: duckdb.DuckDBPyConnection, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
    row: tuple[Any, ...] = connection.execute(query, list(values)).fetchall()[0]
    return row


def _records(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = connection.execute(query).to_arrow_table().to_pylist()
    return rows


def _name(model: type[SQLModel]) -> str:
    return str(model.__tablename__)
