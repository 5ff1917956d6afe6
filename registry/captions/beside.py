"""Files with captions beside images: ``cats/1.txt`` or ``cats/1.json`` for ``cats/1.jpg``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

SUFFIXES = (".txt", ".caption")
"""Endings of text files with captions; of two beside one image the first counts."""
JSON = ".json"
"""Ending of a file with facts about an image, the caption among them."""


def is_text(path: str) -> bool:
    """Whether a file is a text file by its name."""
    return path.lower().endswith(SUFFIXES)


def is_beside(path: str) -> bool:
    """Whether a file may have the caption of an image, by its name: a text file or a JSON file."""
    return path.lower().endswith((*SUFFIXES, JSON))


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


def json_by_stem(paths: Iterable[str]) -> dict[str, str]:
    """The JSON file for images of each stem, whatever the order of the paths."""
    found: dict[str, str] = {}
    for path in sorted(paths):
        if path.lower().endswith(JSON):
            found.setdefault(stem_of(path), path)
    return found


def why_no_caption(path: str, by_stem: Mapping[str, str]) -> str:
    """The reason why a file has no caption; ``by_stem``: the file that counts for each stem."""
    first = by_stem.get(stem_of(path), path)
    if first != path:
        return f"the file {first} has the same name and counts, so this one is no caption"
    return "no registered image beside it has this name, so it is no caption"


def _rank(path: str) -> tuple[int, str]:
    return next(rank for rank, suffix in enumerate(SUFFIXES) if path.lower().endswith(suffix)), path
