"""The query for the current rights of works: one row per work.

The table ``asset_rights`` keeps declared and verified rights apart. Here the verified row, if there
is one, decides rightsholder and licence, and ``basis`` names the row that decided. Title, creator,
source and attributes come from the declared row where the verified one does not have them. The
caption is the newest one on record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import duckdb

from registry.storage.row_groups import ROW_GROUP

ASSET_RIGHTS = """
    SELECT
        asset.id AS asset_id, data_set.name AS data_set, data_set.root AS root, asset.path AS path, asset.url AS url,
        asset.sha256 AS sha256, asset.byte_size AS byte_size, asset.media_type AS media_type,
        asset.width AS width, asset.height AS height, asset.pixel_mode AS pixel_mode,
        coalesce(verified.attributes, declared.attributes, '{}') AS attributes,
        asset.registered_at AS registered_at, asset.missing_since AS missing_since,
        CASE WHEN verified.id IS NOT NULL THEN 'verified' WHEN declared.id IS NOT NULL THEN 'declared' END AS basis,
        rightsholder.id AS rightsholder_id, rightsholder.name AS rightsholder,
        licence.id AS licence_id, licence.reference AS licence, licence.spdx AS licence_spdx, licence.url AS licence_url,
        asset.permission AS permission,
        coalesce(verified.title, declared.title) AS title,
        coalesce(verified.creator, declared.creator) AS creator,
        coalesce(verified.source_url, declared.source_url) AS source_url,
        said.text AS caption, said.source AS caption_source,
        coalesce(verified.recorded_from, declared.recorded_from) AS recorded_from,
        coalesce(verified.recorded_by, declared.recorded_by) AS recorded_by,
        coalesce(verified.recorded_at, declared.recorded_at) AS recorded_at
    FROM asset
    JOIN data_set ON data_set.id = asset.data_set_id
    LEFT JOIN asset_rights AS declared ON declared.id = asset.declared_id AND declared.asset_id = asset.id
    LEFT JOIN asset_rights AS verified ON verified.id = asset.verified_id AND verified.asset_id = asset.id
    LEFT JOIN caption AS said ON said.id = asset.caption_id AND said.asset_id = asset.id
    LEFT JOIN rightsholder ON rightsholder.id = asset.rightsholder_id
    LEFT JOIN licence ON licence.id = asset.licence_id
"""
"""A SELECT with one row per work; use it as ``FROM (...)``. Filter by ``asset_id``, with ``=`` or
``BETWEEN``: the filter then reaches the rights as well. For scattered works use :func:`rights_of`.
"""


def effective_rights_id(work: str) -> str:
    """SQL for the id of the effective asset_rights row: verified if it has an owner, else declared.

    ``work`` is the alias of the row of ``asset``; its verified row must be joined as ``verified``.
    A verified owner replaces all declared ones.
    """
    return f"CASE WHEN verified.rightsholder_id IS NULL THEN {work}.declared_id ELSE {work}.verified_id END"


def rightsholders_among(assets: str, rights: str) -> str:
    """SELECT of all effective rightsholders of the works in ``assets``, with role and share.

    ``assets`` are rows of ``asset``, ``rights`` their rows of ``asset_rights``.
    """
    return f"""
    SELECT asset.id AS asset_id, coalesce(min(co_rightsholder.position), 1) AS position,
        rightsholder.id AS rightsholder_id, rightsholder.name AS rightsholder,
        string_agg(DISTINCT co_rightsholder.role, ', ' ORDER BY co_rightsholder.role) AS role,
        sum(co_rightsholder.share) AS share
    FROM {assets} AS asset
    LEFT JOIN {rights} AS verified ON verified.id = asset.verified_id
    LEFT JOIN co_rightsholder
        ON co_rightsholder.asset_id = asset.id AND co_rightsholder.rights_id = {effective_rights_id("asset")}
    LEFT JOIN effective_rightsholder AS stated ON stated.id = co_rightsholder.rightsholder_id
    JOIN rightsholder ON rightsholder.id = coalesce(effective_id, asset.rightsholder_id)
    GROUP BY asset.id, rightsholder.id, rightsholder.name
"""  # noqa: S608 - what the callers wrote


def with_rightsholders(rights: str, works: str) -> str:
    """SELECT of ``rights`` (rows of :data:`ASSET_RIGHTS`) with all rightsholders' names, in order.

    ``works``, such as ``BETWEEN 1 AND 50``, selects the same works by id: no others are read.
    """
    return f"""
    SELECT listed.*, coalesce(names, CASE WHEN rightsholder IS NULL THEN [] ELSE [rightsholder] END) AS rightsholders
    FROM ({rights}) AS listed LEFT JOIN (
        SELECT asset_id AS shared_id, list(name ORDER BY position, id) AS names FROM (
            SELECT further.asset_id, effective.id, effective.name, min(further.position) AS position
            FROM (SELECT * FROM co_rightsholder WHERE asset_id {works}) AS further
            JOIN (SELECT id, declared_id, verified_id FROM asset WHERE id {works}) AS owned ON owned.id = further.asset_id
            LEFT JOIN (SELECT id, rightsholder_id FROM asset_rights WHERE asset_id {works}) AS verified
                ON verified.id = owned.verified_id
            JOIN effective_rightsholder AS stated ON stated.id = further.rightsholder_id
            JOIN rightsholder AS effective ON effective.id = effective_id
            WHERE further.rights_id = {effective_rights_id("owned")}
            GROUP BY ALL
        ) GROUP BY asset_id
    ) ON shared_id = listed.asset_id
    """  # noqa: S608 - what the callers wrote


def works_shared_by(rightsholders: str) -> str:
    """SELECT of works that name one of these rightsholders (ids or a parameter) beside others.

    Either the works have several rightsholders, or an earlier or contradicting declaration names
    another one than the newest does.
    """
    # Starts from the rows that name them, so that the tables of all works are not joined.
    return f"""
    WITH asked AS MATERIALIZED (
        SELECT id FROM effective_rightsholder WHERE effective_id IN ({rightsholders})
    ), named AS MATERIALIZED (
        SELECT asset_id, rights_id FROM co_rightsholder WHERE rightsholder_id IN (FROM asked)
        UNION
        SELECT asset_id, id FROM asset_rights WHERE basis <> 'verified' AND rightsholder_id IN (FROM asked)
    ), owned AS MATERIALIZED (
        SELECT id, verified_id FROM asset WHERE id IN (SELECT asset_id FROM named)
    )
    SELECT DISTINCT named.asset_id AS work_id FROM named JOIN owned ON owned.id = named.asset_id
    LEFT JOIN (
        SELECT id, rightsholder_id FROM asset_rights WHERE id IN (SELECT verified_id FROM owned)
    ) AS verified ON verified.id = owned.verified_id
    WHERE verified.rightsholder_id IS NULL OR named.rights_id = owned.verified_id
    """  # noqa: S608 - what the callers wrote


_FEW_BLOCKS = 3


def written_out(numbers: Iterable[int]) -> str:
    """Ids for ``IN (...)``, at most some thousands.

    DuckDB then skips the blocks of a table that hold none of them; a parameter with
    ``list_contains`` would be compared with every row.
    """
    return ", ".join(str(int(number)) for number in numbers) or "NULL"


def rights_of(asset_ids: Iterable[int]) -> str:
    """The SELECT of :data:`ASSET_RIGHTS` for up to about a thousand works, anywhere in the tables.

    DuckDB reads every column of each block that might hold one of the rows. For few blocks that is
    fastest; for more, the rows are selected by their row ids.
    """
    numbers = [int(number) for number in asset_ids]
    listed = written_out(numbers)
    chosen = {
        "asset": f"id IN ({listed})",
        "asset_rights": f"asset_id IN ({listed})",
        "caption": f"asset_id IN ({listed})",
    }
    if len({number // ROW_GROUP for number in numbers}) > _FEW_BLOCKS:
        chosen = {
            table: f"rowid IN (SELECT rowid FROM {table} WHERE {condition})"  # noqa: S608 - numbers
            for table, condition in chosen.items()
        }
    return rights_among(*(f"(SELECT * FROM {table} WHERE {condition})" for table, condition in chosen.items()))  # noqa: S608 - numbers


def rights_among(assets: str, rights: str, captions: str = "caption") -> str:
    """The SELECT of :data:`ASSET_RIGHTS` over selected rows of ``asset``, ``asset_rights`` and
    ``caption``.
    """
    return (
        _with_holders_of(assets)
        .replace("FROM asset\n", f"FROM {assets} AS asset\n")
        .replace("JOIN asset_rights AS", f"JOIN {rights} AS")
        .replace("JOIN caption AS", f"JOIN {captions} AS")
    )


def rights_within(works: str) -> str:
    """The SELECT of :data:`ASSET_RIGHTS` for a range of works, such as ``BETWEEN 1 AND 50``.

    Only the rightsholders of these works are joined, and not all that there are.
    """
    assets = f"(SELECT rightsholder_id FROM asset WHERE id {works})"  # noqa: S608 - what the callers wrote
    return f"SELECT * FROM ({_with_holders_of(assets)}) WHERE asset_id {works}"  # noqa: S608 - what the callers wrote


def _with_holders_of(assets: str) -> str:
    holders = f"(SELECT * FROM rightsholder WHERE id IN (SELECT rightsholder_id FROM {assets}))"  # noqa: S608 - what the callers wrote
    return ASSET_RIGHTS.replace("LEFT JOIN rightsholder ON", f"LEFT JOIN {holders} AS rightsholder ON")


BUILT_IN_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "rightsholder": "rightsholder",
        "licence": "licence",
        "creator": "creator",
        "data_set": "data_set",
        # Registries of schema 5 kept the column of this name among the attributes.
        "caption": "coalesce(caption, json_extract_string(attributes, '/caption'))",
    }
)
"""Columns of every work, in addition to the source's own."""


def column_expression(column: str) -> str:
    """SQL for a built-in or a source's column over the rows of :data:`ASSET_RIGHTS`."""
    if column in BUILT_IN_COLUMNS:
        return BUILT_IN_COLUMNS[column]
    # A JSON pointer (RFC 6901) takes any name once its own two signs are escaped.
    pointer = "/" + column.replace("~", "~0").replace("/", "~1")
    return "json_extract_string(attributes, '{}')".format(pointer.replace("'", "''"))


def attribute_names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Names of the columns that :func:`column_expression` can find a value for, sorted."""
    rows = connection.execute(
        "SELECT DISTINCT unnest(json_keys(attributes)) FROM asset_rights WHERE attributes IS NOT NULL "
        "AND id IN (SELECT unnest([declared_id, verified_id]) FROM asset)"
    ).fetchall()
    return sorted({str(name) for (name,) in rows} | set(BUILT_IN_COLUMNS))
