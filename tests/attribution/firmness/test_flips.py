"""Attacks, checked independently: the verdict turns, norms are as stated, and pixels agree with the
closed form.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from attribution.firmness.changes import BENIGN
from attribution.firmness.flips import Flip, smallest_l2, smallest_linf
from attribution.firmness.similarity import of_length_one, pixel_similarity, prototype_similarity, similarity_of
from attribution.imitation.identification import Prototypes, Standard
from attribution.metrics.euclidean import NotMeasured
from attribution.ranking.rankers.embeddings import MOBILENET_VARIABLE, NetworkEmbedding, mobilenet
from attribution.ranking.rankers.feature_kernel import embedded

SHAPE = (6, 5, 3)


def drawn(seed: int, works: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An image of 8 bits, works in [0, 1], and their units."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, SHAPE, dtype=np.uint8)
    return image, rng.random((works, SHAPE[2], *SHAPE[:2])).astype(np.float32), rng.permutation(works) // 2


def nearest_by_hand(works: np.ndarray, units: np.ndarray, image: np.ndarray) -> int:
    """The verdict by plain numpy."""
    flat = np.moveaxis(image.astype(np.float64) / 255, -1, 0).reshape(-1)
    return int(units[np.argmin(((works.reshape(len(works), -1).astype(np.float64) - flat) ** 2).sum(axis=1))])


def checked(found: Flip | NotMeasured, image: np.ndarray) -> Flip:
    """Of 8 bits, and with the norms that it states."""
    assert isinstance(found, Flip)
    change = found.image.astype(float) - image.astype(float)
    assert found.image.dtype == np.uint8
    assert found.l2 == pytest.approx(np.linalg.norm(change))
    assert found.linf == np.abs(change).max() > 0
    return found


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_pixels_turn_at_the_closed_form(seed: int) -> None:
    """Never shorter than the distance to the nearest hyperplane, and hardly longer."""
    image, works, units = drawn(seed)
    similarity = pixel_similarity(works, units)
    before = nearest_by_hand(works, units, image)
    assert similarity.nearest(image) == before
    two, most = checked(smallest_l2(similarity, image), image), checked(smallest_linf(similarity, image), image)
    for flip in (two, most):
        assert nearest_by_hand(works, units, flip.image) == flip.unit != before
    flat = np.moveaxis(image / 255.0, -1, 0).reshape(-1)
    points = works.reshape(len(works), -1).astype(np.float64)
    # With one work of the verdict the margin to each rival is linear: these norms are exact.
    if (units == before).sum() == 1:
        own = points[units == before][0]
        others = points[units != before]
        margins = [(((flat - other) ** 2).sum() - ((flat - own) ** 2).sum()) / 2 for other in others]
        l2 = min(255 * gap / np.linalg.norm(other - own) for gap, other in zip(margins, others, strict=True))
        linf = min(255 * gap / np.abs(other - own).sum() for gap, other in zip(margins, others, strict=True))
        assert l2 - 1e-6 <= two.l2 <= 1.3 * l2 + 3
        assert linf - 1e-6 <= most.linf <= 1.5 * linf + 2


class Features(nn.Module):
    """A small network that stands for an encoder."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, 8, 3), nn.Tanh(), nn.Flatten()
        )
        self.double().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.layers(images)
        return found


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32))
def test_an_encoder_is_turned(seed: int) -> None:
    """Through a network: the verdict of a fresh forward pass really differs."""
    image, works, units = drawn(seed)
    network = Features()
    similarity = similarity_of("network", of_length_one(network), works, units)

    def verdict(picture: np.ndarray) -> int:
        shown = torch.from_numpy(np.moveaxis(picture / 255.0, -1, 0)[None])
        found = nn.functional.normalize(network(torch.cat([shown, torch.from_numpy(works).double()])), dim=1)
        return int(units[int((found[1:] - found[0]).norm(dim=1).argmin())])

    for found in (smallest_l2(similarity, image), smallest_linf(similarity, image)):
        if not isinstance(found, NotMeasured):
            flip = checked(found, image)
            assert verdict(flip.image) == flip.unit != verdict(image)


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get(MOBILENET_VARIABLE), reason=f"{MOBILENET_VARIABLE} names no weights of MobileNetV2"
)
def test_mobilenet_is_turned() -> None:
    """Through the real encoder: the embedding of the ranker itself has another nearest work."""
    embedding = mobilenet()
    assert isinstance(embedding, NetworkEmbedding)
    rng = np.random.default_rng(0)
    works = rng.random((4, 3, 16, 16)).astype(np.float32)
    image = np.moveaxis((works[0] * 200).astype(np.uint8), 0, -1)
    similarity = similarity_of("mobilenet", of_length_one(embedding.features), works, np.arange(4))

    def verdict(picture: np.ndarray) -> int:
        shown = np.moveaxis(picture.astype(np.float32) / 255, -1, 0)[None]
        features = embedded(embedding, np.concatenate([shown, works]))
        return int(((features[1:] - features[0]) ** 2).sum(axis=1).argmin())

    for found in (smallest_l2(similarity, image), smallest_linf(similarity, image)):
        flip = checked(found, image)
        assert verdict(flip.image) == flip.unit != verdict(image)


def test_an_identification_is_turned() -> None:
    """The classifier by prototypes of an imitation audit: its own code takes the image for another
    artist's.
    """
    network = Features()
    rng = np.random.default_rng(5)
    works = rng.random((9, 3, 6, 5))
    artists = np.repeat(np.arange(3), 3)
    features = network(torch.from_numpy(works)).numpy()
    standard = Standard.of(features)
    prototypes = Prototypes.learn(standard(features), artists)
    similarity = prototype_similarity("artists", network, standard.mean, standard.deviation, prototypes.means)
    image = np.moveaxis((works[4] * 255).astype(np.uint8), 0, -1)

    def taken_for(picture: np.ndarray) -> int:
        shown = torch.from_numpy(np.moveaxis(picture / 255.0, -1, 0)[None])
        return int(prototypes.scores(standard(network(shown).numpy())).argmax())

    assert similarity.nearest(image) == taken_for(image)
    for found in (smallest_l2(similarity, image), smallest_linf(similarity, image)):
        flip = checked(found, image)
        assert taken_for(flip.image) == flip.unit != taken_for(image)


def test_a_single_unit_cannot_be_turned() -> None:
    """The reason is stated."""
    image, works, _ = drawn(1)
    similarity = pixel_similarity(works, np.zeros(len(works), np.int64))
    for found in (smallest_l2(similarity, image), smallest_linf(similarity, image)):
        assert isinstance(found, NotMeasured)
        assert "no other unit" in found.reason


def test_a_verdict_on_the_edge_turns_by_one_level() -> None:
    """Two works at almost one distance: one level is enough; equal images tie for the first."""
    image = np.full((4, 4, 1), 100, np.uint8)
    works = np.stack([np.full((1, 4, 4), 90 / 255), np.full((1, 4, 4), 110.5 / 255)]).astype(np.float32)
    similarity = pixel_similarity(works, np.asarray([0, 1]))
    assert similarity.nearest(image) == 0
    assert checked(smallest_linf(similarity, image), image).linf == 1
    assert checked(smallest_l2(similarity, image), image).l2 <= 3


@pytest.mark.parametrize("channels", [1, 3])
def test_benign_changes_keep_the_form(channels: int) -> None:
    """Same shape, 8 bits, and really changed."""
    image = np.random.default_rng(0).integers(0, 256, (16, 12, channels), dtype=np.uint8)
    for name, change in BENIGN.items():
        found = change(image)
        assert found.shape == image.shape, name
        assert found.dtype == np.uint8, name
        assert (found != image).any(), name
    assert (BENIGN["moved down by one pixel"](image)[1:] == image[:-1]).all()


def test_similarity_takes_the_nearest_work_of_a_unit() -> None:
    """Distances by unit are minima over its works."""
    _, works, units = drawn(3)
    similarity = pixel_similarity(works, units)
    image = torch.zeros(1, 3, 6, 5, dtype=torch.float64)
    found = similarity.distances(image)[0].numpy()
    squares = (works.reshape(len(works), -1).astype(np.float64) ** 2).sum(axis=1)
    assert found == pytest.approx([squares[units == unit].min() for unit in similarity.distinct])
