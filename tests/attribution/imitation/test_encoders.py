"""Encoders: the zero-shot question by a CLIP model from a file, and style features; both only where
their libraries or weights are here.
"""

from __future__ import annotations

import importlib
import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from attribution.imitation.classifiers import Classifiers
from attribution.imitation.encoders import STYLE_WIDTH, open_encoder
from attribution.metrics.torchvision_models import torchvision_models
from attribution.ranking.rankers.embeddings import MOBILENET_VARIABLE, OPEN_CLIP_VARIABLE

IMAGES = np.random.default_rng(0).random((6, 3, 32, 32)).astype(np.float32)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("open_clip") is None, reason="open_clip is not installed")
def test_a_clip_model_reads_images_and_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a named file, offline; the zero-shot question is then asked, without learning."""
    torchvision_models()
    name, path = "ViT-S-32", tmp_path / "weights.pt"
    torch.save(importlib.import_module("open_clip").create_model(name).state_dict(), path)
    monkeypatch.setenv(OPEN_CLIP_VARIABLE, f"{name}={path}")
    encoder = open_encoder("open-clip")
    assert encoder.texts is not None
    texts = encoder.texts(["artwork by Ada Example", "artwork by Bo Example"])
    features = encoder.features(IMAGES)
    assert texts.shape == (2, encoder.embedding.width)
    assert features.shape == (6, encoder.embedding.width)
    learned = Classifiers.learn(features, np.array([0, 0, 0, 1, 1, 1]), 2, encoder, ["a", "b"])
    assert list(learned.answers(features).identified) == ["zero-shot", "prototype", "probe", "relative"]


@pytest.mark.skipif(not os.environ.get(MOBILENET_VARIABLE), reason=f"{MOBILENET_VARIABLE} names no file of weights")
def test_style_features_do_not_depend_on_the_batch() -> None:
    """Each image has its own; they read no texts."""
    encoder = open_encoder("style")
    together = encoder.features(IMAGES)
    assert together.shape == (6, STYLE_WIDTH)
    assert encoder.features(IMAGES[2:3])[0] == pytest.approx(together[2], abs=1e-4)
    assert encoder.texts is None
