"""The captions of works on record: counted by source, and read in bulk for training.

The newest row of ``caption`` about a work counts; ``asset.caption_id`` names it.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

NO_CAPTION = "none"
"""In counts by source: works without a caption."""

_BY_SOURCE = f"""
    SELECT coalesce(caption.source, '{NO_CAPTION}') AS source, count(*) FROM asset
    LEFT JOIN caption ON caption.id = caption_id AND caption.asset_id = asset.id
    WHERE data_set_id = ? AND missing_since IS NULL GROUP BY 1 ORDER BY 2 DESC, 1
"""  # noqa: S608 - a constant
_OF_ENCODING = """
    SELECT asset.id AS asset_id, sha256, unit_number, coalesce(caption.text, '') AS caption, caption.source AS source
    FROM unit_asset JOIN asset ON asset.id = unit_asset.asset_id
    LEFT JOIN caption ON caption.id = asset.caption_id AND caption.asset_id = asset.id
    WHERE encoding_id = ? ORDER BY asset.id
"""


@dataclass(frozen=True, eq=False)
class WorkCaptions:
    """The captions of works, as training reads them."""

    rows: pa.Table
    """``asset_id`` (ascending), ``sha256``, ``unit_number``, ``caption``, empty for a work without
    one, and ``source``, null for a work without one."""

    @property
    def missing(self) -> int:
        """Number of works without a caption; members train on them under the empty caption."""
        return int(self.rows.column("source").null_count)

    @property
    def by_source(self) -> dict[str, int]:
        """Number of works by the source of their captions, most frequent first."""
        counts = pc.value_counts(self.rows.column("source").combine_chunks().fill_null(NO_CAPTION)).to_pylist()
        return {
            each["values"]: each["counts"]
            for each in sorted(counts, key=lambda each: (-each["counts"], each["values"]))
        }

    @property
    def told(self) -> str:
        """How many works have a caption, and from where: a line for a command."""
        works, missing = self.rows.num_rows, self.missing
        found = ", ".join(
            f"{number:,} from the {source}" for source, number in self.by_source.items() if source != NO_CAPTION
        )
        line = f"captions: {works - missing:,} of {works:,} works have one" + (f" ({found})" if found else "")
        return line + (f"; captions missing: {missing:,} works train under the empty caption" if missing else "")


def captions_of_encoding(
    connection: duckdb.DuckDBPyConnection, encoding_id: str, units: tuple[int, int] | None = None
) -> WorkCaptions:
    """The captions of an encoding's works; ``units``: only of the units from the first to the last.

    An unknown encoding has no works.
    """
    query, values = _OF_ENCODING, [encoding_id]
    if units is not None:
        query = query.replace("ORDER BY", "AND unit_number BETWEEN ? AND ? ORDER BY")
        values += [*map(int, units)]  # type: ignore[list-item]  # a parameter of either type
    return WorkCaptions(connection.execute(query, values).to_arrow_table())


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
