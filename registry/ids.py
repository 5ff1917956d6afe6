"""Ids that are hashes of a request: the same request has the same id, so a repeated job resumes.

>>> content_id("sample", {"seed": 1}) == content_id("sample", {"seed": 1})
True
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ID_LENGTH = 12
"""Hex digits of an id: 48 bits, so a million ids of one kind collide with a chance of 0.2 %.

So a row that is found by its id is compared with the request before it is taken for it."""


def canonical_json(value: object) -> str:
    """One text for one value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The fields of a JSON object, as ``object_pairs_hook``: readers differ in which of two counts.

    Raises:
        ValueError: a field comes twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {twice[:80]!r} comes twice")
    return found


def sha256_of(value: object) -> str:
    """SHA-256 (hex) of the canonical JSON of ``value``."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def content_id(kind: str, value: Mapping[str, Any]) -> str:
    """The id of a thing of this ``kind``, completely described by ``value``."""
    return sha256_of({"kind": kind, **value})[:ID_LENGTH]


def full_id(kind: str, value: Mapping[str, Any]) -> str:
    """As :func:`content_id`, all 64 digits: for files that no row describes."""
    return sha256_of({"kind": kind, **value})


def sha256_of_file(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
