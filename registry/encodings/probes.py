"""Probes: works that an encoding keeps out of all members by choice.

An image from outside is compared with them: they are works of the same kind, and no member saw
them. If the image is a further work of this kind that no member saw, each place among the probes is
equally likely for it, so p = (1 + #{probes with a statistic at least as large}) / (1 + #probes) is
an exact p-value. This holds because the probes are a random draw from the works that would have
been encoded: the order of a hash of seed and content decides, and nothing else.

A probe is no unit and has no code, so no member is trained on it, now or after a retraining, and an
extension of the encoding leaves it out too. A probe that may no longer be used, because it was
withdrawn or prohibited since, is not compared with. A work can be a probe of one encoding and a
work of another one.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from pathlib import Path

import duckdb
import pyarrow as pa

from registry.encodings.unit_works import UnitWorks
from registry.errors import UsageError
from registry.permissions.rule import FORBIDDEN
from registry.storage.current_rights import ASSET_RIGHTS, column_expression
from registry.storage.database import Registry
from registry.storage.results import number_of

LEVEL = 0.05
"""Error up to which an image is said to be a work that the members were trained on."""
LARGEST_SHARE = 0.5
PROBE_OF = """
    SELECT asset_id, list(encoding_id ORDER BY encoding.rowid) AS probe_of
    FROM encoding_probe JOIN encoding ON encoding.id = encoding_id
    WHERE encoding_id IN (SELECT encoding_id FROM ensemble) GROUP BY asset_id
"""
"""SQL: a row per work that the members of some encoding do not see by choice, with these encodings.

An encoding without an ensemble has no members, so it keeps no work out. Every document that says
that no member saw a work says so too if the work has a row here, in the words of :func:`kept_out`.
"""


def kept_out(works: int) -> str:
    """The words for this number of probes."""
    return f"kept out of all members by choice, as {'a probe' if works == 1 else 'probes'}"


def fewest_probes(level: float = LEVEL) -> int:
    """The fewest probes with which a p-value can be as small as the level."""
    return ceil(1.0 / level - 1e-9) - 1


def smallest_p(probes: int) -> float:
    """The smallest p-value that this many probes can give."""
    return 1.0 / (1.0 + probes)


def share_of_text(text: str) -> float:
    """The share that ``5%``, ``5 %`` or ``0.05`` means.

    Raises:
        UsageError: no number, not above 0, or above ``LARGEST_SHARE``.
    """
    number, percent = text.strip().removesuffix("%").strip(), text.strip().endswith("%")
    try:
        share = float(number) / (100.0 if percent else 1.0)
    except ValueError:
        share = 0.0
    if not 0.0 < share <= LARGEST_SHARE:
        raise UsageError(f"got {text!r} as the share of probes, expected above 0 to {LARGEST_SHARE:.0%}, such as 5%")
    return share


def choose_probes(works: UnitWorks, share: float, seed: int) -> pa.Table:
    """A random share of works, at least one: the column asset_id, rising.

    Files with the same bytes are kept out together.

    Raises:
        UsageError: every work would be a probe.
    """
    connection = works.connection
    connection.execute("CREATE OR REPLACE TEMP TABLE probe_draw (asset_id BIGINT, draw VARCHAR)")
    for first, last in works.blocks():
        connection.execute(
            "INSERT INTO probe_draw SELECT asset_id, sha256('creditline-probe/' || $seed || '/' || sha256) "
            "FROM (SELECT asset_id FROM taken_work WHERE asset_id BETWEEN $first AND $last) AS taken "
            "JOIN (SELECT id, sha256 FROM asset WHERE id BETWEEN $first AND $last) AS work ON work.id = asset_id "
            "ORDER BY asset_id",
            {"seed": str(seed), "first": first, "last": last},
        )
    # A draw per file: so many of the first draws are probes.
    files = number_of(connection, "SELECT count(DISTINCT draw) FROM probe_draw")
    chosen = number_of(connection, "SELECT greatest(1, round(? * ?))", [files, share])
    found = connection.execute(
        "SELECT asset_id FROM probe_draw WHERE draw <= ("
        "    SELECT max(draw) FROM (SELECT DISTINCT draw FROM probe_draw ORDER BY draw LIMIT ?)"
        ") ORDER BY asset_id",
        [chosen],
    ).to_arrow_table()
    connection.execute("DROP TABLE probe_draw")
    if found.num_rows >= works.works:
        raise UsageError(f"got {works.works:,} works, too few to keep one out as a probe; leave --probes out")
    return found


def probe_ids(connection: duckdb.DuckDBPyConnection, encoding_id: str) -> pa.Table:
    """All probes of an encoding: the column asset_id, rising."""
    return connection.execute(
        "SELECT asset_id FROM encoding_probe WHERE encoding_id = ? ORDER BY asset_id", [encoding_id]
    ).to_arrow_table()


@dataclass(frozen=True)
class Probe:
    """A probe with its file."""

    asset_id: int
    sha256: str
    path: Path
    """Absolute. A file can have changed since: check its hash when reading it."""
    value: str | None
    """Its value of the column that was asked for."""


def usable_probes(registry: Registry, encoding_id: str, column: str | None = None) -> list[Probe]:
    """The probes of an encoding that may still be used and are not missing, by SHA-256.

    ``column``: with the probes' values of it.
    """
    value = "NULL::VARCHAR" if column is None else column_expression(column)
    with registry.connection() as connection:
        # The column's name enters as an escaped literal.
        rows = connection.execute(
            f"SELECT asset_id, sha256, root, path, {value} AS value FROM ({ASSET_RIGHTS}) "  # noqa: S608
            "JOIN encoding_probe USING (asset_id) "
            "WHERE encoding_id = ? AND NOT list_contains(?, permission) AND missing_since IS NULL AND path IS NOT NULL "
            "ORDER BY sha256, asset_id",
            [encoding_id, [str(each) for each in FORBIDDEN]],
        ).fetchall()
    return [Probe(int(number), str(sha256), Path(root, path), value) for number, sha256, root, path, value in rows]


def probes_among(connection: duckdb.DuckDBPyConnection, works: pa.Table) -> dict[str, int]:
    """Of some works (column asset_id), the number that each encoding keeps out as probes."""
    connection.register("asked_probes", works.select(["asset_id"]))
    rows = connection.execute(
        "SELECT encoding_id, count(*) FROM encoding_probe SEMI JOIN asked_probes USING (asset_id) "
        "JOIN encoding ON encoding.id = encoding_id GROUP BY 1, encoding.rowid ORDER BY encoding.rowid"
    ).fetchall()
    connection.unregister("asked_probes")
    return {str(encoding_id): int(count) for encoding_id, count in rows}
