"""LPIPS as an embedding: works as near to an image as people would find them, by a distance that
was fitted to people's answers.

LPIPS is a squared distance in a feature map (:mod:`attribution.metrics.perceptual`), so it can rank
millions of works as any features can. The map has tens of thousands of values; it is projected down
to :data:`WIDTH` of them by adding every value, under a random sign, to :data:`PLACES` of the places
(a sparse Johnson-Lindenstrauss transform; Kane and Nelson 2014), which keeps squared distances to a
few per cent, and then given length 1 as all embeddings are: maps differ in length far less than in
direction.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from attribution.metrics.lpips_weights import LpipsWeights
from attribution.metrics.perceptual import VERSION, PerceptualDistance, open_lpips
from attribution.ranking.rankers.feature_kernel import Embedding
from registry.ids import sha256_of

WIDTH = 4096
PLACES = 8
SEED = 0
PIXELS_AT_ONCE = 64 * 64 * 64
"""Of all images that go through the network together; each has dozens of values a pixel."""
NAME = "lpips"


class LpipsEmbedding(Embedding):
    """The projected feature map of LPIPS with one network."""

    name = NAME
    width = WIDTH

    def __init__(self, distance: PerceptualDistance, content: dict[str, str]) -> None:
        """``content`` says which weights and heads ``distance`` has."""
        self._distance = distance
        self._content = {**content, "width": str(WIDTH), "places": str(PLACES), "seed": str(SEED)}
        self._projection: tuple[Int64[Tensor, "place value"], Float[Tensor, "place value"]] | None = None

    @property
    def sha256(self) -> str:
        return sha256_of(self._content)

    @torch.no_grad()
    def embed(self, images: Float32[np.ndarray, "image channel height width"]) -> Float32[np.ndarray, "image feature"]:
        at_once = max(1, PIXELS_AT_ONCE // (images.shape[-2] * images.shape[-1]))
        parts = torch.split(torch.from_numpy(images) * 2.0 - 1.0, at_once)
        return np.concatenate([self._reduced(self._distance.features(part)) for part in parts])

    def _reduced(self, features: Float[Tensor, "image value"]) -> Float32[np.ndarray, "image feature"]:
        where, sign = self._projected(features.shape[1])
        found = features.new_zeros(len(features), WIDTH)
        for place, signs in zip(where, sign.to(features), strict=True):
            found.index_add_(1, place, features * signs)
        return np.asarray(found.float().numpy())

    def _projected(self, values: int) -> tuple[Int64[Tensor, "place value"], Float[Tensor, "place value"]]:
        if self._projection is None or self._projection[0].shape[1] != values:
            generator = torch.Generator().manual_seed(SEED)
            where = torch.randint(0, WIDTH, (PLACES, values), generator=generator)
            sign = torch.randint(0, 2, (PLACES, values), generator=generator) * 2.0 - 1.0
            self._projection = where, sign / PLACES**0.5
        return self._projection


def lpips_embedding(weights: LpipsWeights) -> LpipsEmbedding:
    """The embedding by the network that these weights are of.

    Raises:
        InputError: the file was altered, or the ``lpips`` package holds other heads than those
            known.
        MissingPartError: torchvision or lpips cannot be imported.
    """
    backbone = weights.backbone
    content = {"weights": backbone.sha256, "heads": backbone.heads_sha256, "version": VERSION, "net": backbone.net}
    return LpipsEmbedding(open_lpips(weights), content)
