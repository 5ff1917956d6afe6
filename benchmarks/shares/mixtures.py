"""Outputs with a known mixture, and works that are registered twice.

A mixture starts from the noised blend of two works, lambda parts of one and 1 - lambda of the
other, in the middle of the schedule. So the parts of both works in the output are known up to the
members' own preference for one of them. A doubled work has a second, nearly equal copy with a code
of its own: both together should have the share that the work had alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors.numpy import load_file, save_file
from torch import Tensor

from attribution.denoisers.ensemble import Ensemble, mix
from attribution.images import from_pixels, to_pixels
from attribution.sampling.noise import standard_normal
from attribution.sampling.sampler import advance
from attribution.sampling.schedule import steps_of
from benchmarks.shares.sets import Set
from benchmarks.shares.truth import SAMPLER
from registry.home import write_atomically

PAIRS = 8
PARTS = (0.2, 0.4, 0.6, 0.8)
FROM = 0.8
"""sqrt(alpha_bar) at which the blend is noised: from more noise, members draw another picture."""


def pairs_of(works: Set) -> list[tuple[int, int]]:
    """Pairs of works of different rightsholders, without twins and doubled works."""
    special = {work for pair in works.twins for work in pair} | set(works.copy_of)
    plain = [work for work in range(works.count) if work not in special]
    order = np.random.default_rng(5).permutation(plain)
    found = [(int(one), int(other)) for one, other in zip(order[::2], order[1::2], strict=False)]
    return [pair for pair in found if works.rightsholder[pair[0]] != works.rightsholder[pair[1]]][:PAIRS]


@torch.no_grad()
def mixtures(works: Set, folder: Path, ensemble: Ensemble) -> Float[Tensor, "output channel height width"]:
    """One output per pair and part, clamped and rounded to bytes."""
    path = folder / "mixtures.safetensors"
    if not path.exists():
        images = works.images()
        x = torch.stack(
            [part * images[one] + (1 - part) * images[other] for one, other in pairs_of(works) for part in PARTS]
        )
        steps = [step for step in steps_of(SAMPLER) if step.sqrt_alpha_bar >= FROM]
        noise = [
            torch.from_numpy(standard_normal(77, draw, x[0].numel())).reshape(x.shape[1:]).float()
            for draw in range(len(steps) + 1)
        ]
        x, clean = steps[0].sqrt_alpha_bar * x + steps[0].sqrt_noise * noise[0], torch.zeros_like(x)
        for step, drawn in zip(steps, noise[1:], strict=True):
            x, clean = advance(step, x, mix(ensemble.predict(x, step.timestep), ensemble.uniform_weights()), clean)
            x = x + step.sigma * drawn
        pixels = to_pixels(x).numpy()
        write_atomically(path, lambda part: save_file({"pixels": pixels}, part))
    return from_pixels(load_file(path)["pixels"])


def closeness(works: Set, outputs: Float[Tensor, "output channel height width"]) -> Float[np.ndarray, " output"]:
    """The part of the first work in each output: its place on the line between the two works."""
    images, found = works.images().flatten(1).double(), []
    places = [pair for pair in pairs_of(works) for _ in PARTS]
    for (one, other), output in zip(places, outputs.flatten(1).double(), strict=True):
        way = images[one] - images[other]
        found.append(float(((output - images[other]) @ way) / (way @ way)))
    return np.array(found)
