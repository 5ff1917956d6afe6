"""Rightsholders whose names are spelled alike: perhaps one, but only a person can merge them.

Names are alike if they have the same letters and digits in the same order. Case, spaces,
punctuation and Unicode's forms of one letter do not count: "studio łódź" and "Studio Łódź".
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow.compute as pc

_SIGNS = r"[^\pL\pN\pM]"

_ALIKE = """
    SELECT list(id ORDER BY id), list(name ORDER BY id) FROM spelled WHERE spelling <> ''
    GROUP BY spelling HAVING count(*) > 1 AND max(id) >= ? ORDER BY min(id)
"""


@dataclass(frozen=True)
class AlikeNames:
    """Rightsholders with names that are spelled alike; none of them is merged into another."""

    ids: tuple[int, ...]
    """Ascending."""
    names: tuple[str, ...]

    @property
    def reason(self) -> str:
        """A sentence for people, with the command that merges them."""
        first, *others = (f"{name[:80]!r} (#{number})" for name, number in zip(self.names, self.ids, strict=True))
        merge = f"creditline rightsholder merge '#{self.ids[-1]}' --into '#{self.ids[0]}'"
        return f"{', '.join(others)} and {first} are spelled alike; if they are one rightsholder, merge them: `{merge}`"


def next_rightsholder_id(connection: duckdb.DuckDBPyConnection) -> int:
    """The id of the next new rightsholder, for :func:`alike_names`."""
    return int(connection.execute("SELECT coalesce(max(id), -1) + 1 FROM rightsholder").fetchall()[0][0])


def alike_names(connection: duckdb.DuckDBPyConnection, since: int = 0) -> list[AlikeNames]:
    """Groups of rightsholders with alike names, with a record of an id from ``since`` on."""
    if next_rightsholder_id(connection) <= since:
        return []
    records = connection.execute("SELECT id, name FROM rightsholder WHERE merged_into IS NULL").to_arrow_table()
    spelled = pc.utf8_lower(pc.utf8_normalize(records.column("name"), form="NFKC"))
    spelling = pc.replace_substring_regex(pc.utf8_normalize(spelled, form="NFKC"), pattern=_SIGNS, replacement="")
    connection.register("spelled", records.append_column("spelling", spelling))
    found = connection.execute(_ALIKE, [since]).fetchall()
    connection.unregister("spelled")
    return [AlikeNames(tuple(ids), tuple(names)) for ids, names in found]
