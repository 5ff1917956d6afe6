"""Responsibilities of the ideal denoiser: the works that an optimal model would copy.

The denoiser that fits a training set perfectly predicts, from a noised image x_t = sqrt(abar) y +
sqrt(1 - abar) z, the mean of the works under the weights

    r_x(x_t) = softmax over works of  -||x_t - sqrt(abar) x||^2 / (2 (1 - abar))

(the posterior over which work was noised; Karras et al. 2022, appendix B.3). The score of a work is
its mean responsibility over the middle of the schedule and over pinned draws of z. No network is
needed: with s = sqrt(abar / (1 - abar)) the exponent is, up to a constant, -(s^2 ||y - x||^2 + 2 s
<y - x, z>) / 2. Members of a latent kind denoise latents, and so does their ideal. Real members are
smoother than the ideal one, so the exponent is also taken divided by the temperatures of a grid;
temperature 1 is the ideal denoiser itself.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Float64

from attribution.denoisers.space import Space
from attribution.ranking.rankers.interface import Images, Query, Ranker, RowIndex, Rows, Works, blocks, pixel_by_pixel
from attribution.ranking.rankers.kernel import latent_rows, latents_of, squared_norms
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

    def __init__(self, schedule: SamplerSettings | None = None, space: Space | None = None) -> None:
        """``schedule``: the noise schedule of the members' training; ``space``: the members'."""
        self.space = space or Space()
        middle = [step for step in steps_of(schedule or SamplerSettings()) if is_middle(step)]
        spread = np.linspace(0, len(middle) - 1, min(LEVELS, len(middle))).round().astype(int)
        self.signals = np.array([middle[place].sqrt_alpha_bar / middle[place].sqrt_noise for place in spread])
        """s at every level."""

    def prepare(self, images: Images, works: Works) -> Query:
        if self.space.latent:
            rows = latent_rows(works)
            return ResponsibilityQuery(
                latents_of(images, self.space), rows, noise_of(rows.width), self.signals, self.scales
            )
        noise = pixel_by_pixel(Images(noise_of(works.pixels.width), images.shape))
        # Differences of pixels in [0, 1] are half of those in [-1, 1].
        return ResponsibilityQuery(pixel_by_pixel(images), works.pixels, noise, 2.0 * self.signals, self.scales)


def noise_of(width: int) -> Float32[np.ndarray, "draw value"]:
    """The pinned draws of z, in the value order of torch."""
    return np.stack([standard_normal(NOISE_SEED, NOISE_STREAM + draw, width) for draw in range(DRAWS)])


class PosteriorQuery(Query):
    """Means of softmaxes over the works; a first pass gives the softmaxes' denominators.

    An image has several views, and every view one softmax over all works. A work's score is the
    mean of its shares. A subclass says which terms the softmaxes are over.
    """

    works: Rows

    @abstractmethod
    def log_terms(self, rows: RowIndex) -> Iterator[Float32[np.ndarray, "image view row"]]:
        """For every scale, the logarithms of some works' terms in the softmax of every view."""

    def _log_masses(self) -> list[Float64[np.ndarray, "image view"]]:
        """For every scale, the logarithms of the softmaxes' denominators, summed over all works."""
        peak: list[Float64[np.ndarray, "image view"]] = []
        mass: list[Float64[np.ndarray, "image view"]] = []
        for block in blocks(len(self.works), self.works.width):
            for scale, terms in enumerate(self.log_terms(block)):
                if scale == len(peak):
                    peak.append(np.full(terms.shape[:2], NOTHING))
                    mass.append(np.zeros(terms.shape[:2]))
                higher = np.maximum(peak[scale], terms.max(axis=2))
                mass[scale] *= np.exp(peak[scale] - higher)
                mass[scale] += np.exp(terms - higher[:, :, None].astype(np.float32)).sum(axis=2)
                peak[scale] = higher
        return [np.asarray(top + np.log(total), dtype=np.float64) for top, total in zip(peak, mass, strict=True)]

    @cached_property
    def log_masses(self) -> list[Float64[np.ndarray, "image view"]]:
        """The denominators, computed once."""
        return self._log_masses()

    def log_scores(self, rows: RowIndex) -> Float32[np.ndarray, "image scale row"]:
        found = [
            np.exp(terms - mass[:, :, None].astype(np.float32)).mean(axis=1)
            for terms, mass in zip(self.log_terms(rows), self.log_masses, strict=True)
        ]
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(np.stack(found, axis=1)), dtype=np.float32)


class ResponsibilityQuery(PosteriorQuery):
    """Mean responsibilities of a few images; the views are noise levels and draws."""

    def __init__(
        self,
        images: Float32[np.ndarray, "image value"],
        works: Rows,
        noise: Float32[np.ndarray, "draw value"],
        signals: Float64[np.ndarray, " level"],
        temperatures: tuple[float, ...],
    ) -> None:
        """Images, works and noise have their values in one order; ``signals``: s at every level,
        in units of these values.
        """
        self.works, self.images, self.noise = works, images, noise
        self.own, self.along_noise = squared_norms(self.images), self.images @ self.noise.T
        self.signals = signals.astype(np.float32)
        self.temperatures = temperatures

    def _exponents(self, rows: RowIndex) -> Float32[np.ndarray, "image view row"]:
        works = self.works.take(rows)
        squared = self.own[:, None] - 2.0 * (self.images @ works.T) + squared_norms(works)[None, :]
        along = self.along_noise[:, :, None] - (self.noise @ works.T)[None, :, :]
        s = self.signals[None, :, None, None]
        exponents = (-0.5 * s**2) * np.maximum(squared, 0.0)[:, None, None, :] - s * along[:, None, :, :]
        return np.asarray(exponents.reshape(len(self.images), -1, works.shape[0]), dtype=np.float32)

    def log_terms(self, rows: RowIndex) -> Iterator[Float32[np.ndarray, "image view row"]]:
        exponents = self._exponents(rows)
        for temperature in self.temperatures:
            yield exponents / np.float32(temperature)
