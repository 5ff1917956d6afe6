"""The table of works: one row per work with rights, permission, duties of its licence, identifiers.

The rows are those of :func:`registry.works.listings.works_reader`, block by block; duties and the
rightsholder's identifiers are looked up per block, so ten million works take no more memory than
one block.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from registry.permissions.reasons import reason_column
from registry.storage.current_rights import effective_rights_id
from registry.works.listings import works_reader
from reports.rendering.columns import NOT_SYNTHETIC, Column, Table, fitted

_NOT_STATED = "not stated"
_UNREAD = "the file was not read"

TABLE = Table(
    "works",
    "One work that is registered",
    (
        Column("asset_id", "whole number", "Id of the work in the registry"),
        Column("data_set", "text", "Data set that it was registered from"),
        Column("path", "text", "Its path in the data set", "it is known by its address"),
        Column("url", "text", "Its address", "it is known by its path"),
        Column("sha256", "text", "SHA-256 of its file", _UNREAD),
        Column("byte_size", "whole number", "Size of its file", _UNREAD, "bytes"),
        Column("media_type", "text", "Format of its file, such as `image/png`", _UNREAD),
        Column("width", "whole number", "Width of the picture", _UNREAD, "pixels"),
        Column("height", "whole number", "Height of the picture", _UNREAD, "pixels"),
        Column("pixel_mode", "text", "Kind of pixels, such as `RGB`", _UNREAD),
        Column("title", "text", "Its title: as verified, else as declared", _NOT_STATED),
        Column("creator", "text", "Who made it: as verified, else as declared", _NOT_STATED),
        Column("source_url", "text", "Where it comes from: as verified, else as declared", _NOT_STATED),
        Column("basis", "text", "What the rights rest on: `verified` or `declared`", _NOT_STATED),
        Column("rightsholder_id", "whole number", "Id of the rightsholder, as verified, else as declared", _NOT_STATED),
        Column("rightsholder", "text", "Name of the rightsholder, as verified, else as declared", _NOT_STATED),
        Column(
            "rightsholder_stated",
            "text",
            "Name that was stated, where that record was merged into another",
            "it is the same",
        ),
        Column("rightsholders", "texts", "Names of all rightsholders, the first one first; empty: not stated"),
        Column(
            "rightsholder_identifiers",
            "texts",
            "Identifiers of the rightsholder elsewhere, as `scheme:value`, sorted; empty: none are on record",
        ),
        Column("licence_id", "whole number", "Id of its licence", _NOT_STATED),
        Column("licence", "text", "Licence, as it was stated", _NOT_STATED),
        Column("licence_spdx", "text", "The same as an SPDX expression", "it was not understood, or there is none"),
        Column("licence_url", "text", "Address of the licence", "none is known"),
        Column(
            "licence_training",
            "text",
            "What the licence says about training: `permitted`, `constrained`, `prohibited` or `unclear`",
            _NOT_STATED,
        ),
        Column("licence_duties", "texts", "What the licence asks for, such as `attribution`", _NOT_STATED),
        Column(
            "permission",
            "text",
            "Whether it may be trained on now: `permitted`, `unclear`, `constrained`, `prohibited` or `withdrawn`",
        ),
        Column("attributes", "object", "Further columns of the source, by name"),
        Column("recorded_from", "text", "File or person that the rights were taken from", _NOT_STATED),
        Column("recorded_by", "text", "Who recorded them", _NOT_STATED),
        Column("recorded_at", "time", "When they were recorded", _NOT_STATED, "UTC"),
        Column("registered_at", "time", "When the work was registered", unit="UTC"),
        Column("missing_since", "time", "When its file was not found any more", "it was found", "UTC"),
        Column("caption", "text", "Its caption: what it shows, in words", "it has none"),
        Column("caption_source", "text", "Where the caption came from, as in `creditline show`", "it has none"),
        Column("permission_reason", "text", "Why it has this permission: all grounds that decide, joined by `; `"),
        Column(
            "synthetic", "text", "What its file says about an AI model that made it, wholly or partly", NOT_SYNTHETIC
        ),
    ),
)

_FURTHER = f"""
    SELECT place, duties::VARCHAR AS duties, training, coalesce(identifiers, []) AS identifiers, stated
    FROM block_works
    LEFT JOIN licence ON licence.id = block_works.licence_id
    LEFT JOIN (
        SELECT effective_id, list_sort(list(DISTINCT scheme || ':' || value)) AS identifiers
        FROM rightsholder_identifier
        JOIN effective_rightsholder AS stated ON stated.id = rightsholder_identifier.rightsholder_id
        WHERE effective_id IN (SELECT rightsholder_id FROM block_works) GROUP BY effective_id
    ) AS identified ON effective_id = block_works.rightsholder_id
    LEFT JOIN (
        SELECT owned.id AS stated_id, said.name AS stated
        FROM (SELECT id, declared_id, verified_id FROM asset WHERE id BETWEEN $first AND $last) AS owned
        LEFT JOIN (SELECT id, rightsholder_id FROM asset_rights WHERE asset_id BETWEEN $first AND $last) AS verified
            ON verified.id = owned.verified_id
        JOIN (SELECT id, rightsholder_id FROM asset_rights WHERE asset_id BETWEEN $first AND $last) AS counting
            ON counting.id = {effective_rights_id("owned")}
        JOIN rightsholder AS said ON said.id = counting.rightsholder_id AND said.merged_into IS NOT NULL
    ) ON stated_id = block_works.asset_id
    ORDER BY place
"""  # noqa: S608 - constants


def work_rows(connection: duckdb.DuckDBPyConnection) -> pa.RecordBatchReader:
    """All works by id, in batches."""
    reader = works_reader(connection)

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in reader:
            yield _with_further(connection, batch)

    return fitted(TABLE, batches())


def _with_further(connection: duckdb.DuckDBPyConnection, batch: pa.RecordBatch) -> pa.RecordBatch:
    block = pa.table(
        {
            "place": pa.array(range(batch.num_rows), pa.int64()),
            "asset_id": batch.column("asset_id"),
            "licence_id": batch.column("licence_id"),
            "rightsholder_id": batch.column("rightsholder_id"),
        }
    )
    connection.register("block_works", block)
    # The works of a batch are neighbours by id.
    ends = {"first": pc.min(block["asset_id"]).as_py(), "last": pc.max(block["asset_id"]).as_py()}
    found = connection.execute(_FURTHER, ends).to_arrow_table().combine_chunks()
    connection.unregister("block_works")
    for name, values in {
        "permission_reason": reason_column(connection, batch.column("asset_id")),
        "licence_training": found["training"].combine_chunks(),
        "rightsholder_identifiers": found["identifiers"].combine_chunks(),
        "rightsholder_stated": found["stated"].combine_chunks(),
        "licence_duties": _duties(found["duties"].combine_chunks()),
    }.items():
        batch = batch.append_column(name, values)
    texts = batch.column("attributes").cast(pa.large_string())
    place = batch.schema.get_field_index("attributes")
    # An absent value may be stored as JSON's own null.
    objects = pc.if_else(pc.match_substring_regex(texts, r"^\s*\{"), texts, "{}")
    return batch.set_column(place, "attributes", pc.fill_null(objects, "{}"))


def _duties(texts: pa.Array) -> pa.Array:
    """The lists in the texts; few texts differ, and each is read once."""
    coded = texts.cast(pa.large_string()).dictionary_encode()
    lists = pa.array([_listed(text) for text in coded.dictionary.to_pylist()], pa.list_(pa.large_string()))
    return lists.take(coded.indices)


def _listed(text: str) -> list[str]:
    found: Any = json.loads(text)
    return [str(each) for each in found] if isinstance(found, list) else []
