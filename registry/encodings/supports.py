"""Where codes nest: the members that given works can be in.

A group of works, such as those of one rightsholder, has a support: the members that may train on
them. The other members never see a work of the group.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
from numpy.typing import NDArray

from registry.storage.selection import selected_works
from registry.storage.tables import EncodingCodes


@dataclass(frozen=True)
class Support:
    """The members that may train on works of one group."""

    group: str | None
    """The rightsholder's name, or the value of the column; None: works without a group."""
    word: int
    """Bit i is one if member i may train on the works."""

    def members(self, n: int) -> list[int]:
        """Indices of the members, of n in all."""
        return members_of(self.word, n)


def members_of(word: int, n: int) -> list[int]:
    """Indices of the bits of a code or support that are one, of n members."""
    return [index for index in range(n) if word >> index & 1]


def supports_of_units(
    connection: duckdb.DuckDBPyConnection, encoding_id: str, units: Collection[int]
) -> dict[int, Support]:
    """By number of a unit: its support; empty where codes do not nest."""
    rows = connection.execute(
        "SELECT unit_number, CASE WHEN key IS NULL THEN NULL ELSE label END, support FROM unit_slot "
        "JOIN unit_group ON unit_group.encoding_id = unit_slot.encoding_id AND unit_group.number = group_number "
        "WHERE unit_slot.encoding_id = ? AND list_contains(?, unit_number)",
        [encoding_id, sorted(units)],
    ).fetchall()
    return {int(unit): Support(group, int(word)) for unit, group, word in rows}


def supports_of_works(
    connection: duckdb.DuckDBPyConnection, encoding_id: str, asset_ids: Sequence[int] | NDArray[np.int64]
) -> list[Support]:
    """The different supports of these works, by group; empty where codes do not nest."""
    with selected_works(connection, asset_ids):
        rows = connection.execute(
            "SELECT DISTINCT unit_group.number, CASE WHEN key IS NULL THEN NULL ELSE label END, support FROM unit_asset "
            "JOIN selected_works ON selected_id = asset_id JOIN unit_slot USING (encoding_id, unit_number) "
            "JOIN unit_group ON unit_group.encoding_id = unit_slot.encoding_id AND unit_group.number = group_number "
            "WHERE unit_asset.encoding_id = ? ORDER BY unit_group.number",
            [encoding_id],
        ).fetchall()
    return [Support(group, int(word)) for _, group, word in rows]


def nesting_of(codes: EncodingCodes | None) -> tuple[str, int] | None:
    """What codes nest in (``rightsholder`` or a column), and the size of a support; None: plain."""
    if codes is None or codes.within is None or codes.support is None:
        return None
    return codes.within, codes.support
