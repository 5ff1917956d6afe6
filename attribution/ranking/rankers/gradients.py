"""A similarity kernel over gradients: two pictures are alike if they would move a model's weights
alike.

One reference model, trained on all works, is differentiated; the ensemble's members are never
asked, so the ranker knows no codes. With g(a) the gradient of the denoising loss on a picture a and
H the curvature of that loss, training a little on a work x changes the loss on an image y by
-g(y)^T H^-1 g(x) (Koh and Liang 2017). H is the EK-FAC of
:mod:`attribution.ranking.rankers.curvature`, so this is an inner product of whitened gradients. A
linear product counts every work a little, while what a network retains of a work is local: the
kernel exp(-||f(y) - f(x)||^2 / tau) over whitened gradients f of length 1 grades better wherever
works are memorised, and at the largest tau of its grid is the linear product again (of directions,
without their lengths).

Not all of a gradient says which picture it is of. Taken are the first and the last convolution,
which see pixels; layers between them, and those that know only the time, move alike for many
pictures. Gradients are means over *looks*, pinned pairs of a timestep and a noise image that all
pictures share, so that what is common to two pictures stands out from what noise does to either;
the timesteps are those at which a picture is decided (the ones on which members are graded, too),
in two bands. Each of the four parts, a layer in a band, loses the mean over works, which every
picture has, and is scaled to length 1, so that all have the same say.

What is kept of a work is at most :data:`VALUES` numbers. A larger network's whitened gradients are
projected, layer by layer, by random signs from both sides, which keeps inner products on average
(Johnson and Lindenstrauss; for gradients Choe et al. 2024).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional

from attribution.denoisers.interface import Space
from attribution.denoisers.schedule import alpha_bars
from attribution.ranking.rankers.curvature import Factors, LayerGradients, fitted_factors
from attribution.ranking.rankers.feature_kernel import Embedding, FeatureKernel
from attribution.ranking.rankers.interface import Images, Query, RowIndex, Works
from attribution.sampling.noise import standard_normal
from attribution.sampling.predictions import NOISIEST
from attribution.sampling.schedule import SamplerSettings
from attribution.training.loop import loss_weight
from registry.ids import sha256_of

BANDWIDTHS = (0.1, 0.2, 0.4, 0.8, 2.0, 8.0)
"""tau: squared distances between vectors of length 1; 8 is as good as linear."""
LOOKS = 48
FACTOR_WORKS = 512
"""Works, spread over all of them, from which the curvature is estimated."""
DAMPING = 0.01
"""Added to a layer's curvature, as a share of its mean."""
BANDS = 2
"""Stretches of the timesteps, each with its own part in the features."""
VALUES = 2**16
"""Numbers kept a work, at most."""
CLEAREST = 0.95
"""sqrt(alpha_bar) up to which a picture is being decided, as members' losses have it."""
ROWS_AT_ONCE = 256
"""Noised pictures in one pass."""
NOISE_SEED, NOISE_STREAM = 0, 1 << 25
"""Noise of the looks, beyond the streams of sampling, of re-noising and of the responsibilities."""


@dataclass(frozen=True)
class Looks:
    """Pinned timesteps and noise, with the weight that each has in the loss."""

    timesteps: Tensor
    noise: Float[Tensor, "look channel height width"]
    weight: Float[Tensor, " look"]
    signal: Float[Tensor, " look"]
    """alpha_bar at the timesteps."""

    @classmethod
    def spread(cls, count: int, schedule: SamplerSettings, snr_cap: float, shape: tuple[int, int, int]) -> Looks:
        """Timesteps spread evenly over the whole schedule, under training's weights."""
        return cls._evenly(count, torch.arange(schedule.train_steps), schedule, snr_cap, shape)

    @classmethod
    def middle(cls, count: int, schedule: SamplerSettings, snr_cap: float, shape: tuple[int, int, int]) -> Looks:
        """Timesteps spread evenly over where a picture is decided; over the whole of a schedule
        that is never there.
        """
        level = torch.from_numpy(alpha_bars(schedule)).sqrt()
        decided = ((level > NOISIEST) & (level <= CLEAREST)).nonzero().flatten()
        chosen = decided if len(decided) else torch.arange(schedule.train_steps)
        return cls._evenly(count, chosen, schedule, snr_cap, shape)

    @classmethod
    def _evenly(
        cls, count: int, among: Tensor, schedule: SamplerSettings, snr_cap: float, shape: tuple[int, int, int]
    ) -> Looks:
        timesteps = among[((torch.arange(count) + 0.5) / count * len(among)).long()]
        signal = torch.from_numpy(alpha_bars(schedule)).float()[timesteps]
        noise = [standard_normal(NOISE_SEED, NOISE_STREAM + look, math.prod(shape)) for look in range(count)]
        return cls(
            timesteps,
            torch.from_numpy(np.stack(noise)).reshape(count, *shape),
            loss_weight(signal, snr_cap),
            signal,
        )

    def __len__(self) -> int:
        return len(self.timesteps)

    def at(self, images: Float[Tensor, "image channel height width"]) -> Float[Tensor, "row channel height width"]:
        """Every image under every look, image by image."""
        signal = self.signal.view(-1, 1, 1, 1)
        return (signal.sqrt() * images[:, None] + (1.0 - signal).sqrt() * self.noise).flatten(0, 1)


class Gradients(FeatureKernel):
    """The kernel over whitened gradients of one reference model of all works."""

    scales = BANDWIDTHS

    def __init__(
        self,
        reference: nn.Module,
        reference_sha256: str,
        schedule: SamplerSettings | None = None,
        snr_cap: float = 5.0,
        looks: int = LOOKS,
        advance: Callable[[int, int], object] = lambda _done, _total: None,
        space: Space | None = None,
    ) -> None:
        """Get ready.

        Args:
            reference: a denoiser, eps = f(x_t, t), that was trained on all works.
            reference_sha256: of its weights; what is kept of the works goes by it.
            schedule: the noise schedule that it was trained with.
            snr_cap: of its training, see :class:`attribution.ensemble.recipe.TrainingSettings`.
            looks: at every picture; its gradient under a few is mostly noise.
            advance: gets (works done now, works in all) while their gradients are computed.
            space: of x_t; None: pixels.
        """
        self.gradients = GradientEmbedding(
            reference, reference_sha256, schedule or SamplerSettings(), snr_cap, looks, space
        )
        super().__init__(self.gradients, advance)

    def settings(self) -> dict[str, Any]:
        return {
            **super().settings(),
            "reference_sha256": self.gradients.content["reference"],
            "looks": self.gradients.look_count,
            "values": VALUES,
        }

    def prepare(self, images: Images, works: Works) -> Query:
        self.gradients.fit(works, images.shape)
        return super().prepare(images, works)


class GradientEmbedding(Embedding):
    """Whitened gradients of one reference model, once its curvature and its mean gradient on the
    works are known.
    """

    name = "gradients"

    def __init__(
        self,
        reference: nn.Module,
        reference_sha256: str,
        schedule: SamplerSettings,
        snr_cap: float,
        looks: int,
        space: Space | None = None,
    ) -> None:
        self.reference = reference.eval().requires_grad_(True)
        self.recorder = LayerGradients(self.reference, ends=True)
        self.schedule, self.snr_cap, self.look_count = schedule, snr_cap, looks
        self.space = space or Space()
        self.at_once = max(1, ROWS_AT_ONCE // looks)
        self.content = {
            "reference": reference_sha256,
            "schedule": schedule.to_json(),
            "snr_cap": snr_cap,
            "looks": looks,
            "bands": BANDS,
            "damping": DAMPING,
            "layers": list(self.recorder.layers),
        }
        self.factors: dict[str, Factors] = {}
        self.signs: dict[str, tuple[Tensor, Tensor]] = {}
        self._fitted: Works | None = None

    @property
    def sha256(self) -> str:
        """Of the weights and of all that decides how they are differentiated."""
        return sha256_of(self.content)

    def fit(self, works: Works, shape: tuple[int, int, int]) -> None:
        """Estimate the curvature from some of the works, unless that was done."""
        if self._fitted is works:
            return
        spread = np.unique(np.linspace(0, len(works) - 1, FACTOR_WORKS).round().astype(np.int64))
        pictures = self.space.encode(pictures_of(works, spread, shape))
        channels, height, width = pictures.shape[1:]
        self.looks = Looks.middle(self.look_count, self.schedule, self.snr_cap, (channels, height, width))
        self.factors = self.curvature_on(pictures)
        self.signs = projections(self.factors, VALUES // BANDS)[0]
        self.common = [part.mean(dim=0) for part in self._parts(pictures)]
        self.width = sum(len(part) for part in self.common)
        self._fitted = works

    def curvature_on(self, pictures: Float[Tensor, "image channel height width"]) -> dict[str, Factors]:
        """The curvature of the loss under the looks, layer by layer."""

        def passes() -> Iterator[None]:
            generator = torch.Generator().manual_seed(NOISE_SEED)
            scale = (self.looks.weight / pictures[0].numel()).sqrt().view(-1, 1, 1, 1)
            for part in torch.split(pictures, self.at_once):
                eps = self.reference(self.looks.at(part), self.looks.timesteps.repeat(len(part)))
                # A squared error is the likelihood of a normal distribution around the prediction.
                drawn = torch.randn(eps.shape, generator=generator) * scale.repeat(len(part), 1, 1, 1)
                self.reference.zero_grad(set_to_none=True)
                (eps * drawn).sum().backward()
                yield None

        return fitted_factors(self.recorder, passes)

    def embed(self, images: Float32[np.ndarray, "image channel height width"]) -> Float32[np.ndarray, "image feature"]:
        parts = self._parts(self.space.encode(torch.from_numpy(images) * 2.0 - 1.0))
        centred = [part - common for part, common in zip(parts, self.common, strict=True)]
        return np.asarray(torch.cat([functional.normalize(part, dim=1) for part in centred], dim=1).numpy())

    def recorded(
        self, pictures: Float[Tensor, "image channel height width"]
    ) -> Iterator[list[tuple[str, Tensor, Tensor]]]:
        """What goes into and comes back to every layer for the loss on a few pictures, look by
        look, and then the next few.
        """
        with self.recorder.recording():
            for part in torch.split(pictures, self.at_once):
                eps = self.reference(self.looks.at(part), self.looks.timesteps.repeat(len(part)))
                error = (eps - self.looks.noise.repeat(len(part), 1, 1, 1)).square().mean(dim=(1, 2, 3))
                self.reference.zero_grad(set_to_none=True)
                (error * self.looks.weight.repeat(len(part))).sum().backward()
                yield list(self.recorder.pairs())
        self.reference.zero_grad(set_to_none=True)

    def _parts(self, pictures: Float[Tensor, "image channel height width"]) -> list[Float[Tensor, "image value"]]:
        """Whitened gradients, one part a layer and band."""
        found = [[value for pair in pairs for value in self._whitened(*pair)] for pairs in self.recorded(pictures)]
        return [torch.cat(values) for values in zip(*found, strict=True)]

    def _whitened(
        self, name: str, inputs: Float[Tensor, "row place input"], returned: Float[Tensor, "row place output"]
    ) -> Iterator[Float[Tensor, "image value"]]:
        """One layer's gradients, band by band; the looks of a band and the places of an image are
        summed alike.
        """
        count = len(self.looks)
        came, went = (value.reshape(-1, count, *value.shape[1:]) for value in (inputs, returned))
        for band in torch.arange(count).tensor_split(BANDS):
            gradients = torch.einsum("blpo,blpa->boa", went[:, band], came[:, band])
            whitened = self.factors[name].whitened(gradients, DAMPING)
            if name in self.signs:
                left, right = self.signs[name]
                whitened = torch.einsum("ko,boa,al->bkl", left, whitened, right)
            yield whitened.flatten(1)


def projections(factors: dict[str, Factors], values: int) -> tuple[dict[str, tuple[Tensor, Tensor]], int]:
    """Random signs that bring all layers together down to about ``values`` numbers, in proportion;
    none if they fit.
    """
    total = sum(factor.curvature.numel() for factor in factors.values())
    if total <= values:
        return {}, total
    side = math.sqrt(values / total)
    generator = torch.Generator().manual_seed(NOISE_SEED)
    signs, width = {}, 0
    for name, factor in factors.items():
        outputs, inputs = factor.curvature.shape
        k, m = max(1, int(outputs * side)), max(1, int(inputs * side))
        left = torch.randint(0, 2, (k, outputs), generator=generator) * 2.0 - 1.0
        right = torch.randint(0, 2, (inputs, m), generator=generator) * 2.0 - 1.0
        signs[name] = left / math.sqrt(k), right / math.sqrt(m)
        width += k * m
    return signs, width


def pictures_of(works: Works, rows: RowIndex, shape: tuple[int, int, int]) -> Float[Tensor, "row channel height width"]:
    """Works in [-1, 1], channels first."""
    channels, height, width = shape
    values = torch.from_numpy(works.pixels.take(rows)).reshape(-1, height, width, channels)
    return values.movedim(-1, 1).contiguous() * 2.0 - 1.0
