"""EKFAC influence through ``kronfluence``, for whoever wants a peer's opinion of the same reference
model.

The score of a work is g_y^T H^-1 g_x (Koh and Liang 2017; Grosse et al. 2023), with the library's
gradients, eigenvalue-corrected Kronecker factors and inverse. An example of the library's is one
picture under one look; a picture's gradient is the mean of those of its looks, so scores are means
over pairs of looks.

Factors are fitted on at most as many works as those of
:mod:`attribution.ranking.rankers.gradients`, our own reading of the same idea. The library keeps
them, and the scores of the block that it is at, as safetensors in a temporary folder, which goes
with the ranker.
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

from attribution.ranking.rankers.gradients import FACTOR_WORKS, NOISE_SEED, Looks, pictures_of
from attribution.ranking.rankers.interface import Images, Query, Ranker, RowIndex, Works
from attribution.training.reference_model import ReferenceModel

LOOKS = 12
"""At every picture, so a score is a mean over 144 pairs."""
WORKS_AT_ONCE = 128
EXAMPLES_AT_ONCE = 128
VALUES_AT_ONCE = 2**26
"""Numbers of the images' gradients that are held together."""
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
    """EKFAC of one reference model. It has no scale: the damping is the library's."""

    name = "ekfac"
    scales = (1.0,)

    def __init__(self, model: ReferenceModel) -> None:
        # The library wraps the layers, and others may hold the same network.
        self.model, self.network = model, prepare_model(copy.deepcopy(model.denoiser).eval(), Denoising())
        self._folder = tempfile.mkdtemp(prefix="creditline-ekfac-")
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self.analyzer = Analyzer(
            "ranker", self.network, Denoising(), cpu=True, output_dir=self._folder, disable_tqdm=True
        )
        self._fitted: Works | None = None

    def settings(self) -> dict[str, Any]:
        return {
            "reference_sha256": self.model.weights_sha256,
            "schedule": self.model.schedule.to_json(),
            "snr_cap": self.model.snr_cap,
            "looks": LOOKS,
        }

    def prepare(self, images: Images, works: Works) -> Query:
        self.looks = Looks.spread(LOOKS, self.model.schedule, self.model.snr_cap, images.shape)
        if self._fitted is not works:
            spread = np.unique(np.linspace(0, len(works) - 1, FACTOR_WORKS).round().astype(np.int64))
            with _quiet(), torch.random.fork_rng(devices=[]):
                torch.manual_seed(NOISE_SEED)
                self.analyzer.fit_all_factors(
                    FACTORS,
                    self.examples(pictures_of(works, spread, images.shape)),
                    per_device_batch_size=EXAMPLES_AT_ONCE,
                    factor_args=FactorArguments(strategy="ekfac"),
                    overwrite_output_dir=True,
                )
            self._fitted = works
        pictures = torch.from_numpy(images.values.reshape(len(images), *images.shape)) * 2.0 - 1.0
        return EkfacQuery(self, pictures, works, images.shape)

    def examples(self, pictures: Float[Tensor, "picture channel height width"]) -> TensorDataset:
        """One row a picture and look."""
        looks, count = self.looks, len(pictures)
        return TensorDataset(
            looks.at(pictures),
            looks.timesteps.repeat(count),
            looks.noise.repeat(count, 1, 1, 1),
            looks.weight.repeat(count),
        )

    def pairwise(self, images: TensorDataset, works: TensorDataset) -> Float[Tensor, "example example"]:
        """Every image's example with every work's."""
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
        pictures = pictures_of(self.works, rows, self.shape)
        found = []
        for part in torch.split(pictures, WORKS_AT_ONCE):
            pairs = self.ranker.pairwise(self.images, self.ranker.examples(part))
            found.append(pairs.reshape(self.count, LOOKS, len(part), LOOKS).mean(dim=(1, 3)))
        return np.asarray(torch.cat(found, dim=1)[:, None].numpy())


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's warnings that the library should call it in another way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield
