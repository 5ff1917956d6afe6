"""Works and texts as a kind of denoiser reads them: encoded once, kept in files of safetensors.

Works are kept in shards, each work under its SHA-256; the name of a shard is a hash over the works
in it. A killed run keeps the shards that were done. Texts are kept in one file with a hash over
them in its name. Workers that train read these files, and load no encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from attribution.denoisers.interface import DenoiserKind, Prompt
from attribution.denoisers.space import Condition, Space
from attribution.images import from_pixels
from registry.home import write_atomically, writing
from registry.ids import sha256_of

ENCODED_AT_ONCE = 64
"""Works per batch of the encoder."""
OPEN_SHARDS = 64
"""Most shards that a reader keeps open."""


@dataclass(frozen=True)
class EncodedShards:
    """The shards of a training set's works, in its order."""

    folder: Path
    hashes: Sequence[str]
    """SHA-256 of every work."""
    in_a_shard: int = 1024

    @cached_property
    def shards(self) -> list[tuple[Path, Sequence[str]]]:
        """The files, each with the works in it."""
        starts = range(0, len(self.hashes), self.in_a_shard)
        parts = [self.hashes[start : start + self.in_a_shard] for start in starts]
        return [(self.folder / f"{sha256_of(list(part))}.safetensors", part) for part in parts]

    @cached_property
    def _opened(self) -> Callable[[int], Any]:
        """A mapped shard by its number: a training step takes works out of many."""
        return lru_cache(OPEN_SHARDS)(lambda number: safe_open(self.shards[number][0], framework="numpy"))

    def __getitem__(self, rows: Int64[np.ndarray, " row"]) -> Float32[np.ndarray, "row channel height width"]:
        """The encoded works of some rows."""
        numbers = rows // self.in_a_shard
        parts: list[tuple[np.ndarray, np.ndarray]] = []
        for number in np.unique(numbers):
            places = np.flatnonzero(numbers == number)
            shard = self._opened(int(number))
            parts.append((places, np.stack([shard.get_tensor(self.hashes[int(row)]) for row in rows[places]])))
        found = np.empty((len(rows), *parts[0][1].shape[1:]), dtype=np.float32)
        for places, values in parts:
            found[places] = values
        return found


def encode_works(
    space: Space, pixels: UInt8[np.ndarray, "work height width channel"], works: EncodedShards, device: str
) -> None:
    """Encode the works that no earlier run did; files of other works are removed."""
    with writing(works.folder):
        works.folder.mkdir(parents=True, exist_ok=True)
    shards = works.shards
    for other in set(works.folder.iterdir()) - {path for path, _ in shards}:
        other.unlink()
    start = 0
    for path, hashes in shards:
        if not path.exists():
            with torch.no_grad():
                parts = [
                    space.encode(
                        from_pixels(pixels[first : min(first + ENCODED_AT_ONCE, start + len(hashes))]).to(device)
                    )
                    for first in range(start, start + len(hashes), ENCODED_AT_ONCE)
                ]
            encoded = torch.cat(parts).float().cpu()
            tensors = {
                sha256: value.clone(memory_format=torch.contiguous_format)
                for sha256, value in zip(hashes, encoded, strict=True)
            }
            write_atomically(path, partial(save_file, tensors))
        start += len(hashes)


def training_prompts(labels: Sequence[str], dropout: float) -> list[Prompt]:
    """One prompt per label, "" being no label; last, the empty one if conditions can be dropped."""
    prompts = [Prompt(label or None) for label in labels]
    return [*prompts, Prompt()] if dropout or not prompts else prompts


def training_condition(
    folder: Path | None, kind: DenoiserKind, labels: Sequence[str], classes: Sequence[str]
) -> Condition | None:
    """The condition of :func:`training_prompts`, read from ``folder`` or made and kept there.

    ``labels``: the texts, or the classes themselves. ``folder`` None: keep nothing.
    """
    prompts = training_prompts(labels, kind.dropout)
    if folder is None:
        return kind.condition(prompts, classes)
    path = folder / f"texts-{sha256_of([prompt.label for prompt in prompts])}.safetensors"
    if path.exists():
        return kind.unpack(load_file(path))
    made = kind.condition(prompts, classes)
    if made is not None and (tensors := kind.pack(made)):
        write_atomically(path, partial(save_file, tensors))
    return made
