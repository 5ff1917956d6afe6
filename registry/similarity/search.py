"""Finds registered works that look like a given picture, and states how reliable the answer is.

The fingerprints of the picture and of its mirror image are compared with every stored one: four
XORs and bit counts a work, about a second for ten million works, with no index that could miss one.
The same bytes are found by their hash. People judge whether a match is a copy.
"""

from __future__ import annotations

import hashlib
import io
import stat
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import ImageOps

from registry.errors import InputError
from registry.image_files.inspection import LARGEST_FILE
from registry.image_files.opening import open_image
from registry.similarity.pdq import (
    LEAST_QUALITY,
    MATCH_DISTANCE,
    Fingerprint,
    NotComparable,
    fingerprint_bytes,
    fingerprint_of,
    words_of,
)
from registry.storage.results import number_of
from registry.works.identity import identity_of

FOUND_COPIES: dict[str, tuple[int, int, int]] = {
    "JPEG q=50": (100, 96, 99),
    "resized 0.5x": (89, 72, 100),
    "resized 0.25x": (95, 0, 63),
    "cropped 2 % of sides": (74, 100, 95),
    "cropped 5 % of sides": (5, 6, 5),
    "cropped 10 % of sides": (0, 0, 0),
    "turned 2 degrees": (5, 9, 44),
    "turned 5 degrees": (0, 0, 1),
    "text across the middle": (95, 98, 98),
    "grey": (100, 100, 100),
}
"""By change, percent of copies found by ``benchmarks/register/fingerprints.py``: photographs,
pictures of 32 pixels a side, emoji."""

LIMITS = (
    f"A match is a fingerprint (PDQ) that differs in at most {MATCH_DISTANCE} of 256 bits; unrelated ones differ in about 128.",
    "A match says that two pictures look alike, not that one was made from the other.",
    "Percent of copies found (of photographs / of pictures of 32 pixels a side / of emoji): "
    + "; ".join(f"{change} {'/'.join(map(str, found))}" for change, found in FOUND_COPIES.items())
    + ".",
    "The search also compares mirrored images. It does not find copies cropped by 10 % or more, or turned by 5 degrees or "
    "more: the absence of a match says little about these.",
)
"""To be stated with every answer."""


@dataclass(frozen=True)
class QueryImage:
    """A picture to look for."""

    name: str
    sha256: str
    fingerprint: str | None = None
    """64 hex digits; None if it cannot be compared."""
    mirrored: str | None = None
    """The fingerprint of the mirror image."""
    not_comparable: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields, as an event keeps them to search again without the file."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class LookAlike:
    """A registered work that is, or looks like, a picture."""

    asset_id: int
    matched_by: str
    """``sha256`` for the same bytes, else ``image``."""
    distance: int | None
    """Bits of 256 in which the fingerprints differ; None for the same bytes."""
    mirrored: bool
    image: str
    """Name of the picture."""


def read_query_image(path: Path) -> QueryImage:
    """Read a picture's hash and fingerprints. A picture that cannot be compared still has its hash.

    Raises:
        InputError: no file, or too large.
    """
    data = read_bounded(path, LARGEST_FILE, "picture")
    sha256 = hashlib.sha256(data).hexdigest()
    found = fingerprint_bytes(data)
    if isinstance(found, NotComparable):
        return QueryImage(path.name, sha256, not_comparable=found.reason)
    mirrored = _mirrored(data)
    return QueryImage(path.name, sha256, found.bits.hex(), mirrored.bits.hex() if mirrored else None)


def read_bounded(path: Path, largest: int, what: str) -> bytes:
    """The bytes of a plain file of at most this size. Raises InputError otherwise."""
    with _opened(path, largest, what) as file:
        return file.read(largest)


def sha256_bounded(path: Path, largest: int, what: str) -> str:
    """The hash (hex) of a plain file of at most this size. Raises InputError otherwise."""
    with _opened(path, largest, what) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _opened(path: Path, largest: int, what: str) -> Iterator[io.BufferedReader]:
    try:
        # A device or a pipe would be read without end.
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise InputError(f"{path} is no file; expected a {what}")
        if found.st_size > largest:
            raise InputError(f"the {what} {path} has {found.st_size:,} bytes, at most {largest:,} are taken")
        with path.open("rb") as file:
            yield file
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read the {what} {path}: {reason}") from error


def find_lookalikes(
    connection: duckdb.DuckDBPyConnection, image: QueryImage, among: NDArray[np.int64] | None = None
) -> list[LookAlike]:
    """Works with the same bytes, then those that look alike, nearest first.

    ``among``: ids of the works to compare with; None: all.
    """
    if among is not None:
        connection.register("compared", pa.table({"compared_id": among}))
    try:
        return _alike(connection, image, "" if among is None else "SEMI JOIN compared ON compared_id =")
    finally:
        if among is not None:
            connection.unregister("compared")


def _alike(connection: duckdb.DuckDBPyConnection, image: QueryImage, compared: str) -> list[LookAlike]:
    """``compared``: a join that restricts the works, up to their id; empty: all works."""
    same = connection.execute(
        f"SELECT id FROM asset {compared and f'{compared} id'} WHERE identity = ? AND sha256 = ? ORDER BY id",  # noqa: S608 - constants
        [identity_of(image.sha256), image.sha256],
    ).fetchall()
    found = {int(number): LookAlike(int(number), "sha256", None, False, image.name) for (number,) in same}
    for text, mirrored in ((image.fingerprint, False), (image.mirrored, True)):
        for asset_id, distance in _near(connection, text, compared) if text is not None else ():
            other = found.get(asset_id)
            if other is None or (other.distance is not None and distance < other.distance):
                found[asset_id] = LookAlike(asset_id, "image", distance, mirrored, image.name)
    return sorted(found.values(), key=lambda each: (each.distance is not None, each.distance, each.asset_id))


def works_without_fingerprint(connection: duckdb.DuckDBPyConnection) -> int:
    """Works that cannot be compared: metadata alone, damaged, or with too little detail."""
    return number_of(
        connection,
        "SELECT (SELECT count(*) FROM asset) - (SELECT count(DISTINCT asset_id) FROM fingerprint WHERE quality >= ?)",
        [LEAST_QUALITY],
    )


def _near(connection: duckdb.DuckDBPyConnection, fingerprint: str, compared: str) -> Sequence[tuple[int, int]]:
    words = [int(word) for word in words_of([Fingerprint(bytes.fromhex(fingerprint), 100)])[0]]
    differing = " + ".join(f"bit_count(xor(word{place}, ?::UBIGINT))::INT" for place in range(4))
    rows = connection.execute(
        f"SELECT asset_id, min(distance) FROM (SELECT asset_id, {differing} AS distance FROM fingerprint "  # noqa: S608 - constants
        f"{compared and f'{compared} asset_id'} WHERE quality >= ?) WHERE distance <= ? GROUP BY asset_id",
        [*words, LEAST_QUALITY, MATCH_DISTANCE],
    ).fetchall()
    return [(int(asset_id), int(distance)) for asset_id, distance in rows]


def _mirrored(data: bytes) -> Fingerprint | None:
    """The fingerprint of a picture's mirror image, as the picture is shown."""
    # The picture was decoded before; if it cannot be mirrored, it alone is looked for.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_image(data) as image:
                return fingerprint_of(ImageOps.mirror(ImageOps.exif_transpose(image)))
    except Exception:
        return None
