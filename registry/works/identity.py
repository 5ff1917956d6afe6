"""The identity of a work, as one number for lookups.

The same bytes are one work. A work without bytes here is identified by the first of these that it
has: the source's own hash of the bytes, its address, its place in the source.
"""

from __future__ import annotations

import hashlib
import re

IDENTITY_KEY = "coalesce(sha256, other_hash, url, 'path:' || data_set_id || ':' || path)"
"""SQL for the text that identifies a work, over the columns of ``asset``."""

IDENTITY = (
    "coalesce(CASE WHEN regexp_full_match(sha256, '[0-9a-f]{64}') THEN ('0x' || left(sha256, 16))::UBIGINT END, "
    f"md5_number_lower({IDENTITY_KEY}))"
)
"""SQL for ``asset.identity``: 64 bits of a SHA-256, or of the MD5 of any other text. It finds rows
fast; compare :data:`IDENTITY_KEY` as well, since equal identities can be made on purpose."""

_SHA256 = re.compile("[0-9a-f]{64}")


def identity_of(key: str) -> int:
    """``asset.identity`` for a text that identifies a work.

    >>> identity_of("0" * 15 + "1" + "f" * 48)
    1
    >>> f"{identity_of(''):x}"
    '7e42f8ec980980e9'
    """
    if _SHA256.fullmatch(key):
        return int(key[:16], 16)
    return int.from_bytes(hashlib.md5(key.encode(), usedforsecurity=False).digest()[8:], "little")
