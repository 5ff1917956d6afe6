"""The captions of works on record, and how many works have one, by source.

The newest row of ``caption`` about a work counts; ``asset.caption_id`` names it.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

NO_CAPTION = "none"
"""In counts by source: works without a caption."""

_BY_SOURCE = f"""
    SELECT coalesce(caption.source, '{NO_CAPTION}') AS source, count(*) FROM asset
    LEFT JOIN caption ON caption.id = caption_id AND caption.asset_id = asset.id
    WHERE data_set_id = ? AND missing_since IS NULL GROUP BY 1 ORDER BY 2 DESC, 1
"""  # noqa: S608 - a constant


def captions_of_works(connection: duckdb.DuckDBPyConnection, asset_ids: NDArray[np.int64]) -> pa.Table:
    """``asset_id``, ``caption`` and ``source`` of these works that have a caption, by id."""
    connection.register("asked_works", pa.table({"asked_id": pa.array(asset_ids, pa.int64())}))
    found = connection.execute(
        "SELECT asset.id AS asset_id, caption.text AS caption, caption.source AS source FROM asset "
        "SEMI JOIN asked_works ON asset.id = asked_id "
        "JOIN caption ON caption.id = asset.caption_id AND caption.asset_id = asset.id ORDER BY asset.id"
    ).to_arrow_table()
    connection.unregister("asked_works")
    return found


def works_by_caption_source(connection: duckdb.DuckDBPyConnection, data_set_id: int | None) -> dict[str, int]:
    """Number of a data set's works by the source of their captions, missing works left out.

    A data set without an id has no works.
    """
    if data_set_id is None:
        return {}
    return {str(source): int(number) for source, number in connection.execute(_BY_SOURCE, [data_set_id]).fetchall()}
