"""The works of an encoding as arrays on disk, which every worker maps into its memory.

``pixels.npy`` holds each work at the ensemble's image size, ``codes.npy`` the code of its unit,
``labels.npy`` the number of its label, ``works.txt`` its SHA-256; row k of each is the same work,
in order of asset id. ``labels.json`` holds the labels if they are free text; what a kind of
denoiser makes of works and texts lies beside it, see :mod:`attribution.training.encoded`. The
folder can be rebuilt from the registry and the works, so it
is safe to delete. Works withdrawn before the folder was built are not in it; training leaves out
the rows of works withdrawn later.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8, UInt64
from torch import Tensor

from attribution.denoisers.space import Space
from attribution.ensemble.recipe import EnsembleSettings
from attribution.images import from_pixels, read_works
from attribution.training.encoded import EncodedShards, encode_works, training_condition
from registry.encodings.store import load_codes
from registry.errors import UsageError
from registry.home import Home, reserve, write_atomically, write_bytes_atomically
from registry.ids import sha256_of
from registry.members.seen import withdrawn_works
from registry.storage.database import Registry
from registry.storage.job_lock import only_one
from registry.works.queries import TrainingAssets, training_assets


@dataclass(frozen=True)
class TrainingSet:
    """The arrays of one ensemble's works; ``pixels`` and ``encoded`` are mapped, not read."""

    pixels: UInt8[np.ndarray, "work height width channel"]
    codes: UInt64[np.ndarray, " work"]
    labels: Int64[np.ndarray, " work"]
    """Numbers of the labels; 0 for an unconditional ensemble."""
    hashes: list[str]
    label_names: tuple[str, ...] = ()
    """Free-text labels by number, "" for works without one. Other labels are listed in the
    recipe."""
    encoded: EncodedShards | None = None
    """The works in the space of a latent kind."""
    folder: Path | None = None
    """Where the arrays lie; None for arrays in memory alone."""

    def clean(self, rows: Int64[np.ndarray, " row"], space: Space) -> Float[Tensor, "row channel height width"]:
        """The works of some rows in the space of the members."""
        if self.encoded is not None:
            return torch.from_numpy(self.encoded[rows])
        return space.encode(from_pixels(self.pixels[rows]))

    def seen_by(self, index: int, n: int) -> Bool[np.ndarray, " work"]:
        """Which works member ``index`` of ``n`` trains on."""
        if not 0 <= index < n:
            raise UsageError(f"member {index} of {n}: expected 0 to {n - 1}")
        return np.asarray(self.codes >> np.uint64(index) & np.uint64(1), dtype=np.bool_)

    def listed_in(self, hashes: Collection[str]) -> Bool[np.ndarray, " work"]:
        """Which works have one of these SHA-256."""
        listed = frozenset(hashes)
        return np.array([sha256 in listed for sha256 in self.hashes], dtype=np.bool_)


def training_labels(settings: EnsembleSettings, training_set: TrainingSet, hashes: Sequence[str]) -> list[str | None]:
    """The training class or caption of some works; None for a work without one."""
    if settings.label_column is None:
        return [None] * len(hashes)
    place = {sha256: number for number, sha256 in enumerate(training_set.hashes)}
    names = training_set.label_names or settings.classes
    return [names[int(training_set.labels[place[sha256]])] or None for sha256 in hashes]


def open_training_set(folder: Path) -> TrainingSet:
    """Map the arrays of a folder filled by :func:`build_training_set`."""
    names, encoded = folder / "labels.json", folder / "encoded"
    hashes = (folder / "works.txt").read_text(encoding="ascii").split()
    return TrainingSet(
        pixels=np.load(folder / "pixels.npy", mmap_mode="r", allow_pickle=False),
        codes=np.load(folder / "codes.npy", allow_pickle=False),
        labels=np.load(folder / "labels.npy", allow_pickle=False),
        hashes=hashes,
        label_names=tuple(json.loads(names.read_bytes())) if names.exists() else (),
        encoded=EncodedShards(encoded, hashes) if encoded.exists() else None,
        folder=folder,
    )


def has_training_set(home: Home, ensemble_id: str) -> bool:
    """Whether the arrays of an ensemble's works are complete: ``works.txt`` is written last."""
    return (home.training(ensemble_id) / "works.txt").exists()


def build_training_set(
    registry: Registry,
    ensemble_id: str,
    encoding_id: str,
    settings: EnsembleSettings,
    advance: Callable[[int, int], object] = lambda _done, _total: None,
    device: str = "cpu",
) -> TrainingSet:
    """Decode the encoding's works that were not withdrawn, or open the arrays of an earlier call.

    ``advance`` gets (works done now, works in all). ``device``: where a latent kind encodes works.

    Raises:
        IntegrityError: a work is gone or was altered since it was registered.
        UsageError: a work has no value in the label column.
    """
    folder = registry.home.training(ensemble_id)
    if not has_training_set(registry.home, ensemble_id):
        # Files of two processes must not mix: a withdrawal in between gives them other rows.
        busy = f"the training set of ensemble {ensemble_id} is being built"
        with only_one(registry.home, f"training-set-{ensemble_id}", busy, wait=True):
            if not has_training_set(registry.home, ensemble_id):
                _fill(folder, registry, encoding_id, settings, advance, device)
    return open_training_set(folder)


def _fill(
    folder: Path,
    registry: Registry,
    encoding_id: str,
    settings: EnsembleSettings,
    advance: Callable[[int, int], object],
    device: str,
) -> None:
    assets = training_assets(registry, encoding_id, settings.label_column)
    units = load_codes(registry, encoding_id)
    with registry.connection() as connection:
        withdrawn = withdrawn_works(connection, encoding_id)
    # The file of a withdrawn work may be gone.
    kept = np.flatnonzero(~np.isin(assets.asset_ids, withdrawn.asset_ids))
    paths, hashes = [assets.paths[row] for row in kept], [assets.sha256[row] for row in kept]
    count, size, channels = len(kept), settings.image.size, settings.image.channels
    names = label_names(assets, settings)
    labels = label_numbers(assets, names)[kept]

    def write_pixels(path: Path) -> None:
        with path.open("wb") as file:
            np.lib.format.write_array_header_2_0(
                file, {"descr": "|u1", "fortran_order": False, "shape": (count, size, size, channels)}
            )
            offset = file.tell()
            reserve(file, offset + count * size * size * channels)
        pixels = np.memmap(path, np.uint8, "r+", offset, (count, size, size, channels))
        read_works(paths, hashes, settings.image, pixels, lambda done: advance(done, count))
        pixels.flush()

    write_atomically(folder / "pixels.npy", write_pixels)
    write_atomically(folder / "codes.npy", partial(_save, units.asset_codes[kept]))
    write_atomically(folder / "labels.npy", partial(_save, labels))
    if settings.network.open_labels:
        write_bytes_atomically(folder / "labels.json", json.dumps(names).encode())
        training_condition(folder, settings.network, names, settings.classes)
    if settings.network.latent:
        works = np.load(folder / "pixels.npy", mmap_mode="r", allow_pickle=False)
        encode_works(settings.network, works, EncodedShards(folder / "encoded", hashes), device)
    write_bytes_atomically(folder / "works.txt", "".join(f"{value}\n" for value in hashes).encode())


def _save(array: np.ndarray, path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def label_names(assets: TrainingAssets, settings: EnsembleSettings) -> tuple[str, ...]:
    """The labels by number: the recipe's classes, or the distinct texts in order; may be empty.

    Raises:
        UsageError: labels of works have changed since the ensemble was made.
    """
    if settings.label_column is None:
        return ()
    if labels_sha256(assets) != settings.labels_sha256:
        raise UsageError(
            f"the works' values in column {settings.label_column!r} changed since this ensemble was made: "
            "restore them, or run `creditline train` for a new ensemble"
        )
    return settings.classes or tuple(sorted({value or "" for value in assets.values or []}))


def label_numbers(assets: TrainingAssets, names: tuple[str, ...]) -> Int64[np.ndarray, " work"]:
    """The number of every work's label; zeros without labels."""
    if not names:
        return np.zeros(len(assets.paths), dtype=np.int64)
    number_of = {name: number for number, name in enumerate(names)}
    return np.array([number_of[value or ""] for value in assets.values or []], dtype=np.int64)


def labels_sha256(assets: TrainingAssets) -> str:
    """SHA-256 (hex) over each work's label, in order of the works' hashes; "" for no label."""
    labels = [value or "" for value in assets.values or []]
    return sha256_of(sorted(zip(assets.sha256, labels, strict=True)))
