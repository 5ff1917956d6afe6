"""Exogenous noise is a function of the seed alone."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from attribution.sampling.noise import MAXIMUM_SEED, exogenous_noise, noise_batch, noise_sha256, standard_normal
from registry.errors import UsageError


@given(st.lists(st.integers(0, MAXIMUM_SEED), min_size=1, max_size=5))
def test_noise_does_not_depend_on_batch_or_order(seeds: list[int]) -> None:
    """A row of a batch is the noise of its seed, wherever it stands."""
    batch = noise_batch(seeds, 2, (1, 3, 3))
    for position, seed in enumerate(seeds):
        assert torch.equal(batch[position], exogenous_noise(seed, 2, (1, 3, 3)))


def test_fewer_draws_are_the_first_draws() -> None:
    """DDIM and DDPM start from the same image; a shorter stream begins a longer one."""
    assert torch.equal(exogenous_noise(5, 1, (3, 4, 4)), exogenous_noise(5, 9, (3, 4, 4))[:1])
    assert np.array_equal(standard_normal(1, 2, 7), standard_normal(1, 2, 100)[:7])


def test_noise_is_pinned_for_good() -> None:
    """The recorded numbers of seed 7: a change here breaks every stored sample."""
    assert standard_normal(7, 1, 4) == pytest.approx([-0.340111, 0.366596, -0.564599, 1.000192], abs=1e-6)


def test_noise_is_standard_normal_and_independent_between_streams() -> None:
    """100,000 numbers pass Kolmogorov-Smirnov; neighbouring seeds and streams: uncorrelated."""
    draws = [standard_normal(seed, stream, 100_000) for seed, stream in ((1, 0), (1, 1), (2, 0))]
    for numbers in draws:
        assert stats.kstest(numbers, "norm").pvalue > 0.001
    assert np.abs(np.corrcoef(draws) - np.eye(3)).max() < 0.015


def test_the_hash_covers_values_and_shape_but_not_the_type() -> None:
    """Changing one value or the shape changes the hash; computing in float64 does not."""
    noise = exogenous_noise(3, 2, (1, 2, 4))
    changed = noise.clone()
    changed[1, 0, 1, 1] += 1e-6
    assert noise_sha256(noise.double()) == noise_sha256(noise)
    assert len({noise_sha256(noise), noise_sha256(changed), noise_sha256(noise.reshape(2, 1, 4, 2))}) == 3
    assert len(noise_sha256(noise)) == 2 * hashlib.sha256().digest_size


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_that_cannot_be_stored_is_refused(seed: int) -> None:
    """Seeds live in a signed 64-bit column."""
    with pytest.raises(UsageError, match="seed"):
        exogenous_noise(seed, 1, (1, 2, 2))
