"""The work of each row of a batch: new, known to the registry, or that of an earlier row."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from registry.event_log.events import Change
from registry.ingest.lists.columns import IDENTITY
from registry.ingest.store.known_identities import KnownIdentities
from registry.works.identity import IDENTITY_KEY

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Match:
    """The work of each row of a batch."""

    asset_ids: Numbers
    """Of every row; new works get the next ids, in order of their first rows."""
    new: Flags
    """First rows of new works."""
    first: Flags
    """The first row of each work, new or known: a work may have two keys, and several rows."""


def match(
    change: Change,
    rows: pa.Table,
    data_set_id: int,
    *,
    with_file: bool = False,
    identities_kept: KnownIdentities | None = None,
) -> Match:
    """Match the rows of a batch: by 64 bits of a hash, then by the text itself.

    ``with_file``: only works with a file count as known. ``identities_kept``: those that earlier
    batches of a long list have read.
    """
    identities = rows.column("identity").to_numpy()
    first_rows = _first_rows(rows, identities, data_set_id)
    every = np.arange(len(identities))
    repeated = first_rows != every
    places = every[~repeated] if repeated.any() else every
    if identities_kept is not None:
        identities_kept.read(change.connection)
        looked_up = places[identities_kept.among(identities[places])]
    else:
        looked_up = places
    known, known_ids = _known(change.connection, rows, identities, looked_up, data_set_id, with_file)
    new = ~repeated
    new[known] = False
    asset_ids = np.empty(len(identities), np.int64)
    asset_ids[known] = known_ids
    asset_ids[new] = change.next_id("asset") + np.arange(int(new.sum()))
    asset_ids = asset_ids[first_rows] if repeated.any() else asset_ids
    first = ~repeated
    if len(known):
        first[known] = False
        first[known[np.unique(known_ids, return_index=True)[1]]] = True
    return Match(asset_ids, new, first)


def _named(rows: pa.Table) -> pa.Table:
    return rows.select([name for name in IDENTITY if name in rows.column_names])


def _first_rows(rows: pa.Table, identities: NDArray[np.uint64], data_set_id: int) -> Numbers:
    """For each row the first row of the batch with the same key: mostly itself."""
    found = np.arange(len(identities))
    ordered = np.sort(identities)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if len(twice):
        places = np.flatnonzero(np.isin(identities, twice))
        keys = keys_of(_named(rows).take(pa.array(places)), data_set_id)
        codes = keys.dictionary_encode().indices.to_numpy()
        found[places] = places[np.unique(codes, return_index=True)[1][codes]]
    return found


def _known(
    connection: duckdb.DuckDBPyConnection,
    rows: pa.Table,
    identities: NDArray[np.uint64],
    places: Numbers,
    data_set_id: int,
    with_file: bool,
) -> tuple[Numbers, Numbers]:
    """Those of these rows that are works of the registry, ascending, and the works' ids."""
    if not len(places):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    connection.register("listed_works", pa.table({"listed_identity": identities[places]}))
    # Narrow columns only; texts are read for the works that are found. Works, and not pairs with
    # rows: hashes that agree in 64 bits are easily written, and would make rows times works pairs.
    found = connection.execute(
        # Materialised: DuckDB cannot push bounds above 2**63 of a join into an Arrow table.
        "WITH listed AS MATERIALIZED (FROM listed_works) "
        "SELECT id AS found_id FROM asset SEMI JOIN listed ON identity = listed_identity"
    ).to_arrow_table()
    connection.unregister("listed_works")
    if not found.num_rows:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    bounds = pc.min_max(found.column("found_id")).as_py()
    keys = keys_of(_named(rows), data_set_id).take(pa.array(places))
    connection.register("found_works", found)
    connection.register("listed_keys", pa.table({"place": places, "listed_key": keys}))
    # The best of several works comes last: one that is not missing, and the newest.
    pairs = connection.execute(
        f"SELECT place, id FROM (SELECT id, missing_since, {IDENTITY_KEY} AS key FROM found_works JOIN asset ON id = found_id "  # noqa: S608 - a constant
        "WHERE id BETWEEN ? AND ? AND (byte_size IS NOT NULL OR NOT ?)) JOIN listed_keys ON key = listed_key "
        "ORDER BY place, missing_since IS NULL, id",
        [bounds["min"], bounds["max"], with_file],
    ).to_arrow_table()
    connection.unregister("found_works")
    connection.unregister("listed_keys")
    at, ids = pairs.column("place").to_numpy(), pairs.column("id").to_numpy()
    last = np.append(at[1:] != at[:-1], True) if len(at) else np.empty(0, bool)
    return at[last], ids[last]


def keys_of(rows: pa.Table, data_set_id: int) -> pa.Array:
    """The texts that identify works: :data:`registry.works.identity.IDENTITY_KEY` over the rows."""
    columns = [rows.column(name) for name in ("sha256", "other_hash", "url") if name in rows.column_names]
    if "path" in rows.column_names:
        columns.append(pc.binary_join_element_wise(f"path:{data_set_id}:", rows.column("path"), ""))
    full = next((place for place, column in enumerate(columns) if not column.null_count), len(columns) - 1)
    keys = columns[0] if full == 0 else pc.coalesce(*columns[: full + 1])
    return pa.concat_arrays(keys.chunks) if keys.num_chunks else pa.array([], pa.string())


def identities_of(connection: duckdb.DuckDBPyConnection, keys: pa.Array) -> NDArray[np.uint64]:
    """:func:`registry.works.identity.identity_of` of each key; any number for a null."""
    connection.register("keys", pa.table({"key": keys}))
    # The length first: a regular expression takes as long as the hash.
    found = connection.execute(
        "SELECT CASE WHEN strlen(key) = 64 AND regexp_full_match(key, '[0-9a-f]{64}') "
        "THEN ('0x' || left(key, 16))::UBIGINT ELSE md5_number_lower(coalesce(key, '')) END AS identity FROM keys"
    ).to_arrow_table()
    connection.unregister("keys")
    return np.asarray(found.column("identity").to_numpy())
