"""The bytes of registered works: files, or members of archives.

A work's path is relative to its data set's root. The root may be an archive; for an archive below
it the path is ``<archive>!/<member>``. Archives are read under the checks of their registration.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from registry.errors import InputError
from registry.image_files.inspection import read_regular_file
from registry.ingest.archives import ArchiveMember, read_archive

MARK = "!/"
"""Separates an archive's path from its member's."""


def split_path(path: Path | str) -> tuple[Path, str | None]:
    """A work's whole path as a file and the member in it; None if the file is the work itself.

    >>> split_path("/nowhere/00001.tar!/cats/1.jpg")
    (PosixPath('/nowhere/00001.tar'), 'cats/1.jpg')
    """
    whole = Path(path)
    if whole.exists():
        return whole, None
    text = whole.as_posix()
    marks = [found.start() for found in re.finditer(MARK, text) if not Path(text[: found.start() + 1]).is_dir()]
    for at in marks:
        if Path(text[:at]).is_file():
            return Path(text[:at]), text[at + len(MARK) :]
    for parent in whole.parents:
        if parent.is_file():
            return parent, whole.relative_to(parent).as_posix()
    # The archive is missing as well.
    return (Path(text[: marks[0]]), text[marks[0] + len(MARK) :]) if marks else (whole, None)


def read_work(root: Path, path: str) -> bytes:
    """The bytes of the work at ``path`` below its data set's root; see :func:`read_content`."""
    return read_content(Path(root, path))


def read_content(path: Path) -> bytes:
    """A work's bytes, by its whole path.

    Raises:
        InputError: they cannot be read; says why.
    """
    file, member = split_path(path)
    if member is None:
        return _read_file(file)
    ((_, data),) = read_members(file, {member})
    if isinstance(data, str):
        raise InputError(f"cannot read {path}: {data}")
    return data


def read_members(archive: Path, paths: Collection[str]) -> Iterator[tuple[str, bytes | str]]:
    """Read members in one pass through an archive: each with its bytes, or why there are none.

    Raises:
        InputError: it is not an archive, or nothing of it can be read.
    """
    missing = set(paths)
    with read_archive(archive, include=missing.__contains__) as members:
        for found in members:
            if isinstance(found, ArchiveMember):
                missing.discard(found.path)
                yield found.path, found.data
            else:
                path = found.path.partition(MARK)[2]
                if path in missing:
                    missing.discard(path)
                    yield path, found.reason
            if not missing:
                return
    for path in sorted(missing):
        yield path, "the archive has no such member"


def _read_file(path: Path) -> bytes:
    try:
        data = read_regular_file(path.resolve())
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    if isinstance(data, str):
        raise InputError(f"cannot read {path}: {data}")
    return data
