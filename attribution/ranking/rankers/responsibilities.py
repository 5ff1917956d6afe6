"""Responsibilities of the ideal denoiser: the works that an optimal model would copy.

The denoiser that fits a training set perfectly predicts, from a noised image x_t = sqrt(abar) y +
sqrt(1 - abar) z, the mean of the works under the weights

    r_x(x_t) = softmax over works of  -||x_t - sqrt(abar) x||^2 / (2 (1 - abar))

(the posterior over which work was noised; Karras et al. 2022, appendix B.3). The score of a work is
its mean responsibility over the middle of the schedule and over pinned draws of z. No network is
needed: with s = sqrt(abar / (1 - abar)) the exponent is, up to a constant, -(s^2 ||y - x||^2 + 2 s
<y - x, z>) / 2. Real members are smoother than the ideal one, so the exponent is also taken divided
by the temperatures of a grid; temperature 1 is the ideal denoiser itself.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64

from attribution.ranking.rankers.interface import Images, Query, Ranker, RowIndex, Works, blocks, pixel_by_pixel
from attribution.ranking.rankers.kernel import squared_norms
from attribution.ranking.rankers.scan import NOTHING
from attribution.sampling.noise import standard_normal
from attribution.sampling.predictions import is_middle
from attribution.sampling.schedule import SamplerSettings, steps_of

TEMPERATURES = (1.0, 16.0, 64.0, 256.0)
LEVELS = 8
"""Noise levels, spread evenly over the middle steps of the schedule."""
DRAWS = 4
"""Noise images, shared by all levels and images."""
NOISE_SEED = 0
NOISE_STREAM = 1 << 24
"""First noise stream of these draws; sampling and re-noising use smaller ones."""


class Responsibilities(Ranker):
    """Mean responsibilities at every temperature of the grid."""

    name = "responsibilities"
    scales = TEMPERATURES

    def __init__(self, schedule: SamplerSettings | None = None) -> None:
        """``schedule``: the noise schedule of the members' training."""
        middle = [step for step in steps_of(schedule or SamplerSettings()) if is_middle(step)]
        spread = np.linspace(0, len(middle) - 1, min(LEVELS, len(middle))).round().astype(int)
        self.signals = np.array([middle[place].sqrt_alpha_bar / middle[place].sqrt_noise for place in spread])
        """s at every level."""

    def prepare(self, images: Images, works: Works) -> Query:
        return ResponsibilityQuery(images, works, self.signals, self.scales)


class ResponsibilityQuery(Query):
    """Mean responsibilities of a few images; a first pass gives the softmaxes' denominators."""

    def __init__(
        self, images: Images, works: Works, signals: Float64[np.ndarray, " level"], temperatures: tuple[float, ...]
    ) -> None:
        self.works = works.pixels
        self.images = pixel_by_pixel(images)
        noise = np.stack(
            [standard_normal(NOISE_SEED, NOISE_STREAM + draw, works.pixels.width) for draw in range(DRAWS)]
        )
        self.noise = pixel_by_pixel(Images(noise, images.shape))
        self.own, self.along_noise = squared_norms(self.images), self.images @ self.noise.T
        self.signals = signals.astype(np.float32)
        self.temperatures = temperatures
        views = len(signals) * DRAWS
        self.log_mass = self._log_mass(np.full((len(temperatures), len(images), views), NOTHING, dtype=np.float64))

    def _exponents(self, rows: RowIndex) -> Float32[np.ndarray, "image view row"]:
        works = self.works.take(rows)
        # Differences of pixels in [0, 1] are half of those in [-1, 1]: hence 2 s^2 and 2 s.
        squared = self.own[:, None] - 2.0 * (self.images @ works.T) + squared_norms(works)[None, :]
        along = self.along_noise[:, :, None] - (self.noise @ works.T)[None, :, :]
        s = self.signals[None, :, None, None]
        exponents = (-2.0 * s**2) * np.maximum(squared, 0.0)[:, None, None, :] - (2.0 * s) * along[:, None, :, :]
        return np.asarray(exponents.reshape(len(self.images), -1, works.shape[0]), dtype=np.float32)

    def _log_mass(self, peak: Float64[np.ndarray, "scale image view"]) -> Float64[np.ndarray, "scale image view"]:
        """Logarithms of the softmaxes' denominators, summed over all works."""
        mass = np.zeros_like(peak)
        for block in blocks(len(self.works), self.works.width):
            exponents = self._exponents(block)
            for scale, temperature in enumerate(self.temperatures):
                scaled = exponents / np.float32(temperature)
                higher = np.maximum(peak[scale], scaled.max(axis=2))
                mass[scale] *= np.exp(peak[scale] - higher)
                mass[scale] += np.exp(scaled - higher[:, :, None].astype(np.float32)).sum(axis=2)
                peak[scale] = higher
        return np.asarray(peak + np.log(mass), dtype=np.float64)

    def log_scores(self, rows: RowIndex) -> Float32[np.ndarray, "image scale row"]:
        exponents = self._exponents(rows)
        found = np.empty((len(self.images), len(self.temperatures), exponents.shape[2]), dtype=np.float32)
        for scale, temperature in enumerate(self.temperatures):
            shares = exponents / np.float32(temperature) - self.log_mass[scale][:, :, None].astype(np.float32)
            found[:, scale] = np.exp(shares).mean(axis=1)
        with np.errstate(divide="ignore"):
            return np.log(found)
