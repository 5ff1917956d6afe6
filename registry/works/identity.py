"""What makes two records the same work, as one number to look works up by.

The same bytes are one work. Of a work whose bytes nobody here has read, the source's own hash of
them is taken, then its address, then its place in the source: each is believed only as far as no
better one is there.
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
"""SQL for ``asset.identity``: the first half of half a SHA-256, of other texts half of their MD5.
It finds rows fast; :data:`IDENTITY_KEY` must be compared as well, since somebody could make two
texts that share it."""

_SHA256 = re.compile("[0-9a-f]{64}")


def identity_of(key: str) -> int:
    """The same number for a text that identifies a work.

    >>> identity_of("0" * 15 + "1" + "f" * 48)
    1
    >>> identity_of("") == int.from_bytes(hashlib.md5(b"", usedforsecurity=False).digest()[8:], "little")
    True
    """
    if _SHA256.fullmatch(key):
        return int(key[:16], 16)
    return int.from_bytes(hashlib.md5(key.encode(), usedforsecurity=False).digest()[8:], "little")
