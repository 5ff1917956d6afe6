"""Images that are a work's file, or near duplicates of it: copying is more than imitating."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import duckdb
import numpy as np
import pyarrow as pa
from jaxtyping import Int64, UInt8
from PIL import Image

from registry.similarity.pdq import LEAST_QUALITY, MATCH_DISTANCE, Fingerprint, fingerprint_of, words_of


def near_copies(
    connection: duckdb.DuckDBPyConnection,
    images: Sequence[UInt8[np.ndarray, "height width channel"]],
    sha256: Sequence[str],
    asset_ids: Int64[np.ndarray, " work"],
) -> list[int | None]:
    """For each image, the id of the work with the same file, else with the nearest fingerprint.

    Pictures with too little detail have no fingerprint that tells anything; of these only the very
    file of a work matches.

    Args:
        connection: of the registry.
        images: pixels.
        sha256: of the images' files.
        asset_ids: the compared works.
    """
    connection.register("compared", pa.table({"compared_id": asset_ids}))
    same = dict(
        connection.execute(
            "SELECT sha256, min(id) FROM asset SEMI JOIN compared ON id = compared_id GROUP BY sha256"
        ).fetchall()
    )
    rows = connection.execute(
        "SELECT asset_id, word0, word1, word2, word3 FROM fingerprint SEMI JOIN compared ON asset_id = compared_id "
        "WHERE quality >= ? ORDER BY asset_id",
        [LEAST_QUALITY],
    ).fetchnumpy()
    connection.unregister("compared")
    ids = np.ma.filled(rows["asset_id"], 0).astype(np.int64)
    words = np.column_stack([np.ma.filled(rows[f"word{place}"], 0).astype(np.uint64) for place in range(4)])
    found: list[int | None] = []
    for pixels, file in zip(images, sha256, strict=True):
        if file in same:
            found.append(int(same[file]))
            continue
        fingerprint = _fingerprint(pixels)
        if not len(ids) or fingerprint.quality < LEAST_QUALITY:
            found.append(None)
            continue
        differing = np.bitwise_count(words ^ words_of([fingerprint])[0]).sum(axis=1)
        nearest = int(differing.argmin())
        found.append(int(ids[nearest]) if differing[nearest] <= MATCH_DISTANCE else None)
    return found


def _fingerprint(pixels: UInt8[np.ndarray, "height width channel"]) -> Fingerprint:
    # As registration hashes a file: from an encoded picture.
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    buffer.seek(0)
    with Image.open(buffer) as image:
        return fingerprint_of(image)
