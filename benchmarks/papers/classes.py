"""An ensemble whose units are classes of digits, and the influence of every class on many samples.

E6 and E7 share the measurement. Classes 5, 7 and 9 are left out, as in WDL, since the others are
easy to tell apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from safetensors.numpy import load_file, save_file

from attribution.ablation.exact import ablation_weights
from attribution.metrics.euclidean import euclidean
from benchmarks.papers.digits import flat
from benchmarks.papers.ensembles import SHORT, Trained, pictures, train
from benchmarks.papers.measures import classify, rounded
from benchmarks.papers.reporting import Setting
from registry.home import write_atomically

CLASSES = (0, 1, 2, 3, 4, 6, 8)
SAMPLES_AT_ONCE = 250


@dataclass(frozen=True)
class ClassInfluences:
    """Influence of every class on every sample."""

    trained: Trained
    facts: dict[str, Any]
    images: Float32[np.ndarray, "sample value"]
    predicted: Int64[np.ndarray, " sample"]
    """Index of the predicted class in :data:`CLASSES`."""
    influence: Float64[np.ndarray, "sample unit"]
    """Scaled Euclidean distances between pictures."""
    predicted_without: Int64[np.ndarray, "sample unit"]
    """The class of the picture without each class."""
    images_without: Float32[np.ndarray, "sample unit value"]
    """The picture without each class."""


def measure(setting: Setting, samples: int) -> ClassInfluences:
    """Train, generate ``samples`` images, and regenerate each without each class."""
    digits = setting.digits()
    place_of = {label: place for place, label in enumerate(CLASSES)}
    kept = np.flatnonzero(np.isin(digits.labels, CLASSES))
    units = np.array([place_of[int(label)] for label in digits.labels[kept]])
    training = replace(setting.recipe.training, steps=min(SHORT, setting.recipe.training.steps))
    recipe = replace(setting.recipe, n=8, h=4, training=training)
    trained = train(setting.cache, recipe, digits.works[kept], units)
    works = flat(digits.works[kept])
    unseen = np.flatnonzero(np.isin(digits.held_out_labels, CLASSES))[:1000]
    truth = np.array([place_of[int(label)] for label in digits.held_out_labels[unseen]])
    accuracy = float(np.mean(classify(flat(digits.held_out[unseen]), works, units) == truth))
    parts = [
        _part(setting, trained, works, units, range(start, min(start + SAMPLES_AT_ONCE, samples)))
        for start in range(0, samples, SAMPLES_AT_ONCE)
    ]
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    facts = {
        **trained.facts,
        "classes": list(CLASSES),
        "classifier": "five nearest training works by pixels",
        "classifier_accuracy_on_unseen": rounded(accuracy),
        "samples": samples,
    }
    return ClassInfluences(trained, facts, **found)


def _part(
    setting: Setting, trained: Trained, works: np.ndarray, units: np.ndarray, seeds: range
) -> dict[str, np.ndarray]:
    path = setting.cache / f"{trained.id}-classes-{seeds.start}-{seeds.stop}.safetensors"
    if not path.exists():
        y = trained.draw(list(seeds))
        influence, images_without = [], []
        for weights in ablation_weights(trained.membership):
            without = trained.draw(list(seeds), weights.expand(len(seeds), -1))
            influence.append(euclidean(y.clamp(-1.0, 1.0), without.clamp(-1.0, 1.0)))
            images_without.append(pictures(without))
        found = {
            "images": pictures(y),
            "predicted": classify(pictures(y), works, units),
            "influence": torch.stack(influence, dim=1).numpy(),
            "predicted_without": np.stack([classify(images, works, units) for images in images_without], axis=1),
            "images_without": np.stack(images_without, axis=1),
        }
        write_atomically(path, lambda part: save_file({k: np.ascontiguousarray(v) for k, v in found.items()}, part))
        print(f"{path.name}", flush=True)
    return load_file(path)
