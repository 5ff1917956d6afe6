"""Images that are a work's file, or near duplicates of it: copying is more than imitating."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import duckdb
import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image

from registry.similarity.pdq import LEAST_QUALITY, Fingerprint, fingerprint_of
from registry.similarity.search import QueryImage, find_lookalikes


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
    found: list[int | None] = []
    for pixels, file in zip(images, sha256, strict=True):
        fingerprint = _fingerprint(pixels)
        bits = fingerprint.bits.hex() if fingerprint.quality >= LEAST_QUALITY else None
        alike = find_lookalikes(connection, QueryImage("", file, bits), asset_ids)
        found.append(alike[0].asset_id if alike else None)
    return found


def _fingerprint(pixels: UInt8[np.ndarray, "height width channel"]) -> Fingerprint:
    # As registration hashes a file: from an encoded picture.
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    buffer.seek(0)
    with Image.open(buffer) as image:
        return fingerprint_of(image)
