"""The bytes of registered works, whether they are files or lie in an archive.

A work's path is relative to its data set's root; the root may itself be an archive, or an archive
may lie below it, and then ``<archive>!/<member>`` is the path. Archives are read where they are,
under the same checks as when they were registered.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from registry.errors import InputError
from registry.image_files.inspection import read_regular_file
from registry.ingest.archives import ArchiveMember, read_archive

MARK = "!/"
"""Between an archive's path and its member's."""


def split_path(path: Path | str) -> tuple[Path, str | None]:
    """A work's whole path as a file, and the member in it; None where the file is the work itself.

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
    # The archive is gone, too.
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
    """Go through an archive once for these members: each with its bytes, or the reason why it has
    none.

    Raises:
        InputError: it is no archive, or nothing of it can be read.
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
