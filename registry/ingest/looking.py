"""What registering files would do, before it is done: how many there are, and whose the first ones would be."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from registry.errors import InputError
from registry.ingest.archives import read_archive
from registry.ingest.inspection import KnownWork, Refusal, Task, inspect_file
from registry.ingest.owners import NoDeclaration, OwnerSource
from registry.ingest.scan import scan_folder

FIRST = 5
_MEMBERS = 10_000


@dataclass(frozen=True)
class Looked:
    """One file as it would land; ``reason`` is why it would not."""

    path: str
    rightsholder: str | None = None
    licence: str | None = None
    title: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Look:
    """How many files there are (``more``: at least), and the first of them."""

    files: int
    more: bool
    first: tuple[Looked, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return asdict(self)


def look_at_files(source: Path, kind: str, owners: OwnerSource, *, excluded: Iterable[Path] = ()) -> Look:
    """Look at a source of files without registering any.

    Files of a folder are read as they would be; of an archive's members and of shards only names are looked at.

    Raises:
        InputError: the source cannot be read.
    """
    if kind == "folder":
        scan = scan_folder(source, {path.resolve() for path in excluded})
        first = tuple(_read(scan.root, path, owners) for path in scan.files[:FIRST])
        return Look(len(scan.files), False, first)
    archives = sorted(source.glob("*.tar")) if source.is_dir() else [source]
    if not archives:
        raise InputError(f"no shard in {source}; expected .tar files as img2dataset writes them")
    names: list[str] = []
    for archive in archives:
        names += _names(archive, _MEMBERS - len(names))
    return Look(len(names), len(names) == _MEMBERS, tuple(_declared(name, "", owners) for name in names[:FIRST]))


class _EnoughError(Exception):
    """No more names are wanted."""


def _names(archive: Path, most: int) -> list[str]:
    """Paths of members that could be works, at most so many."""
    names: list[str] = []

    def note(path: str) -> bool:
        if len(names) >= most:
            raise _EnoughError
        names.append(path)
        return False

    with suppress(_EnoughError), read_archive(archive, wanted=note) as members:
        for _ in members:
            pass
    return names


def _read(root: Path, path: str, owners: OwnerSource) -> Looked:
    found = inspect_file(root, Task(path))
    if isinstance(found, Refusal):
        return Looked(path, reason=found.reason)
    assert not isinstance(found, KnownWork)  # noqa: S101 - no hash was given that it could be known by
    return _declared(path, found.sha256, owners)


def _declared(path: str, sha256: str, owners: OwnerSource) -> Looked:
    stated = owners.declare(path, sha256)
    if isinstance(stated, NoDeclaration):
        return Looked(path, reason=stated.reason)
    return Looked(path, stated.rightsholder, stated.licence, stated.title)
