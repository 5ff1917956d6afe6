"""Works with several rightsholders: what a declaration states beside its first rightsholder."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa

from registry.event_log.events import Change
from registry.ingest.owners.declarations import Holder
from registry.ingest.store.rows import insert_rows
from registry.rightsholders.names import rightsholder_ids

_Shares = list[tuple[int, str | None, float | None]]


class CoOwners:
    """The further rightsholders that the statements of a batch name; new names get records."""

    def __init__(
        self, change: Change, holders: Sequence[tuple[Holder, ...] | None], statements: pa.ChunkedArray
    ) -> None:
        """Look them up.

        ``holders`` are those of each statement, None where it names none; ``statements`` are the
        places of the statements that are used.
        """
        self.change = change
        used = {place: holders[place] or () for place in statements.unique().to_pylist() if holders[place] is not None}
        ids = rightsholder_ids(change, {holder.name for each in used.values() for holder in each})
        self._shares: dict[int, _Shares] = {
            place: [(ids[holder.name], holder.role, holder.share) for holder in each] for place, each in used.items()
        }
        current = dict(
            change.connection.execute(
                "SELECT id, effective_id FROM effective_rightsholder WHERE list_contains(?, id)", [sorted(ids.values())]
            ).fetchall()
        )
        self.owners = {
            place: ",".join(sorted({str(current[number]) for number, _, _ in shares}))
            for place, shares in self._shares.items()
            if shares
        }
        """The effective rightsholders of a statement with several, as text."""

    def compared(self, stated: pa.Table) -> pa.Table:
        """Add whether each row states further rightsholders, and others than are recorded.

        ``stated`` has ``asset_id`` and ``statement``, the place of the row's statement.
        """
        recorded = _recorded(self.change.connection, stated.column("asset_id")) if self._shares else {}
        rows = list(zip(*(stated.column(name).to_pylist() for name in ("asset_id", "statement")), strict=True))
        named = pa.array([place in self._shares for _, place in rows], pa.bool_())
        changed = [
            place in self._shares and self._shares[place] != recorded.get(asset_id, []) for asset_id, place in rows
        ]
        return stated.append_column("shares_stated", named).append_column(
            "shares_changed", pa.array(changed, pa.bool_())
        )

    def insert(self, rights: pa.Table) -> None:
        """Append the rightsholders of new rights: ``id``, ``asset_id`` and ``statement``."""
        listed = [
            (row["id"], row["asset_id"], position, *share)
            for row in (rights.select(["id", "asset_id", "statement"]).to_pylist() if self._shares else ())
            for position, share in enumerate(self._shares.get(row["statement"], ()), start=1)
        ]
        if listed:
            number = pa.int64()
            kinds = {"rights_id": number, "asset_id": number, "position": number, "rightsholder_id": number}
            kinds |= {"role": pa.string(), "share": pa.float64()}
            columns = {
                name: pa.array(column, kind)
                for (name, kind), column in zip(kinds.items(), zip(*listed, strict=True), strict=True)
            }
            insert_rows(self.change, "co_rightsholder", columns)


def _recorded(connection: duckdb.DuckDBPyConnection, ids: pa.ChunkedArray) -> dict[int, _Shares]:
    """The last declared rightsholders of each work with several."""
    connection.register("asked", pa.table({"asked_id": np.unique(ids.to_numpy())}))
    rows = connection.execute(
        "SELECT further.asset_id, further.rightsholder_id, role, share FROM asked JOIN asset ON asset.id = asked_id "
        "JOIN co_rightsholder AS further ON rights_id = declared_id ORDER BY further.asset_id, position"
    ).fetchall()
    connection.unregister("asked")
    found: dict[int, _Shares] = {}
    for asset_id, rightsholder_id, role, share in rows:
        found.setdefault(int(asset_id), []).append((int(rightsholder_id), role, share))
    return found
