"""A list of works by metadata alone: owners with a heavy tail, licences in many spellings."""

from __future__ import annotations

from pathlib import Path

import duckdb

from registry.licences import read_licence
from registry.licences.terms import LicencePermission

# ruff: noqa: S608 - statements of numbers and constants

LICENCES = (
    "CC-BY-4.0",
    "CC BY 4.0",
    "cc-by 4.0",
    "https://creativecommons.org/licenses/by/4.0/",
    "http://creativecommons.org/licenses/by/2.0/deed.de",
    "CC-BY-SA-4.0",
    "CC BY-SA 3.0",
    "CC-BY-SA-3.0 OR GFDL-1.3-only",
    "CC0",
    "CC0-1.0",
    "Public domain",
    "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC-BY-NC-4.0",
    "Attribution-NonCommercial 2.0",
    "CC-BY-ND-4.0",
    "https://creativecommons.org/licenses/by-nc-nd/4.0/",
    "Apache-2.0",
    "MIT",
    "All rights reserved",
    "Alle Rechte vorbehalten",
    "No AI training",
    "Editorial use only",
    "Royalty-free",
    "see the website",
    "CC-BY-4.0?",
    "free for personal use",
    "standard licence",
    "unknown",
)
"""Licences as people write them; some are not understood, and so unclear."""
CONTRACTS = 1_000
"""Further licences: contracts of agencies, which nobody but a reviewer can read."""
WORKS_PER_OWNER = 20
"""Works for each possible owner, on average."""


def licence_texts() -> list[str]:
    """Every licence of the list."""
    return [*LICENCES, *(f"House contract {number}/2024" for number in range(CONTRACTS))]


def forbidding_texts() -> list[str]:
    """Those that prohibit training, by the registry's reader."""
    return [text for text in licence_texts() if read_licence(text).training == LicencePermission.PROHIBITED]


def owners(works: int) -> int:
    """Possible owners of this many works."""
    return max(works // WORKS_PER_OWNER, 1)


def owner_name(number: str) -> str:
    """SQL: the name of an owner by rank, the largest first."""
    return f"'Photographer ' || md5(({number})::VARCHAR)[:8] || ' ' || ({number})"


def write_list(path: Path, works: int, memory: str) -> None:
    """Write the list. The owner of rank k has works in proportion to 1/k.

    Equal arguments give equal rows: every value is a hash of the row's number.
    """
    licences = ", ".join("'" + text.replace("'", "''") + "'" for text in LICENCES)
    rank = f"floor(exp((hash(i + 1) / 18446744073709551616.0) * ln({owners(works)})))::BIGINT"
    with duckdb.connect(config={"memory_limit": memory}) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(
            f"COPY (SELECT {_ADDRESS} AS url, "
            f"sha256(i::VARCHAR) AS sha256, {_TITLE} AS title, (20000 + hash(i + 3) % 4000000)::BIGINT AS byte_size, "
            "(640 + hash(i + 5) % 4000)::INTEGER AS width, (480 + hash(i + 6) % 3000)::INTEGER AS height, "
            f"CASE WHEN hash(i + 2) % 10 = 0 THEN 'House contract ' || hash(i + 7) % {CONTRACTS} || '/2024' "
            f"ELSE ([{licences}])[(1 + hash(i + 4) % {len(LICENCES)})::BIGINT] END AS license, "
            f"{owner_name(rank)} AS creator FROM range({works}) AS numbers (i)) TO '{path}' "
            "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)"
        )


_ADDRESS = "'https://images' || hash(i) % 1000 || '.example/photos/' || left(md5(i::VARCHAR), 16) || '.jpg'"
_TITLE = (
    "['Harbour', 'Portrait', 'Forest', 'Street', 'Still life', 'Kitchen', 'Mountain'][(1 + hash(i + 8) % 7)::BIGINT] "
    "|| ' at ' || ['dawn', 'dusk', 'noon', 'night'][(1 + hash(i + 11) % 4)::BIGINT] || ', no. ' || i"
)
