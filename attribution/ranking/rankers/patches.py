"""Similarity of local patches: which works have the parts that an image is made of?

A network with local filters denoises each neighbourhood by itself, and puts an image together from
patches of many works. The ideal denoiser under that constraint weighs, for every patch P of the
image, all patches of all works at all places by

    softmax over patches p of  -||P - p||^2 / tau

and the score of a work is the mean, over the patches of the image, of the weights of its own
patches. This is the idea of Nonparametric Data Attribution (Zhao et al. 2025, arXiv 2510.14269) at
its downscaled resolution: pictures are averaged down to :data:`SIDE` pixels a side, and patches
stand :data:`STEP` pixels apart. Only data is compared: no model, and no noise.

The cost is two passes over the works. A pass compares 36 patches with 36 patches of 75 values (in
colour), about 100,000 products for a pair of image and work: those of the pixel kernel on pictures
of 180 x 180 pixels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional

from attribution.ranking.rankers.interface import Images, Query, Ranker, RowIndex, Works
from attribution.ranking.rankers.kernel import squared_norms
from attribution.ranking.rankers.responsibilities import PosteriorQuery

SIDE, PATCH, STEP = 16, 5, 2
"""Pixels: of a shrunk picture's side, of a patch's side, and between patches."""
BANDWIDTHS = (0.001, 0.003, 0.01, 0.03, 0.1)
"""tau: a mean squared difference of pixels in [0, 1]."""


class Patches(Ranker):
    """Mean weights of the works' patches at every bandwidth of the grid."""

    name = "patches"
    scales = BANDWIDTHS

    def prepare(self, images: Images, works: Works) -> Query:
        return PatchQuery(images, works, self.scales)


class PatchQuery(PosteriorQuery):
    """Mean weights for a few images; the views are the patches of an image."""

    def __init__(self, images: Images, works: Works, bandwidths: tuple[float, ...]) -> None:
        self.works, self._all, self._shape = works.pixels, works, images.shape
        self.patches = patches_of(images.pictures)
        self.factors = [np.float32(-1.0 / (tau * self.patches.shape[2])) for tau in bandwidths]

    def log_terms(self, rows: RowIndex) -> Iterator[Float32[np.ndarray, "image view row"]]:
        theirs = patches_of(self._all.pictures(rows, self._shape))
        own, others = (each.reshape(-1, each.shape[2]) for each in (self.patches, theirs))
        squared = own @ others.T
        squared *= -2.0
        squared += squared_norms(own)[:, None]
        squared += squared_norms(others)[None, :]
        np.maximum(squared, 0.0, out=squared)
        distances = squared.reshape(*self.patches.shape[:2], *theirs.shape[:2])
        for factor in self.factors:
            terms = distances * factor
            peak = terms.max(axis=3)
            yield np.asarray(peak + np.log(np.exp(terms - peak[..., None]).sum(axis=3)), dtype=np.float32)


def patches_of(
    pictures: Float32[np.ndarray, "picture channel height width"],
) -> Float32[np.ndarray, "picture patch value"]:
    """All patches of the shrunk pictures; a picture smaller than a patch is its own patch."""
    return np.ascontiguousarray(patches_of_tensor(torch.from_numpy(pictures)).numpy())


def patches_of_tensor(
    pictures: Float[Tensor, "picture channel height width"],
) -> Float[Tensor, "picture patch value"]:
    """:func:`patches_of` in any precision, differentiable."""
    side = min(SIDE, *pictures.shape[2:])
    shrunk = functional.adaptive_avg_pool2d(pictures, side)
    return functional.unfold(shrunk, min(PATCH, side), stride=STEP).mT
