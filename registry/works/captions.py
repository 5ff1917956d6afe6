"""The captions of works on record, and how many works have one, by source.

The newest row of ``caption`` about a work counts; ``asset.caption_id`` names it.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
from numpy.typing import NDArray

from registry.storage.selection import selected_works

NO_CAPTION = "none"
"""In counts by source: works without a caption."""

_BY_SOURCE = f"""
    SELECT coalesce(caption.source, '{NO_CAPTION}') AS source, count(*) FROM asset
    LEFT JOIN caption ON caption.id = caption_id AND caption.asset_id = asset.id
    WHERE data_set_id = ? AND missing_since IS NULL GROUP BY 1 ORDER BY 2 DESC, 1
"""  # noqa: S608 - a constant


def captions_of_works(
    connection: duckdb.DuckDBPyConnection, asset_ids: Sequence[int] | NDArray[np.int64]
) -> dict[int, tuple[str, str]]:
    """By work, its caption and the caption's source; works without a caption are left out."""
    with selected_works(connection, asset_ids):
        rows = connection.execute(
            "SELECT asset.id, caption.text, caption.source FROM asset JOIN selected_works ON asset.id = selected_id "
            "JOIN caption ON caption.id = asset.caption_id AND caption.asset_id = asset.id"
        ).fetchall()
    return {int(asset_id): (str(text), str(source)) for asset_id, text, source in rows}


def works_by_caption_source(connection: duckdb.DuckDBPyConnection, data_set_id: int | None) -> dict[str, int]:
    """Number of a data set's works by the source of their captions, missing works left out.

    A data set without an id has no works.
    """
    if data_set_id is None:
        return {}
    return {str(source): int(number) for source, number in connection.execute(_BY_SOURCE, [data_set_id]).fetchall()}
