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
    """The encoding that was made last.

    Raises:
        NotFoundError: there is none.
    """
    found = session.exec(select(Encoding).order_by(col(Encoding.created_at).desc(), col(Encoding.id)).limit(1)).first()
    if found is None:
        raise NotFoundError("no encoding yet; run `creditline encode --unit asset --members 10` first")
    return found


def latest_ensemble(session: Session) -> Ensemble:
    """The ensemble that was made last, of those that have all their members if any has.

    Raises:
        NotFoundError: there is none.
    """
    query = select(Ensemble, Encoding.n).join(Encoding, col(Encoding.id) == col(Ensemble.encoding_id))
    found = list(session.exec(query))
    if not found:
        raise NotFoundError("no ensemble yet; run `creditline train` first")
    counts = Counter(session.exec(select(Member.ensemble_id)))
    return max(found, key=lambda row: (counts[row[0].id] == row[1], row[0].created_at, row[0].id))[0]


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
    return connection.execute(query + " ORDER BY asset_id").to_arrow_table()


def works(
    connection: duckdb.DuckDBPyConnection,
    *,
    rightsholder: str | None = None,
    licence: str | None = None,
    data_set: str | None = None,
    limit: int | None = None,
) -> pa.Table:
    """Works with their newest rights, by data set and path; each filter is an exact name."""
    filters = {"rightsholder": rightsholder, "licence": licence, "data_set": data_set}
    chosen = {name: value for name, value in filters.items() if value is not None}
    conditions = " AND ".join(f"{name} = ?" for name in chosen) or "true"
    return connection.execute(
        f"SELECT * FROM ({ASSET_RIGHTS}) WHERE {conditions} ORDER BY data_set, path, asset_id LIMIT ?",  # noqa: S608  # names from above
        [*chosen.values(), limit],
    ).to_arrow_table()


def rightsholders(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Rightsholders by name, with the number of their works, their bytes and the licences they are under."""
    return connection.execute(
        f"""
        SELECT
            rightsholder.id AS rightsholder_id, rightsholder.name AS rightsholder, rightsholder.contact AS contact,
            count(held.asset_id) AS works, coalesce(sum(held.byte_size), 0)::BIGINT AS bytes,
            coalesce(list_sort(list(DISTINCT held.licence) FILTER (held.licence IS NOT NULL)), []) AS licences
        FROM rightsholder LEFT JOIN ({ASSET_RIGHTS}) AS held ON held.rightsholder_id = rightsholder.id
        GROUP BY ALL ORDER BY rightsholder.name
        """  # noqa: S608  # a constant
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
        "SELECT count(*) FILTER (rightsholder IS NULL), count(*) FILTER (licence IS NULL), "  # noqa: S608  # a constant
        f"count(*) FILTER (missing_since IS NOT NULL), coalesce(sum(byte_size), 0)::BIGINT FROM ({ASSET_RIGHTS})",
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
            "SELECT id, unit_kind, unit_column, n, h, seed, unit_count, created_at FROM encoding "
            "ORDER BY created_at, id",
        ),
        ensembles=_records(
            connection,
            "SELECT ensemble.id AS id, encoding_id, count(member.id) AS members, any_value(n) AS n, "
            "ensemble.created_at AS created_at FROM ensemble JOIN encoding ON encoding.id = encoding_id "
            "LEFT JOIN member ON ensemble_id = ensemble.id GROUP BY ALL ORDER BY ensemble.created_at, ensemble.id",
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
