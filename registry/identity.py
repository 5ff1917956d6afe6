"""What makes two records the same work, as one number to look works up by.

The same bytes are one work. Of a work whose bytes nobody here has read, the source's own hash of them is taken, then its
address, then its place in the source: each is believed only as far as no better one is there.
"""

from __future__ import annotations

import hashlib

IDENTITY_KEY = "coalesce(sha256, other_hash, url, 'path:' || data_set_id || ':' || path)"
"""SQL for the text that identifies a work, over the columns of ``asset``."""

IDENTITY = f"md5_number_lower({IDENTITY_KEY})"
"""SQL for ``asset.identity``: half of an MD5. It finds rows fast; :data:`IDENTITY_KEY` must be compared as well, since
somebody could make two texts that share it."""


def identity_of(key: str) -> int:
    """The same number for a text that identifies a work.

    >>> identity_of("") == int.from_bytes(hashlib.md5(b"", usedforsecurity=False).digest()[8:], "little")
    True
    """
    return int.from_bytes(hashlib.md5(key.encode(), usedforsecurity=False).digest()[8:], "little")
