"""The noise schedule under which members are trained and sampled."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from jaxtyping import Float64


class NoiseSchedule(Protocol):
    """T and the variances of the first and the last training step, linear in between."""

    @property
    def train_steps(self) -> int: ...
    @property
    def beta_start(self) -> float: ...
    @property
    def beta_end(self) -> float: ...


def alpha_bars(schedule: NoiseSchedule) -> Float64[np.ndarray, " timestep"]:
    """Cumulative products of 1 - beta, by training step t from 0 (Ho et al. 2020, section 2)."""
    betas = np.linspace(schedule.beta_start, schedule.beta_end, schedule.train_steps, dtype=np.float64)
    return np.asarray(np.cumprod(1.0 - betas, dtype=np.float64))
