"""The memory that DuckDB may use for a registry: a setting, or a share of the machine's.

DuckDB keeps what it has read until its limit, which it sets at four fifths of the machine. Beside
training, or on a machine with other users, that is too much: here it is a quarter, and what needs
more goes to a temporary folder beside the registry.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from registry.errors import UsageError

MEMORY_VARIABLE = "CREDITLINE_MEMORY"
SHARE = 4
"""The registry may use one part in this many of the machine's memory."""
LEAST = 2**30
"""Bytes that it may use however small the machine is."""
LEAST_SET = 64 * 10**6
"""Bytes below which a setting is refused: with less, DuckDB cannot even read the tables."""
_AMOUNT = re.compile(r"(?P<number>\d{1,9}(\.\d{1,3})?) ?(?P<unit>[KMGT])(?P<binary>i?)B", re.IGNORECASE)
_POWERS = {"K": 1, "M": 2, "G": 3, "T": 4}
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux states the limit of a container, in its two versions."""


def memory_limit() -> str:
    """The limit, as DuckDB reads it.

    Raises:
        UsageError: the setting is no amount of memory.
    """
    stated = os.environ.get(MEMORY_VARIABLE, "").strip()
    if not stated:
        return f"{max(LEAST, machine_memory() // SHARE) // 2**20}MiB"
    amount = _AMOUNT.fullmatch(stated)
    if not amount or _bytes_of(amount) < LEAST_SET:
        raise UsageError(
            f"got {MEMORY_VARIABLE}={stated[:80]!r}, expected an amount of memory of at least 64MB, such as 500MB or 8GB"
        )
    return stated


def _bytes_of(amount: re.Match[str]) -> float:
    return float(amount["number"]) * float((1024 if amount["binary"] else 1000) ** _POWERS[amount["unit"].upper()])


def machine_memory() -> int:
    """Bytes of memory of this machine, or of the container; 0 where the system does not say."""
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0
    return min([physical, *(limit for path in _LIMITS if (limit := _limit(path)) is not None)])


def _limit(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return int(text) if text.isdigit() else None
