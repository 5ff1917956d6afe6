"""Text files with captions beside the images of a folder, as kohya's scripts lay them out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from registry.captions.beside import is_text, stem_of, texts_by_stem, why_no_caption
from registry.captions.texts import LARGEST_FILE, ReadCaption, from_bytes, too_large
from registry.image_files.inspection import read_regular_file
from registry.ingest.findings import Finding, Kind


class FolderTexts:
    """The texts of a folder; each is read when its image is registered."""

    def __init__(self, root: Path = Path(), files: Sequence[str] = (), sizes: Sequence[int] = ()) -> None:
        """``files``: all files of the folder by relative path; ``sizes``: in bytes."""
        self._root = root
        self._sizes = {path: size for path, size in zip(files, sizes, strict=True) if is_text(path)}
        texts = texts_by_stem(self._sizes)
        others = {stem for path in files if not is_text(path) and (stem := stem_of(path)) in texts} if texts else set()
        self._by_stem = {stem: path for stem, path in texts.items() if stem in others}
        self._unread = set(self._by_stem.values())

    @property
    def paths(self) -> frozenset[str]:
        """Text files with the name of another file. All others may be anything, even images."""
        return frozenset(self._by_stem.values())

    def read(self, image: str) -> tuple[str, ReadCaption] | None:
        """The text file of an image and its caption; None if no text lies beside it."""
        path = self._by_stem.get(stem_of(image)) if self._by_stem else None
        if path is None:
            return None
        self._unread.discard(path)
        size = self._sizes[path]
        if size == 0:
            return path, ReadCaption(None)
        if size > LARGEST_FILE:
            return path, too_large(size)
        try:
            data = read_regular_file(self._root / path)
        except (OSError, ValueError) as error:
            data = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        return path, ReadCaption(None, f"the text {data}") if isinstance(data, str) else from_bytes(data)

    def unread(self) -> list[Finding]:
        """Texts whose images were not registered."""
        return [Finding(path, Kind.CAPTION, why_no_caption(path, self._by_stem)) for path in sorted(self._unread)]

    def why_no_caption(self, path: str) -> str | None:
        """The reason why a text of the folder is no caption; None for another file."""
        return why_no_caption(path, self._by_stem) if path in self._sizes else None
