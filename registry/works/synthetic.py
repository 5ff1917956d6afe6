"""Which works are synthetic: made wholly or partly by an AI model, by what their files say.

Listings, tables and documents take the signs from here, in the words of the view
``synthetic_work``.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from registry.storage.current_rights import written_out


def signs_of(connection: duckdb.DuckDBPyConnection, asset_ids: Sequence[int]) -> dict[int, str]:
    """By work, what its file says about an AI model; works whose files say nothing are left out."""
    rows = connection.execute(
        f"SELECT asset_id, signs FROM synthetic_work WHERE asset_id IN ({written_out(asset_ids) or 'NULL'})"  # noqa: S608 - numbers
    ).fetchall()
    return {int(asset_id): str(signs) for asset_id, signs in rows}
