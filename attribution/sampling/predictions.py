"""Member predictions: the clean image that each member alone predicts.

The directional statistic of :mod:`attribution.evidence.randomisation` compares the clean images
x0_i(x_t) that members predict, and needs only their sums over steps. The sums are kept per band of
the schedule, so that a later audit can weight steps differently without running a network.

Samples and outside images alike are noised again and shown to the members (:func:`renoise`). Along
a sample's own trajectory every step repeats the same noise; fresh noise averages out and finds 1.5
times as many works at the 1 % level (``benchmarks/results/evidence/choices.json``). Noise comes in
pairs z and -z, whose linear effects cancel: a pair at every second step finds as much as two
independent draws at every step. The same evaluations give each member's denoising loss on the
image, for member-LDS.

A sample may ask for fewer *looks* (:attr:`attribution.sampling.schedule.SamplerSettings.looks`):
a pair in each of half as many parts of the schedule. Each look counts with the weight of its part
in the test, so the sums keep their expectation, and effects keep their scale. What chance in the
noise adds to a look grows with its amount, so the parts are such that each has the same weight
times amount of noise: steps near the image say the same under any noise, and need few looks.

A latent kind's predictions stay latents: decoding them would take n images per band and, for images
of 512 pixels, 48 times the memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch import Tensor

from attribution.denoisers.ensemble import Ensemble
from attribution.denoisers.space import Condition
from attribution.sampling.noise import standard_normal
from attribution.sampling.sampler import Observation
from attribution.sampling.schedule import SamplerSettings, Step, steps_of
from registry.errors import IntegrityError
from registry.home import write_atomically

BAND_EDGES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.85, 0.95, 1.0)
"""Bands of sqrt(alpha_bar), the share of the clean image in x_t, from noise to image."""
STEP_WEIGHTS = (0.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
"""Weight of a step by band, in the test; noisy steps say little."""
SPACING, OUTSIDE_SPACING = 2, 1
"""Steps between pairs of noise images: for a sample, and for an outside image."""
NOISIEST = 0.1
"""Members are not shown steps with a smaller sqrt(alpha_bar)."""
LOOKS_A_ROW, MOST_LOOKS_AT_ONCE = 16, 256
"""Noised views in one batch: for each row of a sampling batch, and in all."""
RENOISE_STREAM = 1 << 20
"""First noise stream of :func:`renoise`; sampling uses smaller ones."""


@dataclass(frozen=True)
class MemberPredictions:
    """The sums over the steps, and the members' losses on one image."""

    clean_sum: Float32[np.ndarray, "band member value"]
    """P: predicted clean images in the members' space, pixels in [-1, 1] or latents, flattened
    channel by channel."""
    band_steps: Float64[np.ndarray, " band"]
    """Number of steps in each band; of few looks, how much they count there."""
    member_loss: Float64[np.ndarray, " member"]
    """Mean squared error of each member's noise prediction on the image, noised again."""

    def tensors(self) -> dict[str, np.ndarray]:
        """The arrays by stored name."""
        return {
            "clean_sum": self.clean_sum,
            "band_steps": self.band_steps,
            "member_loss": self.member_loss,
        }


class PredictionSums:
    """Sums :class:`MemberPredictions` over steps, row by row; can observe a sampler."""

    def __init__(self, ensemble: Ensemble, x: Float[Tensor, "batch channel height width"]) -> None:
        """``x``: any batch in the members' space, for its shape and device."""
        bands = len(BAND_EDGES) - 1
        self.clean_sum = torch.zeros(bands, ensemble.n, len(x), x[0].numel(), dtype=torch.float64)
        self.band_steps = np.zeros(bands)

    def __call__(self, observation: Observation) -> None:
        self.add(observation, 1.0)

    def add(self, observation: Observation, weight: float) -> None:
        """Add a step, as if it had been seen ``weight`` times."""
        band = band_of(observation.sqrt_alpha_bar)
        clean = observation.clean_images().flatten(2).double().cpu()
        self.clean_sum[band] += weight * clean
        self.band_steps[band] += weight

    def row(self, index: int, member_loss: Float64[np.ndarray, " member"]) -> MemberPredictions:
        """The sums of one row of the batch."""
        return MemberPredictions(
            clean_sum=self.clean_sum[:, :, index].float().numpy(),
            band_steps=self.band_steps.copy(),
            member_loss=member_loss,
        )


def band_of(sqrt_alpha_bar: float) -> int:
    """The band of a step; a step on an edge belongs to the noisier band."""
    return max(0, int(np.searchsorted(BAND_EDGES, sqrt_alpha_bar, side="left")) - 1)


@dataclass(frozen=True)
class NoisedView:
    """One noised view of an image: a step's amount of noise, and a noise image's number."""

    step: Step
    pair: int
    sign: float
    """1 or -1: the two views of a pair have opposite noise."""
    weight: float = 1.0
    """How often the view counts in the sums: where there are few, for its part of the schedule."""

    def noise(self, seed: int, clean: Float[Tensor, "channel height width"]) -> Float[Tensor, "channel height width"]:
        """The noise, a function of the seed."""
        values = standard_normal(seed, RENOISE_STREAM + self.pair, clean.numel()).reshape(clean.shape)
        return self.sign * torch.from_numpy(values).to(clean)

    def noised(self, clean: Tensor, noise: Tensor) -> Tensor:
        """x_t: the image under the noise."""
        return self.step.sqrt_alpha_bar * clean + self.step.sqrt_noise * noise


def noised_views(settings: SamplerSettings, spacing: int = SPACING) -> list[NoisedView]:
    """Pairs of views at every ``spacing``-th step above :data:`NOISIEST`, the last included.

    Where the sampler asks for a number of looks: half as many pairs, each at the middle of a part
    of the schedule.
    """
    steps = [step for step in steps_of(settings) if step.sqrt_alpha_bar > NOISIEST]
    if settings.looks:
        return _few_views([step for step in steps if weight_of(step)], settings.looks)
    chosen = steps[(len(steps) - 1) % spacing :: spacing]
    return [NoisedView(step, pair, sign) for pair, step in enumerate(chosen) for sign in (1.0, -1.0)]


def _few_views(steps: Sequence[Step], looks: int) -> list[NoisedView]:
    if not steps:
        return []
    levels = looks // 2
    weights = np.array([weight_of(step) for step in steps])
    total = np.cumsum(weights)
    spread = np.cumsum(weights * [step.sqrt_noise for step in steps])
    # A step spreads evenly over its share of either sum, so a part may begin or end within one.
    bounds = np.interp(np.linspace(0.0, spread[-1], levels + 1), [0.0, *spread], [0.0, *total])
    middles = (bounds[:-1] + bounds[1:]) / 2.0
    chosen = [steps[place] for place in np.searchsorted(total, middles)]
    counts = np.diff(bounds) / [weight_of(step) for step in chosen]
    counts *= levels / counts.sum()
    return [
        NoisedView(step, pair, sign, float(count))
        for pair, (step, count) in enumerate(zip(chosen, counts, strict=True))
        for sign in (1.0, -1.0)
    ]


def looks_at_once(rows: int) -> int:
    """The noised views in one batch, where a sampling batch has ``rows`` rows."""
    return min(LOOKS_A_ROW * rows, MOST_LOOKS_AT_ONCE)


def weight_of(step: Step) -> float:
    """The weight of a step in the test."""
    return STEP_WEIGHTS[band_of(step.sqrt_alpha_bar)]


def renoise(
    ensemble: Ensemble,
    image: Float[Tensor, "channel height width"],
    settings: SamplerSettings,
    seed: int,
    condition: Condition | None = None,
    spacing: int = SPACING,
    rows_at_once: int = LOOKS_A_ROW,
) -> MemberPredictions:
    """Noise an image at steps of the sampler, and predict the clean image with each member.

    The noise is a function of ``seed``, in pairs of opposite sign. Losses are taken over the middle
    steps, where members disagree about the picture more than about grain.

    ``image``: any image in [-1, 1] at the ensemble's size, generated here or not. ``condition`` has
    one row. ``spacing``: 1: a pair at every step; 2: at every second step, and so on.
    ``rows_at_once``: noised images at once; changes memory and speed, and results by rounding only.
    """
    views = noised_views(settings, spacing)
    clean = ensemble.space.encode(image[None])
    return _renoise(ensemble, clean, views, [seed], condition, rows_at_once)[0]


def renoise_together(
    ensemble: Ensemble,
    images: Float[Tensor, "batch channel height width"],
    settings: SamplerSettings,
    seeds: Sequence[int],
    condition: Condition | None = None,
    rows_at_once: int = 64,
) -> Iterator[MemberPredictions]:
    """:func:`renoise` of a batch of images in as few batches of looks, in order.

    The result of an image does not depend on its place in the batch, nor on the other images.
    ``condition`` has a row for each image.
    """
    views = noised_views(settings)
    most = max(1, rows_at_once // max(1, len(views)))
    together = max(size for size in range(1, len(images) + 1) if len(images) % size == 0 and size <= most)
    clean = ensemble.space.encode(images)
    for start in range(0, len(images), together):
        places = torch.arange(start, start + together)
        part = None if condition is None else condition[places]
        rows = min(rows_at_once, together * len(views))
        yield from _renoise(ensemble, clean[places], views, seeds[start : start + together], part, max(1, rows))


@torch.no_grad()
def _renoise(
    ensemble: Ensemble,
    clean: Float[Tensor, "batch channel height width"],
    views: Sequence[NoisedView],
    seeds: Sequence[int],
    condition: Condition | None,
    rows_at_once: int,
) -> list[MemberPredictions]:
    sums = [PredictionSums(ensemble, one[None]) for one in clean]
    loss = torch.zeros(len(clean), ensemble.n, dtype=torch.float64)
    looks = [(place, view) for place in range(len(clean)) for view in views]
    for start in range(0, len(looks), rows_at_once):
        part = looks[start : start + rows_at_once]
        noise = torch.stack([view.noise(seeds[place], clean[place]) for place, view in part])
        x_t = torch.stack([view.noised(clean[place], z) for (place, view), z in zip(part, noise, strict=True)])
        t = torch.tensor([view.step.timestep for _, view in part], device=clean.device)
        repeated = None if condition is None else condition[torch.tensor([place for place, _ in part])]
        outputs = ensemble.predict(x_t, t, repeated)
        for row, (place, view) in enumerate(part):
            sums[place].add(Observation(view.step, x_t[row : row + 1], outputs[:, row : row + 1]), view.weight)
            if is_middle(view.step):
                loss[place] += (outputs[:, row] - noise[row]).double().square().flatten(1).mean(dim=1).cpu()
    counted = max(1, sum(is_middle(view.step) for view in views))
    return [found.row(0, (each / counted).numpy()) for found, each in zip(sums, loss, strict=True)]


def is_middle(step: Step) -> bool:
    """Whether a step lies where the picture is decided: 0.1 < sqrt(alpha_bar) <= 0.95."""
    return NOISIEST < step.sqrt_alpha_bar <= 0.95


def save_predictions(path: Path, predictions: MemberPredictions, **further: np.ndarray) -> None:
    """Write the sums and further arrays as safetensors."""
    tensors = {name: np.ascontiguousarray(array) for name, array in {**predictions.tensors(), **further}.items()}
    write_atomically(path, lambda part: save_file(tensors, part, {"format": "creditline-contrasts-1"}))


def load_sample(path: Path) -> tuple[MemberPredictions, Float32[np.ndarray, "channel height width"]]:
    """A sample's member predictions, and its image in [0, 1], clipped but not rounded.

    Raises:
        IntegrityError: the file is missing or has other contents.
    """
    predictions, further = load_predictions(path)
    if "output" not in further:
        raise IntegrityError(f"{path} holds no sample's output: generate it again")
    return predictions, (np.clip(further["output"], -1.0, 1.0) + 1.0) / 2.0


def load_predictions(path: Path) -> tuple[MemberPredictions, dict[str, np.ndarray]]:
    """Read the sums back, with the further arrays of the file.

    Raises:
        IntegrityError: the file is missing or has other contents.
    """
    try:
        tensors = load_file(path)
        predictions = MemberPredictions(**{name: tensors.pop(name) for name in MemberPredictions.__dataclass_fields__})
    except (OSError, SafetensorError, KeyError) as error:
        raise IntegrityError(f"{path} cannot be read ({error}): generate or audit it again") from error
    return predictions, tensors
