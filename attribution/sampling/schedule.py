"""The noise schedule and the steps of a sampler, reduced to the few numbers that a step needs.

Every sampler here moves from x_t to the next, less noisy image by

    clean  = (x_t - sqrt(1 - alpha_bar_t) eps) / sqrt(alpha_bar_t)
    x_next = from_clean clip(clean) + from_current x_t + from_eps eps + sigma z

where ``clean`` is the clean image that eps implies. DDPM (Ho et al. 2020, equations 6 and 7) and
DDIM (Song et al. 2021, equation 12 with eta = 0) differ in four coefficients only, and the Jacobian
of the formula is written once.

>>> [step.timestep for step in steps_of(SamplerSettings(steps=4))]
[750, 500, 250, 0]
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from attribution.denoisers.schedule import alpha_bars
from attribution.ensemble.recipe import TrainingSettings
from registry.errors import InputError, UsageError

Method = Literal["ddpm", "ddim"]


@dataclass(frozen=True)
class SamplerSettings:
    """How a sample is drawn; stored with the sample. Defaults are those of the ABC paper.

    Raises:
        UsageError: a value is outside its range.
    """

    method: Method = "ddpm"
    """``ddpm``: ancestral sampling with the posterior's variance. ``ddim``: the deterministic
    sampler, eta = 0."""
    steps: int = 50
    """Network evaluations per sample, spread evenly ("leading" spacing): the last is at t = 0."""
    train_steps: int = 1000
    """T: length of the members' training schedule."""
    beta_start: float = 1e-4
    beta_end: float = 0.02
    """The variances added by the first and the last training step; linear in between."""
    clip: bool = True
    """Whether intermediate steps clamp the predicted clean image to [-1, 1]; the last step never
    does. False for latents, which have no such range."""

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise UsageError(f"unknown sampler {self.method!r}: choose one of {', '.join(get_args(Method))}")
        if not 1 <= self.steps <= self.train_steps:
            raise UsageError(
                f"{self.steps} sampling steps of {self.train_steps}: choose between 1 and {self.train_steps}"
            )
        if not 0 < self.beta_start <= self.beta_end < 1:
            raise UsageError(
                f"betas from {self.beta_start} to {self.beta_end}: expected 0 < beta_start <= beta_end < 1"
            )

    @property
    def draws(self) -> int:
        """Number of noise images per sample: the start, and one per stochastic step."""
        return self.steps if self.method == "ddpm" else 1

    def to_json(self) -> dict[str, Any]:
        """The settings, as stored with a sample."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> SamplerSettings:
        """Read stored settings back.

        Raises:
            InputError: a field is missing, unknown or of another type.
            UsageError: a value is outside its range.
        """
        expected = {field.name: type(field.default) for field in fields(cls)}
        if set(document) != set(expected):
            raise InputError(f"sampler settings have fields {sorted(document)}, expected {sorted(expected)}")
        values: dict[str, Any] = {}
        for name, kind in expected.items():
            value = document[name]
            # Some writers of JSON write 1.0 as 1; true is never a number here.
            if kind is float and type(value) is int:
                value = float(value)
            if type(value) is not kind:
                raise InputError(f"sampler setting {name} is {value!r}, expected {kind.__name__}")
            values[name] = value
        return cls(**values)


@dataclass(frozen=True)
class Step:
    """One step of the module's formula; ``alpha_bar`` is the share of signal variance in x_t."""

    timestep: int
    alpha_bar: float
    from_clean: float
    from_current: float
    from_eps: float
    sigma: float
    clip: bool
    """Whether this step clamps the predicted clean image to [-1, 1]."""

    @property
    def sqrt_alpha_bar(self) -> float:
        return math.sqrt(self.alpha_bar)

    @property
    def sqrt_noise(self) -> float:
        """Standard deviation of the noise in x_t: sqrt(1 - alpha_bar)."""
        return math.sqrt(1.0 - self.alpha_bar)


def steps_of(settings: SamplerSettings) -> tuple[Step, ...]:
    """The steps of a run, noisiest first; the last is at t = 0, adds no noise and does not clip.

    Computed in double precision: 1 - alpha_bar at t = 0 is 1e-4, and single precision would keep
    three digits of it.
    """
    signal = alpha_bars(settings)
    stride = settings.train_steps // settings.steps
    timesteps = [index * stride for index in reversed(range(settings.steps))]
    following = [*(float(signal[t]) for t in timesteps[1:]), 1.0]
    return tuple(_step(settings, t, float(signal[t]), after) for t, after in zip(timesteps, following, strict=True))


def _step(settings: SamplerSettings, timestep: int, now: float, after: float) -> Step:
    last = after == 1.0
    if settings.method == "ddim":
        from_clean, from_current, from_eps, sigma = math.sqrt(after), 0.0, math.sqrt(1.0 - after), 0.0
    else:
        alpha = now / after
        beta = 1.0 - alpha
        from_clean = math.sqrt(after) * beta / (1.0 - now)
        from_current = math.sqrt(alpha) * (1.0 - after) / (1.0 - now)
        from_eps = 0.0
        sigma = math.sqrt(beta * (1.0 - after) / (1.0 - now))
    return Step(
        timestep=timestep,
        alpha_bar=now,
        from_clean=from_clean,
        from_current=from_current,
        from_eps=from_eps,
        sigma=sigma,
        clip=settings.clip and not last,
    )


def schedule_of(training: TrainingSettings) -> SamplerSettings:
    """A training's noise schedule, with the sampler's default steps."""
    return SamplerSettings(train_steps=training.train_steps, beta_start=training.beta_start, beta_end=training.beta_end)
