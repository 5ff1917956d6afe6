"""Sources of files, opened: a folder, an archive, or shards.

Archives inside a folder are read where they are; their members' paths are ``<archive>!/<member>``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from registry.errors import InputError
from registry.image_files.inspection import Result, Task
from registry.ingest.archives import is_archive
from registry.ingest.findings import Finding
from registry.ingest.reading.archive_inspection import inspect_containers
from registry.ingest.reading.archive_works import Container, Skipped, looks_like_archive
from registry.ingest.reading.content import MARK
from registry.ingest.reading.file_inspection import inspect_files
from registry.ingest.reading.folder_texts import FolderTexts
from registry.ingest.reading.scan import scan_folder

_SECONDS_PER_FILE = 0.0003
_BYTES_PER_SECOND = 300e6


@dataclass(frozen=True)
class FileSource:
    """The contents of a source of files."""

    kind: str
    """``folder``, ``archive`` or ``shards``."""
    name: str
    """The name of its data set, unless another is given."""
    root: Path
    """The works' paths are relative to it; absolute, without symbolic links."""
    archives: int
    total: int
    """Files, as far as they are known before archives are read."""
    findings: tuple[Finding, ...]
    skipped: Skipped
    """Filled in while the results are taken."""
    inspect: Callable[[Mapping[str, str]], Iterator[Result]]
    """Inspects all, in order. Takes known hashes by path: unchanged files are not decoded again."""
    texts: FolderTexts = field(default_factory=FolderTexts)
    """Text files beside images; archives give theirs with the images."""


def open_folder(folder: Path, *, workers: int = 1, decode: bool = False, excluded: Iterable[Path] = ()) -> FileSource:
    """A folder with everything below it and in its archives, except ``excluded`` paths.

    Raises:
        InputError: the folder cannot be read.
    """
    scan = scan_folder(folder, {path.resolve() for path in excluded})
    archives = [path for path in scan.files if looks_like_archive(path) and is_archive(scan.root / path)]
    skipped = Skipped(scan.hidden)
    texts = FolderTexts(scan.root, scan.files, scan.sizes)
    left_out = frozenset(archives) | texts.paths

    def inspect(known: Mapping[str, str]) -> Iterator[Result]:
        yield from inspect_files(
            scan.root,
            (
                Task(path, known.get(path), size=size)
                for path, size in zip(scan.files, scan.sizes, strict=True)
                if path not in left_out
            ),
            decode=decode,
            workers=workers,
            seconds_expected=len(scan.files) * _SECONDS_PER_FILE + sum(scan.sizes) / _BYTES_PER_SECOND,
        )
        if archives:
            containers = [Container(str(scan.root / path), f"{path}{MARK}") for path in archives]
            yield from inspect_containers(containers, skipped, decode=decode, workers=workers)

    total = len(scan.files) - len(left_out)
    return FileSource(
        "folder", scan.root.name or "/", scan.root, len(archives), total, scan.findings, skipped, inspect, texts
    )


def open_archive(path: Path, *, workers: int = 1, decode: bool = False) -> FileSource:
    """A ZIP or TAR archive, read by one process; nothing is unpacked to disk.

    Raises:
        InputError: it is no archive.
    """
    root = _resolved(path)
    if not is_archive(root):
        raise InputError(f"{path} is not an archive that can be read; expected a ZIP or a TAR (plain or compressed)")
    return _of_archives("archive", root.name, root, [Container(str(root))], workers, decode)


def open_shards(source: Path, *, workers: int = 1, decode: bool = False) -> FileSource:
    """Shards of img2dataset: one ``.tar``, or a folder of them.

    Raises:
        InputError: there is no shard.
    """
    place = _resolved(source)
    root = place if place.is_dir() else place.parent
    shards = sorted(found for found in root.iterdir() if _is_shard(found)) if place.is_dir() else [place]
    containers = [Container(str(shard), f"{shard.name}{MARK}") for shard in shards if is_archive(shard)]
    if not containers:
        raise InputError(f"no shard in {source}; expected .tar files as img2dataset writes them")
    return _of_archives("shards", place.name or "/", root, containers, workers, decode)


def _of_archives(
    kind: str, name: str, root: Path, containers: list[Container], workers: int, decode: bool
) -> FileSource:
    skipped = Skipped()

    def inspect(_known: Mapping[str, str]) -> Iterator[Result]:
        return inspect_containers(containers, skipped, decode=decode, workers=workers)

    return FileSource(kind, name, root, len(containers), 0, (), skipped, inspect)


def _resolved(path: Path) -> Path:
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def _is_shard(path: Path) -> bool:
    return path.suffix.lower() == ".tar" and not path.name.startswith(".") and path.is_file()
