"""Texts and JSON files beside the images of a plain archive, whatever the order of its members.

A first pass through the archive reads these files alone: an archive of a folder may have them
before or far behind their images.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from registry.captions.beside import is_beside, is_text, json_by_stem, stem_of, texts_by_stem, why_no_caption
from registry.captions.sources import Source
from registry.captions.texts import ReadCaption, from_bytes
from registry.errors import InputError
from registry.ingest.archives import ArchiveMember, read_archive
from registry.ingest.findings import Finding, Kind
from registry.ingest.reading.json_facts import parse_facts
from registry.ingest.reading.shard_facts import facts_of, with_caption
from registry.messages import plain_reason

MOST_CHARACTERS = 2**27
"""Characters of an archive's captions that are kept in memory; texts beyond are findings."""
_TOO_LONG = "the captions of the archive are too long"


class ArchiveTexts:
    """The texts and facts of one archive by the stems of their images."""

    def __init__(self) -> None:
        self._texts: dict[str, ReadCaption] = {}
        self._facts: dict[str, dict[str, Any] | str] = {}
        """The facts of each JSON file, or the reason why it has none."""
        self._by_stem: dict[str, str] = {}
        self._json_by_stem: dict[str, str] = {}
        self._taken: set[str] = set()

    @property
    def paths(self) -> Collection[str]:
        """All text and JSON files of the archive."""
        return self._texts.keys() | self._facts.keys()

    def find(self, archive: Path) -> None:
        """Read these files of an archive. Its faults are left to the reading of its images."""
        characters = 0
        with suppress(InputError), read_archive(archive, include=is_beside) as members:
            for member in members:
                if not isinstance(member, ArchiveMember):
                    continue
                if is_text(member.path):
                    text = from_bytes(member.data)
                    characters += len(text.text or "")
                    self._texts[member.path] = ReadCaption(None, _TOO_LONG) if characters > MOST_CHARACTERS else text
                else:
                    facts = _facts(member.data)
                    characters += len(str(facts))
                    self._facts[member.path] = _TOO_LONG if characters > MOST_CHARACTERS else facts
        self._by_stem = texts_by_stem(self._texts)
        self._json_by_stem = json_by_stem(self._facts)

    def take(self, image: str) -> dict[str, Any] | None:
        """The facts about an image, as of one in a shard; None if no such file lies beside it."""
        stem = stem_of(image)
        path, json_path = self._by_stem.get(stem), self._json_by_stem.get(stem)
        self._taken.update(filter(None, (path, json_path)))
        if path is None and json_path is None:
            return None
        facts = self._facts[json_path] if json_path else {}
        if isinstance(facts, str):
            facts = with_caption({}, Source.JSON_FILE, ReadCaption(None, facts))
        return with_caption(facts, Source.TEXT_FILE, self._texts[path]) if path else facts

    def left(self, archive: Path) -> Iterator[Finding]:
        """The files that are beside no image."""
        for path in sorted(set(self.paths) - self._taken):
            by_stem = self._by_stem if is_text(path) else self._json_by_stem
            yield Finding(f"{archive.name}!/{path}", Kind.CAPTION, why_no_caption(path, by_stem))


def _facts(data: bytes) -> dict[str, Any] | str:
    try:
        return facts_of(parse_facts(data))
    except ValueError as error:
        return f"cannot be read: {plain_reason(error)}"
