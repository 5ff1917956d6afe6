"""Rankers: each one's scores against brute force, and the order of units that follows."""

from __future__ import annotations

import hashlib
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Float32

from attribution.ranking import rankers
from attribution.ranking.rankers import interface
from attribution.ranking.rankers.catalogue import RANKERS, RankerInputs, available_rankers, make_ranker, make_rankers
from attribution.ranking.rankers.feature_kernel import Embedding, FeatureKernel
from attribution.ranking.rankers.interface import Images, PixelRows, Works, dense_scores, pixel_by_pixel
from attribution.ranking.rankers.kernel import PixelKernel, mean_squared_differences
from attribution.ranking.rankers.responsibilities import (
    DRAWS,
    LEVELS,
    NOISE_SEED,
    NOISE_STREAM,
    TEMPERATURES,
    Responsibilities,
)
from attribution.ranking.shortlist import merged_order
from attribution.sampling.noise import standard_normal
from attribution.sampling.predictions import is_middle
from attribution.sampling.schedule import SamplerSettings, steps_of
from registry.errors import MissingPartError, UsageError

NEEDS = RankerInputs(SamplerSettings())


class Projection(Embedding):
    """Random directions of the pixels: an embedding with nothing to learn."""

    name, width = "projection", 6

    def __init__(self, seed: int = 0) -> None:
        self.matrix = np.random.default_rng(seed).normal(size=(48, self.width)).astype(np.float32)
        self.calls = 0

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.matrix.tobytes()).hexdigest()

    def embed(self, images: Float32[np.ndarray, "image channel height width"]) -> Float32[np.ndarray, "image feature"]:
        self.calls += 1
        return np.asarray(images.reshape(len(images), -1) @ self.matrix)


def stored_works(folder: Path | None = None, count: int = 30) -> tuple[Works, np.ndarray]:
    """Works as in a training set, and the same in memory, channel by channel in [0, 1]."""
    pixels = np.random.default_rng(5).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    hashes = [hashlib.sha256(work.tobytes()).hexdigest() for work in pixels]
    flat = np.moveaxis(pixels, -1, 1).reshape(count, -1).astype(np.float32) / np.float32(255)
    return Works(PixelRows(pixels), np.arange(count) + 100, hashes, folder), flat


def images_like(works: np.ndarray, names: tuple[frozenset[str], ...] = ()) -> Images:
    """Noisy copies of some works of 4 x 4 colour pixels."""
    noise = np.random.default_rng(6).normal(scale=0.05, size=works.shape)
    return Images(np.clip(works + noise, 0, 1).astype(np.float32), (3, 4, 4), names)


def test_differences_are_mean_squares() -> None:
    """One matrix product agrees with the definition."""
    rng = np.random.default_rng(0)
    images, works = rng.random((3, 20)).astype(np.float32), rng.random((5, 20)).astype(np.float32)
    expected = ((images[:, None].astype(float) - works[None].astype(float)) ** 2).mean(axis=2)
    np.testing.assert_allclose(mean_squared_differences(images, works), expected, atol=1e-12)


def test_kernel_is_its_definition_on_stored_pixels() -> None:
    """Bytes from a file, pixel by pixel, agree with images channel by channel in memory."""
    works, flat = stored_works()
    images = images_like(flat[3:6])
    expected = mean_squared_differences(images.values, flat)
    found = PixelKernel().prepare(images, works).log_scores(slice(0, len(works)))
    for scale, bandwidth in enumerate(PixelKernel.scales):
        np.testing.assert_allclose(found[:, scale], -expected / bandwidth, rtol=1e-3, atol=1e-4 / bandwidth)
    some = PixelKernel().prepare(images, works).log_scores(np.array([7, 2, 11]))
    np.testing.assert_allclose(some, found[:, :, [7, 2, 11]], rtol=1e-3, atol=1e-3)


def test_kernel_puts_the_copied_work_first_at_every_scale() -> None:
    """A near copy of a work ranks it first at every bandwidth, without underflow."""
    rng = np.random.default_rng(1)
    works = rng.random((30, 48))
    image = np.clip(works[[17]] + rng.normal(scale=0.02, size=(1, 48)), 0, 1)
    scores = PixelKernel().score(image, works)
    assert (scores[:, 0].argmax(axis=1) == 17).all()
    assert (scores[:, 0, 17] == 1.0).all()


def test_responsibilities_are_the_ideal_denoisers() -> None:
    """Brute force: noise the image, weigh every work by the probability of the noised image."""
    works, flat = stored_works(count=12)
    images = images_like(flat[3:5])
    ranker = Responsibilities()
    middle = [step for step in steps_of(SamplerSettings()) if is_middle(step)]
    steps = [middle[place] for place in np.linspace(0, len(middle) - 1, LEVELS).round().astype(int)]
    noise = [standard_normal(NOISE_SEED, NOISE_STREAM + draw, 48).astype(float) for draw in range(DRAWS)]
    x, y = 2.0 * flat.astype(float) - 1.0, 2.0 * images.values.astype(float) - 1.0
    expected = np.zeros((len(TEMPERATURES), len(y), len(x)))
    for image in range(len(y)):
        for step in steps:
            for z in noise:
                x_t = step.sqrt_alpha_bar * y[image] + step.sqrt_noise * z
                exponent = -((x_t - step.sqrt_alpha_bar * x) ** 2).sum(axis=1) / (2.0 * step.sqrt_noise**2)
                for scale, temperature in enumerate(TEMPERATURES):
                    weights = np.exp((exponent - exponent.max()) / temperature)
                    expected[scale, image] += weights / weights.sum() / (LEVELS * DRAWS)
    logarithms = ranker.prepare(images, works).log_scores(slice(0, len(works))).transpose(1, 0, 2)
    found = np.exp(logarithms.astype(float))
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=2), 1.0, rtol=1e-4)


def test_responsibilities_do_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The denominators are summed over any number of blocks."""
    works, flat = stored_works(count=200)
    images = images_like(flat[3:5])
    whole = Responsibilities().prepare(images, works).log_scores(slice(0, 200))
    monkeypatch.setattr("attribution.ranking.rankers.interface.VALUES_AT_ONCE", 48 * 64)
    parts = Responsibilities().prepare(images, works).log_scores(slice(0, 200))
    np.testing.assert_allclose(np.exp(parts), np.exp(whole), rtol=1e-4, atol=1e-7)


def test_feature_kernel_is_its_definition() -> None:
    """exp(-||f(y) - f(x)||^2 / tau) on vectors of length 1."""
    works, flat = stored_works()
    images, embedding = images_like(flat[3:6]), Projection()
    ranker = FeatureKernel(embedding)
    found = dense_scores(ranker.prepare(images, works), len(works))
    left, right = (values.astype(float) @ embedding.matrix.astype(float) for values in (images.values, flat))
    left, right = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (left, right))
    squared = ((left[:, None] - right[None]) ** 2).sum(axis=2)
    for scale, tau in enumerate(ranker.scales):
        expected = np.exp(-(squared - squared.min(axis=1, keepdims=True)) / tau)
        # The works' features are kept in half precision.
        np.testing.assert_allclose(found[scale], expected, rtol=0.02 / tau, atol=0.005)
    assert ranker.settings() == {"weights_sha256": embedding.sha256}


def test_features_are_computed_once_and_again_when_anything_changed(tmp_path: Path) -> None:
    """Kept beside the works under embedding, weights and works; a damaged file is made anew."""
    works, flat = stored_works(tmp_path)
    images, embedding = images_like(flat[3:6]), Projection()
    first = dense_scores(FeatureKernel(embedding).prepare(images, works), len(works))
    calls = embedding.calls
    again = dense_scores(FeatureKernel(embedding).prepare(images, works), len(works))
    np.testing.assert_array_equal(again, first)
    assert embedding.calls == calls + 1
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:60])
    np.testing.assert_array_equal(dense_scores(FeatureKernel(embedding).prepare(images, works), len(works)), first)
    other = Projection(seed=1)
    assert not np.array_equal(dense_scores(FeatureKernel(other).prepare(images, works), len(works)), first)
    fewer = replace(works, hashes=[*works.hashes[1:], works.hashes[0]])
    dense_scores(FeatureKernel(embedding).prepare(images, fewer), len(works))
    assert len(list(tmp_path.iterdir())) == 3


def test_images_are_brought_into_the_order_of_stored_works() -> None:
    """Channel by channel becomes pixel by pixel."""
    image = np.arange(12, dtype=np.float32).reshape(1, 12)
    found = pixel_by_pixel(Images(image, (3, 2, 2)))
    assert found.tolist() == [[0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]]


def test_shortlist_takes_each_unit_at_its_best_rank() -> None:
    """A unit that leads at any scale is listed: the displayed scale decides no test."""
    orders = [np.array([0, 1, 2, 3]), np.array([2, 1, 0, 3])]
    assert merged_order(orders, 2, 10).tolist() == [0, 2]
    assert merged_order(orders, 10, 10).tolist() == [0, 2, 1, 3]


def test_shortlist_does_not_depend_on_how_far_the_orders_go() -> None:
    """Beyond the depth all ranks are the same, so longer orders change nothing."""
    rng = np.random.default_rng(3)
    orders = [rng.permutation(100) for _ in range(5)]
    expected = merged_order(orders, 12, 20).tolist()
    for length in (20, 21, 50):
        assert merged_order([order[:length] for order in orders], 12, 20).tolist() == expected


def test_missing_parts_are_named_and_exit_with_4(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Missing parts say what to do; the others are made; no untrained network ever."""
    monkeypatch.delenv("CREDITLINE_MOBILENET", raising=False)
    monkeypatch.delenv("CREDITLINE_OPEN_CLIP", raising=False)
    monkeypatch.delenv("CREDITLINE_LPIPS_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    made, missing = available_rankers(NEEDS)
    assert [ranker.name for ranker in made] == ["pixel-kernel", "responsibilities", "patches"]
    assert set(missing) == set(RANKERS) - {"pixel-kernel", "responsibilities", "patches"}
    for name in missing:
        with pytest.raises(MissingPartError) as error:
            make_ranker(name, NEEDS)
        assert error.value.exit_code == 4
        assert any(hint in str(error.value) for hint in ("--", "pip install", "`creditline members reference`"))
    with pytest.raises(MissingPartError, match="does not exist"):
        make_ranker("mobilenet", replace(NEEDS, weights=tmp_path / "none.pth"))


def test_unknown_ranker_is_refused_and_a_name_counts_once() -> None:
    """The error lists the names."""
    with pytest.raises(UsageError, match="choose one of pixel-kernel"):
        make_ranker("psychic", NEEDS)
    assert [one.name for one in make_rankers(["responsibilities", "pixel-kernel", "responsibilities"], NEEDS)] == [
        "responsibilities",
        "pixel-kernel",
    ]


def test_the_example_of_a_new_ranker_works() -> None:
    """The documented ranker by brightness puts the work of the image's brightness first."""
    documentation = rankers.__doc__ or ""
    example = documentation[documentation.index("    class Brightness") : documentation.index("A method that maps")]
    names = {**vars(interface), "np": np}
    exec(textwrap.dedent(example), names)  # noqa: S102 - our own documentation
    works = np.array([[0.1, 0.2], [0.6, 0.8], [0.9, 1.0]])
    scores = names["Brightness"]().score(np.array([[0.7, 0.7]]), works)
    np.testing.assert_allclose(scores, [[[-0.55, 0.0, -0.25]]], atol=1e-6)
