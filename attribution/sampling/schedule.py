"""The noise schedule and the steps of a sampler, reduced to the few numbers that a step needs.

Every sampler here moves from x_t to the next, less noisy image by

    clean  = clip((x_t - sqrt(1 - alpha_bar_t) eps) / sqrt(alpha_bar_t))
    x_next = from_clean clean + from_before before + from_current x_t + from_eps eps + sigma z

where ``clean`` is the clean image that eps implies, and ``before`` the one of the step before. DDPM
(Ho et al. 2020, equations 6 and 7), DDIM (Song et al. 2021, equation 12 with eta = 0) and
DPM-Solver++ 2M (Lu et al. 2022, algorithm 2) differ in five coefficients only, and the Jacobian of
the formula is written once.

Timesteps are spaced as in diffusers' schedulers of the same names. The last step always ends at the
clean image (diffusers' ``set_alpha_to_one`` and ``final_sigmas_type="zero"``).

>>> [step.timestep for step in steps_of(SamplerSettings(steps=4))]
[750, 500, 250, 0]
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args

from attribution.denoisers.schedule import Betas, Method, Serve, Spacing, alpha_bars, check_schedule, schedule_fields
from attribution.ensemble.recipe import TrainingSettings, stored_fields
from registry.errors import InputError, UsageError

FEWEST_LOOKS, MOST_LOOKS = 4, 1_000
"""Fewer than four would leave no look at the middle steps, where losses are taken."""


@dataclass(frozen=True)
class SamplerSettings:
    """How a sample is drawn; stored with the sample. Defaults are those of the ABC paper.

    Raises:
        UsageError: a value is outside its range.
    """

    method: Method = "ddpm"
    """``ddpm``: ancestral sampling with the posterior's variance. ``ddim``: the deterministic
    sampler, eta = 0. ``dpm++``: the deterministic multistep solver of second order, which needs
    fewer steps."""
    steps: int = 50
    """Network evaluations per sample, spread evenly over the schedule."""
    train_steps: int = 1000
    """T: length of the members' training schedule."""
    beta_start: float = 1e-4
    beta_end: float = 0.02
    """The variances added by the first and the last training step."""
    clip: bool = True
    """Whether intermediate steps clamp the predicted clean image to [-1, 1]; the last step never
    does. False for latents, which have no such range."""
    beta_schedule: Betas = "linear"
    """The way between the two variances."""
    spacing: Spacing = "leading"
    """``leading``: the last step is at t = ``offset`` (``dpm++``: one stride above it).
    ``trailing``: the first step is at t = T - 1."""
    offset: int = 0
    """Added to every timestep of leading spacing: 1 for Stable Diffusion (``steps_offset``)."""
    serve: Serve = "mean"
    """How the members serve together."""
    looks: int = 0
    """Noised views of the finished image that the members' predictions are kept of, for its test;
    0: pairs at every second step. They do not change the image."""

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise UsageError(f"unknown sampler {self.method!r}: choose one of {', '.join(get_args(Method))}")
        if self.spacing not in get_args(Spacing):
            raise UsageError(f"unknown spacing {self.spacing!r}: choose one of {', '.join(get_args(Spacing))}")
        if self.serve not in get_args(Serve):
            raise UsageError(f"unknown way to serve {self.serve!r}: choose one of {', '.join(get_args(Serve))}")
        if self.looks and (self.looks % 2 or not FEWEST_LOOKS <= self.looks <= MOST_LOOKS):
            raise UsageError(
                f"{self.looks} looks: choose an even number between {FEWEST_LOOKS} and {MOST_LOOKS}, "
                "or 0: pairs at every second step"
            )
        check_schedule(self)
        if not 1 <= self.steps <= self.train_steps:
            raise UsageError(
                f"{self.steps} sampling steps of {self.train_steps}: choose between 1 and {self.train_steps}"
            )
        if self.offset < 0 or (self.offset and self.spacing == "trailing"):
            raise UsageError(f"an offset of {self.offset} timesteps: expected 0, or more with leading spacing")
        times = timesteps_of(self)
        if times[0] >= self.train_steps or len(set(times)) < len(times):
            raise UsageError(
                f"{self.steps} steps of {self.method} with {self.spacing} spacing do not fit into the "
                f"{self.train_steps} steps of training: choose fewer"
            )

    @property
    def draws(self) -> int:
        """Number of noise images per sample: the start, and one per stochastic step."""
        return self.steps if self.method == "ddpm" else 1

    def to_json(self) -> dict[str, Any]:
        """The settings, as stored with a sample."""
        return stored_fields(self, LATER_FIELDS)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> SamplerSettings:
        """Read stored settings back.

        Raises:
            InputError: a field is missing, unknown or of another type.
            UsageError: a value is outside its range.
        """
        kinds = {field.name: type(field.default) for field in fields(cls)}
        if not set(kinds) - LATER_FIELDS <= set(document) <= set(kinds):
            raise InputError(f"sampler settings have fields {sorted(document)}, expected {sorted(kinds)}")
        values: dict[str, Any] = {}
        for name, stated in document.items():
            kind = kinds[name]
            # Some writers of JSON write 1.0 as 1; true is never a number here.
            value = float(stated) if kind is float and type(stated) is int else stated
            if type(value) is not kind:
                raise InputError(f"sampler setting {name} is {value!r}, expected {kind.__name__}")
            values[name] = value
        found = cls(**values)
        if set(found.to_json()) != set(document):
            defaults = ", ".join(sorted(set(document) - set(found.to_json())))
            raise InputError(f"sampler settings state the default of {defaults}: a default is left out")
        return found


LATER_FIELDS = frozenset({"beta_schedule", "spacing", "offset", "serve", "looks"})
"""Fields that are stored only with another value than the default, so that earlier ids stay."""


@dataclass(frozen=True)
class Step:
    """One step of the module's formula; ``alpha_bar`` is the share of signal variance in x_t."""

    timestep: int
    alpha_bar: float
    from_clean: float
    from_before: float
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


def timesteps_of(settings: SamplerSettings) -> list[int]:
    """The timesteps of a run, falling, as diffusers' scheduler of the method spaces these."""
    total, count = settings.train_steps, settings.steps
    if settings.spacing == "trailing":
        return [round(total - index * total / count) - 1 for index in range(count)]
    # DPM-Solver++ counts t = 0 as one point more, and ends before it.
    first = 1 if settings.method == "dpm++" else 0
    stride = total // (count + first)
    return [index * stride + settings.offset for index in reversed(range(first, count + first))]


def steps_of(settings: SamplerSettings) -> tuple[Step, ...]:
    """The steps of a run, noisiest first; the last adds no noise and does not clip.

    Computed in double precision: 1 - alpha_bar at t = 0 is 1e-4, and single precision would keep
    three digits of it.
    """
    signal = alpha_bars(settings)
    timesteps = timesteps_of(settings)
    levels = [float(signal[t]) for t in timesteps]
    return tuple(
        _step(settings, t, before, now, after)
        for t, before, now, after in zip(timesteps, [None, *levels[:-1]], levels, [*levels[1:], 1.0], strict=True)
    )


def _step(settings: SamplerSettings, timestep: int, before: float | None, now: float, after: float) -> Step:
    """One step from the alpha_bar ``now`` to ``after``; ``before``: that of the step before."""
    last = after == 1.0
    from_before = from_current = from_eps = sigma = 0.0
    if settings.method == "ddim":
        from_clean, from_eps = math.sqrt(after), math.sqrt(1.0 - after)
    elif settings.method == "ddpm":
        alpha = now / after
        beta = 1.0 - alpha
        from_clean = math.sqrt(after) * beta / (1.0 - now)
        from_current = math.sqrt(alpha) * (1.0 - after) / (1.0 - now)
        sigma = math.sqrt(beta * (1.0 - after) / (1.0 - now))
    elif last:
        from_clean = 1.0
    else:
        from_current = math.sqrt((1.0 - after) / (1.0 - now))
        from_clean = math.sqrt(after) - from_current * math.sqrt(now)
        if before is not None:
            # Second order: the clean image is continued along its last change.
            further = from_clean * (_half_log_snr(after) - _half_log_snr(now))
            further /= 2.0 * (_half_log_snr(now) - _half_log_snr(before))
            from_clean, from_before = from_clean + further, -further
    return Step(
        timestep=timestep,
        alpha_bar=now,
        from_clean=from_clean,
        from_before=from_before,
        from_current=from_current,
        from_eps=from_eps,
        sigma=sigma,
        clip=settings.clip and not last,
    )


def _half_log_snr(alpha_bar: float) -> float:
    """The lambda of DPM-Solver: log(sqrt(alpha_bar) / sqrt(1 - alpha_bar))."""
    return 0.5 * math.log(alpha_bar / (1.0 - alpha_bar))


def schedule_of(training: TrainingSettings) -> SamplerSettings:
    """A training's noise schedule, with the sampler's default steps."""
    return SamplerSettings(**schedule_fields(training))
