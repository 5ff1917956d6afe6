"""Exogenous noise: all the random numbers of one sample, a function of its seed alone.

In a counterfactual nothing but the weights may change, so a sample's noise must not depend on the
batch, the order, the device, or the version of a library. Noise is therefore computed on the CPU
from Philox 4x64-10 (Salmon et al. 2011), a generator that maps a key and a counter to its output.
The key is the sample's seed and a stream number, one stream per noise image: stream 0 is the start
z_T, stream k the noise of the k-th stochastic step. Raw 64-bit words become normal numbers by the
Box-Muller transform, spelled out here since NumPy promises that its words are stable between
versions, but not its normal numbers.

Values are single-precision numbers: a run in float64 uses the same noise.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from attribution.denoisers.interface import Shape
from registry.errors import UsageError

MAXIMUM_SEED = 2**63 - 1
"""The registry keeps seeds as signed 64-bit numbers."""


def standard_normal(seed: int, stream: int, count: int) -> npt.NDArray[np.float32]:
    """``count`` standard normal numbers of a seed and stream; longer draws begin with shorter ones.

    Raises:
        UsageError: the seed or stream is outside 0 to 2**63 - 1.
    """
    for name, value in (("seed", seed), ("stream", stream)):
        if not 0 <= value <= MAXIMUM_SEED:
            raise UsageError(f"{name} {value} is out of range: choose a whole number from 0 to {MAXIMUM_SEED}")
    words = np.random.Philox(key=np.array([seed, stream], dtype=np.uint64)).random_raw(2 * math.ceil(count / 2))
    # 53 bits fill a double; adding one half keeps 0 out of the logarithm.
    uniform = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    radius = np.sqrt(-2.0 * np.log(uniform[0::2]))
    angle = 2.0 * np.pi * uniform[1::2]
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return pairs.reshape(-1)[:count].astype(np.float32)


def exogenous_noise(seed: int, draws: int, shape: Shape) -> Float[Tensor, "draw channel height width"]:
    """The noise of one sample on the CPU in float32; ``draws`` is :attr:`SamplerSettings.draws`.

    Entry 0 is the start z_T; entry k is added after the k-th stochastic step. A shorter run uses
    the first entries.

    Raises:
        UsageError: the seed is out of range.
    """
    count = math.prod(shape)
    images = [standard_normal(seed, stream, count).reshape(shape) for stream in range(draws)]
    return torch.from_numpy(np.stack(images))


def noise_batch(seeds: list[int], draws: int, shape: Shape) -> Float[Tensor, "batch draw channel height width"]:
    """The noise of several samples, one row each: row k depends on ``seeds[k]`` alone."""
    return torch.stack([exogenous_noise(seed, draws, shape) for seed in seeds])


def noise_sha256(noise: Float[Tensor, "draw channel height width"]) -> str:
    """SHA-256 (hex) over shape and little-endian float32 values of one sample's noise."""
    values = noise.detach().to("cpu", torch.float32).contiguous().numpy()
    digest = hashlib.sha256(repr(tuple(values.shape)).encode())
    digest.update(values.astype("<f4", copy=False).tobytes())
    return digest.hexdigest()
