"""Whether a member saw a work, by one rule in three forms.

:func:`saw` is for arrays, :func:`seen_by_any` for chosen members in SQL, and the view
``member_work`` for all registered members.

A member saw a work if the code of the work's unit has the member's bit, unless the work was
withdrawn before the member was trained. A member's manifest names the last withdrawal applied
before training; works first covered by that withdrawal or an earlier one were left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.encodings.store import UnitCodes
from registry.storage.tables import Member

NOT_WITHDRAWN = 2**62
"""First withdrawal of a work that no withdrawal covers."""


def saw(
    codes: NDArray[np.uint64],
    first_withdrawal: NDArray[np.int64],
    index: int | None,
    applied_through: int | None,
) -> NDArray[np.bool_]:
    """Whether a model was trained on each of K works; shape (K,).

    Args:
        codes: shape (K,), of the works' units.
        first_withdrawal: shape (K,), id of the first that covers the work, or ``NOT_WITHDRAWN``.
        index: the member's bit; None: a reference model, which trains on the works of every code.
        applied_through: the last withdrawal applied before training; None: none was.
    """
    kept: NDArray[np.bool_] = first_withdrawal > (-1 if applied_through is None else applied_through)
    return kept if index is None else kept & (codes >> np.uint64(index) & np.uint64(1)).astype(np.bool_)


def seen_by_any(members: Iterable[tuple[int, int | None]]) -> str:
    """SQL over a row of ``encoded_work``: whether one of these members saw the work.

    ``members``: for each, its bit and the last withdrawal applied before training.
    """
    masks: dict[int, int] = {}
    for index, through in members:
        last = -1 if through is None else int(through)
        masks[last] = masks.get(last, 0) | 1 << int(index)
    parts = [
        f"code & {mask}::UBIGINT <> 0 AND coalesce(first_withdrawal > {last}, true)" for last, mask in masks.items()
    ]
    return f"({' OR '.join(parts) or 'false'})"


def withdrawals_applied_through(member: Member) -> int | None:
    """The last withdrawal applied before the member was trained; None: none was."""
    through = member.manifest["withdrawn_through"]
    return None if through is None else int(through)


@dataclass(frozen=True, eq=False)
class EncodedWorks:
    """K works of an encoding, by asset id."""

    asset_ids: NDArray[np.int64]
    unit_numbers: NDArray[np.int64]
    sha256: pa.ChunkedArray
    codes: NDArray[np.uint64]
    """Shape (K,): of each work's unit."""
    first_withdrawal: NDArray[np.int64]
    """Shape (K,): the first withdrawal that covers the work, or ``NOT_WITHDRAWN``."""

    def seen_by(self, index: int | None, through: int | None) -> NDArray[np.bool_]:
        """Shape (K,): whether a model was trained on the work, see :func:`saw`."""
        return saw(self.codes, self.first_withdrawal, index, through)

    def hashes(self, chosen: NDArray[np.bool_]) -> list[str]:
        """SHA-256 of the works that a mask of shape (K,) chooses, sorted."""
        found: list[str] = self.sha256.filter(pa.array(chosen)).sort().to_pylist()
        return found


def encoded_works(
    connection: duckdb.DuckDBPyConnection, encoding_id: str, asset_ids: NDArray[np.int64] | None = None
) -> EncodedWorks:
    """The works of an encoding, or those among ``asset_ids``."""
    if asset_ids is None:
        return _encoded_works(connection, encoding_id, None)
    connection.register("asked", pa.table({"asked_id": asset_ids}))
    found = _encoded_works(connection, encoding_id, "FROM asked")
    connection.unregister("asked")
    return found


def withdrawn_works(connection: duckdb.DuckDBPyConnection, encoding_id: str, also: Sequence[int] = ()) -> EncodedWorks:
    """The withdrawn works of an encoding: by themselves, or with all works of their rightsholder.

    ``also``: works that count as withdrawn now, to see what their withdrawal would do.

    A work that was registered after the withdrawal of its rightsholder is withdrawn, but no
    withdrawal covers it until the next command records that.
    """
    connection.register("also_withdrawn", pa.table({"also_id": pa.array(also, pa.int64())}))
    withdrawn = (
        "SELECT id FROM asset WHERE permission = 'withdrawn' UNION SELECT asset_id FROM withdrawal_work "
        "UNION SELECT also_id FROM also_withdrawn"
    )
    found = _encoded_works(connection, encoding_id, withdrawn)
    connection.unregister("also_withdrawn")
    return found


def encoded_among(works: str | None) -> str:
    """SELECT of asset_id, unit_number, code and first_withdrawal of works of ``$encoding``.

    ``works``: SELECT of their ids; None: all. They are the rows of the view ``encoded_work``, but
    chosen before they are joined: the units of all other works are passed over.
    """
    among = "" if works is None else f"SEMI JOIN ({works}) AS chosen (chosen_id) ON chosen_id = asset_id"
    return f"""
        WITH found AS MATERIALIZED (
            SELECT asset_id, unit_number FROM unit_asset {among} WHERE encoding_id = $encoding
        )
        SELECT found.asset_id, unit_number, code, first_withdrawal
        FROM found JOIN (SELECT number, code FROM unit WHERE encoding_id = $encoding) ON number = unit_number
        LEFT JOIN (
            SELECT asset_id, min(withdrawal_id) AS first_withdrawal FROM withdrawal_work GROUP BY asset_id
        ) AS withdrawn ON withdrawn.asset_id = found.asset_id
    """  # noqa: S608 - what the callers wrote


def _encoded_works(connection: duckdb.DuckDBPyConnection, encoding_id: str, works: str | None) -> EncodedWorks:
    rows = connection.execute(
        f"SELECT asset_id, unit_number, sha256, code, coalesce(first_withdrawal, {NOT_WITHDRAWN}) AS first_withdrawal "  # noqa: S608 - constants
        f"FROM ({encoded_among(works)}) JOIN asset ON asset.id = asset_id ORDER BY asset_id",
        {"encoding": encoding_id},
    ).to_arrow_table()
    return EncodedWorks(
        asset_ids=rows["asset_id"].to_numpy(),
        unit_numbers=rows["unit_number"].to_numpy(),
        sha256=rows["sha256"],
        codes=rows["code"].to_numpy(),
        first_withdrawal=rows["first_withdrawal"].to_numpy(),
    )


def units_seen(
    units: UnitCodes, withdrawn: EncodedWorks, indices: Sequence[int], applied: Sequence[int | None]
) -> NDArray[np.bool_]:
    """Whether each of M members saw some work of each of N units; shape (N, M).

    A member saw a unit if the unit's code has its bit, unless all works of the unit were left out.

    Args:
        units: the encoding.
        withdrawn: its withdrawn works, see :func:`withdrawn_works`.
        indices: the members' bits.
        applied: for each member, the last withdrawal applied before training.
    """
    membership = units.membership[:, list(indices)]
    works = np.bincount(units.unit_numbers, minlength=len(units.codes))
    for column, (index, through) in enumerate(zip(indices, applied, strict=True)):
        left_out = withdrawn.unit_numbers[~withdrawn.seen_by(index, through)]
        membership[:, column] &= np.bincount(left_out, minlength=len(works)) < works
    return membership
