"""Going through an archive once, whatever kind it is.

    for found in read_archive(Path("works.zip")):
        match found:
            case ArchiveMember(path, data): ...
            case Finding(path, _, reason): ...  # path is "works.zip!/cats/1.jpg"

A damaged archive gives what stands before the damage, and then one finding about the archive
itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Self

from registry.errors import InputError
from registry.ingest.archives.limits import DamageError, Limits
from registry.ingest.archives.member_filter import Gate
from registry.ingest.archives.opening import (
    DEFAULT,
    ArchiveMember,
    OpenArchive,
    about,
    every,
    is_zip,
    judged,
    open_directory,
    printable,
    tar_source,
)
from registry.ingest.archives.sources import Source, open_regular
from registry.ingest.archives.tars import walk_tar
from registry.ingest.archives.zips import ZipDirectory
from registry.ingest.findings import Finding, Kind

_KINDS = "ZIP and TAR archives (plain, gzip, bzip2, xz, Zstandard) are read"


def is_archive(path: Path) -> bool:
    """Whether a file is an archive that can be read, by what it holds and not by its name."""
    try:
        descriptor = open_regular(path)
    except InputError:
        return False
    try:
        return is_zip(descriptor) or tar_source(descriptor, DEFAULT) is not None
    except DamageError:
        return False
    finally:
        os.close(descriptor)


def first_names(path: Path, most: int) -> list[str]:
    """The names of the first files in a TAR, read no further than that; none if it is no TAR."""
    names: list[str] = []
    gate = Gate(printable(path), DEFAULT, every)
    try:
        descriptor = open_regular(path)
    except InputError:
        return names
    try:
        source = tar_source(descriptor, DEFAULT)
        for entry in islice(walk_tar(source, DEFAULT) if source else (), most):
            name = gate.admit(entry.name, entry.fault)
            if isinstance(name, str):
                names.append(name)
    except DamageError:
        pass  # what came before the damage says enough
    finally:
        os.close(descriptor)
    return names


def read_archive(path: Path, *, wanted: Callable[[str], bool] = every, limits: Limits = DEFAULT) -> ArchiveReader:
    """Go through an archive once.

    Args:
        path: the archive.
        wanted: which members to read, by normalised path; the others are passed over without a
            word.
        limits: its budgets.

    Raises:
        InputError: it is no archive, or nothing of it can be read. Also while going through it.
    """
    return ArchiveReader(path, wanted, limits)


class ArchiveReader(OpenArchive, Iterator["ArchiveMember | Finding"]):
    """The members of an archive and what is refused, in the archive's order; memory holds one
    member at a time.

    Going through the archive to its end lets the file go as well.
    """

    def __init__(self, path: Path, wanted: Callable[[str], bool], limits: Limits) -> None:
        self._path = path
        self._limits = limits
        super().__init__(path, wanted, limits)
        try:
            self._items = self._guarded(self._begin())
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ArchiveMember | Finding:
        try:
            return next(self._items)
        except BaseException:
            self.close()
            raise

    def _begin(self) -> Iterator[ArchiveMember | Finding]:
        with about(self._path):
            if is_zip(self._descriptor):
                return self._read_zip(open_directory(self._descriptor, self._limits))
            if source := tar_source(self._descriptor, self._limits):
                return self._read_tar(source)
        raise InputError(f"cannot read {printable(self._path)}: not an archive; {_KINDS}")

    def _guarded(self, items: Iterator[ArchiveMember | Finding]) -> Iterator[ArchiveMember | Finding]:
        try:
            yield from items
        except DamageError as error:
            if not self._gate.count:
                raise InputError(f"cannot read the archive {printable(self._path)}: {error}") from error
            yield Finding(self._gate.archive, Kind.REFUSED, f"the rest of the archive cannot be read: {error}")

    def _read_zip(self, directory: ZipDirectory) -> Iterator[ArchiveMember | Finding]:
        budget = self._limits.unpacked(os.fstat(self._descriptor).st_size)
        for _, entry in directory.entries():
            if entry.is_folder:
                continue
            path = self._gate.admit(entry.name, entry.fault)
            if isinstance(path, str):
                data = directory.read(entry)
                budget -= len(data) if isinstance(data, bytes) else 0
                if budget < 0:
                    raise DamageError("its members unpack to more than pictures can: a bomb")
                yield judged(self._gate, path, data)
            elif path:
                yield path

    def _read_tar(self, source: Source) -> Iterator[ArchiveMember | Finding]:
        for entry in walk_tar(source, self._limits):
            path = self._gate.admit(entry.name, entry.fault)
            if isinstance(path, str):
                data = source.read(entry.size)
                if len(data) < entry.size:
                    raise DamageError(f"cut off inside its member {path}")
                yield judged(self._gate, path, data)
            elif path:
                yield path
