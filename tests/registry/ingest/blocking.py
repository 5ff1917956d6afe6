"""A function for reading processes that never answers for one of its items."""

from __future__ import annotations

import time
from collections.abc import Sequence


def block(_root: str, items: Sequence[str]) -> list[str]:
    """The items; sleeps where one of them is ``endless``."""
    if "endless" in items:
        time.sleep(600)
    return list(items)
