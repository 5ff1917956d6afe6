"""The smallest change of an image that turns a verdict by similarity: attacks by gradients.

For a rival class b the *margin* is the distance to b less that to the verdict a; the verdict
turns where a margin falls below 0. Two norms, in grey levels of 8-bit images:

- L2: DeepFool (Moosavi-Dezfooli et al. 2016): at each step the image moves along the gradient of
  the margin that is nearest to 0 in first order, by ``margin / |gradient|``. For pixels the margin
  is linear, so the first step is the closed form: the distance to the hyperplane between two works.
- L-infinity: for a bound of e levels, projected gradient steps along the sign of the gradient, from
  the image's own pixels; bisection over whole levels finds the smallest bound that turns it.

The answer is an image of 8 bits: it is rounded and cut to 0..255, shown to the similarity again,
and only then its norm is taken. An attack finds *a* small change; a smaller one may exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from attribution.firmness.changes import Picture
from attribution.firmness.similarity import Similarity, as_tensor
from attribution.metrics.euclidean import NotMeasured

RIVALS = 3
"""Rivals whose margins are followed: the nearest ones."""
STEPS, INNER = 30, 12
"""Steps of DeepFool, and of projected gradients for one bound."""
OVERSHOOT = 1.02
MOST_LEVELS = 64
"""The largest bound that is tried: a change of a quarter of the range is no small one."""


@dataclass(frozen=True, eq=False)
class Flip:
    """A changed image with another verdict."""

    image: Picture = field(repr=False)
    unit: int
    """The new verdict."""
    l2: float
    """Length of the change over all values, in grey levels."""
    linf: int
    """The largest change of a value, in grey levels."""

    @classmethod
    def of(cls, similarity: Similarity, before: Picture, after: Picture) -> Flip | None:
        """The change between two images; None: the verdict stays."""
        unit = similarity.nearest(after)
        if unit == similarity.nearest(before):
            return None
        return cls(after, unit, *norms(before, after))


def norms(before: Picture, after: Picture) -> tuple[float, int]:
    """L2 and L-infinity norm of a change, in grey levels."""
    change = after.astype(np.int64) - before.astype(np.int64)
    return float(np.sqrt((change**2).sum())), int(np.abs(change).max(initial=0))


def smallest_l2(similarity: Similarity, image: Picture) -> Flip | NotMeasured:
    """A change of small L2 norm that turns the verdict."""
    if len(similarity.distinct) < 2:
        return NotMeasured("no other unit is compared with the image")
    found: list[Flip] = []
    for direction in _deepfool(similarity, image):
        found += _along(similarity, image, lambda scale, way=direction: _rounded(image, scale * way))  # type: ignore[misc]  # mypy cannot infer defaults
        # Below half a level rounding undoes a change: then whole levels, the steepest values first.
        order, sign = np.argsort(-np.abs(direction), axis=None, kind="stable"), np.sign(direction)
        found += _along(similarity, image, lambda scale, way=sign, first=order: _some(image, scale, way, first))  # type: ignore[misc]  # as above
    if not found:
        return NotMeasured(f"no change was found in {STEPS} steps")
    return min(found, key=lambda flip: flip.l2)


def smallest_linf(similarity: Similarity, image: Picture) -> Flip | NotMeasured:
    """A change of small L-infinity norm that turns the verdict."""
    if len(similarity.distinct) < 2:
        return NotMeasured("no other unit is compared with the image")
    best: Flip | None = None
    low, high = 0, 1
    while high <= MOST_LEVELS and (best := _within(similarity, image, high)) is None:
        low, high = high, 2 * high
    if best is None:
        return NotMeasured(f"no change of up to {MOST_LEVELS} grey levels was found")
    while best.linf - low > 1:
        middle = (low + best.linf) // 2
        smaller = _within(similarity, image, middle)
        low, best = (middle, best) if smaller is None else (low, smaller)
    return best


def _margins(
    similarity: Similarity, at: Tensor, verdict: int, rivals: list[int]
) -> list[tuple[float, Float64[np.ndarray, "channel height width"]]]:
    """The margin of each rival and its gradient, over pixels in grey levels."""
    found = []
    for rival in rivals:
        image = at.clone().requires_grad_(True)
        distances = similarity.distances(image)[0]
        margin = distances[rival] - distances[verdict]
        (slope,) = torch.autograd.grad(margin, image)
        # A deviation over a constant map has no slope at 0: such values do not move.
        found.append((float(margin.detach()), np.nan_to_num(slope[0].double().numpy()) / 255.0))
    return found


def _rivals(similarity: Similarity, image: Picture) -> tuple[int, list[int]]:
    """Places of the verdict and of its nearest rivals among the distinct units."""
    verdict = int(np.searchsorted(similarity.distinct, similarity.nearest(image)))
    with torch.no_grad():
        order = similarity.distances(as_tensor(image))[0].argsort(stable=True).tolist()
    return verdict, [place for place in order if place != verdict][:RIVALS]


def _deepfool(similarity: Similarity, image: Picture) -> Iterator[np.ndarray]:
    """Directions (height, width, channel) in grey levels whose ends turn the verdict, the first one
    towards the nearest hyperplane.
    """
    verdict, rivals = _rivals(similarity, image)
    start = as_tensor(image)
    change = np.zeros(tuple(start.shape[1:]))
    for step in range(STEPS):
        at = (start + torch.from_numpy(change)[None] / 255.0).clamp(0.0, 1.0)
        margins = _margins(similarity, at, verdict, rivals)
        if min(margin for margin, _ in margins) < 0:
            break
        lengths = [max(float(np.sqrt((slope**2).sum())), 1e-15) for _, slope in margins]
        nearest = min(range(len(rivals)), key=lambda place: margins[place][0] / lengths[place])
        margin, slope = margins[nearest]
        change = change - OVERSHOOT * (margin + 1e-12) / lengths[nearest] ** 2 * slope
        change = np.clip(255.0 * start[0].numpy() + change, 0.0, 255.0) - 255.0 * start[0].numpy()
        if step == 0 and np.any(change):
            yield np.moveaxis(change, 0, -1)
    if np.any(change):
        yield np.moveaxis(change, 0, -1)


def _along(similarity: Similarity, image: Picture, shown: Callable[[float], Picture]) -> list[Flip]:
    """The first flip along a path of images, scale 1 being where the attack ended; or none."""
    low, high = 0.0, 1.0
    flip = Flip.of(similarity, image, shown(high))
    while flip is None and high < 16:
        low, high = high, 1.5 * high
        flip = Flip.of(similarity, image, shown(high))
    if flip is None:
        return []
    for _ in range(INNER):
        middle = (low + high) / 2
        smaller = Flip.of(similarity, image, shown(middle))
        low, high, flip = (middle, high, flip) if smaller is None else (low, middle, smaller)
    return [flip]


def _rounded(image: Picture, change: np.ndarray) -> Picture:
    return np.asarray(np.clip(np.rint(image + change), 0, 255), np.uint8)


def _some(image: Picture, scale: float, sign: np.ndarray, order: np.ndarray) -> Picture:
    """The image with a part of its values, in this order, moved by one level; 1 is a tenth."""
    moved = np.zeros(image.size)
    places = order[: max(1, round(min(scale / 10, 1.0) * image.size))]
    moved[places] = sign.reshape(-1)[places]
    return _rounded(image, moved.reshape(image.shape))


def _within(similarity: Similarity, image: Picture, levels: int) -> Flip | None:
    """A flip within a bound of whole levels, for the first rival that has one."""
    verdict, rivals = _rivals(similarity, image)
    start = 255.0 * as_tensor(image)[0].numpy()
    for rival in rivals:
        change = np.zeros_like(start)
        step = max(1.0, levels / 4)
        for number in range(INNER):
            at = torch.from_numpy(np.clip(start + change, 0.0, 255.0) / 255.0)[None]
            ((_, slope),) = _margins(similarity, at, verdict, [rival])
            # The first step goes to the corner of the bound: for a linear margin that is the best.
            change = np.clip(change - (levels if number == 0 else step) * np.sign(slope), -levels, levels)
            flip = Flip.of(similarity, image, _rounded(image, np.moveaxis(change, 0, -1)))
            if flip is not None:
                return flip
    return None
