"""Texts and JSON files beside the images of a folder, as kohya's scripts and img2dataset do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from registry.captions.beside import is_beside, is_text, json_by_stem, stem_of, texts_by_stem, why_no_caption
from registry.captions.texts import LARGEST_FILE, ReadCaption, from_bytes, too_large
from registry.image_files.inspection import read_regular_file
from registry.ingest.findings import Finding, Kind
from registry.ingest.reading.json_facts import LARGEST_FACTS, parse_facts
from registry.ingest.reading.shard_facts import facts_of
from registry.messages import plain_reason


class FolderTexts:
    """The files beside the images of a folder; each is read when its image is registered."""

    def __init__(self, root: Path = Path(), files: Sequence[str] = (), sizes: Sequence[int] = ()) -> None:
        """``files``: all files of the folder by relative path; ``sizes``: in bytes."""
        self._root = root
        self._sizes = {path: size for path, size in zip(files, sizes, strict=True) if is_beside(path)}
        others = {stem_of(path) for path in files if not is_beside(path)} if self._sizes else set()
        self._texts = {stem: path for stem, path in texts_by_stem(self._sizes).items() if stem in others}
        self._json = {stem: path for stem, path in json_by_stem(self._sizes).items() if stem in others}
        self._unread = {*self._texts.values(), *self._json.values()}

    @property
    def paths(self) -> frozenset[str]:
        """Files with the name of another file. All others may be anything, even images."""
        return frozenset((*self._texts.values(), *self._json.values()))

    def read(self, image: str) -> tuple[str, ReadCaption] | None:
        """The text file of an image and its caption; None if no text lies beside it."""
        path = self._texts.get(stem_of(image)) if self._texts else None
        if path is None:
            return None
        self._unread.discard(path)
        size = self._sizes[path]
        if size == 0:
            return path, ReadCaption(None)
        if size > LARGEST_FILE:
            return path, too_large(size)
        data = self._bytes(path)
        return path, ReadCaption(None, f"the text {data}") if isinstance(data, str) else from_bytes(data)

    def facts(self, image: str) -> tuple[str, Mapping[str, Any] | str] | None:
        """The JSON file of an image with its facts, or with the reason why it has none.

        None if no JSON file lies beside the image.
        """
        path = self._json.get(stem_of(image)) if self._json else None
        if path is None:
            return None
        self._unread.discard(path)
        if (size := self._sizes[path]) > LARGEST_FACTS:
            return (
                path,
                f"the file has {size:,} bytes, at most {LARGEST_FACTS:,} are read; the image is taken without it",
            )
        data = self._bytes(path)
        try:
            return path, data if isinstance(data, str) else facts_of(parse_facts(data))
        except ValueError as error:
            return path, f"cannot be read: {plain_reason(error)}; the image is taken without it"

    def _bytes(self, path: str) -> bytes | str:
        """The content of a file, or the reason why it cannot be read."""
        try:
            return read_regular_file(self._root / path)
        except (OSError, ValueError) as error:
            return f"cannot be read: {getattr(error, 'strerror', None) or error}"

    def unread(self) -> list[Finding]:
        """Files beside images that were not registered."""
        return [Finding(path, Kind.CAPTION, why_no_caption(path, self._first(path))) for path in sorted(self._unread)]

    def why_no_caption(self, path: str) -> str | None:
        """The reason why a file has no caption; None for one that lies beside no image."""
        first = self._first(path)
        beside_an_image = is_text(path) or stem_of(path) in first
        return why_no_caption(path, first) if path in self._sizes and beside_an_image else None

    def _first(self, path: str) -> Mapping[str, str]:
        return self._texts if is_text(path) else self._json
