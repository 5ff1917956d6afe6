"""The ranker by patches is its definition, and finds the works that an image is made of."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.ranking.rankers.interface import Images, Works, dense_scores
from attribution.ranking.rankers.patches import BANDWIDTHS, PATCH, SIDE, STEP, Patches, patches_of


def works_of(count: int, side: int, channels: int = 3) -> tuple[Works, np.ndarray]:
    """Random works in blocks of 4 x 4 pixels, pixel by pixel and as pictures."""
    coarse = np.random.default_rng(4).random((count, channels, -(-side // 4), -(-side // 4)), dtype=np.float32)
    pictures = coarse.repeat(4, axis=2).repeat(4, axis=3)[:, :, :side, :side]
    return Works.flat(np.ascontiguousarray(np.moveaxis(pictures, 1, -1)).reshape(count, -1)), pictures


def images_of(pictures: np.ndarray) -> Images:
    return Images(np.ascontiguousarray(pictures).reshape(len(pictures), -1), pictures.shape[1:])


def test_scores_are_the_mean_weights_of_patches() -> None:
    """By loops: shrink, cut patches, one softmax over all patches of all works, sum by work."""
    works, pictures = works_of(7, 32)
    images = images_of(pictures[2:4] * 0.9)
    found = dense_scores(Patches().prepare(images, works), len(works))

    def cut(picture: np.ndarray) -> np.ndarray:
        shrunk = picture.reshape(3, SIDE, 2, SIDE, 2).mean(axis=(2, 4))
        places = range(0, SIDE - PATCH + 1, STEP)
        return np.array([shrunk[:, y : y + PATCH, x : x + PATCH].ravel() for y in places for x in places], np.float64)

    theirs = np.stack([cut(picture) for picture in pictures])
    for image, picture in enumerate(pictures[2:4] * 0.9):
        for scale, tau in enumerate(BANDWIDTHS):
            expected = np.zeros(len(pictures))
            for patch in cut(picture):
                exponents = -((patch - theirs) ** 2).mean(axis=2) / tau
                weights = np.exp(exponents - exponents.max())
                expected += weights.sum(axis=1) / weights.sum()
            np.testing.assert_allclose(found[scale, image], expected / expected.max(), rtol=2e-3, atol=1e-6)


def test_an_image_of_two_halves_has_both_works_first() -> None:
    """Also where one half stands at another place: patches are compared at all places."""
    works, pictures = works_of(40, 32)
    image = np.concatenate([pictures[5][:, :, :16], pictures[9][:, :, :16]], axis=2)
    scores = dense_scores(Patches().prepare(images_of(image[None]), works), len(works))
    for scale in range(3):
        assert set(np.argsort(-scores[scale, 0])[:2]) == {5, 9}


def test_scores_do_not_depend_on_the_blocks_and_sum_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The denominators are summed over any number of blocks."""
    works, pictures = works_of(150, 8)
    images = images_of(pictures[3:6])
    whole = Patches().prepare(images, works).log_scores(slice(0, 150))
    np.testing.assert_allclose(np.exp(whole).sum(axis=2), 1.0, rtol=1e-4)
    monkeypatch.setattr("attribution.ranking.rankers.interface.VALUES_AT_ONCE", 192 * 64)
    parts = Patches().prepare(images, works).log_scores(slice(0, 150))
    np.testing.assert_allclose(np.exp(parts), np.exp(whole), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("side", [1, 3, 5, 8, 28, 64])
def test_pictures_of_any_size_have_patches(side: int) -> None:
    """A picture smaller than a patch is its own patch."""
    shrunk = min(SIDE, side)
    patch = min(PATCH, shrunk)
    count = len(range(0, shrunk - patch + 1, STEP)) ** 2
    assert patches_of(np.zeros((2, 1, side, side), dtype=np.float32)).shape == (2, count, patch**2)
