"""Sampling from an ensemble under pinned noise: x_T = z_T, then step by step down to the image.

A sampler is a pure function of members, weights, noise and settings. It returns y, the output
*before* the final clipping to the range of an image: a clipped value has no derivative, so the
Jacobian and every estimate made from it refer to y, while people look at ``to_pixels(y)``. Clamping
y gives the output of diffusers' schedulers. A latent kind samples in its own space; y is then the
decoded image, also before clipping.

An observer sees x_t and every member's output at every step, so that sums over the trajectory need
no second run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from attribution.denoisers.ensemble import Ensemble, mix
from attribution.denoisers.space import Condition
from attribution.sampling.schedule import SamplerSettings, Step, steps_of
from registry.errors import UsageError

NO_RANGE = "latents have no range to clip to: sample with clip off (--no-clip)"


@dataclass(frozen=True)
class Observation:
    """The state of a sampler at one step."""

    step: Step
    x_t: Float[Tensor, "batch channel height width"]
    """In the members' space."""
    outputs: Float[Tensor, "member batch channel height width"]
    """F(x_t); zero where a row gives a member weight zero, since it is not evaluated there."""

    @property
    def sqrt_alpha_bar(self) -> float:
        """Share of the clean image's amplitude in x_t, from near 0 (noise) to near 1 (image)."""
        return self.step.sqrt_alpha_bar

    def clean_images(self) -> Float[Tensor, "member batch channel height width"]:
        """x0_i(x_t): the clean image that each member predicts, not clipped."""
        return predicted_clean(self.step, self.x_t, self.outputs)


Observer = Callable[[Observation], None]


def predicted_clean(step: Step, x_t: Tensor, eps: Tensor) -> Tensor:
    """The clean image that ``eps`` implies (Ho et al. 2020, equation 15); shapes broadcast."""
    return (x_t - step.sqrt_noise * eps) / step.sqrt_alpha_bar


def advance(step: Step, x_t: Tensor, eps: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """mu(x_t, eps), the next image without its noise, by the formula of :mod:`~.schedule`.

    ``before``: the clean image of the step before; zeros at the first step. Returns the next image
    and the clean image of this step.
    """
    clean = predicted_clean(step, x_t, eps)
    if step.clip:
        clean = clean.clamp(-1.0, 1.0)
    x_next = step.from_clean * clean
    if step.from_before:
        x_next = x_next + step.from_before * before
    if step.from_current:
        x_next = x_next + step.from_current * x_t
    if step.from_eps:
        x_next = x_next + step.from_eps * eps
    return x_next, clean


def check_inputs(
    ensemble: Ensemble, noise: Tensor, settings: SamplerSettings, weights: Tensor | None, condition: Condition | None
) -> None:
    """Refuse arguments whose shapes contradict each other.

    Raises:
        UsageError: names the argument and the expected shape.
    """
    if noise.ndim != 5 or noise.shape[1] < settings.draws:
        expected = f"batch x {settings.draws} x channel x height x width"
        raise UsageError(
            f"noise of shape {tuple(noise.shape)}: {settings.method} with {settings.steps} steps takes {expected}"
        )
    if weights is not None and tuple(weights.shape) not in {(ensemble.n,), (len(noise), ensemble.n)}:
        expected = f"({ensemble.n},) or ({len(noise)}, {ensemble.n})"
        raise UsageError(
            f"weights of shape {tuple(weights.shape)}, expected {expected}: one per member, or one row per sample"
        )
    if condition is not None and len(condition) != len(noise):
        raise UsageError(f"a condition of {len(condition)} rows, expected one for each of the {len(noise)} samples")
    if settings.clip and ensemble.space.latent:
        raise UsageError(NO_RANGE)


@torch.no_grad()
def sample(
    ensemble: Ensemble,
    noise: Float[Tensor, "batch draw channel height width"],
    settings: SamplerSettings,
    *,
    weights: Float[Tensor, " member"] | Float[Tensor, "batch member"] | None = None,
    condition: Condition | None = None,
    observe: Observer | None = None,
) -> Float[Tensor, "batch channel height width"]:
    """Draw one image per row of noise and return y, before clipping to [-1, 1].

    ``noise`` has the shape of the members' space, y that of an image. Device and type are those of
    the noise. ``weights`` default to u0, equal for all members; with weights per row, a member is
    evaluated only where its weight is not zero. ``observe`` is called at every step, noisiest
    first.

    Raises:
        UsageError: shapes that contradict each other.
    """
    check_inputs(ensemble, noise, settings, weights, condition)
    v = ensemble.uniform_weights() if weights is None else weights
    if settings.serve == "merged":
        return _sample_merged(ensemble, noise, settings, v, condition, observe)
    left_out = bool((v == 0).any())
    by_row = v.to(noise.device).expand(len(noise), -1) if left_out else None
    x = noise[:, 0]
    clean = torch.zeros_like(x)
    for index, step in enumerate(steps_of(settings)):
        outputs = ensemble.predict(x, step.timestep, condition, by_row)
        if observe is not None:
            observe(Observation(step, x, outputs))
        x, clean = advance(step, x, mix(outputs, v), clean)
        if step.sigma:
            x = x + step.sigma * noise[:, index + 1]
    return ensemble.space.decode(x)


def _sample_merged(
    ensemble: Ensemble,
    noise: Tensor,
    settings: SamplerSettings,
    weights: Tensor,
    condition: Condition | None,
    observe: Observer | None,
) -> Tensor:
    """Rows of equal weights together, each from the one member that these weights make."""
    alone = replace(settings, serve="mean")
    distinct, place = torch.unique(weights.cpu().expand(len(noise), -1), dim=0, return_inverse=True)
    drawn: list[Tensor] = []
    order: list[Tensor] = []
    for number, own in enumerate(distinct):
        rows = (place == number).nonzero().flatten()
        part = None if condition is None else condition[rows]
        drawn.append(sample(ensemble.merged(own), noise[rows.to(noise.device)], alone, condition=part, observe=observe))
        order.append(rows)
    return torch.cat(drawn)[torch.argsort(torch.cat(order)).to(noise.device)]


def saturated_fraction(y: Float[Tensor, "batch channel height width"]) -> Float[Tensor, " batch"]:
    """Share of each output's values outside [-1, 1]: the picture has no derivative there."""
    return (y.abs() > 1.0).double().mean(dim=(1, 2, 3))
