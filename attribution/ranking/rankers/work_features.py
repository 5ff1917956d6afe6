"""Features of works: computed once, kept beside the works' pixels, and mapped from the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float32

from attribution.ranking.rankers.interface import ArrayRows, Works, blocks
from registry.errors import InputError
from registry.home import reserve, write_atomically
from registry.ids import full_id, sha256_of

Compute: TypeAlias = Callable[[Float32[np.ndarray, "work channel height width"], slice], np.ndarray]
"""From pictures of works in [0, 1], and their rows, to one row of features each."""


@dataclass(frozen=True)
class FeatureFile:
    """The file of one kind of features."""

    name: str
    """First part of the file's name."""
    content: dict[str, Any]
    """Everything, beside the works, that decides the features."""
    width: int
    """Features of a work."""
    dtype: type[np.floating[Any]]

    def path(self, works: Works, folder: Path) -> Path:
        """The file; its name hashes content and works: changed inputs have another file."""
        content = {**self.content, "works": sha256_of(list(works.hashes))}
        return folder / f"features-{self.name}-{full_id('features', content)}.npy"


def work_features(
    file: FeatureFile,
    works: Works,
    shape: tuple[int, int, int],
    compute: Compute,
    on_progress: Callable[[int, int], object],
) -> ArrayRows:
    """The features of all works: from the file, or computed, and kept if the works have a folder.

    ``shape``: channels, height and width of a work. ``on_progress`` gets (works computed now, works
    in all).

    Raises:
        InputError: the folder cannot be written.
    """

    def fill(into: np.ndarray) -> None:
        for block in blocks(len(works), works.pixels.width):
            into[block] = compute(works.pictures(block, shape), block)
            on_progress(block.stop - block.start, len(works))

    size = len(works), file.width
    if works.folder is None:
        found = np.empty(size, dtype=file.dtype)
        fill(found)
        return ArrayRows(found)
    path = file.path(works, works.folder)
    kept = _opened(path, size, file.dtype)
    if kept is None:
        write_atomically(path, partial(_write, size=size, dtype=file.dtype, fill=fill))
        kept = _opened(path, size, file.dtype)
    if kept is None:
        raise InputError(f"{path} changed while it was read: run the same command again")
    return ArrayRows(kept)


def _opened(path: Path, size: tuple[int, int], dtype: type[np.floating[Any]]) -> np.ndarray | None:
    """The kept features; None: none of this size and type (they can be computed again)."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.shape == size and found.dtype == dtype else None


def _write(
    path: Path, size: tuple[int, int], dtype: type[np.floating[Any]], fill: Callable[[np.ndarray], None]
) -> None:
    found = np.lib.format.open_memmap(path, "w+", dtype, size)
    with path.open("rb+") as file:
        reserve(file, path.stat().st_size)
    fill(found)
    found.flush()
