"""Text files with captions beside the images of a plain archive, whatever the order of its members.

A first pass through the archive reads the texts alone: an archive of a folder may have them before
or far behind their images.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from registry.captions.beside import is_text, stem_of, texts_by_stem, why_no_caption
from registry.captions.texts import ReadCaption, from_bytes
from registry.errors import InputError
from registry.ingest.archives import ArchiveMember, read_archive
from registry.ingest.findings import Finding, Kind

MOST_CHARACTERS = 2**27
"""Characters of an archive's captions that are kept in memory; texts beyond are findings."""


class ArchiveTexts:
    """The texts of one archive by the stems of their images."""

    def __init__(self) -> None:
        self._texts: dict[str, ReadCaption] = {}
        self._by_stem: dict[str, str] = {}
        self._taken: set[str] = set()

    @property
    def paths(self) -> Collection[str]:
        """All text files of the archive."""
        return self._texts.keys()

    def find(self, archive: Path) -> None:
        """Read the texts of an archive. Its faults are left to the reading of its images."""
        characters = 0
        with suppress(InputError), read_archive(archive, include=is_text) as members:
            for member in members:
                if isinstance(member, ArchiveMember):
                    text = from_bytes(member.data)
                    characters += len(text.text or "")
                    if characters > MOST_CHARACTERS:
                        text = ReadCaption(None, "the captions of the archive are too long")
                    self._texts[member.path] = text
        self._by_stem = texts_by_stem(self._texts)

    def take(self, image: str) -> ReadCaption | None:
        """The caption of an image; None if no text lies beside it."""
        path = self._by_stem.get(stem_of(image))
        if path is None:
            return None
        self._taken.add(path)
        return self._texts[path]

    def left(self, archive: Path) -> Iterator[Finding]:
        """The texts that are the caption of no image."""
        for path in sorted(self._texts.keys() - self._taken):
            yield Finding(f"{archive.name}!/{path}", Kind.CAPTION, why_no_caption(path, self._by_stem))
