"""TRAK and D-TRAK through the library ``traker``, on the ensemble's reference model.

TRAK (Park et al. 2023) projects each picture's gradient of the loss to a few thousand numbers and
scores a work by phi_y (Phi^T Phi + ridge)^-1 phi_x, with Phi the projected gradients of all works.
D-TRAK (Zheng et al. 2024) differentiates the squared norm of the prediction instead of the loss.
Gradients, projection and inverse are the library's. Works are processed in blocks and only the
projected gradients are kept, beside the training set; the library's own store is not used.

A conditional model is differentiated under each picture's own text, picture by picture, and a
latent one on the picture's latents. Of adapters on a frozen base the weights are A and B alone.

The ridge is a share of the mean eigenvalue that the works span; its grid is the grid of scales.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.func import functional_call
from trak.gradient_computers import FunctionalGradientComputer, IterativeGradientComputer
from trak.modelout_functions import AbstractModelOutput
from trak.projectors import BasicProjector, ProjectionType
from trak.score_computers import BasicScoreComputer

from attribution.denoisers.space import Condition
from attribution.ranking.rankers.gradients.adapters import InnerProducts
from attribution.ranking.rankers.gradients.noised_views import NoisedViews, latent_shape, reference_settings
from attribution.ranking.rankers.interface import ArrayRows, Images, Query, Ranker, Rows, Works, blocks
from attribution.ranking.rankers.kernel import encoded_pictures
from attribution.ranking.rankers.work_features import FeatureFile, work_features
from attribution.training.reference_model import ReferenceModel

RIDGES = (0.01, 0.1, 1.0, 10.0)
VIEWS = 24
WIDTH = 2048
"""Numbers that a gradient is projected to."""
SEED = 0
VALUES_AT_ONCE = 2**24
"""Numbers in a block of gradients, or of the projection's matrix."""
MOST_AT_ONCE = 32


class Denoising(AbstractModelOutput):  # type: ignore[misc]  # ships no types
    """A picture's loss, or its squared prediction, averaged over the noised views."""

    def __init__(self, views: NoisedViews, square: bool) -> None:
        self.views, self.square = views, square

    def get_output(
        self,
        model: nn.Module,
        weights: dict[str, Tensor],
        buffers: dict[str, Tensor],
        picture: Tensor,
        condition: Condition | None = None,
    ) -> Tensor:
        """The value to differentiate: of one picture as a number; or, under a condition of one row
        and with the network's own weights, of a batch of one.
        """
        timesteps = self.views.timesteps
        if condition is None:
            eps = functional_call(model, (weights, buffers), (self.views.of(picture[None]), timesteps))
            return self._value(eps)
        repeated = condition[torch.zeros(len(timesteps), dtype=torch.int64)]
        return self._value(model(self.views.of(picture), timesteps, repeated))[None]

    def _value(self, eps: Tensor) -> Tensor:
        error = eps.square() if self.square else (eps - self.views.noise).square()
        output: Tensor = (error.mean(dim=(1, 2, 3)) * self.views.weight).mean()
        return output

    def get_out_to_loss_grad(
        self, _model: nn.Module, _weights: dict[str, Tensor], _buffers: dict[str, Tensor], batch: list[Tensor]
    ) -> Tensor:
        """1: the output is used as the loss."""
        return torch.ones(len(batch[0]), 1)


class Trak(Ranker):
    """TRAK, or D-TRAK with ``square``, of one reference model."""

    scales = RIDGES

    def __init__(
        self,
        model: ReferenceModel,
        square: bool,
        on_progress: Callable[[int, int], object] = lambda _done, _total: None,
    ) -> None:
        """``on_progress`` gets (works done now, works in all)."""
        self.name = "d-trak" if square else "trak"
        self.model, self.square, self.on_progress = model, square, on_progress
        self._kept: tuple[Works, _Projection, ArrayRows, Tensor] | None = None

    def settings(self) -> dict[str, Any]:
        return {**reference_settings(self.model, VIEWS), "width": WIDTH, "seed": SEED}

    def prepare(self, images: Images, works: Works) -> Query:
        if self._kept is None or self._kept[0] is not works:
            texts = works.texts
            project = _Projection(self.model, self.square, latent_shape(self.model, images.shape))
            content = {"ranker": self.name, **self.settings(), **({} if texts is None else {"texts": texts.sha256})}
            # By this prefix, the file is deleted with the reference model's other gradients.
            file = FeatureFile(f"gradients-{self.name}", content, WIDTH, np.float32)

            def compute(shown: Float32[np.ndarray, "work channel height width"], rows: slice) -> np.ndarray:
                return project(shown, works.texts_of(rows))

            rows = work_features(file, works, images.shape, compute, self.on_progress)
            self._kept = works, project, rows, _inverses(rows, self.scales)
        _, project, rows, inverses = self._kept
        # The inverse is symmetric: applying it to the few images is enough.
        projected = torch.from_numpy(project(images.pictures, images.prompts))
        return InnerProducts(np.asarray(torch.einsum("iv,svw->isw", projected, inverses).numpy()), rows)


class _Projection:
    """Projected gradients of pictures; a picture's gradient does not depend on its batch."""

    def __init__(self, model: ReferenceModel, square: bool, shape: tuple[int, int, int]) -> None:
        self.model = model
        # The library differentiates the weights, and the network may be frozen elsewhere.
        self.network = model.denoiser.eval().requires_grad_(True)
        values = sum(value.numel() for value in self.network.parameters())
        views = NoisedViews.spread(VIEWS, model.schedule, model.snr_cap, shape)
        self.at_once = min(MOST_AT_ONCE, max(1, VALUES_AT_ONCE // values))
        given = self.network, Denoising(views, square), values, torch.float32, torch.device("cpu")
        self.computer, self.one_by_one = FunctionalGradientComputer(*given), IterativeGradientComputer(*given)
        self.projector = BasicProjector(
            grad_dim=values,
            proj_dim=WIDTH,
            seed=SEED,
            proj_type=ProjectionType.normal,
            device=torch.device("cpu"),
            block_size=min(WIDTH, 256, max(8, VALUES_AT_ONCE // values)),
        )
        self.length = values**0.5

    def __call__(
        self, pictures: Float32[np.ndarray, "picture channel height width"], texts: Sequence[str | None]
    ) -> Float32[np.ndarray, "picture value"]:
        clean = encoded_pictures(pictures, self.model.space)
        condition = self.model.condition(texts)
        found = []
        for rows in torch.split(torch.arange(len(clean)), self.at_once):
            flat = self._gradients(clean[rows], None if condition is None else condition[rows])
            found.append(self.projector.project(flat, model_id=0) / self.length)
        return np.asarray(torch.cat(found).numpy())

    def _gradients(
        self, clean: Float[Tensor, "picture channel height width"], condition: Condition | None
    ) -> Float[Tensor, "picture weight"]:
        """Each picture's gradient; the library's vectorised way takes no condition."""
        if condition is None:
            gradients = self.computer.compute_per_sample_grad([clean])
            # The library takes a weight of one number for a row of weights.
            return torch.cat([value.detach().reshape(len(clean), -1) for value in gradients.values()], dim=1)
        each = torch.split(torch.arange(len(clean)), 1)
        return torch.cat([self.one_by_one.compute_per_sample_grad([clean[row], condition[row]]) for row in each])


def _inverses(rows: Rows, ridges: Sequence[float]) -> Float[Tensor, "scale value value"]:
    """The library's (Phi^T Phi + ridge)^-1, up to a factor, for every ridge."""
    cpu = torch.device("cpu")
    plain = BasicScoreComputer(torch.float32, cpu, logging_level=logging.ERROR)
    square = torch.zeros(rows.width, rows.width)
    for block in blocks(len(rows), rows.width):
        square += plain.get_xtx(torch.from_numpy(rows.take(block).copy()))  # a copy, since the file is read-only
    found = []
    for ridge in ridges:
        level = max(ridge * float(square.trace()) / len(rows), 1e-30)
        computer = BasicScoreComputer(torch.float32, cpu, logging_level=logging.ERROR, lambda_reg=level)
        found.append(computer.get_x_xtx_inv(torch.eye(rows.width), square))
    return torch.stack(found)
