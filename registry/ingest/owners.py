"""Whose a file is, according to whoever registers it: a table, the folder it lies in, or one name for all.

An owner source answers for one inspected file: with a declaration, or with the reason why it has none.
"""

from __future__ import annotations

import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from registry.ingest.findings import Finding


@dataclass(frozen=True)
class Declaration:
    """What somebody says about one work. None: not stated."""

    recorded_from: str
    rightsholder: str | None = None
    licence: str | None = None
    title: str | None = None
    creator: str | None = None
    source_url: str | None = None
    attributes: Mapping[str, str] | None = None
    """Further columns; None where the source has none to say, so that what is registered stays."""

    @property
    def states_rights(self) -> bool:
        return any((self.rightsholder, self.licence, self.title, self.creator, self.source_url))


@dataclass(frozen=True)
class NoDeclaration:
    """Why a file is not registered for want of an owner."""

    reason: str


class OwnerSource(ABC):
    """Says whose a file is."""

    findings: Sequence[Finding] = ()
    """What was wrong with the source itself."""

    @abstractmethod
    def declare(self, path: str, sha256: str) -> Declaration | NoDeclaration:
        """The declaration for the file at ``path`` (relative) with this content."""

    def unused(self) -> Sequence[Finding]:
        """What the source says about files that it was never asked about."""
        return ()


@dataclass(frozen=True)
class OneOwner(OwnerSource):
    """The same for every file: one rightsholder, or none."""

    rightsholder: str | None
    licence: str | None
    recorded_from: str = "command line"

    def declare(self, path: str, sha256: str) -> Declaration:  # noqa: ARG002 - all files alike
        return Declaration(self.recorded_from, rightsholder=self.rightsholder, licence=self.licence)


@dataclass(frozen=True)
class FolderPerRightsholder(OwnerSource):
    """The first folder of a file's path is its rightsholder's name."""

    licence: str | None
    allow_unowned: bool = False
    recorded_from: str = field(default="folder name")

    def declare(self, path: str, sha256: str) -> Declaration | NoDeclaration:  # noqa: ARG002 - only the path counts
        parts = PurePosixPath(path).parts
        name = tidy(parts[0]) if len(parts) > 1 else None
        if name is None and not self.allow_unowned:
            return NoDeclaration("no owner stated: it lies in no rightsholder's folder")
        if name is not None and has_control_characters(name):
            return NoDeclaration("the folder's name has control characters, which no rightsholder's name has")
        return Declaration(self.recorded_from, rightsholder=name, licence=self.licence)


def tidy(text: str | None) -> str | None:
    """One spelling for what looks the same: Unicode's composed form, no spaces around; None for what is empty."""
    return (unicodedata.normalize("NFC", text).strip() or None) if text else None


def has_control_characters(text: str, allowed: str = "") -> bool:
    """Whether there is a line break, a NUL or the like in it."""
    return any(unicodedata.category(character) == "Cc" and character not in allowed for character in text)
