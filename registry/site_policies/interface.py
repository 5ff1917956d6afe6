"""The interface of site policies: signals for the paths of one domain, and problems of the file."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from registry.errors import InputError
from registry.signals import RightsSignal

LARGEST_FILE = 1 << 20
"""Bytes. RFC 9309 requires crawlers to read at least 500 KiB."""
MOST_RULES = 20_000
MOST_WILDCARDS = 1_000
"""Rules with ``*`` or ``$`` in one file. Each is tried on each path."""
MOST_PROBLEMS = 100


class SitePolicy(ABC):
    """The statements of one file about the works of one domain."""

    kind: ClassVar[str]

    def __init__(self, data: bytes, *, domain: str, file_name: str) -> None:
        self.domain = domain
        self.file_name = file_name
        self.sha256 = hashlib.sha256(data).hexdigest()
        self._problems: list[str] = []
        self._problem_count = 0

    @property
    def problems(self) -> tuple[str, ...]:
        """Parts of the file that were not understood, each with its reason, in the file's order."""
        beyond = self._problem_count - len(self._problems)
        return (*self._problems, f"and {beyond} more problems") if beyond else tuple(self._problems)

    def _problem(self, reason: str) -> None:
        self._problem_count += 1
        if len(self._problems) < MOST_PROBLEMS:
            self._problems.append(reason)

    @abstractmethod
    def signals_for(self, paths: Sequence[str]) -> list[tuple[RightsSignal, ...]]:
        """The signals of each work, given paths and queries of their URLs; sorted, often empty."""


def text_of(data: bytes, file_name: str) -> str:
    """The file as UTF-8 text, invalid bytes replaced. Refuses a file that cannot be a policy."""
    if len(data) > LARGEST_FILE:
        raise InputError(f"{file_name} has {len(data):,} bytes; a site policy may have at most {LARGEST_FILE:,}")
    if b"\0" in data:
        raise InputError(f"{file_name} holds NUL bytes, so it is not text; give the file as the site serves it")
    return data.decode("utf-8-sig", "replace")


def check_counts(file_name: str, patterns: Sequence[str]) -> None:
    """Refuse a file with more rules than can be matched against a corpus."""
    wild = sum("*" in pattern or pattern.endswith("$") for pattern in patterns)
    if len(patterns) > MOST_RULES or wild > MOST_WILDCARDS:
        raise InputError(
            f"{file_name} has {len(patterns):,} rules, {wild:,} with wildcards; "
            f"at most {MOST_RULES:,} and {MOST_WILDCARDS:,} are read"
        )
