"""The noise schedule under which members are trained and sampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
from jaxtyping import Float64

from registry.errors import UsageError

Betas = Literal["linear", "scaled_linear"]
"""``linear``: the variance of a step rises evenly (Ho et al. 2020). ``scaled_linear``: its square
root does, as in Stable Diffusion's training."""

Method = Literal["ddpm", "ddim", "dpm++"]
"""The samplers; see :class:`attribution.sampling.schedule.SamplerSettings`."""
Spacing = Literal["leading", "trailing"]
Serve = Literal["mean", "merged"]
"""How members serve together. ``mean``: the weighted mean of their predictions, at every step.
``merged``: one member that has the weighted mean of what the members add to their shared base."""


@dataclass(frozen=True)
class SamplingDefaults:
    """How a kind is sampled unless a request says otherwise."""

    method: Method = "ddpm"
    steps: int = 50
    spacing: Spacing = "leading"
    offset: int = 0
    guidance: float = 1.0
    """For a request with a prompt."""
    looks: int = 0
    """Noised views of a sample that its test rests on; 0: pairs at every second step."""


class NoiseSchedule(Protocol):
    """T, the variances of the first and the last training step, and the way between these."""

    @property
    def train_steps(self) -> int: ...
    @property
    def beta_start(self) -> float: ...
    @property
    def beta_end(self) -> float: ...
    @property
    def beta_schedule(self) -> Betas: ...


def schedule_fields(schedule: NoiseSchedule) -> dict[str, Any]:
    """The four fields of a schedule, by name: to be set on other settings, or compared."""
    return {name: getattr(schedule, name) for name in ("train_steps", "beta_start", "beta_end", "beta_schedule")}


def check_schedule(schedule: NoiseSchedule) -> None:
    """Refuse a schedule that is none.

    Raises:
        UsageError: a value is outside its range, or the way between the variances is unknown.
    """
    if not 1 <= schedule.train_steps <= 100_000 or not 0 < schedule.beta_start <= schedule.beta_end < 1:
        raise UsageError(
            f"a noise schedule of {schedule.train_steps} steps with betas from {schedule.beta_start} to "
            f"{schedule.beta_end}: expected 1 to 100,000 steps and 0 < beta_start <= beta_end < 1"
        )
    if schedule.beta_schedule not in get_args(Betas):
        known = " or ".join(get_args(Betas))
        raise UsageError(f"got the noise schedule {schedule.beta_schedule!r}, expected {known}")


def alpha_bars(schedule: NoiseSchedule) -> Float64[np.ndarray, " timestep"]:
    """Cumulative products of 1 - beta, by training step t from 0 (Ho et al. 2020, section 2)."""
    power = 0.5 if schedule.beta_schedule == "scaled_linear" else 1.0
    ends = schedule.beta_start**power, schedule.beta_end**power
    betas = np.linspace(*ends, schedule.train_steps, dtype=np.float64) ** (1.0 / power)
    return np.asarray(np.cumprod(1.0 - betas, dtype=np.float64))
