"""The one query that says whose a work is: every work with its newest rights.

What the supplier of the data declared and what somebody verified are kept apart in the table; here a verified row,
where there is one, decides rightsholder and licence, and ``basis`` says which it was. Title, creator and source fall
back to the declaration, which is where they are usually stated.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import duckdb

ASSET_RIGHTS = """
    SELECT
        asset.id AS asset_id, data_set.name AS data_set, data_set.root AS root, asset.path AS path,
        asset.sha256 AS sha256, asset.byte_size AS byte_size, asset.media_type AS media_type,
        asset.width AS width, asset.height AS height, asset.pixel_mode AS pixel_mode,
        asset.attributes AS attributes, asset.registered_at AS registered_at, asset.missing_since AS missing_since,
        CASE WHEN verified.id IS NOT NULL THEN 'verified' WHEN declared.id IS NOT NULL THEN 'declared' END AS basis,
        rightsholder.id AS rightsholder_id, rightsholder.name AS rightsholder, rightsholder.contact AS contact,
        licence.reference AS licence, licence.url AS licence_url,
        coalesce(verified.title, declared.title) AS title,
        coalesce(verified.creator, declared.creator) AS creator,
        coalesce(verified.source_url, declared.source_url) AS source_url,
        coalesce(verified.recorded_from, declared.recorded_from) AS recorded_from,
        coalesce(verified.recorded_at, declared.recorded_at) AS recorded_at
    FROM asset
    JOIN data_set ON data_set.id = asset.data_set_id
    LEFT JOIN (
        SELECT * FROM asset_rights WHERE basis = 'declared'
        QUALIFY row_number() OVER (PARTITION BY asset_id ORDER BY id DESC) = 1
    ) AS declared ON declared.asset_id = asset.id
    LEFT JOIN (
        SELECT * FROM asset_rights WHERE basis = 'verified'
        QUALIFY row_number() OVER (PARTITION BY asset_id ORDER BY id DESC) = 1
    ) AS verified ON verified.asset_id = asset.id
    LEFT JOIN rightsholder ON rightsholder.id =
        CASE WHEN verified.id IS NULL THEN declared.rightsholder_id ELSE verified.rightsholder_id END
    LEFT JOIN licence ON licence.id =
        CASE WHEN verified.id IS NULL THEN declared.licence_id ELSE verified.licence_id END
"""
"""A SELECT with one row per work; use it as ``FROM (...)``."""

BUILT_IN_COLUMNS: Mapping[str, str] = MappingProxyType(
    {"rightsholder": "rightsholder", "licence": "licence", "creator": "creator", "data_set": "data_set"}
)
"""Columns that every work has, beside the owner table's further ones."""


def column_expression(column: str) -> str:
    """SQL for a column's value over the rows of :data:`ASSET_RIGHTS`: a built-in one or one of the owner table's."""
    if column in BUILT_IN_COLUMNS:
        return BUILT_IN_COLUMNS[column]
    # A JSON pointer (RFC 6901) takes any name, with dots and quotes, once its own two signs are escaped.
    pointer = "/" + column.replace("~", "~0").replace("/", "~1")
    return "json_extract_string(attributes, '{}')".format(pointer.replace("'", "''"))


def attribute_names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Names of the columns that :func:`column_expression` finds a value for in some work, sorted."""
    rows = connection.execute("SELECT DISTINCT unnest(json_keys(attributes)) FROM asset").fetchall()
    return sorted({str(name) for (name,) in rows} | set(BUILT_IN_COLUMNS))
