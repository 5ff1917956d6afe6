"""Text files beside images: ``cats/1.txt`` has the caption of ``cats/1.jpg``."""

from __future__ import annotations

from collections.abc import Iterable

SUFFIXES = (".txt", ".caption")
"""Endings of text files with captions; of two beside one image the first counts."""


def is_text(path: str) -> bool:
    """Whether a file is a text file by its name."""
    return path.lower().endswith(SUFFIXES)


def stem_of(path: str) -> str:
    """The path without the ending of its file name.

    >>> stem_of("cats.2019/1.v2.jpg")
    'cats.2019/1.v2'
    """
    folder, slash, name = path.rpartition("/")
    start, dot, _ = name.rpartition(".")
    return folder + slash + (start if dot else name)


def texts_by_stem(paths: Iterable[str]) -> dict[str, str]:
    """The text file for images of each stem, whatever the order of the paths."""
    found: dict[str, str] = {}
    for path in sorted(filter(is_text, paths), key=_rank):
        found.setdefault(stem_of(path), path)
    return found


def _rank(path: str) -> tuple[int, str]:
    return next(rank for rank, suffix in enumerate(SUFFIXES) if path.lower().endswith(suffix)), path
