"""A similarity kernel over gradients: do two pictures change a model's weights alike in training?

The model is the reference model, trained on all works; the ensemble's members are not used, so the
ranker knows no codes. With g(a) the gradient of the denoising loss on a picture a and H the
curvature of that loss, training a little on a work x changes the loss on an image y by -g(y)^T H^-1
g(x) (Koh and Liang 2017). With H from EK-FAC
(:mod:`attribution.ranking.rankers.gradients.curvature`) this is an inner product of whitened
gradients. A linear product counts every work a little, while a network retains a work locally: the
kernel exp(-||f(y) - f(x)||^2 / tau) over whitened gradients f of length 1 grades better wherever
works are memorised. At the largest tau of the grid the kernel is nearly the linear product of the
directions.

The network is trained as a whole, and only its first and its last convolution are used, since they
see pixels. The gradients of the layers between, and of layers that see only the time, are alike for
many pictures. Adapters have a ranker of their own
(:mod:`attribution.ranking.rankers.gradients.adapters`). A picture's loss is that of training: under
the text that a work was trained with, or that an image was generated from. Gradients are means over
noised views (:mod:`attribution.ranking.rankers.gradients.noised_views`) at the timesteps that
decide on a picture, in two bands. Each part, a layer in a band, is centred by its mean over works
and scaled to length 1, so that all count alike.

At most :data:`VALUES` numbers are kept of a work. Whitened gradients of a larger network are
projected, layer by layer, by random signs from both sides, which keeps inner products on average
(Johnson and Lindenstrauss; for gradients Choe et al. 2024).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor
from torch.nn import functional

from attribution.denoisers.space import Condition
from attribution.ranking.rankers.feature_kernel import Embedding, FeatureKernel
from attribution.ranking.rankers.gradients.curvature import Factors, LayerGradients, fitted_factors
from attribution.ranking.rankers.gradients.noised_views import NOISE_SEED, NoisedViews
from attribution.ranking.rankers.interface import Images, Query, Works
from attribution.ranking.rankers.kernel import encoded_pictures
from attribution.training.reference_model import ReferenceModel
from registry.ids import sha256_of

BANDWIDTHS = (0.1, 0.2, 0.4, 0.8, 2.0, 8.0)
"""tau: squared distances of vectors of length 1; 8 is as good as linear."""
VIEWS = 48
FACTOR_WORKS = 512
"""Works for estimating the curvature, spread over all works."""
DAMPING = 0.01
"""Added to a layer's curvature, as a share of its mean."""
BANDS = 2
"""Bands of timesteps, each a separate part of the features."""
VALUES = 2**16
"""Numbers kept of a work, at most."""
ROWS_AT_ONCE = 256
"""Noised pictures in one pass."""


class Gradients(FeatureKernel):
    """The kernel over whitened gradients of the reference model."""

    scales = BANDWIDTHS

    def __init__(
        self,
        model: ReferenceModel,
        views: int = VIEWS,
        on_progress: Callable[[int, int], object] = lambda _done, _total: None,
    ) -> None:
        """``views``: noised views of a picture; with few of them a gradient is mostly noise."""
        self.gradients = GradientEmbedding(model, views)
        super().__init__(self.gradients, on_progress, indexed=False)  # too many values to index

    def settings(self) -> dict[str, Any]:
        return {
            **super().settings(),
            "reference_sha256": self.gradients.model.weights_sha256,
            "looks": self.gradients.view_count,
            "values": VALUES,
        }

    def prepare(self, images: Images, works: Works) -> Query:
        self.gradients.fit(works, images.shape)
        return super().prepare(images, works)


class GradientEmbedding(Embedding):
    """Whitened gradients of a reference model; :meth:`fit` first."""

    name = "gradients"
    reads_texts: ClassVar[bool] = True

    def __init__(self, model: ReferenceModel, views: int) -> None:
        self.model, self.view_count = model, views
        self.network = model.denoiser.eval()
        self.recorder = LayerGradients(self.network, ends=True)
        self.at_once = max(1, ROWS_AT_ONCE // views)
        self.factors: dict[str, Factors] = {}
        self.signs: dict[str, tuple[Tensor, Tensor]] = {}
        self._fitted: Works | None = None

    @property
    def sha256(self) -> str:
        """SHA-256 of the weights and all settings of the differentiation."""
        return sha256_of(
            {
                "reference": self.model.weights_sha256,
                "schedule": self.model.schedule.to_json(),
                "snr_cap": self.model.snr_cap,
                "looks": self.view_count,
                "bands": BANDS,
                "damping": DAMPING,
                "layers": list(self.recorder.layers),
            }
        )

    def fit(self, works: Works, shape: tuple[int, int, int]) -> None:
        """Estimate the curvature and the mean gradient from some of the works, once per ``works``.

        ``shape`` is channels, height and width of a work.
        """
        if self._fitted is works:
            return
        rows = rows_for_factors(works)
        pictures = encoded_pictures(works.pictures(rows, shape), self.model.space)
        condition = self.model.condition(works.texts_of(rows))
        channels, height, width = pictures.shape[1:]
        self.views = NoisedViews.middle(
            self.view_count, self.model.schedule, self.model.snr_cap, (channels, height, width)
        )
        self.factors = self.curvature_on(pictures, condition)
        self.signs = projections(self.factors, VALUES // BANDS)[0]
        self.common = [part.mean(dim=0) for part in self._parts(pictures, condition)]
        self.width = sum(len(part) for part in self.common)
        self._fitted = works

    def curvature_on(
        self, pictures: Float[Tensor, "image channel height width"], condition: Condition | None = None
    ) -> dict[str, Factors]:
        """The curvature of the loss over the views, layer by layer; a condition has a row each."""

        def passes() -> Iterator[None]:
            generator = torch.Generator().manual_seed(NOISE_SEED)
            scale = (self.views.weight / pictures[0].numel()).sqrt().view(-1, 1, 1, 1)
            for part, eps in self._predicted(pictures, condition):
                # A squared error is the likelihood of a normal distribution around the prediction.
                drawn = torch.randn(eps.shape, generator=generator) * scale.repeat(len(part), 1, 1, 1)
                self.network.zero_grad(set_to_none=True)
                (eps * drawn).sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
                yield None

        return fitted_factors(self.recorder, passes)

    def embed(self, images: Float32[np.ndarray, "image channel height width"]) -> Float32[np.ndarray, "image feature"]:
        return self.embed_under(images, [None] * len(images))

    def embed_under(
        self, images: Float32[np.ndarray, "image channel height width"], texts: Sequence[str | None]
    ) -> Float32[np.ndarray, "image feature"]:
        parts = self._parts(encoded_pictures(images, self.model.space), self.model.condition(texts))
        centred = [part - common for part, common in zip(parts, self.common, strict=True)]
        return np.asarray(torch.cat([functional.normalize(part, dim=1) for part in centred], dim=1).numpy())

    def _predicted(
        self, pictures: Float[Tensor, "image channel height width"], condition: Condition | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Few pictures at a time, and eps for every view of each, picture by picture."""
        for rows in torch.split(torch.arange(len(pictures)), self.at_once):
            part, each = pictures[rows], rows.repeat_interleave(len(self.views))
            given = () if condition is None else (condition[each],)
            yield part, self.network(self.views.of(part), self.views.timesteps.repeat(len(part)), *given)

    def recorded(
        self, pictures: Float[Tensor, "image channel height width"], condition: Condition | None = None
    ) -> Iterator[list[tuple[str, Tensor, Tensor]]]:
        """Inputs and returned gradients of every layer, for few pictures, view by view."""
        with self.recorder.recording():
            for part, eps in self._predicted(pictures, condition):
                error = (eps - self.views.noise.repeat(len(part), 1, 1, 1)).square().mean(dim=(1, 2, 3))
                self.network.zero_grad(set_to_none=True)
                (error * self.views.weight.repeat(len(part))).sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
                yield list(self.recorder.pairs())
        self.network.zero_grad(set_to_none=True)

    def _parts(
        self, pictures: Float[Tensor, "image channel height width"], condition: Condition | None
    ) -> list[Float[Tensor, "image value"]]:
        """Whitened gradients, one part per layer and band."""
        recorded = self.recorded(pictures, condition)
        found = [[value for pair in pairs for value in self._whitened(*pair)] for pairs in recorded]
        return [torch.cat(values) for values in zip(*found, strict=True)]

    def _whitened(
        self, name: str, inputs: Float[Tensor, "row place input"], returned: Float[Tensor, "row place output"]
    ) -> Iterator[Float[Tensor, "image value"]]:
        """One layer's gradients by band, summed over the band's views and the image's places."""
        count = len(self.views)
        came, went = (value.reshape(-1, count, *value.shape[1:]) for value in (inputs, returned))
        for band in torch.arange(count).tensor_split(BANDS):
            gradients = torch.einsum("blpo,blpa->boa", went[:, band], came[:, band])
            whitened = self.factors[name].whitened(gradients, DAMPING)
            if name in self.signs:
                left, right = self.signs[name]
                whitened = torch.einsum("ko,boa,al->bkl", left, whitened, right)
            yield whitened.flatten(1)


def projections(factors: dict[str, Factors], values: int) -> tuple[dict[str, tuple[Tensor, Tensor]], int]:
    """Random signs that project all layers to about ``values`` numbers, in proportion to size.

    Returns:
        The signs from both sides, by layer (none if the layers have no more numbers than that), and
        the total number of values.
    """
    total = sum(factor.curvature.numel() for factor in factors.values())
    if total <= values:
        return {}, total
    side = math.sqrt(values / total)
    generator = torch.Generator().manual_seed(NOISE_SEED)
    signs, width = {}, 0
    for name, factor in factors.items():
        outputs, inputs = factor.curvature.shape
        k, m = max(1, int(outputs * side)), max(1, int(inputs * side))
        left = torch.randint(0, 2, (k, outputs), generator=generator) * 2.0 - 1.0
        right = torch.randint(0, 2, (inputs, m), generator=generator) * 2.0 - 1.0
        signs[name] = left / math.sqrt(k), right / math.sqrt(m)
        width += k * m
    return signs, width


def rows_for_factors(works: Works) -> Int64[np.ndarray, " row"]:
    """At most :data:`FACTOR_WORKS` works, spread over all works."""
    return np.unique(np.linspace(0, len(works) - 1, FACTOR_WORKS).round().astype(np.int64))
