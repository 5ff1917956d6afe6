"""What every way of reading an archive begins with: which kind it is, and what a member is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from registry.errors import InputError
from registry.ingest.archives.limits import DamageError, Limits
from registry.ingest.archives.member_filter import Gate, nested_archive
from registry.ingest.archives.sources import FileSource, Source, open_regular, read_at, unpack
from registry.ingest.archives.tars import BLOCK, is_tar_header
from registry.ingest.archives.zips import ZipDirectory
from registry.ingest.findings import Finding

DEFAULT = Limits()


@dataclass(frozen=True)
class ArchiveMember:
    """A file in an archive."""

    path: str
    """Relative to the archive, with forward slashes, without ``.`` and ``..``."""
    data: bytes


class OpenArchive:
    """An archive's file, and the gate that its members go through; usable in a ``with``."""

    def __init__(self, path: Path, wanted: Callable[[str], bool], limits: Limits) -> None:
        """Open the file; :meth:`close` or the end of the object lets it go."""
        self._gate = Gate(printable(path), limits, wanted)
        self._descriptor = open_regular(path)

    @property
    def hidden(self) -> int:
        """How many members were passed over so far, because their name begins with a dot or is
        ``__MACOSX``.
        """
        return self._gate.hidden

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Let the file go."""
        descriptor, self._descriptor = getattr(self, "_descriptor", -1), -1
        if descriptor >= 0:
            os.close(descriptor)


def every(_path: str) -> bool:
    """Want all members."""
    return True


def is_zip(descriptor: int) -> bool:
    """Whether a file begins as a ZIP does; one behind a program or a picture is not taken, as it is
    two things at once.
    """
    return read_at(descriptor, 4, 0) in (b"PK\3\4", b"PK\5\6")


def tar_source(descriptor: int, limits: Limits) -> Source | None:
    """A TAR from its beginning, unpacked where it is compressed; None if the file is none.

    Raises:
        DamageError: it is compressed, and damaged at its very beginning.
    """
    # The first look is at a source of its own: what is compressed cannot be read backwards.
    first = unpack(descriptor, limits) or FileSource(descriptor)
    if not is_tar_header(first.read(BLOCK)):
        return None
    return unpack(descriptor, limits) or FileSource(descriptor)


def open_directory(descriptor: int, limits: Limits) -> ZipDirectory:
    """The directory of a ZIP of which at least something can be read.

    Raises:
        DamageError: the directory is damaged, or a password is needed for every member.
    """
    directory = ZipDirectory(descriptor, limits)
    if directory.all_encrypted:
        raise DamageError("every member is encrypted; unpack it with its password first")
    return directory


def judged(gate: Gate, path: str, data: bytes | str) -> ArchiveMember | Finding:
    """A member by what it holds, or the finding about it; ``data`` is its bytes, or why there are
    none.
    """
    if isinstance(data, str):
        return gate.refuse(path, data)
    fault = nested_archive(data)
    return gate.refuse(path, fault) if fault else ArchiveMember(path, data)


@contextmanager
def about(path: Path) -> Iterator[None]:
    """Names the archive in what is wrong with it as a whole."""
    try:
        yield
    except DamageError as error:
        raise InputError(f"cannot read the archive {printable(path)}: {error}") from error


def printable(path: Path) -> str:
    """An archive's name as it can be stored, also where it is not UTF-8."""
    return os.fsencode(path.name).decode(errors="replace")
