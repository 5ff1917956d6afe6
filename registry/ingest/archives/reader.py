"""Going through an archive once, whatever kind it is.

    for found in read_archive(Path("works.zip")):
        match found:
            case ArchiveMember(path, data): ...
            case Finding(path, _, reason): ...  # path is "works.zip!/cats/1.jpg"

A damaged archive gives the members before the damage, and then one finding about the archive.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from registry.errors import InputError
from registry.ingest.archives.limits import DamageError, Limits
from registry.ingest.archives.member_filter import MemberFilter, nested_archive
from registry.ingest.archives.member_names import tar_name
from registry.ingest.archives.sources import FileSource, Source, open_regular, read_at, unpack
from registry.ingest.archives.tars import BLOCK, is_tar_header, walk_tar
from registry.ingest.archives.zips import ZipDirectory
from registry.ingest.findings import Finding, Kind

DEFAULT = Limits()
_KINDS = "ZIP and TAR archives (plain, gzip, bzip2, xz, Zstandard) are read"


@dataclass(frozen=True)
class ArchiveMember:
    """A file in an archive."""

    path: str
    """Relative to the archive, with forward slashes, without ``.`` and ``..``."""
    data: bytes
    note: str | None = None
    """What a person should know about its name."""


def every(_path: str) -> bool:
    """Include all members."""
    return True


def is_archive(path: Path) -> bool:
    """Whether a file is an archive that can be read, by its content rather than its name."""
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
    """The names of the first files in a TAR, which is read no further; none for any other file."""
    names: list[str] = []
    members = MemberFilter(printable(path), DEFAULT, every)
    try:
        descriptor = open_regular(path)
    except InputError:
        return names
    try:
        source = tar_source(descriptor, DEFAULT)
        for entry in islice(walk_tar(source, DEFAULT) if source else (), most):
            name = members.admit(tar_name(entry.name), entry.fault)
            if isinstance(name, str):
                names.append(name)
    except DamageError:
        pass  # the names before the damage suffice
    finally:
        os.close(descriptor)
    return names


def read_archive(path: Path, *, include: Callable[[str], bool] = every, limits: Limits = DEFAULT) -> ArchiveReader:
    """Go through an archive once.

    ``include`` says whether to read a member, by its normalised path; others leave no finding.

    Raises:
        InputError: it is no archive, or nothing of it can be read. Also while going through it.
    """
    return ArchiveReader(path, include, limits)


class ArchiveReader(Iterator["ArchiveMember | Finding"]):
    """An archive's members and findings, in its order; usable in a ``with``.

    Memory holds one member at a time. The end of the archive closes the file as well.
    """

    def __init__(self, path: Path, include: Callable[[str], bool], limits: Limits) -> None:
        self._path = path
        self._limits = limits
        self._filter = MemberFilter(printable(path), limits, include)
        self._descriptor = open_regular(path)
        try:
            self._items = self._guarded(self._begin())
        except BaseException:
            self.close()
            raise

    @property
    def hidden(self) -> int:
        """Members passed over so far: a part of the path begins with a dot or is ``__MACOSX``."""
        return self._filter.hidden

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        descriptor, self._descriptor = getattr(self, "_descriptor", -1), -1
        if descriptor >= 0:
            os.close(descriptor)

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
            if not self._filter.count:
                raise InputError(f"cannot read the archive {printable(self._path)}: {error}") from error
            yield Finding(self._filter.archive, Kind.REFUSED, f"the rest of the archive cannot be read: {error}")

    def _read_zip(self, directory: ZipDirectory) -> Iterator[ArchiveMember | Finding]:
        budget = self._limits.unpacked(os.fstat(self._descriptor).st_size)
        for entry in directory.entries():
            if entry.is_folder:
                continue
            name = entry.stated_name
            path = self._filter.admit(name, entry.fault)
            if isinstance(path, str):
                data = directory.read(entry)
                budget -= len(data) if isinstance(data, bytes) else 0
                if budget < 0:
                    raise DamageError("its members unpack to more than pictures can: a decompression bomb")
                yield self._judged(path, data, name.note)
            elif path:
                yield path

    def _read_tar(self, source: Source) -> Iterator[ArchiveMember | Finding]:
        for entry in walk_tar(source, self._limits):
            name = tar_name(entry.name)
            path = self._filter.admit(name, entry.fault)
            if isinstance(path, str):
                data = source.read(entry.size)
                if len(data) < entry.size:
                    raise DamageError(f"cut off inside its member {path}")
                yield self._judged(path, data, name.note)
            elif path:
                yield path

    def _judged(self, path: str, data: bytes | str, note: str | None) -> ArchiveMember | Finding:
        """The member, or the finding about it; ``data``: its bytes, or why there are none."""
        fault = data if isinstance(data, str) else nested_archive(data)
        if fault is not None or isinstance(data, str):
            return self._filter.refuse(path, str(fault))
        return ArchiveMember(path, data, note)


def is_zip(descriptor: int) -> bool:
    """Whether a file begins as a ZIP; one behind a picture is two things at once and not taken."""
    return read_at(descriptor, 4, 0) in (b"PK\3\4", b"PK\5\6")


def tar_source(descriptor: int, limits: Limits) -> Source | None:
    """A TAR from its beginning, unpacked if it is compressed; None for any other file.

    Raises:
        DamageError: it is compressed, and damaged at its very beginning.
    """
    # Two sources, because a compressed one cannot go back to its beginning.
    first = unpack(descriptor, limits) or FileSource(descriptor)
    if not is_tar_header(first.read(BLOCK)):
        return None
    return unpack(descriptor, limits) or FileSource(descriptor)


def open_directory(descriptor: int, limits: Limits) -> ZipDirectory:
    """The directory of a ZIP with at least one member that can be read.

    Raises:
        DamageError: the directory is damaged, or a password is needed for every member.
    """
    directory = ZipDirectory(descriptor, limits)
    if directory.all_encrypted:
        raise DamageError("every member is encrypted; unpack it with its password first")
    return directory


@contextmanager
def about(path: Path) -> Iterator[None]:
    """Name the archive in errors about it as a whole."""
    try:
        yield
    except DamageError as error:
        raise InputError(f"cannot read the archive {printable(path)}: {error}") from error


def printable(path: Path) -> str:
    """An archive's name in a form that can be stored, even if it is not UTF-8."""
    return os.fsencode(path.name).decode(errors="replace")
