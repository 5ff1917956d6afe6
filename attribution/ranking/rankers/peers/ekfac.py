"""EKFAC influence through the library ``kronfluence``, on the ensemble's reference model.

The score of a work is g_y^T H^-1 g_x (Koh and Liang 2017; Grosse et al. 2023), with the library's
gradients, eigenvalue-corrected Kronecker factors and inverse. The library's example is one noised
view of one picture. A picture's gradient is the mean over its views, so scores are means over pairs
of views.

A conditional model is differentiated under each picture's own text, and a latent one on the
picture's latents. Of adapters on a frozen base the layers are A and B of every adapted module.

Factors are fitted on the same works as in
:mod:`attribution.ranking.rankers.gradients.whitened`, our own implementation of the same idea. The
library stores the factors, and the scores of the current block, as safetensors in a temporary
folder, which is deleted with the ranker.
"""

from __future__ import annotations

import copy
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Iterator, Sequence
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

from attribution.denoisers.space import Condition
from attribution.ranking.rankers.gradients.noised_views import NOISE_SEED, NoisedViews, latent_shape, reference_settings
from attribution.ranking.rankers.gradients.whitened import rows_for_factors
from attribution.ranking.rankers.interface import Images, Query, Ranker, RowIndex, Works
from attribution.ranking.rankers.kernel import encoded_pictures
from attribution.training.reference_model import ReferenceModel

VIEWS = 12
"""Noised views of every picture, so a score is a mean over 144 pairs."""
WORKS_AT_ONCE = 128
EXAMPLES_AT_ONCE = 128
VALUES_AT_ONCE = 2**26
"""Numbers of the images' gradients in memory at once."""
FACTORS, SCORES = "factors", "scores"
Batch = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""x_t, timestep, noise, weight, and the number of the text."""


class Denoising(Task):  # type: ignore[misc]  # ships no types
    """The weighted denoising loss, of works and images alike."""

    def __init__(self) -> None:
        super().__init__()
        self.condition: Condition | None = None
        """Of every text, by its number; None: the model is unconditional."""

    def compute_train_loss(self, batch: Batch, model: nn.Module, sample: bool = False) -> Tensor:
        x_t, t, noise, weight, text = batch
        eps = model(x_t, t) if self.condition is None else model(x_t, t, self.condition[text])
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
        self.model, self.task = model, Denoising()
        self.network = prepare_model(copy.deepcopy(model.denoiser).eval(), self.task)
        # The library expects one call of every layer in a pass.
        self.at_once = min(EXAMPLES_AT_ONCE, model.space.rows_in_one_call("cpu") or EXAMPLES_AT_ONCE)
        self._folder = tempfile.mkdtemp(prefix="creditline-ekfac-")
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self.analyzer = Analyzer(
            "ranker", self.network, self.task, cpu=True, output_dir=self._folder, disable_tqdm=True
        )
        self._fitted: Works | None = None

    def settings(self) -> dict[str, Any]:
        return reference_settings(self.model, VIEWS)

    def prepare(self, images: Images, works: Works) -> Query:
        shape = latent_shape(self.model, images.shape)
        self.views = NoisedViews.spread(VIEWS, self.model.schedule, self.model.snr_cap, shape)
        if self._fitted is not works:
            rows = rows_for_factors(works)
            examples = self.examples(works.pictures(rows, images.shape))
            self.task.condition = self.model.condition(works.texts_of(rows))
            with _quiet(), torch.random.fork_rng(devices=[]):
                torch.manual_seed(NOISE_SEED)
                self.analyzer.fit_all_factors(
                    FACTORS,
                    examples,
                    per_device_batch_size=self.at_once,
                    factor_args=FactorArguments(strategy="ekfac"),
                    overwrite_output_dir=True,
                )
            self._fitted = works
        return EkfacQuery(self, images, works)

    def examples(self, pictures: Float32[np.ndarray, "picture channel height width"], first: int = 0) -> TensorDataset:
        """One row per picture and view; the texts of the pictures are numbered from ``first``."""
        views, count = self.views, len(pictures)
        return TensorDataset(
            views.of(encoded_pictures(pictures, self.model.space)),
            views.timesteps.repeat(count),
            views.noise.repeat(count, 1, 1, 1),
            views.weight.repeat(count),
            torch.arange(first, first + count).repeat_interleave(len(views)),
        )

    def pairwise(
        self, images: TensorDataset, works: TensorDataset, texts: Sequence[str | None]
    ) -> Float[Tensor, "example example"]:
        """Scores of all pairs of the images' and the works' examples, by number of ``texts``."""
        self.task.condition = self.model.condition(texts)
        values = sum(value.numel() for value in self.network.parameters())
        with _quiet():
            self.analyzer.compute_pairwise_scores(
                SCORES,
                FACTORS,
                images,
                works,
                per_device_query_batch_size=min(self.at_once, len(images), max(1, VALUES_AT_ONCE // values)),
                per_device_train_batch_size=self.at_once,
                score_args=ScoreArguments(),
                overwrite_output_dir=True,
            )
        found: Tensor = self.analyzer.load_pairwise_scores(SCORES)["all_modules"]
        return found


class EkfacQuery(Query):
    """Influences on a few images, block by block of the works."""

    additive = True

    def __init__(self, ranker: Ekfac, images: Images, works: Works) -> None:
        self.ranker, self.works, self.shape = ranker, works, images.shape
        self.prompts, self.images = images.prompts, ranker.examples(images.pictures)

    def log_scores(self, rows: RowIndex) -> Float32[np.ndarray, "image scale row"]:
        pictures, texts = self.works.pictures(rows, self.shape), self.works.texts_of(rows)
        count, found = len(self.prompts), []
        for start in range(0, len(pictures), WORKS_AT_ONCE):
            part = slice(start, start + WORKS_AT_ONCE)
            examples = self.ranker.examples(pictures[part], first=count)
            pairs = self.ranker.pairwise(self.images, examples, [*self.prompts, *texts[part]])
            found.append(pairs.reshape(count, VIEWS, -1, VIEWS).mean(dim=(1, 3)))
        return np.asarray(torch.cat(found, dim=1)[:, None].numpy())


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppresses torch's FutureWarnings about calls inside the library."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield
