"""The works of an encoding as arrays on disk, which every worker maps into its memory.

``pixels.npy`` holds each work at the ensemble's image size, ``codes.npy`` the code of the unit that
it belongs to, ``labels.npy`` its class number, ``works.txt`` its SHA-256; row k of each is the same
work, in order of asset id. The folder can be rebuilt from the registry and the works at any time
and is safe to delete. Works that were withdrawn before it was built are not in it; for those that
were withdrawn afterwards, whoever trains leaves their rows out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64, UInt8, UInt64

from attribution.ensemble.recipe import EnsembleSettings
from attribution.images import read_works
from registry.encodings.store import load_units
from registry.errors import UsageError
from registry.home import write_atomically, write_bytes_atomically
from registry.ids import sha256_of
from registry.members.serving import withdrawn_works
from registry.storage.database import Registry
from registry.works.queries import TrainingAssets, training_assets


@dataclass(frozen=True)
class TrainingSet:
    """The arrays of one ensemble's works; ``pixels`` is mapped, not read."""

    pixels: UInt8[np.ndarray, "work height width channel"]
    codes: UInt64[np.ndarray, " work"]
    labels: Int64[np.ndarray, " work"]
    """Class numbers; zeros for an unconditional ensemble."""
    hashes: list[str]

    def seen_by(self, index: int, n: int) -> Bool[np.ndarray, " work"]:
        """Which works member ``index`` of ``n`` trains on."""
        if not 0 <= index < n:
            raise UsageError(f"member {index} of {n}: expected 0 to {n - 1}")
        return np.asarray(self.codes >> np.uint64(index) & np.uint64(1), dtype=np.bool_)

    def listed_in(self, hashes: Collection[str]) -> Bool[np.ndarray, " work"]:
        """Which works have one of these SHA-256."""
        wanted = frozenset(hashes)
        return np.array([sha256 in wanted for sha256 in self.hashes], dtype=np.bool_)


def open_training_set(folder: Path) -> TrainingSet:
    """Map the arrays of a folder that :func:`build_training_set` has filled."""
    return TrainingSet(
        pixels=np.load(folder / "pixels.npy", mmap_mode="r", allow_pickle=False),
        codes=np.load(folder / "codes.npy", allow_pickle=False),
        labels=np.load(folder / "labels.npy", allow_pickle=False),
        hashes=(folder / "works.txt").read_text(encoding="ascii").split(),
    )


def build_training_set(
    registry: Registry,
    ensemble_id: str,
    encoding_id: str,
    settings: EnsembleSettings,
    advance: Callable[[int, int], object] = lambda _done, _total: None,
) -> TrainingSet:
    """Decode every work of the encoding that was not withdrawn, unless that was done before.

    ``advance`` gets (works done now, works in all).

    Raises:
        IntegrityError: a work is gone or was altered since it was registered.
        UsageError: a work has no value in the label column.
    """
    folder = registry.home.training(ensemble_id)
    # works.txt is written last: where it stands, the others are complete.
    if not (folder / "works.txt").exists():
        _fill(folder, registry, encoding_id, settings, advance)
    return open_training_set(folder)


def _fill(
    folder: Path,
    registry: Registry,
    encoding_id: str,
    settings: EnsembleSettings,
    advance: Callable[[int, int], object],
) -> None:
    assets = training_assets(registry, encoding_id, settings.label_column)
    units = load_units(registry, encoding_id)
    with registry.connection() as connection:
        withdrawn = withdrawn_works(connection, encoding_id)
    # A work that was withdrawn is not read again, and its file may be gone for that very reason.
    kept = np.flatnonzero(~np.isin(assets.asset_ids, withdrawn.asset_ids))
    paths, hashes = [assets.paths[row] for row in kept], [assets.sha256[row] for row in kept]
    count, size, channels = len(kept), settings.image.size, settings.image.channels
    labels = class_numbers(assets, settings)[kept]

    def write_pixels(path: Path) -> None:
        with path.open("wb") as file:
            np.lib.format.write_array_header_2_0(
                file, {"descr": "|u1", "fortran_order": False, "shape": (count, size, size, channels)}
            )
            offset = file.tell()
            file.truncate(offset + count * size * size * channels)
        pixels = np.memmap(path, np.uint8, "r+", offset, (count, size, size, channels))
        read_works(paths, hashes, settings.image, pixels, lambda done: advance(done, count))
        pixels.flush()

    write_atomically(folder / "pixels.npy", write_pixels)
    write_atomically(folder / "codes.npy", partial(_save, units.asset_codes[kept]))
    write_atomically(folder / "labels.npy", partial(_save, labels))
    write_bytes_atomically(folder / "works.txt", "".join(f"{value}\n" for value in hashes).encode())


def _save(array: np.ndarray, path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def class_numbers(assets: TrainingAssets, settings: EnsembleSettings) -> Int64[np.ndarray, " work"]:
    """The class number of every work; zeros for an unconditional ensemble.

    Raises:
        UsageError: the works' labels are no longer those that the ensemble was made for.
    """
    if settings.label_column is None:
        return np.zeros(len(assets.paths), dtype=np.int64)
    if labels_sha256(assets) != settings.labels_sha256:
        raise UsageError(
            f"the works' values in column {settings.label_column!r} changed since this ensemble was made: "
            "restore them, or run `creditline train` for a new ensemble"
        )
    number_of = {name: number for number, name in enumerate(settings.classes)}
    return np.array([number_of[str(value)] for value in assets.values or []], dtype=np.int64)


def labels_sha256(assets: TrainingAssets) -> str:
    """SHA-256 (hex) over which work has which label, in order of the works' hashes."""
    return sha256_of(sorted(zip(assets.sha256, assets.values or [], strict=True)))
