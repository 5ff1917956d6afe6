"""Embeddings: an image's features do not depend on other images, and need known weights.

MobileNetV2 is tested if CREDITLINE_MOBILENET names its weights, open_clip if it is installed.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from attribution.metrics.torchvision_models import torchvision_models
from attribution.ranking.rankers.embeddings import MOBILENET_VARIABLE, NetworkEmbedding, mobilenet, open_clip_embedding
from attribution.ranking.rankers.feature_kernel import embedded
from registry.errors import InputError, MissingPartError, UsageError

needs_mobilenet = pytest.mark.skipif(
    not os.environ.get(MOBILENET_VARIABLE), reason=f"{MOBILENET_VARIABLE} names no weights of MobileNetV2"
)
needs_open_clip = pytest.mark.skipif(find_spec("open_clip") is None, reason="open_clip is not installed")


def pictures(count: int, channels: int = 3) -> np.ndarray:
    """Random pictures of 12 x 12 pixels."""
    return np.random.default_rng(0).random((count, channels, 12, 12)).astype(np.float32)


def small_embedding() -> NetworkEmbedding:
    """A convolution and a mean, standardised differently for each channel."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return NetworkEmbedding("small", 5, network, "0" * 64, 16, (0.1, 0.2, 0.3), (0.5, 0.4, 0.3))


def test_features_are_those_of_the_scaled_and_standardised_picture() -> None:
    """At the network's own side only the channels' means and deviations matter."""
    embedding = small_embedding()
    images = np.random.default_rng(0).random((2, 3, 16, 16)).astype(np.float32)
    by_hand = (images - np.array([0.1, 0.2, 0.3]).reshape(3, 1, 1)) / np.array([0.5, 0.4, 0.3]).reshape(3, 1, 1)
    with torch.no_grad():
        expected = embedding.network(torch.from_numpy(by_hand.astype(np.float32))).numpy()
    np.testing.assert_allclose(embedding.embed(images), expected, atol=1e-5)


def test_features_have_length_1_and_depend_on_no_other_image() -> None:
    """In any batch; grey counts as three equal channels."""
    embedding, images = small_embedding(), pictures(70)
    together = embedded(embedding, images)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(embedded(embedding, images[66:67])[0], together[66], atol=1e-6)
    grey = pictures(2, channels=1)
    np.testing.assert_allclose(embedded(embedding, grey), embedded(embedding, grey.repeat(3, axis=1)), atol=1e-6)


def test_untrained_network_is_never_an_embedding(tmp_path: Path) -> None:
    """Weights of the right shape but with another hash are refused."""
    path = tmp_path / "mobilenet_v2-b0353104.pth"
    torch.save(torchvision_models().mobilenet_v2(weights=None).state_dict(), path)
    with pytest.raises(InputError, match="SHA-256"):
        mobilenet(path)


@needs_mobilenet
def test_mobilenet_sees_what_pixels_do_not() -> None:
    """A picture that is moved by a pixel stays close, another picture does not."""
    embedding = mobilenet()
    y, x = np.mgrid[0:16, 0:16]
    disc = ((y - 7) ** 2 + (x - 7) ** 2 <= 25).astype(np.float32)
    stripes = (x % 4 < 2).astype(np.float32)
    shown = np.stack([disc, np.roll(disc, 1, axis=1), stripes])[:, None].repeat(3, axis=1)
    found = embedded(embedding, shown)
    squared = ((found[:, None] - found[None]) ** 2).sum(axis=2)
    assert squared[0, 1] < 0.5 * squared[0, 2]
    assert found.shape == (3, embedding.width)


@needs_open_clip
@pytest.mark.slow
def test_open_clip_loads_a_named_file_and_nothing_else(tmp_path: Path) -> None:
    """The image tower of the file; other files and unknown models are refused."""
    import importlib

    torchvision_models()
    open_clip = importlib.import_module("open_clip")
    path, name = tmp_path / "weights.pt", "ViT-S-32"
    model = open_clip.create_model(name)
    torch.save(model.state_dict(), path)
    embedding = open_clip_embedding(f"{name}={path}")
    images = np.random.default_rng(0).random((1, 3, 224, 224)).astype(np.float32)
    assert embedding.embed(images).shape == (1, embedding.width)
    path.write_bytes(b"not weights")
    with pytest.raises(InputError, match=name):
        open_clip_embedding(f"{name}={path}")
    with pytest.raises(UsageError, match="no model"):
        open_clip_embedding(f"ViT-nonsense={path}")


def test_open_clip_without_weights_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is installed or not."""
    monkeypatch.delenv("CREDITLINE_OPEN_CLIP", raising=False)
    with pytest.raises(MissingPartError, match=r"CREDITLINE_OPEN_CLIP|creditline\[clip\]"):
        open_clip_embedding()
