"""The files of a folder.

Symbolic links are never followed: the target of a link inside the folder is found anyway, and every
other link leads out or in a circle. Names with a dot in front are passed over, but counted.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from registry.errors import InputError
from registry.ingest.findings import Finding, Kind


@dataclass(frozen=True)
class Scan:
    """The content of a folder, sorted by path."""

    root: Path
    """Absolute, without symbolic links."""
    files: tuple[str, ...]
    """Paths of regular files, relative to the root, with forward slashes."""
    findings: tuple[Finding, ...]
    sizes: array[int]
    """Sizes of the files in bytes."""
    hidden: int
    """Names that begin with a dot."""


def scan_folder(folder: Path, excluded: Collection[Path] = ()) -> Scan:
    """List a folder's files without ``excluded`` files and folders (absolute paths).

    Raises:
        InputError: the folder does not exist, is not a folder, or cannot be read.
    """
    try:
        root = folder.resolve(strict=True)
        os.scandir(root).close()  # fails at once if the folder itself cannot be read
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, until Python 3.13
        reason = getattr(error, "strerror", None) or "a loop of symbolic links"
        raise InputError(f"cannot read the folder {folder}: {reason}; give a folder of images") from error
    files: list[tuple[str, int]] = []
    findings: list[Finding] = []
    hidden = 0
    without = {os.fspath(path) for path in excluded}
    pending = [os.fspath(root)]
    while pending:
        current = pending.pop()
        try:
            entries = sorted(os.scandir(current), key=lambda entry: entry.name)
        except OSError as error:
            findings.append(_refused(root, current, f"cannot read the folder: {error.strerror}"))
            continue
        for entry in entries:
            if entry.name.startswith("."):
                hidden += 1
            elif entry.path in without:
                continue
            elif entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)
            elif reason := _reason_against(entry, root):
                findings.append(_refused(root, entry.path, reason))
            else:
                files.append((_relative(root, entry.path), _size(entry)))
    files.sort()
    sizes = array("q", [size for _, size in files])
    return Scan(root, tuple(path for path, _ in files), tuple(sorted(findings)), sizes, hidden)


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError:  # deleted since; reading it will fail with a reason
        return 0


def _reason_against(entry: os.DirEntry[str], root: Path) -> str | None:
    if entry.is_symlink():
        return _reason_against_link(Path(entry.path), root)
    if not entry.is_file(follow_symlinks=False):
        return "not a regular file"
    try:
        entry.path.encode()
    except UnicodeEncodeError:
        return "the file name is not UTF-8; rename the file"
    return None


def _reason_against_link(link: Path, root: Path) -> str:
    try:
        target = link.resolve(strict=True)
    except FileNotFoundError:
        return "symbolic link to nothing"
    except (OSError, RuntimeError):
        return "symbolic link that leads in a circle"
    if not target.is_relative_to(root):
        return "symbolic link that leads out of the folder"
    if target == root or target in link.parents:
        return "symbolic link that leads in a circle"
    return f"symbolic link to {target.relative_to(root).as_posix()}, which is registered under its own path"


def _refused(root: Path, path: str, reason: str) -> Finding:
    return Finding(_relative(root, path), Kind.REFUSED, reason)


def _relative(root: Path, path: str) -> str:
    relative = path.removeprefix(os.fspath(root)).lstrip(os.sep).replace(os.sep, "/") or "."
    # A name that is not UTF-8 appears in findings only, which must be printable.
    return relative.encode(errors="surrogateescape").decode(errors="replace")
