"""Declarations: statements about a file by the person who registers it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from registry.captions.sources import Source
from registry.ingest.findings import Finding
from registry.rightsholders.no_names import names_nobody, stated_rightsholder
from registry.text import has_control_characters, tidy


@dataclass(frozen=True, slots=True)
class Holder:
    """One of several rightsholders."""

    name: str
    role: str | None = None
    share: float | None = None
    """Share of the work, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """Statements about one work. None: not stated."""

    recorded_from: str
    rightsholder: str | None = None
    licence: str | None = None
    title: str | None = None
    creator: str | None = None
    source_url: str | None = None
    attributes: Mapping[str, str] | None = None
    """Further columns; None: the source states none, and the recorded ones stay."""
    holders: tuple[Holder, ...] | None = None
    """All rightsholders including the first, if several or with a role or share. None: not stated;
    the recorded ones stay."""
    empty: frozenset[str] = frozenset()
    """``rightsholder`` and ``licence``, where the source has the column and its cell is empty.
    Such a cell takes back what the same source stated before."""
    captions: Mapping[Source, str] = field(default_factory=dict)
    """Captions that are stated for the work, by source; in order."""


@dataclass(frozen=True)
class NoDeclaration:
    """Why a file is refused: no owner is stated for it."""

    reason: str


class OwnerSource(ABC):
    """Gives the declaration for a file."""

    attribute_names: Sequence[str] = ()
    """Names of the columns that become attributes of the works."""
    findings: Sequence[Finding] = ()
    """Faults of the source itself."""

    @abstractmethod
    def declare(self, path: str, sha256: str) -> Declaration | NoDeclaration:
        """The declaration for the file at ``path`` (relative) with this content."""

    def unused(self) -> Sequence[Finding]:
        """Statements about files that do not exist."""
        return ()


@dataclass(frozen=True)
class OneOwner(OwnerSource):
    """One declaration for every file: one rightsholder, or none."""

    rightsholder: str | None
    licence: str | None
    recorded_from: str = "command line"

    def __post_init__(self) -> None:
        """Check the name.

        Raises:
            InputError: it is empty or names nobody.
        """
        if self.rightsholder is not None:
            stated_rightsholder(self.rightsholder)

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
    _declared: dict[str | None, Declaration | NoDeclaration] = field(default_factory=dict, repr=False, compare=False)

    def declare(self, path: str, sha256: str) -> Declaration | NoDeclaration:  # noqa: ARG002 - only the path counts
        first, slash, rest = path.partition("/")
        if first.endswith("!"):  # an archive, in which the folders are
            first, slash, _ = rest.partition("/")
        folder = first if slash else None
        if folder not in self._declared:
            self._declared[folder] = self._declare(folder)
        return self._declared[folder]

    def _declare(self, folder: str | None) -> Declaration | NoDeclaration:
        name = tidy(folder)
        if name is None and not self.allow_unowned:
            return NoDeclaration("no owner stated: it is not in a rightsholder's folder")
        if name is not None and names_nobody(name):
            if not self.allow_unowned:
                return NoDeclaration(f"no owner stated: its folder is named {name!r}, which names nobody")
            name = None
        if name is not None and has_control_characters(name):
            return NoDeclaration("the folder's name has control characters, which a rightsholder's name must not have")
        return Declaration(self.recorded_from, rightsholder=name, licence=self.licence)
