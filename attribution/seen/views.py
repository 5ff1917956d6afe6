"""Lays an image over the work that it may be a copy of, so that a changed copy is still recognised.

A copy that is shifted by one pixel, scaled, cropped, or paler than its original gives other
predictions than the original. So the image is shifted, scaled and changed in contrast until it
lies as close to the work as such changes can bring it. Every pixel of the result is the image's
own: nothing of the work is drawn into it. An image that is no copy stays another picture.

The search runs on a small version of both, and the change that was found is applied to the image at
its own size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

SEARCH_SIDE = 16
"""Side of the versions that are compared, in pixels, at most."""
SCALES = (0.88, 0.94, 1.0, 1.06, 1.12)
"""Enlargements tried."""
FURTHEST, STEP = 2.0, 1.0
"""Shifts tried in either direction, in pixels of the small version."""
COMPARED = 4
"""First works of the ranking that an image is laid over."""
GAINS = (0.5, 2.0)
"""Smallest and largest change of contrast."""


@dataclass(frozen=True)
class Overlay:
    """The change that brings an image closest to a work."""

    scale: float
    across: float
    """Shift to the right, as a share of the side."""
    down: float
    gain: float
    offset: float
    """Added after the gain; values are in [0, 1]."""
    difference: float
    """Mean squared difference that is left between the small versions."""

    def applied(self, image: Float[np.ndarray, "channel height width"]) -> Float[np.ndarray, "channel height width"]:
        """The image, changed so, in [0, 1]."""
        moved = _moved(torch.from_numpy(image).double(), [(self.scale, self.across, self.down)])[0]
        return np.asarray((self.gain * moved + self.offset).clamp(0.0, 1.0).numpy(), dtype=np.float32)


def overlay(
    image: Float[np.ndarray, "channel height width"], work: Float[np.ndarray, "channel height width"]
) -> Overlay:
    """The shift, scale and contrast that bring an image closest to a work; both in [0, 1]."""
    small, aim = (_small(torch.from_numpy(np.asarray(one)).double()) for one in (image, work))
    side = small.shape[-1]
    shifts = np.arange(-FURTHEST, FURTHEST + STEP / 2, STEP) / side
    changes = [(scale, float(x), float(y)) for scale in SCALES for y in shifts for x in shifts]
    moved = _moved(small, changes).flatten(1)
    flat = aim.flatten()
    centred, centre = moved - moved.mean(dim=1, keepdim=True), flat - flat.mean()
    spread = centred.square().sum(dim=1)
    gains = (centred @ centre / spread.clamp_min(1e-12)).clamp(*GAINS)
    offsets = flat.mean() - gains * moved.mean(dim=1)
    left = (gains[:, None] * moved + offsets[:, None] - flat).square().mean(dim=1)
    # Of equally good changes the smallest is taken, whatever rounding says.
    size = torch.tensor([abs(scale - 1.0) + abs(x) + abs(y) for scale, x, y in changes], dtype=torch.float64)
    best = int(torch.where(left <= left.min() + 1e-9, size, torch.inf).argmin())
    return Overlay(*changes[best], float(gains[best]), float(offsets[best]), float(left[best]))


def _small(image: Tensor) -> Tensor:
    return functional.adaptive_avg_pool2d(image, min(SEARCH_SIDE, image.shape[-1]))


def _moved(image: Tensor, changes: list[tuple[float, float, float]]) -> Float[Tensor, "change channel height width"]:
    """The image enlarged by a scale and then shifted by shares of its side; edges are continued."""
    scale, across, down = torch.tensor(changes, dtype=torch.float64).T
    rows = torch.zeros(len(changes), 2, 3, dtype=torch.float64)
    rows[:, 0, 0] = rows[:, 1, 1] = 1.0 / scale
    rows[:, 0, 2], rows[:, 1, 2] = -2.0 * across / scale, -2.0 * down / scale
    grid = functional.affine_grid(rows, [len(changes), *image.shape], align_corners=False)
    return functional.grid_sample(
        image.expand(len(changes), *image.shape), grid, mode="bilinear", padding_mode="border", align_corners=False
    )


def nearest_view(
    image: Float[np.ndarray, "channel height width"], works: Float[np.ndarray, "work channel height width"]
) -> tuple[int, Overlay]:
    """The place of the nearest of the first-ranked works, and the image's change towards it.

    ``works`` are in the order of a ranking that does not use the codes, best first. A work is the
    nearest if the least is left after the change; the first of equally near works counts.
    """
    overlays = [overlay(image, work) for work in works[:COMPARED]]
    place = int(np.argmin([one.difference for one in overlays]))
    return place, overlays[place]
