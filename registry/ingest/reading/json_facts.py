"""The ``.json`` of an image, as img2dataset writes it in shards and in plain folders."""

from __future__ import annotations

import json
from typing import Any

from registry.ids import each_once

LARGEST_FACTS = 2**20
"""Bytes of a .json; img2dataset puts all of an image's EXIF into it."""
DEEPEST_FACTS = 32


def parse_facts(data: bytes) -> dict[str, Any]:
    """The object in a .json, checked for size, depth and repeated fields only.

    Raises:
        ValueError: it is too large, nested too deep, or no JSON object; or a field comes twice.
    """
    if len(data) > LARGEST_FACTS:
        raise ValueError(f"{len(data):,} bytes, at most {LARGEST_FACTS:,} are read")
    try:
        facts = json.loads(data.decode("utf-8-sig"), parse_constant=_refuse_constant, object_pairs_hook=each_once)
    except RecursionError as error:
        raise ValueError(f"nested more than {DEEPEST_FACTS} deep") from error
    if not isinstance(facts, dict):
        raise ValueError("not a JSON object")
    each_once([(name.lower(), None) for name in facts])  # names are read without regard to case
    level: list[Any] = [facts]
    for _ in range(DEEPEST_FACTS):
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, dict | list)
        ]
    if level:
        raise ValueError(f"nested more than {DEEPEST_FACTS} deep")
    if b"\\u" in data:
        json.dumps(facts, ensure_ascii=False).encode()  # half of a surrogate pair can be written, but not stored
    return facts


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")
