"""Denoising losses of the ensemble and of its members: is the ensemble better than a member?

No work is held out from all members, but each is held out from the members whose bit is 0: their
loss is the one to compare with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64

from attribution.audit.auditor import Auditor
from attribution.ensemble.serving import open_ensemble
from attribution.evidence.randomisation import has_contrast
from attribution.sampling.image_predictions import seed_of_image
from attribution.sampling.noise import standard_normal
from attribution.sampling.predictions import is_middle
from attribution.sampling.requests import default_sampler
from attribution.sampling.schedule import steps_of
from registry.errors import UsageError

STEPS = 8
"""Steps of the schedule, spread over its middle, at which losses are measured."""
STREAM = 1 << 21
"""First noise stream; sampling and re-noised images use smaller ones."""


@dataclass(frozen=True, eq=False)
class Losses:
    """Mean squared errors of the predicted noise, a row per work."""

    ensemble: Float64[np.ndarray, " work"]
    """Error of the mean of all members' predictions."""
    seen: Float64[np.ndarray, " work"]
    """Mean error of the members that saw the work."""
    unseen: Float64[np.ndarray, " work"]
    """Mean error of the members that did not see the work."""


def losses_on(
    auditor: Auditor, count: int, seed: int, on_progress: Callable[[int, int], object] = lambda _done, _total: None
) -> Losses:
    """Losses on up to ``count`` random works that some members saw and some did not.

    Raises:
        UsageError: there is no such work, or the members are conditional on a class.
    """
    context = auditor.context
    if context.ensemble.settings.label_column is not None:
        raise UsageError("the members are conditioned on a class, for which this is not measured")
    encoded = context.encoded
    membership = encoded.membership[encoded.unit_of_work]
    usable = np.flatnonzero(has_contrast(membership))
    if not len(usable):
        raise UsageError("every work was seen by all members that serve, or by none")
    chosen = np.sort(np.random.default_rng(seed).permutation(usable)[:count])
    ensemble = open_ensemble(context.registry.home, context.ensemble, auditor.device.name)
    middle = [step for step in steps_of(default_sampler(context.ensemble.settings)) if is_middle(step)]
    steps = [middle[place] for place in np.unique(np.linspace(0, len(middle) - 1, STEPS).round().astype(int))]
    rows = []
    for row in chosen:
        image = torch.from_numpy(2.0 * encoded.pictures(np.array([row])).reshape(encoded.shape) - 1.0).float()
        key = seed_of_image(encoded.hashes[row])
        clean = ensemble.space.encode(image[None])[0]
        noise = torch.stack(
            [
                torch.from_numpy(standard_normal(key, STREAM + place, clean.numel()).reshape(clean.shape))
                for place in range(len(steps))
            ]
        )
        shown = torch.stack(
            [step.sqrt_alpha_bar * clean + step.sqrt_noise * z for step, z in zip(steps, noise, strict=True)]
        ).to(auditor.device.name)
        t = torch.tensor([step.timestep for step in steps], device=auditor.device.name)
        with torch.no_grad():
            predicted = ensemble.predict(shown, t).cpu().double()
        target = noise.double()
        member_loss = (predicted - target).square().flatten(1).mean(dim=1).numpy()
        together = float((predicted.mean(dim=0) - target).square().mean())
        rows.append((together, member_loss[membership[row]].mean(), member_loss[~membership[row]].mean()))
        on_progress(1, len(chosen))
    table = np.array(rows, dtype=np.float64)
    return Losses(table[:, 0], table[:, 1], table[:, 2])
