"""EKFAC influence through the library ``kronfluence``, on the ensemble's reference model.

The score of a work is g_y^T H^-1 g_x (Koh and Liang 2017; Grosse et al. 2023), with the library's
gradients, eigenvalue-corrected Kronecker factors and inverse. The library's example is one noised
view of one picture. A picture's gradient is the mean over its views, so scores are means over pairs
of views.

Factors are fitted on the same works as in :mod:`attribution.ranking.rankers.gradients`, our own
implementation of the same idea. The library stores the factors, and the scores of the current
block, as safetensors in a temporary folder, which is deleted with the ranker.
"""

from __future__ import annotations

import copy
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from kronfluence.analyzer import Analyzer, prepare_model
from kronfluence.arguments import FactorArguments, ScoreArguments
from kronfluence.task import Task
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from attribution.ranking.rankers.gradients import reference_settings, works_for_factors
from attribution.ranking.rankers.interface import Images, Query, Ranker, RowIndex, Works
from attribution.ranking.rankers.noised_views import NOISE_SEED, NoisedViews
from attribution.training.reference_model import ReferenceModel

VIEWS = 12
"""Noised views of every picture, so a score is a mean over 144 pairs."""
WORKS_AT_ONCE = 128
EXAMPLES_AT_ONCE = 128
VALUES_AT_ONCE = 2**26
"""Numbers of the images' gradients in memory at once."""
FACTORS, SCORES = "factors", "scores"
Batch = tuple[Tensor, Tensor, Tensor, Tensor]


class Denoising(Task):  # type: ignore[misc]  # ships no types
    """The weighted denoising loss, of works and images alike."""

    def compute_train_loss(self, batch: Batch, model: nn.Module, sample: bool = False) -> Tensor:
        x_t, t, noise, weight = batch
        eps = model(x_t, t)
        # The model's own distribution of outputs: normal around its prediction.
        target = eps.detach() + torch.randn_like(eps) if sample else noise
        loss: Tensor = ((eps - target).square().mean(dim=(1, 2, 3)) * weight).sum()
        return loss

    def compute_measurement(self, batch: Batch, model: nn.Module) -> Tensor:
        return self.compute_train_loss(batch, model)


class Ekfac(Ranker):
    """EKFAC of one reference model; no scale, as the damping is the library's."""

    name = "ekfac"
    scales = (1.0,)

    def __init__(self, model: ReferenceModel) -> None:
        # A copy: the library wraps the layers, and the network may be in use elsewhere.
        self.model, self.network = model, prepare_model(copy.deepcopy(model.denoiser).eval(), Denoising())
        self._folder = tempfile.mkdtemp(prefix="creditline-ekfac-")
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self.analyzer = Analyzer(
            "ranker", self.network, Denoising(), cpu=True, output_dir=self._folder, disable_tqdm=True
        )
        self._fitted: Works | None = None

    def settings(self) -> dict[str, Any]:
        return reference_settings(self.model, VIEWS)

    def prepare(self, images: Images, works: Works) -> Query:
        self.views = NoisedViews.spread(VIEWS, self.model.schedule, self.model.snr_cap, images.shape)
        if self._fitted is not works:
            with _quiet(), torch.random.fork_rng(devices=[]):
                torch.manual_seed(NOISE_SEED)
                self.analyzer.fit_all_factors(
                    FACTORS,
                    self.examples(works_for_factors(works, images.shape)),
                    per_device_batch_size=EXAMPLES_AT_ONCE,
                    factor_args=FactorArguments(strategy="ekfac"),
                    overwrite_output_dir=True,
                )
            self._fitted = works
        return EkfacQuery(self, torch.from_numpy(images.pictures) * 2.0 - 1.0, works, images.shape)

    def examples(self, pictures: Float[Tensor, "picture channel height width"]) -> TensorDataset:
        """One row per picture and view."""
        views, count = self.views, len(pictures)
        return TensorDataset(
            views.of(pictures),
            views.timesteps.repeat(count),
            views.noise.repeat(count, 1, 1, 1),
            views.weight.repeat(count),
        )

    def pairwise(self, images: TensorDataset, works: TensorDataset) -> Float[Tensor, "example example"]:
        """Scores of all pairs of the images' and the works' examples."""
        values = sum(value.numel() for value in self.network.parameters())
        with _quiet():
            self.analyzer.compute_pairwise_scores(
                SCORES,
                FACTORS,
                images,
                works,
                per_device_query_batch_size=min(len(images), max(1, VALUES_AT_ONCE // values)),
                per_device_train_batch_size=EXAMPLES_AT_ONCE,
                score_args=ScoreArguments(),
                overwrite_output_dir=True,
            )
        found: Tensor = self.analyzer.load_pairwise_scores(SCORES)["all_modules"]
        return found


class EkfacQuery(Query):
    """Influences on a few images, block by block of the works."""

    additive = True

    def __init__(self, ranker: Ekfac, images: Tensor, works: Works, shape: tuple[int, int, int]) -> None:
        self.ranker, self.works, self.shape = ranker, works, shape
        self.count, self.images = len(images), ranker.examples(images)

    def log_scores(self, rows: RowIndex) -> Float32[np.ndarray, "image scale row"]:
        pictures = torch.from_numpy(self.works.pictures(rows, self.shape)) * 2.0 - 1.0
        found = []
        for part in torch.split(pictures, WORKS_AT_ONCE):
            pairs = self.ranker.pairwise(self.images, self.ranker.examples(part))
            found.append(pairs.reshape(self.count, VIEWS, len(part), VIEWS).mean(dim=(1, 3)))
        return np.asarray(torch.cat(found, dim=1)[:, None].numpy())


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppresses torch's FutureWarnings about calls inside the library."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield
