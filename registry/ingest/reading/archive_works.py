"""Archives as sources of works: every member is inspected as a file is, in the archive's order.

A shard of img2dataset is recognised by its first members; an image has the facts of its ``.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from registry.captions.sources import Source
from registry.image_files.inspection import Refusal, Result, Task, Work, inspect_bytes
from registry.ingest.archives import ArchiveMember, ArchiveReader, read_archive
from registry.ingest.findings import Finding
from registry.ingest.reading.archive_texts import ArchiveTexts
from registry.ingest.reading.content import MARK
from registry.ingest.reading.shard_facts import facts_of, with_caption
from registry.ingest.reading.webdataset import ShardSample, is_webdataset, read_shard
from registry.metadata import NOTHING

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst")
"""Names of files in a folder that may be archives; their content decides."""


@dataclass(frozen=True, slots=True)
class Container:
    """An archive whose members are works."""

    file: str
    prefix: str = ""
    """Prefix of its members' paths: nothing, or ``<its own path>!/``."""

    @property
    def path(self) -> str:
        """The path of findings about the archive itself."""
        return self.prefix.removesuffix(MARK) or Path(self.file).name


@dataclass
class Skipped:
    """Members without a result, counted."""

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
        skipped: counts the hidden members.
        decode: see :func:`registry.image_files.inspection.inspect_file`.
        skip: results to leave out at the beginning, because an earlier process gave them.
        first_credentials: whether the first one's content credentials are read.
        about_to: called with each member's path before it is inspected.

    Raises:
        InputError: it is not an archive, or nothing of it can be read.
    """
    texts = ArchiveTexts()
    for number, found in enumerate(_items(container, skipped, texts)):
        if number < skip:
            if isinstance(found, ArchiveMember):
                texts.take(found.path)
            continue
        if isinstance(found, Finding):
            yield Refusal(_path_of(container, found), found.reason)
            continue
        member = found.image if isinstance(found, ShardSample) else found
        task = Task(container.prefix + member.path, credentials=first_credentials or number > skip)
        about_to(task.path)
        facts = _facts_of_sample(found) if isinstance(found, ShardSample) else texts.take(member.path)
        if member.data:
            yield _with_note(inspect_bytes(task, member.data, decode, facts), member.note)
        else:
            yield Refusal(task.path, "empty file (0 bytes)")


def _facts_of_sample(sample: ShardSample) -> dict[str, Any]:
    return with_caption(facts_of(sample.facts), Source.TEXT_FILE, sample.text)


def _with_note(result: Result, note: str | None) -> Result:
    """The result with a note about its name among the problems of its metadata."""
    if note is None or not isinstance(result, Work):
        return result
    embedded = result.embedded or NOTHING
    return replace(result, embedded=replace(embedded, problems=(note, *embedded.problems)))


def _items(
    container: Container, skipped: Skipped, texts: ArchiveTexts
) -> Iterator[ArchiveMember | ShardSample | Finding]:
    path = Path(container.file)
    if is_webdataset(path):
        yield from read_shard(path)
        return
    texts.find(path)
    with read_archive(path, include=lambda member: member not in texts.paths) as members:
        yield from _counted(members, skipped)
    yield from texts.left(path)


def _counted(members: ArchiveReader, skipped: Skipped) -> Iterator[ArchiveMember | Finding]:
    yield from members
    skipped.hidden = members.hidden


def _path_of(container: Container, finding: Finding) -> str:
    _, mark, member = finding.path.partition(MARK)
    return container.prefix + member if mark else container.path
