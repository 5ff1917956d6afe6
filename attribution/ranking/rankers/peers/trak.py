"""TRAK and D-TRAK through ``traker``, for whoever wants a peer's opinion of the same reference
model.

TRAK (Park et al. 2023) projects each picture's gradient of the loss to a few thousand numbers and
measures inner products against the projected gradients of all works, phi_y (Phi^T Phi + ridge)^-1
phi_x. D-TRAK (Zheng et al. 2024) differentiates the squared norm of the prediction instead of the
loss. Gradients, projection and inverse are the library's; works are walked through in blocks, so
the library's own store of intermediate results is not used and nothing is written but the projected
gradients, beside the training set.

The ridge is a share of the mean eigenvalue that the works span, and its grid is this ranker's grid
of scales.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.func import functional_call
from trak.gradient_computers import FunctionalGradientComputer
from trak.modelout_functions import AbstractModelOutput
from trak.projectors import BasicProjector, ProjectionType
from trak.score_computers import BasicScoreComputer

from attribution.ranking.rankers.gradients import Looks, pictures_of
from attribution.ranking.rankers.interface import Images, Query, Ranker, RowIndex, Rows, Works, blocks
from attribution.training.reference_model import ReferenceModel
from registry.errors import InputError
from registry.home import write_atomically
from registry.ids import content_id, sha256_of

RIDGES = (0.01, 0.1, 1.0, 10.0)
LOOKS = 24
WIDTH = 2048
"""Numbers that a gradient is projected to."""
SEED = 0
VALUES_AT_ONCE = 2**24
"""Numbers of a block of gradients, or of the projection's matrix."""
MOST_AT_ONCE = 32


class Denoising(AbstractModelOutput):  # type: ignore[misc]  # ships no types
    """One picture's mean over looks of the loss, or of the squared prediction."""

    def __init__(self, looks: Looks, square: bool) -> None:
        self.looks, self.square = looks, square

    def get_output(
        self, model: nn.Module, weights: dict[str, Tensor], buffers: dict[str, Tensor], picture: Tensor
    ) -> Tensor:
        """What is differentiated."""
        eps = functional_call(model, (weights, buffers), (self.looks.at(picture[None]), self.looks.timesteps))
        error = eps.square() if self.square else (eps - self.looks.noise).square()
        output: Tensor = (error.mean(dim=(1, 2, 3)) * self.looks.weight).mean()
        return output

    def get_out_to_loss_grad(
        self, _model: nn.Module, _weights: dict[str, Tensor], _buffers: dict[str, Tensor], batch: list[Tensor]
    ) -> Tensor:
        """The output is the loss itself, or taken for it."""
        return torch.ones(len(batch[0]), 1)


class Trak(Ranker):
    """TRAK, or with ``square`` D-TRAK, of one reference model."""

    scales = RIDGES

    def __init__(
        self, model: ReferenceModel, square: bool, advance: Callable[[int, int], object] = lambda _done, _total: None
    ) -> None:
        """``advance`` gets (works done now, works in all) while their gradients are computed."""
        self.name = "d-trak" if square else "trak"
        self.model, self.square, self.advance = model, square, advance
        self._kept: tuple[Works, _Projection, ProjectedRows, Tensor] | None = None

    def settings(self) -> dict[str, Any]:
        return {
            "reference_sha256": self.model.weights_sha256,
            "schedule": self.model.schedule.to_json(),
            "snr_cap": self.model.snr_cap,
            "looks": LOOKS,
            "width": WIDTH,
            "seed": SEED,
        }

    def prepare(self, images: Images, works: Works) -> Query:
        if self._kept is None or self._kept[0] is not works:
            project = _Projection(self.model, self.square, images.shape)
            rows = self._rows_of(works, images.shape, project)
            self._kept = works, project, rows, _inverses(rows, self.scales)
        _, project, rows, inverses = self._kept
        pictures = torch.from_numpy(images.values.reshape(len(images), *images.shape)) * 2.0 - 1.0
        # An inverse is symmetric, so it may act on the few images instead of on all works.
        return TrakQuery(np.asarray(torch.einsum("iv,svw->isw", project(pictures), inverses).numpy()), rows)

    def _rows_of(self, works: Works, shape: tuple[int, int, int], project: _Projection) -> ProjectedRows:
        """The works' projected gradients: those that are kept, or computed now and kept where the
        works have a folder.
        """
        fill = partial(self._fill, works=works, shape=shape, project=project)
        if works.folder is None:
            found = np.empty((len(works), WIDTH), dtype=np.float32)
            fill(found)
            return ProjectedRows(found)
        content = {"ranker": self.name, **self.settings(), "works": sha256_of(list(works.hashes))}
        # Named as all features that are gradients of the reference model, so that it goes when the
        # model goes.
        path = works.folder / f"features-gradients-{self.name}-{content_id('features', content)}.npy"
        kept = _opened(path, (len(works), WIDTH))
        if kept is None:
            write_atomically(path, partial(_write, shape=(len(works), WIDTH), fill=fill))
            kept = _opened(path, (len(works), WIDTH))
        if kept is None:
            raise InputError(f"{path} was changed while it was read: run the same command again")
        return ProjectedRows(kept)

    def _fill(
        self,
        into: Float32[np.ndarray, "work value"],
        works: Works,
        shape: tuple[int, int, int],
        project: _Projection,
    ) -> None:
        for block in blocks(len(works), works.pixels.width):
            into[block] = project(pictures_of(works, block, shape)).numpy()
            self.advance(block.stop - block.start, len(works))


class ProjectedRows:
    """Works' projected gradients, in memory or mapped from a file."""

    def __init__(self, values: Float32[np.ndarray, "work value"]) -> None:
        self.values = values
        self.width = int(values.shape[1])

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: RowIndex) -> Float32[np.ndarray, "row value"]:
        return np.array(self.values[rows])


class TrakQuery(Query):
    """Inner products of the images' inverted gradients with the works' plain ones."""

    additive = True

    def __init__(self, images: Float32[np.ndarray, "image scale value"], works: Rows) -> None:
        self.images, self.works = images, works

    def log_scores(self, rows: RowIndex) -> Float32[np.ndarray, "image scale row"]:
        return np.asarray(self.images @ self.works.take(rows).T)


class _Projection:
    """Pictures' gradients, projected; the same for a picture whatever comes with it."""

    def __init__(self, model: ReferenceModel, square: bool, shape: tuple[int, int, int]) -> None:
        # The library differentiates the weights; others may hold the same network.
        self.network = model.denoiser.eval().requires_grad_(True)
        values = sum(value.numel() for value in self.network.parameters())
        looks = Looks.spread(LOOKS, model.schedule, model.snr_cap, shape)
        self.at_once = min(MOST_AT_ONCE, max(1, VALUES_AT_ONCE // values))
        self.computer = FunctionalGradientComputer(
            self.network, Denoising(looks, square), values, torch.float32, torch.device("cpu")
        )
        self.projector = BasicProjector(
            grad_dim=values,
            proj_dim=WIDTH,
            seed=SEED,
            proj_type=ProjectionType.normal,
            device=torch.device("cpu"),
            block_size=min(WIDTH, 256, max(8, VALUES_AT_ONCE // values)),
        )
        self.length = values**0.5

    def __call__(self, pictures: Float[Tensor, "picture channel height width"]) -> Float[Tensor, "picture value"]:
        found = []
        for part in torch.split(pictures, self.at_once):
            gradients = self.computer.compute_per_sample_grad([part])
            # The library takes a weight of one number for a row of them.
            flat = torch.cat([value.detach().reshape(len(part), -1) for value in gradients.values()], dim=1)
            found.append(self.projector.project(flat, model_id=0) / self.length)
        return torch.cat(found)


def _inverses(rows: Rows, ridges: Sequence[float]) -> Float[Tensor, "scale value value"]:
    """(Phi^T Phi + ridge)^-1 as the library has it, up to a factor, for every ridge."""
    cpu = torch.device("cpu")
    plain = BasicScoreComputer(torch.float32, cpu, logging_level=logging.ERROR)
    square = torch.zeros(rows.width, rows.width)
    for block in blocks(len(rows), rows.width):
        square += plain.get_xtx(torch.from_numpy(rows.take(block)))
    found = []
    for ridge in ridges:
        level = max(ridge * float(square.trace()) / len(rows), 1e-30)
        computer = BasicScoreComputer(torch.float32, cpu, logging_level=logging.ERROR, lambda_reg=level)
        found.append(computer.get_x_xtx_inv(torch.eye(rows.width), square))
    return torch.stack(found)


def _opened(path: Path, shape: tuple[int, int]) -> Float32[np.ndarray, "work value"] | None:
    """What is kept; None where there is nothing of this shape, since it can always be computed
    again.
    """
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.shape == shape and found.dtype == np.float32 else None


def _write(path: Path, shape: tuple[int, int], fill: Callable[[np.ndarray], None]) -> None:
    found = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    fill(found)
    found.flush()
