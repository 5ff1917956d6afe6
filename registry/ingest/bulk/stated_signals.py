"""Rights signals that a list states: headers in its columns, or conditions for all its works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.ingest.lists.connection import literal
from registry.ingest.lists.source import ListSource
from registry.signals import RightsSignal
from registry.site_policies.headers import header_columns, read_columns


@dataclass(frozen=True, eq=False)
class StatedSignals:
    """The signals of a batch: for each row with signals its place in the batch, and its outcome."""

    places: NDArray[np.int64]
    """Ascending."""
    outcomes: NDArray[np.int64]
    """Places in ``distinct``."""
    distinct: list[tuple[int | None, tuple[RightsSignal, ...]]]
    problems: list[tuple[int, str]]
    """What was not understood, once per distinct value, with the number of its first row."""


def stated_signals(connection: duckdb.DuckDBPyConnection, rows: pa.Table, source: ListSource) -> StatedSignals:
    """The signals of the rows of a batch. Equal headers are read once."""
    columns = header_columns(source.attributes)
    distinct: list[tuple[int | None, tuple[RightsSignal, ...]]] = [(None, source.signals)]
    places = np.arange(rows.num_rows if source.signals else 0)
    outcomes = np.zeros(len(places), np.int64)
    problems: list[tuple[int, str]] = []
    if columns and rows.num_rows:
        values, first, group = _distinct_headers(connection, rows, columns)
        readings = [read_columns(columns, each, source.name) for each in values]
        numbers = rows.column("row_number").to_numpy()[first].tolist()
        for number, reading in zip(numbers, readings, strict=True):
            problems += [(number, problem) for problem in reading.problems]
        distinct += [(None, reading.signals) for reading in readings]
        with_signals = np.flatnonzero(np.array([bool(reading.signals) for reading in readings])[group])
        places = np.concatenate([places, with_signals])
        outcomes = np.concatenate([outcomes, group[with_signals] + 1])
    order = np.argsort(places, kind="stable")
    return StatedSignals(places[order], outcomes[order], distinct, problems)


def _distinct_headers(
    connection: duckdb.DuckDBPyConnection, rows: pa.Table, columns: Sequence[str]
) -> tuple[list[list[str | None]], NDArray[np.int64], NDArray[np.int64]]:
    """The distinct values of the columns, the first row of each, and for each row its place."""
    taken = ", ".join(
        f"json_extract_string(attributes, {literal('/' + name)}) AS header{number}"
        for number, name in enumerate(columns)
    )
    connection.register("listed_rows", rows.select(["attributes"]))
    found = connection.execute(f"SELECT {taken} FROM listed_rows").to_arrow_table()  # noqa: S608 - quoted
    connection.unregister("listed_rows")
    keys = np.zeros(found.num_rows, np.int64)
    for column in found.itercolumns():
        encoded = column.combine_chunks().dictionary_encode()
        places = np.asarray(encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)
        keys = np.unique(keys * (len(encoded.dictionary) + 1) + places + 1, return_inverse=True)[1]
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    picked = found.take(pa.array(first))
    values = [list(each) for each in zip(*(column.to_pylist() for column in picked.itercolumns()), strict=True)]
    return values, first, group
