"""The design choices of the gradient ranker, each reversed, on digits.

A variant differs from the ranker in one choice: all layers, all timesteps, another damping, no
centring, other bands. Two sets of 256 digits are graded, the second with a larger network. The
choices were made on such figures, of digits only; other data are for :mod:`benchmarks.lds.compare`.

    python -m benchmarks.lds.gradient_study --cache DIR
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from attribution.ranking.rankers.gradients.curvature import LayerGradients
from attribution.ranking.rankers.gradients.noised_views import NoisedViews
from attribution.ranking.rankers.gradients.whitened import BANDS, BANDWIDTHS, DAMPING, VIEWS, GradientEmbedding
from attribution.training.reference_model import ReferenceModel
from benchmarks.lds.data import OTHER_DIGITS, material
from benchmarks.lds.grades import graded
from benchmarks.lds.ground_truth import HALF_SEEDS, SAMPLER, Ground, ground_truth
from benchmarks.record import conclude

MARGIN = 0.5
CLAIM = f"no variant grades more than {MARGIN} above the ranker, mean of two sets of digits and of both kinds of images"
SETS = {"digits": len(HALF_SEEDS), OTHER_DIGITS: 1}
"""The number of trainings of every half."""
STRETCHES = 8
"""Stretches of views for which gradients are kept, the building blocks of bands."""


@dataclass(frozen=True)
class Variant:
    """The ranker, or the ranker with one choice reversed."""

    name: str
    ends: bool = True
    middle: bool = True
    damping: float = DAMPING
    centred: bool = True
    bands: int = BANDS
    parts: bool = True
    """Whether each layer and band is scaled to length 1 by itself."""


VARIANTS = (
    Variant("as it is"),
    Variant("all layers", ends=False),
    Variant("all layers, lengths between them left", ends=False, parts=False),
    Variant("whole schedule", middle=False),
    Variant("damping 0.1", damping=0.1),
    Variant("damping 1", damping=1.0),
    Variant("mean left in", centred=False),
    Variant("one band", bands=1),
    Variant("four bands", bands=4),
    Variant("lengths between parts left", parts=False),
    Variant("none of it", ends=False, middle=False, damping=1.0, centred=False, bands=1, parts=False),
)


class Study:
    """Rotated gradients of works and queries, by layer and stretch of views, for all variants."""

    def __init__(self, ground: Ground, ends: bool, middle: bool) -> None:
        network, works = ground.material.network, ground.material.images()
        shape = (network.channels, network.size, network.size)
        spread = NoisedViews.middle if middle else NoisedViews.spread
        self.embedding = GradientEmbedding(
            ReferenceModel(ground.reference.model(0).requires_grad_(True), "reference", SAMPLER, 5.0), VIEWS
        )
        self.embedding.recorder = LayerGradients(self.embedding.network, ends)
        self.embedding.views = spread(VIEWS, SAMPLER, 5.0, shape)
        self.factors = self.embedding.curvature_on(works)
        self.works, self.queries = self._rotated(works), self._rotated(ground.queries)

    def _rotated(self, pictures: Tensor) -> list[Tensor]:
        """Per layer: picture x stretch x output x input."""
        found: list[list[Tensor]] = []
        for pairs in self.embedding.recorded(pictures):
            layers = []
            for name, *pair in pairs:
                # Sums over the views and places of a stretch.
                came, went = (value.reshape(len(value) // VIEWS * STRETCHES, -1, value.shape[-1]) for value in pair)
                rotated = self.factors[name].rotated(torch.einsum("bpo,bpa->boa", went, came))
                layers.append(rotated.unflatten(0, (-1, STRETCHES)))  # type: ignore[no-untyped-call]
            found.append(layers)
        return [torch.cat(values) for values in zip(*found, strict=True)]

    def scores(self, variant: Variant) -> np.ndarray:
        """Cosines of queries and works."""
        pairs = []
        for works, queries, factors in zip(self.works, self.queries, self.factors.values(), strict=True):
            level = (factors.curvature + variant.damping * factors.curvature.mean()).sqrt()
            for band in torch.arange(STRETCHES).tensor_split(variant.bands):
                left, right = ((value[:, band].sum(dim=1) / level).flatten(1) for value in (queries, works))
                common = right.mean(dim=0) if variant.centred else 0.0
                pairs.append((left - common, right - common))
        if variant.parts:
            pairs = [(functional.normalize(left), functional.normalize(right)) for left, right in pairs]
        left, right = (functional.normalize(torch.cat(side, dim=1)) for side in zip(*pairs, strict=True))
        return np.asarray((left @ right.T).double().numpy())


def main() -> int:
    """Grade every variant at every bandwidth; the best bandwidth counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="where models are kept")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, dict[str, Any]] = {variant.name: {} for variant in VARIANTS}
    for name, seeds in SETS.items():
        ground = ground_truth(material(name), options.cache, seeds=seeds)
        for ends, middle in {(variant.ends, variant.middle): None for variant in VARIANTS}:
            study = Study(ground, ends, middle)
            for variant in VARIANTS:
                if (variant.ends, variant.middle) == (ends, middle):
                    found[variant.name][name] = grades_of(study.scores(variant), ground)
                    print(name, variant.name, found[variant.name][name]["best"], flush=True)
    means = {
        name: round(float(np.mean([one["best"]["mean"] for one in sets.values()])), 2) for name, sets in found.items()
    }
    held = max(means.values()) <= means[VARIANTS[0].name] + MARGIN
    command = "python -m benchmarks.lds.gradient_study --cache CACHE"
    return conclude(
        "lds/gradient_study", CLAIM, held, {"mean_lds": means, "variants": found}, ("torch", "numpy"), command
    )


def grades_of(cosines: np.ndarray, ground: Ground) -> dict[str, Any]:
    """LDS at every bandwidth, and at the best."""
    loss = ground.half_loss.mean(axis=0)
    by_scale = {}
    for tau in BANDWIDTHS:
        grades = graded(np.exp((2.0 * cosines - 2.0) / tau), loss, ground.halves, ground.generated)
        generated, held_out = (float(grades[kind]["lds"]) for kind in ("generated", "held_out"))
        by_scale[f"{tau:g}"] = {
            "generated": generated,
            "held_out": held_out,
            "mean": round((generated + held_out) / 2, 2),
        }
    best = max(by_scale, key=lambda tau: by_scale[tau]["mean"])
    return {"by_tau": by_scale, "best": {"tau": float(best), **by_scale[best]}}


if __name__ == "__main__":
    sys.exit(main())
