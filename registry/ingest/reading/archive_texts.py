"""Text files with captions beside the images of a plain archive, whatever the order of its members.

A first pass through the archive reads the texts alone: an archive of a folder may have them before
or far behind their images.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from registry.captions.beside import is_text, stem_of, texts_by_stem
from registry.captions.texts import ReadCaption, from_bytes
from registry.errors import InputError
from registry.ingest.archives import ArchiveMember, read_archive
from registry.ingest.findings import Finding, Kind
from registry.ingest.reading.folder_texts import ALONE

MOST_CHARACTERS = 2**27
"""Characters of an archive's captions that are kept in memory; texts beyond are findings."""


class ArchiveTexts:
    """The texts of one archive by the stems of their images."""

    def __init__(self) -> None:
        self.paths: frozenset[str] = frozenset()
        """All text files of the archive."""
        self._by_stem: dict[str, tuple[str, ReadCaption]] = {}
        self._left: dict[str, str] = {}

    def find(self, archive: Path) -> None:
        """Read the texts of an archive. Its faults are left to the reading of its images."""
        found: dict[str, ReadCaption] = {}
        characters = 0
        try:
            with read_archive(archive, include=is_text) as members:
                for member in members:
                    if isinstance(member, ArchiveMember):
                        text = from_bytes(member.data)
                        characters += len(text.text or "")
                        kept = characters <= MOST_CHARACTERS
                        found[member.path] = (
                            text if kept else ReadCaption(None, "the captions of the archive are too long")
                        )
        except InputError:
            pass
        self.paths = frozenset(found)
        self._by_stem = {stem: (path, found[path]) for stem, path in texts_by_stem(found).items()}
        self._left = dict.fromkeys(sorted(found), ALONE)

    def take(self, image: str) -> ReadCaption | None:
        """The caption of an image; None if no text lies beside it."""
        if not self._by_stem:
            return None
        path, text = self._by_stem.get(stem_of(image), ("", None))
        self._left.pop(path, None)
        return text

    def left(self, archive: Path) -> Iterator[Finding]:
        """The texts that no image has the name of."""
        for path, reason in self._left.items():
            yield Finding(f"{archive.name}!/{path}", Kind.CAPTION, reason)
