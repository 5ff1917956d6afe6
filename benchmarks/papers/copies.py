"""How close are generated pictures to works, and is the top unit the copied work? (E12, E13)

A picture is a *near copy* if it is closer to its nearest work than 99 % of held-out pictures are to
theirs. The threshold depends on the number of works: with more works, every picture is closer to
one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from attribution.evidence.randomisation import assess_shortlist
from attribution.sampling.predictions import PredictionSums
from attribution.sampling.sampler import sample
from benchmarks.papers import landscapes
from benchmarks.papers.digits import Digits, flat
from benchmarks.papers.ensembles import SAMPLER, Trained, flat_works, pictures
from benchmarks.papers.measures import classify, estimate, nearest, rounded, share, squared_distances
from benchmarks.papers.reporting import Setting
from registry.encodings.codes import codes_of, decoys

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_DECOYS = 2000
SHOWN = 16


def copying(trained: Trained, digits: Digits, samples: int) -> dict[str, Any]:
    """Distances of generated and of held-out pictures to their nearest works."""
    works = flat_works(trained)
    _, made = nearest(pictures(trained.draw(list(range(samples)))), works)
    _, unseen = nearest(flat(digits.held_out[:2000]), works)
    return {
        "samples": samples,
        "near_copies": share(made < np.quantile(unseen, 0.01)),
        "nearest_distance_median": {"generated": rounded(np.median(made)), "unseen": rounded(np.median(unseen))},
        "generated_over_unseen": rounded(np.median(made) / np.median(unseen)),
    }


def attributions(setting: Setting, trained: Trained, digits: Digits, samples: int, by_ablation: bool) -> dict[str, Any]:
    """Rank of the nearest work by influence, and properties of the most influential unit."""
    seeds = list(range(samples))
    works, labels = flat_works(trained), digits.labels[: trained.units]
    jacobian, y = landscapes.first_order(setting.cache, trained, seeds)
    images = pictures(y)
    named, _ = nearest(images, works)
    classes = classify(images, works, labels)
    found = {"jacobian": jacobian}
    if by_ablation:
        found["exact"] = np.stack([landscapes.exact(setting.cache, trained, seed).seen for seed in seeds])
    p_values = directional_p(trained, seeds, named)
    return {
        "samples": samples,
        "by_influence": {
            name: _facts(values, named, classes, labels, np.sqrt(squared_distances(images, works)))
            for name, values in found.items()
        },
        "same_class_by_chance": rounded(np.mean(labels[None, :] == classes[:, None])),
        "directional_test_of_the_nearest": {
            "p_at_most_0.05": share(p_values <= 0.05),
            "p_at_most_0.01": share(p_values <= 0.01),
        },
        "images": images[:SHOWN],
        "top": works[jacobian[:SHOWN].argmax(axis=1)],
        "nearest": works[named[:SHOWN]],
    }


def _facts(
    influence: np.ndarray, named: np.ndarray, classes: np.ndarray, labels: np.ndarray, distance: np.ndarray
) -> dict[str, Any]:
    rows = np.arange(len(influence))
    own = influence[rows, named]
    # Complementary codes have the same estimate: half a rank each keeps chance at one half.
    above = (influence > own[:, None]).sum(axis=1) + 0.5 * ((influence == own[:, None]).sum(axis=1) - 1)
    top = influence.argmax(axis=1)
    return {
        "top_is_the_nearest_work": share(top == named),
        "standing_of_the_nearest": estimate(1.0 - above / (influence.shape[1] - 1)),
        "top_has_the_class_of_the_picture": share(labels[top] == classes),
        "top_distance_over_mean_distance": estimate(distance[rows, top] / distance.mean(axis=1)),
    }


def directional_p(trained: Trained, seeds: list[int], units: np.ndarray) -> np.ndarray:
    """Exact p-values of creditline's test, one unit per sample."""
    recipe = trained.recipe
    codes = codes_of(recipe.encoding_seed, recipe.n, recipe.h, np.arange(trained.units))
    drawn = decoys(recipe.encoding_seed, recipe.n, recipe.h, trained.units, MOST_DECOYS, draw_seed=0)
    noise = trained.noise(seeds)
    sums = PredictionSums(trained.ensemble, noise[:, 0])
    sample(trained.ensemble, noise, SAMPLER, observe=sums)
    works = 2.0 * flat_works(trained) - 1.0
    loss = torch.zeros(recipe.n, dtype=torch.float64).numpy()
    return np.array(
        [
            assess_shortlist(sums.row(row, loss), works[unit][None], codes[unit][None], drawn, recipe.n).p_value[0]
            for row, unit in enumerate(units)
        ]
    )


def paint_attributions(axes: Axes, found: dict[str, Any], side: int) -> None:
    """Generated pictures; below them the most influential units; below these the nearest works."""
    rows = [np.concatenate(list(found[kind].reshape(-1, side, side)), axis=1) for kind in ("images", "top", "nearest")]
    axes.imshow(np.concatenate(rows), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    names = ["generated", "most influential\nby Jacobian", "nearest"]
    axes.set_yticks([side * (row + 0.5) for row in range(3)], names)
    axes.set_xticks([])
