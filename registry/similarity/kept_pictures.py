"""Compares the small pictures of works that audits keep in the home with the registered works.

A kept picture is the work made smaller, so that no hash of the registry is of its bytes. The work's
fingerprint is in the registry, and a smaller copy has nearly the same.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import duckdb
from PIL import Image

from registry.similarity.pdq import LEAST_QUALITY, Fingerprint, distance, fingerprint_of

UNLIKE = 64
"""Bits: from here on, a kept picture is another one. Unrelated pictures differ in 92 or more, a
photograph and its copy at a quarter of its size hardly ever in half as many."""


def unlike_works(connection: duckdb.DuckDBPyConnection, pictures: Mapping[int, Path]) -> dict[int, int]:
    """Works whose kept picture looks like another picture, and by how many bits of 256 it differs.

    ``pictures`` are by the work's id. A work without a fingerprint is not compared (too little
    detail), nor is a file that cannot be read, which has no picture to show.
    """
    rows = connection.execute(
        "SELECT asset_id, word0, word1, word2, word3, quality FROM fingerprint "
        "WHERE quality >= ? AND list_contains(?, asset_id) ORDER BY asset_id",
        [LEAST_QUALITY, list(pictures)],
    ).fetchall()
    found = {}
    for asset_id, *words, quality in rows:
        registered = Fingerprint(b"".join(int(word).to_bytes(8, "big") for word in words), quality)
        try:
            with Image.open(io.BytesIO(pictures[asset_id].read_bytes()), formats=("PNG",)) as image:
                differs = distance(registered, fingerprint_of(image))
        except Exception:  # noqa: S112 - whatever a hostile file makes Pillow raise
            continue
        if differs >= UNLIKE:
            found[asset_id] = differs
    return found
