"""Members' predictions for images that were not generated here, kept by image and members.

Such an image is noised at every step of the schedule and shown to all members
(:func:`attribution.sampling.predictions.renoise`). The predictions depend on the image, its label
and the members alone, so they are measured once, whatever asks for them: an audit of the image, the
grading of rankers, a measurement of the test's power.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float

from attribution.denoisers.interface import Prompt
from attribution.engines.device import Device, run_tasks
from attribution.ensemble.serving import ServingEnsemble, open_ensemble
from attribution.sampling.predictions import (
    OUTSIDE_SPACING,
    MemberPredictions,
    load_predictions,
    looks_at_once,
    renoise,
    save_predictions,
)
from attribution.sampling.requests import default_sampler
from attribution.sampling.schedule import SamplerSettings
from registry.home import Home
from registry.ids import full_id


@dataclass(frozen=True)
class PredictionTask:
    """An outside image, for measuring the members' predictions."""

    home: Home
    ensemble: ServingEnsemble
    sampler: SamplerSettings
    key: str
    """Name of the file to write."""
    seed: int
    image: np.ndarray = field(repr=False)
    """f32[channel, height, width] in [-1, 1]"""
    label: str | None
    device: str

    @property
    def measured(self) -> bool:
        """Whether the predictions are there."""
        return self.home.image_predictions(self.key).exists()


def prediction_task(
    home: Home,
    ensemble: ServingEnsemble,
    device: str,
    sha256: str,
    pixels: Float[np.ndarray, "channel height width"],
    label: str | None,
) -> PredictionTask:
    """A measurement of predictions on an outside image: file's hash, pixels in [0, 1]."""
    sampler = default_sampler(ensemble.settings)
    asked = {
        "image": sha256,
        "members": ensemble.members_sha256,
        "label": label,
        "spacing": OUTSIDE_SPACING,
        **sampler.to_json(),
    }
    return PredictionTask(
        home=Home(home.root.resolve()),
        ensemble=ensemble,
        sampler=sampler,
        key=full_id("contrasts", asked),
        seed=seed_of_image(sha256),
        image=2.0 * pixels - 1.0,
        label=label,
        device=device,
    )


def measure_predictions(
    tasks: Sequence[PredictionTask],
    device: Device,
    on_progress: Callable[[int, int], object] = lambda _done, _total: None,
) -> None:
    """Measure missing predictions; ``on_progress`` gets (images just done, images in all)."""
    work = list({task.key: task for task in tasks if not task.measured}.values())
    for _ in run_tasks(write_image_predictions, work, device, lambda _, done: on_progress(done, len(work))):
        pass


def predictions_of(task: PredictionTask) -> MemberPredictions:
    """The measured predictions.

    Raises:
        IntegrityError: the file is missing or has other contents.
    """
    return load_predictions(task.home.image_predictions(task.key))[0]


def write_image_predictions(task: PredictionTask, report: Callable[[int], None]) -> str:
    """Measure an image's predictions and keep them; returns the key."""
    ensemble = open_ensemble(task.home, task.ensemble, task.device)
    image = torch.from_numpy(task.image).to(task.device)
    condition = task.ensemble.settings.condition(Prompt(task.label), device=task.device)
    at_once = looks_at_once(task.ensemble.settings.network.rows_at_once(task.device))
    predictions = renoise(ensemble, image, task.sampler, task.seed, condition, OUTSIDE_SPACING, at_once)
    save_predictions(task.home.image_predictions(task.key), predictions)
    report(1)
    return task.key


def seed_of_image(sha256: str) -> int:
    """The seed of an outside image's noise: a function of its content."""
    return int.from_bytes(hashlib.sha256(f"creditline-renoise/{sha256}".encode()).digest()[:8], "little") >> 1
