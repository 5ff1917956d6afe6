"""Whose a file is, according to whoever registers it: a table, the folder it lies in, or one name
for all.

An owner source answers for one inspected file: with a declaration, or with the reason why it has
none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from registry.ingest.findings import Finding
from registry.text import has_control_characters, tidy


@dataclass(frozen=True, slots=True)
class Holder:
    """One of several rightsholders."""

    name: str
    role: str | None = None
    share: float | None = None
    """Part of the work that is theirs, 0 to 1."""


@dataclass(frozen=True, slots=True)
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
    holders: tuple[Holder, ...] | None = None
    """All rightsholders, the first one too, where there are several or more is said of one; None:
    not stated, and what is registered stays."""


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
        return self._declaration

    @cached_property
    def _declaration(self) -> Declaration:
        return Declaration(self.recorded_from, rightsholder=self.rightsholder, licence=self.licence)


@dataclass(frozen=True)
class FolderPerRightsholder(OwnerSource):
    """The first folder of a file's path is its rightsholder's name."""

    licence: str | None
    allow_unowned: bool = False
    recorded_from: str = field(default="folder name")
    _told: dict[str | None, Declaration | NoDeclaration] = field(default_factory=dict, repr=False, compare=False)

    def declare(self, path: str, sha256: str) -> Declaration | NoDeclaration:  # noqa: ARG002 - only the path counts
        first, slash, rest = path.partition("/")
        if first.endswith("!"):  # an archive, in which the folders are
            first, slash, _ = rest.partition("/")
        folder = first if slash else None
        if folder not in self._told:
            self._told[folder] = self._declare(folder)
        return self._told[folder]

    def _declare(self, folder: str | None) -> Declaration | NoDeclaration:
        name = tidy(folder)
        if name is None and not self.allow_unowned:
            return NoDeclaration("no owner stated: it lies in no rightsholder's folder")
        if name is not None and has_control_characters(name):
            return NoDeclaration("the folder's name has control characters, which no rightsholder's name has")
        return Declaration(self.recorded_from, rightsholder=name, licence=self.licence)
