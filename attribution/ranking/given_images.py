"""Images that stand for those that a user may give: works, noised again.

Two sorts of work are to some members what an image from outside is to all of them:

- A work of the encoding is new to the members that did not see its unit. Only these members grade
  rankers on it.
- A registered work that is in no unit is new to all members. It must be permitted, as a work to
  train on must be: whoever reserved their work did not offer it for this either.

At most :data:`GIVEN_IMAGES` works are used, so grading costs the members' predictions on that many
images and nothing else. The predictions are those of an audit of the image. They are kept, and
`creditline evaluate` measures its power on the same works of the encoding first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from attribution.engines.device import Device
from attribution.ensemble.serving import ServingEnsemble
from attribution.images import pixels_of, read_work, to_unit_range
from attribution.ranking.encoded_works import EncodedWorks
from attribution.ranking.grading import GradedImages
from attribution.ranking.rankers.interface import Images
from attribution.ranking.rankers.member_lds import FEWEST_MEMBERS
from attribution.sampling.image_predictions import PredictionTask, measure_predictions, prediction_task, predictions_of
from attribution.training.dataset import TrainingSet, training_labels
from registry.errors import IntegrityError
from registry.storage.database import Registry
from registry.works.queries import works_kept_out

GIVEN_IMAGES = 48
"""Works to grade on, at most."""
KEPT_OUT = 24
"""Works among them that are in no unit, at most."""
SEED = 0
"""Of the random order of the works; the same as of `creditline evaluate` by default."""


def given_images(
    registry: Registry,
    ensemble: ServingEnsemble,
    encoded: EncodedWorks,
    training_set: TrainingSet,
    device: Device,
    measure: bool = True,
    on_progress: Callable[[int, int], object] = lambda _done, _total: None,
) -> GradedImages:
    """Works as images from outside, with the losses of the members that did not see them.

    ``measure``: whether to measure missing predictions; else, and where the home can only be read,
    only works with predictions are used.
    ``on_progress`` gets (works just measured, works in all).
    """
    shown = _kept_out(registry, ensemble, device)
    rows = _unseen_by_enough(encoded)[: GIVEN_IMAGES - len(shown)]
    labels = training_labels(ensemble.settings, training_set, [encoded.hashes[row] for row in rows])
    for row, picture, label in zip(rows, encoded.pictures(rows), labels, strict=True):
        sha256, pixels = encoded.hashes[row], picture.reshape(encoded.shape)
        task = prediction_task(registry.home, ensemble, device.name, sha256, pixels, label)
        shown.append(_Shown(sha256, int(encoded.unit_of_work[row]), task))
    if measure and registry.writable:
        measure_predictions([one.task for one in shown], device, on_progress)
    shown = [one for one in shown if one.task.measured]
    losses = np.empty((len(shown), len(ensemble.indices)))
    for place, one in enumerate(shown):
        losses[place] = predictions_of(one.task).member_loss
        if one.unit >= 0:
            losses[place, encoded.membership[one.unit]] = np.nan
    values = np.array([(one.task.image.reshape(-1) + 1.0) / 2.0 for one in shown], dtype=np.float32)
    images = Images(
        values.reshape(len(shown), math.prod(encoded.shape)),
        encoded.shape,
        tuple(frozenset({one.sha256}) for one in shown),
        tuple(one.task.label for one in shown),
    )
    return GradedImages(images, losses, np.array([one.unit for one in shown], dtype=np.int64))


@dataclass(frozen=True, eq=False)
class _Shown:
    """A work, and the measurement of the members' predictions on it."""

    sha256: str
    unit: int
    """-1: in no unit."""
    task: PredictionTask


def _kept_out(registry: Registry, ensemble: ServingEnsemble, device: Device) -> list[_Shown]:
    """Permitted works in no unit; none for members of a class, since their class is not known."""
    if ensemble.settings.label_column is not None:
        return []
    found = []
    for sha256, path in works_kept_out(registry, ensemble.encoding.id, KEPT_OUT):
        try:
            picture = read_work(path, sha256)
        except IntegrityError:
            # `creditline doctor` names files that are gone or altered; grading has others.
            continue
        pixels = np.moveaxis(to_unit_range(pixels_of(picture, ensemble.settings.image)), -1, 0)
        found.append(_Shown(sha256, -1, prediction_task(registry.home, ensemble, device.name, sha256, pixels, None)))
    return found


def _unseen_by_enough(encoded: EncodedWorks) -> Int64[np.ndarray, " row"]:
    """Testable works that enough members did not see, in random order."""
    testable = np.flatnonzero([int(unit) not in encoded.not_testable for unit in encoded.unit_of_work])
    order = np.random.default_rng(SEED).permutation(testable)
    unseen = (~encoded.membership).sum(axis=1)[encoded.unit_of_work[order]]
    return np.asarray(order[unseen >= FEWEST_MEMBERS], dtype=np.int64)
