"""Rightsholders and licences of a batch to ids: each name is looked up once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.event_log.events import Change
from registry.rightsholders.names import licence_ids, rightsholder_ids

NOBODY = -1


@dataclass(frozen=True)
class Named:
    """The ids of a column of names, row by row; :data:`NOBODY` where none is stated."""

    ids: NDArray[np.int64]
    """As stated."""
    current: NDArray[np.int64]
    """The records that count, after merges."""
    training: tuple[str, ...] = ()
    """For licences: the different permissions to train."""
    kinds: NDArray[np.int64] | None = None
    """For licences: the place of each row's permission in ``training``."""


def rightsholders(change: Change, rows: pa.Table) -> Named:
    """The rightsholders of a batch; new names get a record."""
    codes, names = _encoded(rows, "rightsholder")
    connection = change.connection
    connection.register("batch_names", pa.table({"place": np.arange(len(names)), "named": names}))
    missing = connection.execute("SELECT named FROM batch_names ANTI JOIN rightsholder ON name = named").fetchall()
    if missing:
        rightsholder_ids(change, [name for (name,) in missing])
    found = connection.execute(
        "SELECT place, min(id) AS id, min_by(effective_id, id) AS current "
        "FROM batch_names JOIN effective_rightsholder ON name = named GROUP BY place ORDER BY place"
    ).to_arrow_table()
    connection.unregister("batch_names")
    return Named(_spread(found.column("id"), codes), _spread(found.column("current"), codes))


def licences(change: Change, rows: pa.Table) -> Named:
    """The licences of a batch; new references are read as SPDX expressions and kept verbatim."""
    codes, references = _encoded(rows, "licence")
    by_reference = licence_ids(change, references.to_pylist())
    ids = pa.array([by_reference[reference] for reference in references.to_pylist()], pa.int64())
    change.connection.register("batch_licences", pa.table({"place": np.arange(len(ids)), "licence_id": ids}))
    training = change.connection.execute(
        "SELECT training FROM batch_licences JOIN licence ON licence.id = licence_id ORDER BY place"
    ).fetchall()
    change.connection.unregister("batch_licences")
    spread = _spread(ids, codes)
    return Named(
        spread, spread, (*(str(value) for (value,) in training), "unclear"), np.where(codes < 0, len(ids), codes)
    )


def _encoded(rows: pa.Table, column: str) -> tuple[NDArray[np.int64], pa.Array]:
    """For each row the place of its name, -1 for none; and the names."""
    if column not in rows.column_names:
        return np.full(rows.num_rows, -1, np.int64), pa.array([], pa.string())
    encoded = rows.column(column).combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = pa.concat_arrays(encoded.chunks) if encoded.num_chunks else pa.array([], pa.string())
    encoded = encoded.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, encoded.dictionary


def _spread(ids: pa.Array | pa.ChunkedArray, codes: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.append(ids.to_numpy(), NOBODY).astype(np.int64)[codes]
