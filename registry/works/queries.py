"""Queries of commands and of attribution. Read only; every list has a stable order."""

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

from registry.encodings.store import load_codes
from registry.errors import NotFoundError, UsageError
from registry.storage.current_rights import ASSET_RIGHTS, attribute_names, column_expression, rights_of
from registry.storage.database import Registry
from registry.storage.results import number_of
from registry.storage.tables import Encoding, Ensemble, Member, Sample
from registry.works.listings import PAGE

Row = TypeVar("Row", bound=SQLModel)


@dataclass(frozen=True, eq=False)
class TrainingAssets:
    """The works of an encoding for training, in order of asset id."""

    asset_ids: NDArray[np.int64]
    sha256: list[str]
    paths: list[Path]
    """Absolute. A file can have changed since: check its hash when reading it."""
    unit_numbers: NDArray[np.int64]
    values: list[str | None] | None
    """The works' values of the requested column; None for a work without one."""


def latest_encoding(session: Session) -> Encoding:
    """The encoding that was made last, by the order of rows, because clocks can go backwards.

    Raises:
        NotFoundError: there is none.
    """
    found = session.exec(select(Encoding).order_by(literal_column("rowid").desc()).limit(1)).first()
    if found is None:
        raise NotFoundError("no encoding yet; run `creditline encode` first")
    return found


def latest_ensemble(session: Session) -> Ensemble:
    """The ensemble that was made last among the complete ones, or among all if none is complete.

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
    # By the order of rows, because clocks can go backwards.
    return max(enumerate(found), key=lambda item: (counts[item[1][0].id] == item[1][1], item[0]))[1][0]


_LISTED_BY: dict[type[SQLModel], str] = {Sample: "samples", Member: "members list"}
"""The command that lists the rows of a table; `status` lists the others."""


def find_by_prefix(session: Session, model: type[Row], prefix: str) -> Row:
    """The one row of ``model`` whose id starts with ``prefix``.

    Raises:
        NotFoundError: none does.
        UsageError: several do.
    """
    key: Any = model.id  # type: ignore[attr-defined]  # the models with text ids, all of which have it
    found = session.exec(select(model).where(key.startswith(prefix, autoescape=True)).order_by(key).limit(2)).all()
    if not prefix or not found:
        raise NotFoundError(f"no {_name(model)} {prefix!r}; `creditline {_LISTED_BY.get(model, 'status')}` lists them")
    exact = [row for row in found if row.id == prefix]  # type: ignore[attr-defined]
    if len(exact or found) > 1:
        raise UsageError(f"{prefix!r} is the start of several {_name(model)} ids; give more digits")
    return (exact or list(found))[0]


def training_assets(registry: Registry, encoding_id: str, column: str | None) -> TrainingAssets:
    """The works of an encoding with their files, and their values of ``column``.

    Raises:
        NotFoundError: no such encoding, or no work has a value in the column.
    """
    units = load_codes(registry, encoding_id)
    value = column_expression(column) if column is not None else "NULL::VARCHAR"
    with registry.connection() as connection:
        connection.register("selected", pa.table({"selected_id": units.asset_ids}))
        # The column's name enters as an escaped literal.
        rows = connection.execute(
            f"SELECT asset_id, sha256, root, path, {value} AS value "  # noqa: S608
            f"FROM ({ASSET_RIGHTS}) JOIN selected ON asset_id = selected_id ORDER BY asset_id"
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
    """Works by asset id, in the columns of ``ASSET_RIGHTS`` of current_rights."""
    query = f"SELECT * FROM ({ASSET_RIGHTS})"  # noqa: S608  # a constant
    if asset_ids is not None and len(asset_ids) <= PAGE:
        query = f"SELECT * FROM ({rights_of(asset_ids)})"  # noqa: S608  # numbers
    elif asset_ids is not None:
        connection.register("selected", pa.table({"selected_id": pa.array(list(asset_ids), pa.int64())}))
        query += " WHERE asset_id IN (SELECT selected_id FROM selected)"
        # With bounds DuckDB skips the blocks that cannot hold them.
        query += f" AND asset_id BETWEEN {int(min(asset_ids))} AND {int(max(asset_ids))}"
    return connection.execute(query + " ORDER BY asset_id").to_arrow_table()


def works_smaller_than(connection: duckdb.DuckDBPyConnection, encoding_id: str, size: int, *, whole: bool) -> int:
    """Number of an encoding's works that are enlarged to fit a square of ``size`` pixels a side.

    ``whole``: the whole work fits into the square; otherwise the work fills the square.
    """
    side = "greatest(width, height)" if whole else "least(width, height)"
    return number_of(
        connection,
        f"SELECT count(*) FROM asset JOIN unit_asset ON asset_id = asset.id WHERE encoding_id = ? AND {side} < ?",  # noqa: S608 - one of two constants
        [encoding_id, size],
    )


def works_outside(connection: duckdb.DuckDBPyConnection, encoding_id: str) -> int:
    """Number of works in no unit of the encoding: later, missing, or without a value."""
    return number_of(
        connection,
        "SELECT count(*) FROM asset WHERE id NOT IN (SELECT asset_id FROM unit_asset WHERE encoding_id = ?)",
        [encoding_id],
    )


def works_kept_out(registry: Registry, encoding_id: str, limit: int) -> list[tuple[str, Path]]:
    """SHA-256 and file of permitted works in no unit of the encoding, in order of SHA-256.

    A work with the bytes of an encoded work is not kept out. Probes are not listed: they serve one
    purpose, and nothing else may be chosen by them (:mod:`registry.encodings.probes`).
    """
    with registry.connection() as connection:
        rows = connection.execute(
            f"SELECT DISTINCT ON (sha256) sha256, root, path FROM ({ASSET_RIGHTS}) "  # noqa: S608 - a constant
            "WHERE permission = 'permitted' AND missing_since IS NULL AND sha256 IS NOT NULL AND path IS NOT NULL "
            "AND sha256 NOT IN (SELECT sha256 FROM asset JOIN unit_asset ON asset_id = asset.id "
            "WHERE encoding_id = ? AND sha256 IS NOT NULL) "
            "AND asset_id NOT IN (SELECT asset_id FROM encoding_probe WHERE encoding_id = ?) "
            "ORDER BY sha256, asset_id LIMIT ?",
            [encoding_id, encoding_id, limit],
        ).fetchall()
    return [(sha256, Path(root, path)) for sha256, root, path in rows]


def _name(model: type[SQLModel]) -> str:
    return str(model.__tablename__)
