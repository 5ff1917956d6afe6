"""Features of pictures by networks whose weights are files at hand; none is downloaded."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from attribution.ranking.rankers.embeddings import mobilenet
from attribution.ranking.rankers.feature_kernel import Embedding
from benchmarks.base_model.autoencoder import Features
from registry.ids import sha256_of_file

SIDE = 64
"""Pictures are scaled to this side."""


class SqueezeNetMaps(Embedding):
    """SqueezeNet 1.1's first three maps, of unit length at each place, as the base's training has
    them.

    The squared distance of two pictures is LPIPS without its fitted heads: call it "LPIPS-style,
    uncalibrated".
    """

    name = "squeezenet"

    def __init__(self, weights: Path) -> None:
        self.network, self._sha256 = Features(weights), sha256_of_file(weights)
        self.width = self.embed(np.zeros((1, 3, SIDE, SIDE), dtype=np.float32)).shape[1]

    @property
    def sha256(self) -> str:
        return self._sha256

    @torch.no_grad()
    def embed(self, images: Float32[np.ndarray, "image channel height width"]) -> Float32[np.ndarray, "image feature"]:
        pictures = torch.from_numpy(images)
        if pictures.shape[-1] != SIDE:
            pictures = torch.nn.functional.interpolate(pictures, (SIDE, SIDE), mode="bilinear", antialias=True)
        maps = self.network(pictures * 2.0 - 1.0)
        flat = [one.flatten(1) / float(one[0, 0].numel()) ** 0.5 for one in maps]
        return np.asarray(torch.cat(flat, dim=1).numpy())


def embeddings(squeezenet: Path | None, mobilenet_weights: Path | None) -> list[Embedding]:
    """The embeddings whose weights were named."""
    found: list[Embedding] = [] if squeezenet is None else [SqueezeNetMaps(squeezenet)]
    return found if mobilenet_weights is None else [*found, mobilenet(mobilenet_weights)]


View = Callable[[Float[Tensor, "image channel height width"]], Float64[np.ndarray, "image value"]]
"""From images in [-1, 1] to values whose differences count."""


def views_of(named: list[Embedding]) -> dict[str, View]:
    """Pictures as pixels in [0, 1], and as each embedding has them."""
    return {"pixels": _pixels, **{one.name: partial(_embedded, one) for one in named}}


def _pixels(images: Tensor) -> Float64[np.ndarray, "image value"]:
    return np.asarray(((images + 1) / 2).flatten(1).double().numpy())


def _embedded(embedding: Embedding, images: Tensor) -> Float64[np.ndarray, "image value"]:
    return embedding.embed(((images + 1) / 2).numpy()).astype(np.float64)
