"""Artists by rightsholder or by a column of the works, and works of theirs to compare with.

An artist's name is the rightsholder's, or the column's value. A work of several rightsholders is
compared for the one that its record names first, as in encodings.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.errors import NotFoundError, UsageError
from registry.storage.current_rights import ASSET_RIGHTS, attribute_names, column_expression
from registry.text import tidy

FEWEST_WORKS = 3
"""Works of an artist, at least: two to learn from and one to hold out."""
MOST_NAMED = 8


@dataclass(frozen=True, eq=False)
class ArtistWorks:
    """Works of one artist, in order of asset id."""

    name: str
    rightsholders: tuple[int, ...]
    asset_ids: NDArray[np.int64]
    paths: tuple[Path, ...]
    sha256: tuple[str, ...]


def works_of_artists(connection: duckdb.DuckDBPyConnection, by: str) -> dict[str, int]:
    """Number of comparable works of each artist, by name. ``by``: rightsholder, or a column.

    Works without a file here have no picture to compare.

    Raises:
        NotFoundError: no work has a value in the column.
    """
    rows = connection.execute(
        f"SELECT name, count(*) FROM ({_named(by)}) GROUP BY name ORDER BY name"  # noqa: S608 - see _named
    ).fetchall()
    if not rows:
        known = ", ".join(dict.fromkeys(["rightsholder", *attribute_names(connection)]))
        raise NotFoundError(f"no registered work with a file has a value in {by!r}; there are {known}")
    return {str(name): int(count) for name, count in rows}


def find_artists(asked: Sequence[str], known: Mapping[str, int], aliases: Mapping[str, str]) -> dict[str, str]:
    """The artist that each name means: by the table of aliases, exactly, or but for capitals.

    Raises:
        NotFoundError: names that no artist has; the message lists them.
        UsageError: a name fits several artists but for capitals.
    """
    folded: dict[str, list[str]] = {}
    for name in known:
        folded.setdefault(name.casefold(), []).append(name)
    found: dict[str, str] = {}
    missing = []
    for name in asked:
        wanted = tidy(aliases.get(name, name)) or name
        fitting = [wanted] if wanted in known else folded.get(wanted.casefold(), [])
        if len(fitting) > 1:
            raise UsageError(
                f"{wanted!r} fits {', '.join(map(repr, fitting[:MOST_NAMED]))}: name one of them with --artists FILE"
            )
        if fitting:
            found[name] = fitting[0]
        else:
            missing.append(wanted)
    if missing:
        listed = ", ".join(map(repr, missing[:MOST_NAMED])) + (", …" if len(missing) > MOST_NAMED else "")
        alike = difflib.get_close_matches(missing[0], list(known), n=2)
        advice = f"did you mean {' or '.join(map(repr, alike))}? " if alike else ""
        raise NotFoundError(
            f"no artist with works is called {listed}; {advice}`--artists FILE` takes a CSV with the columns name and artist"
        )
    return found


def read_works_of(
    connection: duckdb.DuckDBPyConnection, by: str, names: Sequence[str], most: int, seed: int
) -> list[ArtistWorks]:
    """At most ``most`` works of each artist, drawn by the seed and the works' hashes.

    Raises:
        UsageError: an artist has fewer than :data:`FEWEST_WORKS` works.
    """
    connection.register("asked_artist", pa.table({"asked": pa.array(names, pa.string())}))
    # md5, as DuckDB's own hash may change between versions.
    rows = connection.execute(
        f"SELECT name, asset_id, root, path, sha256, rightsholder_id FROM ({_named(by)}) "  # noqa: S608 - see _named
        "SEMI JOIN asked_artist ON asked = name "
        "QUALIFY row_number() OVER (PARTITION BY name ORDER BY md5(sha256 || $1), asset_id) <= $2 ORDER BY asset_id",
        [str(seed), most],
    ).to_arrow_table()
    connection.unregister("asked_artist")
    columns = {name: rows[name].to_pylist() for name in rows.column_names}
    rows_of: dict[str, list[int]] = {name: [] for name in names}
    for row, name in enumerate(columns["name"]):
        rows_of[name].append(row)
    few = {name: len(found) for name, found in rows_of.items() if len(found) < FEWEST_WORKS}
    if few:
        listed = ", ".join(f"{name!r} ({count})" for name, count in list(few.items())[:MOST_NAMED])
        raise UsageError(
            f"too few works with a file here to compare with: {listed}; an artist needs at least {FEWEST_WORKS}"
        )
    return [
        ArtistWorks(
            name=name,
            rightsholders=tuple(sorted({int(columns["rightsholder_id"][row]) for row in found} - {-1})),
            asset_ids=np.array([columns["asset_id"][row] for row in found], dtype=np.int64),
            paths=tuple(Path(columns["root"][row], columns["path"][row]) for row in found),
            sha256=tuple(columns["sha256"][row] for row in found),
        )
        for name, found in rows_of.items()
    ]


def all_works_of(connection: duckdb.DuckDBPyConnection, by: str, name: str) -> NDArray[np.int64]:
    """Ids of all works of an artist, also of those without a file here."""
    found: NDArray[np.int64] = (
        connection.execute(
            f"SELECT asset_id FROM ({_named(by, everything=True)}) WHERE name = ? ORDER BY asset_id",  # noqa: S608 - see _named
            [name],
        )
        .to_arrow_table()["asset_id"]
        .to_numpy()
    )
    return found


def _named(by: str, *, everything: bool = False) -> str:
    """SELECT of works with an artist's name; the column enters as an escaped literal."""
    usable = "" if everything else "AND missing_since IS NULL AND byte_size IS NOT NULL"
    return (
        "SELECT asset_id, root, path, sha256, coalesce(rightsholder_id, -1) AS rightsholder_id, "  # noqa: S608 - above
        f"{column_expression(by)} AS name FROM ({ASSET_RIGHTS}) WHERE name IS NOT NULL AND name <> '' {usable}"
    )
