"""The members' predictions on works, unseen pictures and changed copies, measured once and kept.

Works, networks and members are those of :mod:`benchmarks.lds`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64

from attribution.denoisers.ensemble import Ensemble
from attribution.evidence.randomisation import mean_predictions
from attribution.ranking.rankers.kernel import mean_squared_differences
from attribution.sampling.image_predictions import seed_of_image
from attribution.sampling.predictions import OUTSIDE_SPACING, renoise
from attribution.sampling.schedule import SamplerSettings
from attribution.seen.views import nearest_view
from benchmarks.lds.data import Material, material
from benchmarks.lds.ground_truth import MEMBERS, ONES, models_of
from benchmarks.seen.copies import KINDS, changed
from benchmarks.shares.truth import stacked
from registry.encodings.codes import codes_of
from registry.encodings.words import bits
from registry.home import write_atomically
from registry.ids import sha256_of


@dataclass(frozen=True)
class Sizes:
    """How much of a set is measured."""

    shown: int = 96
    """Works shown as images from outside."""
    unseen: int = 144
    """Pictures that no member saw."""
    copied: int = 20
    """Works with changed copies."""


SIZES = {"flags": Sizes(), "emoji": Sizes(), "cifar": Sizes(32, 64, 8), "digits": Sizes(32, 64, 8)}
"""Fewer photographs and digits, for time."""
CODE_SEED = 7
AT_ONCE = 8


@dataclass(frozen=True)
class Measured:
    """Some pictures, as they are and laid over their nearest work."""

    images: Float32[np.ndarray, "picture view value"]
    """In [0, 1]."""
    nearest: Int64[np.ndarray, " picture"]
    order: Int64[np.ndarray, "picture work"]
    """The works by distance from the picture as it is."""
    predictions: Float32[np.ndarray, "picture view member value"]
    losses: Float64[np.ndarray, "picture view member"]


@dataclass(frozen=True)
class SetMeasured:
    """One set of works with everything that was measured on it."""

    works: Float32[np.ndarray, "work value"]
    membership: Bool[np.ndarray, "work member"]
    seen: Measured
    unseen: Measured
    copies: dict[str, Measured]
    """By change."""


def flat(pixels: np.ndarray) -> Float32[np.ndarray, "picture value"]:
    """Pictures in [0, 1], channel by channel."""
    return (np.moveaxis(pixels, -1, 1).reshape(len(pixels), -1) / 255.0).astype(np.float32)


def measure_set(name: str, source: Path | None, cache: Path) -> SetMeasured:
    """Everything about a set, from the cache or measured now, a few pictures at a time."""
    sizes = SIZES[name]
    found = material(name, source, sizes.unseen)
    membership = bits(codes_of(CODE_SEED, MEMBERS, ONES, np.arange(len(found.works))), MEMBERS)
    stack = models_of(found, cache / name, "members", membership.T, 0)
    members = stacked(stack)
    works = found.works[: sizes.shown]
    copied = {
        kind: np.stack([changed(work, kind, row) for row, work in enumerate(works[: sizes.copied])]) for kind in KINDS
    }
    folder = cache / name / "seen"
    return SetMeasured(
        works=flat(found.works),
        membership=membership,
        seen=_measured(folder, "works", members, found, works),
        unseen=_measured(folder, "unseen", members, found, found.held_out),
        copies={kind: _measured(folder, kind, members, found, pictures) for kind, pictures in copied.items()},
    )


def _measured(folder: Path, name: str, members: Ensemble, found: Material, pixels: np.ndarray) -> Measured:
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for start in range(0, len(pixels), AT_ONCE):
        path = folder / f"{name}-{start:04d}.npz"
        if not path.exists():
            made = _measure(members, found, pixels[start : start + AT_ONCE])
            write_atomically(path, lambda part, made=made: _save(part, made))  # type: ignore[misc]  # the default binds the loop's value
        with np.load(path) as kept:
            parts.append(Measured(**{key: kept[key] for key in Measured.__dataclass_fields__}))
    print(folder.parent.name, name, len(pixels), flush=True)
    fields = Measured.__dataclass_fields__
    return Measured(**{key: np.concatenate([getattr(part, key) for part in parts]) for key in fields})


def _measure(members: Ensemble, found: Material, pixels: np.ndarray) -> Measured:
    works, values = flat(found.works), flat(pixels)
    shape = (found.network.channels, found.network.size, found.network.size)
    order = np.argsort(mean_squared_differences(values, works), axis=1, kind="stable")
    images, nearest, predictions, losses = [], [], [], []
    for value, best in zip(values, order, strict=True):
        place, overlay = nearest_view(value.reshape(shape), works[best[:10]].reshape(-1, *shape))
        views = [value.reshape(shape), overlay.applied(value.reshape(shape))]
        looked = [_look(members, view) for view in views]
        images.append(np.stack([view.reshape(-1) for view in views]))
        nearest.append(int(best[place]))
        predictions.append(np.stack([one[0] for one in looked]))
        losses.append(np.stack([one[1] for one in looked]))
    return Measured(np.stack(images), np.array(nearest), order, np.stack(predictions), np.stack(losses))


def _look(members: Ensemble, view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    seed = seed_of_image(sha256_of(view.tolist()))
    shown = torch.from_numpy(2.0 * view - 1.0)
    found = renoise(members, shown, SamplerSettings(), seed, spacing=OUTSIDE_SPACING, rows_at_once=64)
    return mean_predictions(found).astype(np.float32), found.member_loss


def _save(part: Path, made: Measured) -> None:
    with part.open("wb") as file:
        np.savez(file, **{key: getattr(made, key) for key in Measured.__dataclass_fields__})
