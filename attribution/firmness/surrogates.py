"""Rankers as an attack sees them: differentiable log scores of some works for one image.

A surrogate has the scores of its ranker at one scale, up to a constant. Softmaxes run over the
works that are passed, not over all works. A surrogate only leads the search: the ranker itself
says whether a verdict turned.

=================  =================================================================================
pixel-kernel       the kernel itself
latent-kernel      the kernel, through the members' own encoder
responsibilities   the softmaxes of the ideal denoiser, through the encoder where members use one
patches            the softmaxes over patches
embeddings         the kernel, through the network
gradients, peers   a *stand-in*, the pixel kernel: their own slope would need a second derivative of
                   a network
captions, scores   none: they do not read the picture, or only between works with one text
=================  =================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from attribution.denoisers.space import Space
from attribution.firmness.similarity import Features, of_length_one
from attribution.ranking.encoded_works import EncodedWorks
from attribution.ranking.grading import DEFAULT_SCALE
from attribution.ranking.rankers.embeddings import LpipsEmbedding, NetworkEmbedding
from attribution.ranking.rankers.feature_kernel import FeatureKernel
from attribution.ranking.rankers.interface import Ranker
from attribution.ranking.rankers.kernel import LatentKernel, PixelKernel
from attribution.ranking.rankers.patches import Patches, patches_of_tensor
from attribution.ranking.rankers.responsibilities import Responsibilities, noise_of
from attribution.ranking.rankers.supplied import SuppliedScores

LogScores = Callable[[Tensor], Tensor]
"""From one image in [0, 1], (1, channel, height, width), to (work,): log scores."""
SLOPE, STAND_IN, HELD = "slope", "stand-in", "held"
"""How the search follows a ranker: by its own slope, by the pixel kernel's, or not at all."""


def followed(ranker: Ranker) -> str:
    """How the search follows a ranker."""
    if ranker.by_prompt or isinstance(ranker, SuppliedScores):
        return HELD
    if isinstance(ranker, PixelKernel | LatentKernel | Responsibilities | Patches):
        return SLOPE
    return SLOPE if embedding_of(ranker) is not None else STAND_IN


def embedding_of(ranker: Ranker) -> Features | None:
    """The differentiable features that a ranker compares; None: it has none."""
    if isinstance(ranker, FeatureKernel) and isinstance(ranker.embedding, NetworkEmbedding | LpipsEmbedding):
        return ranker.embedding.features
    return None


def log_scores(ranker: Ranker, scale: float, encoded: EncodedWorks, rows: Int64[np.ndarray, " work"]) -> LogScores:
    """The surrogate of a ranker that is not held, over these works."""
    works = torch.from_numpy(encoded.pictures(rows).reshape(len(rows), *encoded.shape).astype(np.float64))
    if isinstance(ranker, LatentKernel):
        return _kernel(_latents(ranker.space), works, lambda squares: squares.mean(dim=1) / -scale)
    if isinstance(ranker, Responsibilities):
        return _responsibilities(ranker, scale, works)
    if isinstance(ranker, Patches):
        return _patches(scale, works)
    features = embedding_of(ranker)
    if features is not None:
        return _kernel(of_length_one(features), works, lambda squares: squares.sum(dim=1) / -scale)
    bandwidth = scale if isinstance(ranker, PixelKernel) else DEFAULT_SCALE
    return _kernel(lambda images: images.flatten(1), works, lambda squares: squares.mean(dim=1) / -bandwidth)


def _latents(space: Space) -> Features:
    # Networks have single precision.
    return lambda images: space.encode(2.0 * images.float() - 1.0).flatten(1).double()


def _kernel(features: Features, works: Tensor, score: Callable[[Tensor], Tensor]) -> LogScores:
    with torch.no_grad():
        theirs = torch.cat([features(part) for part in torch.split(works, 16)]).double()
    return lambda image: score((features(image).double() - theirs).square())


def _responsibilities(ranker: Responsibilities, temperature: float, works: Tensor) -> LogScores:
    features = _latents(ranker.space) if ranker.space.latent else lambda images: 2.0 * images.flatten(1) - 1.0
    with torch.no_grad():
        theirs = torch.cat([features(part) for part in torch.split(works, 16)])
    noise = torch.from_numpy(noise_of(theirs.shape[1]).astype(np.float64))
    signals = torch.from_numpy(ranker.signals)[:, None, None]

    def scores(image: Tensor) -> Tensor:
        apart = features(image) - theirs
        along = (noise @ apart.T)[None]
        exponents = -0.5 * signals**2 * apart.square().sum(dim=1)[None, None] - signals * along
        return _mean_share(exponents.flatten(0, 1) / temperature)

    return scores


def _patches(bandwidth: float, works: Tensor) -> LogScores:
    theirs = patches_of_tensor(works)

    def scores(image: Tensor) -> Tensor:
        own = patches_of_tensor(image)[0]
        squares = (own[:, None, None] - theirs[None]).square().mean(dim=3)
        return _mean_share(torch.logsumexp(squares / -bandwidth, dim=2))

    return scores


def _mean_share(terms: Tensor) -> Tensor:
    """Logarithm of each work's share, averaged over views; ``terms`` is (view, work)."""
    shares = terms - torch.logsumexp(terms, dim=1, keepdim=True)
    mean: Tensor = torch.logsumexp(shares, dim=0) - math.log(len(terms))
    return mean
