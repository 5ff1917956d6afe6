"""Gradients of an adapter on a frozen base: does training on a work change the loss on an image?

With g(a) the gradient of the training loss on a picture a, by A and B of every adapted layer and by
no weight of the base, and G the gradients of all works as rows, the score of a work x for an image
y is

    g(y)^T (G^T G + ridge)^-1 g(x),

the influence under the empirical curvature of the works, as in TRAK (Park et al. 2023). A small
ridge discounts what all works have in common; a large one leaves the plain inner product. The loss
is under the text that a work was trained with, or that an image was generated from. It is a mean
over a few noised views that are spread over the schedule.

A gradient is kept as :data:`WIDTH` numbers: every weight is added, with a random sign, to one of
them (count sketch; Charikar et al. 2002), which keeps inner products on average.

Two models can be differentiated, and both know no code:

- ``gradients``: the reference model, one adapter of all works, which has to be trained first.
- ``base-gradients``: an adapter before its training, which predicts what the base predicts. It says
  how training would begin, and needs no training of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from attribution.denoisers.space import Condition
from attribution.ranking.rankers.gradients.noised_views import (
    NOISE_SEED,
    NoisedViews,
    latent_shape,
    reference_settings,
)
from attribution.ranking.rankers.interface import ArrayRows, Images, Query, Ranker, RowIndex, Rows, Works, blocks
from attribution.ranking.rankers.kernel import encoded_pictures
from attribution.ranking.rankers.work_features import FeatureFile, work_features
from attribution.training.reference_model import ReferenceModel

RIDGES = (0.01, 0.1, 1.0)
"""Shares of the mean squared length of the works' gradients."""
VIEWS = 8
WIDTH = 4096
"""Numbers kept of a gradient."""


class AdapterGradients(Ranker):
    """Influence by the gradients of one adapter."""

    scales = RIDGES
    most_graded = 48

    def __init__(
        self,
        name: str,
        model: ReferenceModel,
        on_progress: Callable[[int, int], object] = lambda _done, _total: None,
        device: str = "cpu",
    ) -> None:
        """``model``: an adapter that takes gradients.

        ``on_progress`` gets (works done now, works in all). ``device``: where torch differentiates.
        """
        self.name, self.model, self.on_progress, self.device = name, model, on_progress, device
        self._kept: tuple[Works, Sketch, Curvature] | None = None

    def settings(self) -> dict[str, Any]:
        return {**reference_settings(self.model, VIEWS), "width": WIDTH}

    def prepare(self, images: Images, works: Works) -> Query:
        if self._kept is None or self._kept[0] is not works:
            sketch = Sketch(self.model, latent_shape(self.model, images.shape), self.device)
            texts = works.texts
            content = {"ranker": self.name, **self.settings(), **({} if texts is None else {"texts": texts.sha256})}
            file = FeatureFile(self.name, content, WIDTH, np.float32)

            def compute(pictures: Float32[np.ndarray, "work channel height width"], rows: slice) -> np.ndarray:
                return sketch(pictures, works.texts_of(rows))

            rows = work_features(file, works, images.shape, compute, self.on_progress)
            self._kept = works, sketch, Curvature(rows)
        _, sketch, curvature = self._kept
        own = sketch(images.pictures, images.prompts).astype(np.float64)
        applied = np.stack([curvature.solved(own, ridge) for ridge in self.scales], axis=1)
        return InnerProducts(applied.astype(np.float32), curvature.rows)


class InnerProducts(Query):
    """Inner products of the images' gradients, after the inverse curvature, with the works' own."""

    additive: ClassVar[bool] = True

    def __init__(self, images: Float32[np.ndarray, "image scale value"], works: Rows) -> None:
        self.images, self.works = images.astype(np.float64), works

    def log_scores(self, rows: RowIndex) -> Float32[np.ndarray, "image scale row"]:
        # Products of thousands of signed numbers nearly cancel: in single precision a work's score
        # would depend on the block of works that it is computed with.
        return np.asarray((self.images @ self.works.take(rows).T.astype(np.float64)).astype(np.float32))


class Sketch:
    """Sketched gradients of the loss; a picture's gradient does not depend on its batch."""

    def __init__(self, model: ReferenceModel, shape: tuple[int, int, int], device: str = "cpu") -> None:
        """``shape``: channels, height and width of a picture in the model's space."""
        self.model, self.device = model, device
        self.network = model.denoiser.eval().to(device)
        self.weights = [value for value in self.network.parameters() if value.requires_grad]
        self.views = NoisedViews.spread(VIEWS, model.schedule, model.snr_cap, shape)
        generator = torch.Generator().manual_seed(NOISE_SEED)
        count = sum(value.numel() for value in self.weights)
        self.place = torch.randint(0, WIDTH, (count,), generator=generator).to(device)
        self.sign = (torch.randint(0, 2, (count,), generator=generator, dtype=torch.int8) * 2 - 1).to(device)

    def __call__(
        self, pictures: Float32[np.ndarray, "picture channel height width"], texts: Sequence[str | None]
    ) -> Float32[np.ndarray, "picture value"]:
        clean, condition = encoded_pictures(pictures, self.model.space), self.model.condition(texts)
        found = torch.zeros(len(clean), WIDTH, device=self.device)
        for row in range(len(clean)):
            own = None if condition is None else condition[torch.full((len(self.views),), row)].to(self.device)
            found[row].index_add_(0, self.place, self.gradient(clean[row : row + 1], own) * self.sign)
        return np.asarray(found.cpu().numpy())

    def gradient(
        self, clean: Float[Tensor, "1 channel height width"], condition: Condition | None
    ) -> Float[Tensor, " weight"]:
        """The gradient of the mean loss over the views, by all trained weights in order."""
        noised, views = self.views.of(clean), self.views
        self.network.zero_grad(set_to_none=True)
        # An adapter's pass is then a single call of the base's network.
        at_once = self.model.space.rows_in_one_call(self.device) or VIEWS
        for part in torch.split(torch.arange(len(views)), at_once):
            given = () if condition is None else (condition[part],)
            x_t, t, noise, weight = (
                value[part].to(self.device) for value in (noised, views.timesteps, views.noise, views.weight)
            )
            error = (self.network(x_t, t, *given) - noise).square().mean(dim=(1, 2, 3))
            (error @ weight / len(views)).backward()
        found = [torch.zeros_like(value) if value.grad is None else value.grad for value in self.weights]
        self.network.zero_grad(set_to_none=True)
        return torch.cat([value.flatten() for value in found])


class Curvature:
    """G^T G + ridge, through whichever of G^T G and G G^T is smaller."""

    def __init__(self, rows: ArrayRows) -> None:
        """``rows``: the works' gradients, G."""
        self.rows = rows
        self._factors: dict[float, Tensor] = {}

    @cached_property
    def gram(self) -> Float64[Tensor, "side side"]:
        """G G^T where works are fewer than values, else G^T G."""
        if self.few:
            every = self._taken(slice(0, len(self.rows)))
            return every @ every.T
        square = torch.zeros(self.rows.width, self.rows.width, dtype=torch.float64)
        for block in blocks(len(self.rows), self.rows.width):
            part = self._taken(block)
            square += part.T @ part
        return square

    @property
    def few(self) -> bool:
        """Whether works are fewer than values."""
        return len(self.rows) < self.rows.width

    def solved(self, images: Float64[np.ndarray, "image value"], ridge: float) -> Float64[np.ndarray, "image value"]:
        """(G^T G + ridge)^-1 g for some gradients g; ``ridge``: a share of the mean of |g(x)|^2."""
        level = max(ridge * float(self.gram.trace()) / len(self.rows), 1e-30)
        if ridge not in self._factors:
            self._factors[ridge] = torch.linalg.cholesky(self.gram + level * torch.eye(len(self.gram)))
        own = torch.from_numpy(images)
        if not self.few:
            return np.asarray(torch.cholesky_solve(own.T, self._factors[ridge]).T.numpy())
        # Woodbury: (G^T G + c)^-1 = (1 - G^T (G G^T + c)^-1 G) / c.
        every = self._taken(slice(0, len(self.rows)))
        within = torch.cholesky_solve(every @ own.T, self._factors[ridge]).T @ every
        return np.asarray(((own - within) / level).numpy())

    def _taken(self, rows: RowIndex) -> Float64[Tensor, "row value"]:
        return torch.from_numpy(self.rows.take(rows).astype(np.float64))
