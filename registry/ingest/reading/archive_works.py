"""Archives as sources of works: every member is inspected as a file is, as it comes out of the
archive, in its order.

A TAR that img2dataset wrote is known by its first members, and what its ``.json`` files say travels
with each image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from registry.image_files.inspection import Refusal, Result, Task, inspect_bytes
from registry.ingest.archives import ArchiveMember, ArchiveReader, read_archive
from registry.ingest.findings import Finding
from registry.ingest.reading.content import MARK
from registry.ingest.reading.shard_facts import facts_of
from registry.ingest.reading.webdataset import ShardSample, is_webdataset, read_shard

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst")
"""Names under which an archive inside a folder is looked for; what it is then shows in what it
holds."""


@dataclass(frozen=True, slots=True)
class Container:
    """An archive whose members are works."""

    file: str
    """Where it is."""
    prefix: str = ""
    """What its members' paths begin with: nothing, or ``<its own path>!/``."""

    @property
    def path(self) -> str:
        """What findings about the archive itself are listed under."""
        return self.prefix.removesuffix(MARK) or Path(self.file).name


@dataclass
class Skipped:
    """What went by without a result."""

    hidden: int = 0


def looks_like_archive(path: str) -> bool:
    """Whether a file in a folder should be opened as an archive, by its name."""
    return path.lower().endswith(SUFFIXES)


def inspect_container(
    container: Container,
    skipped: Skipped,
    *,
    decode: bool = False,
    skip: int = 0,
    first_credentials: bool = True,
    about_to: Callable[[str], object] = lambda _path: None,
) -> Iterator[Result]:
    """Inspect the members of an archive, one result each.

    Args:
        container: the archive.
        skipped: is filled in along the way.
        decode: see :func:`registry.image_files.inspection.inspect_file`.
        skip: how many results to leave out at the beginning; an earlier reader gave them.
        first_credentials: whether the first one's content credentials are read.
        about_to: hears each member's path before it is inspected.

    Raises:
        InputError: it is no archive, or nothing of it can be read.
    """
    for number, found in enumerate(_items(container, skipped)):
        if number < skip:
            continue
        if isinstance(found, Finding):
            yield Refusal(_path_of(container, found), found.reason)
            continue
        member = found.image if isinstance(found, ShardSample) else found
        task = Task(container.prefix + member.path, credentials=first_credentials or number > skip)
        about_to(task.path)
        facts = None
        if isinstance(found, ShardSample):
            facts = facts_of(found.facts, found.caption)
        if member.data:
            yield inspect_bytes(task, member.data, decode, facts)
        else:
            yield Refusal(task.path, "empty file (0 bytes)")


def _items(container: Container, skipped: Skipped) -> Iterator[ArchiveMember | ShardSample | Finding]:
    path = Path(container.file)
    if is_webdataset(path):
        yield from read_shard(path)
        return
    with read_archive(path) as members:
        yield from _counted(members, skipped)


def _counted(members: ArchiveReader, skipped: Skipped) -> Iterator[ArchiveMember | Finding]:
    yield from members
    skipped.hidden = members.hidden


def _path_of(container: Container, finding: Finding) -> str:
    _, mark, member = finding.path.partition(MARK)
    return container.prefix + member if mark else container.path
