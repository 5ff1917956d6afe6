"""How close are generated pictures to works, and is the top unit the copied work? (E12, E13)

A picture is a *near copy* if it is closer to its nearest work than 99 % of held-out pictures are to
theirs. The threshold depends on the number of works: with more works, every picture is closer to
one of them. It is *memorised* if it is less than a third as far from its nearest work as from the
second nearest (Yoon et al. 2023, "Diffusion Probabilistic Models Generalize when They Fail to
Memorize").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

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
MEMORISED = 1.0 / 3.0
"""Of the distance to the second nearest work."""


def copying(trained: Trained, digits: Digits, samples: int) -> dict[str, Any]:
    """Distances of generated and of held-out pictures to their nearest works."""
    unseen, works = flat(digits.held_out[:2000]), flat_works(trained)
    return {"samples": samples, **copied([Drawn(pictures(trained.draw(list(range(samples)))), works)], unseen)}


def copying_alone(trained: Trained, digits: Digits, samples: int) -> dict[str, Any]:
    """The same for samples by one member each, beside the works that this member saw."""
    alone, seen = np.eye(trained.ensemble.n), trained.membership[trained.unit_of_work]
    rows = np.arange(samples) % trained.ensemble.n
    images = pictures(trained.draw(list(range(samples)), torch.from_numpy(alone[rows])))
    drawn = [Drawn(images[rows == index], flat_works(trained)[seen[:, index]]) for index in range(trained.ensemble.n)]
    return {"samples": samples, **copied(drawn, flat(digits.held_out[:2000]))}


class Drawn(NamedTuple):
    """Samples, and the works of which they may be copies."""

    images: np.ndarray
    works: np.ndarray


def copied(drawn: Sequence[Drawn], held_out: np.ndarray) -> dict[str, Any]:
    """Near copies and memorised pictures of all the samples together."""
    made, ratio, near, unseen = [], [], [], []
    for images, works in drawn:
        closest = np.sqrt(np.partition(squared_distances(images, works), 1, axis=1)[:, :2])
        _, others = nearest(held_out, works)
        made.append(closest[:, 0])
        ratio.append(closest[:, 0] / np.maximum(closest[:, 1], 1e-12))
        near.append(closest[:, 0] < np.quantile(others, 0.01))
        unseen.append(others)
    generated, compared = np.median(np.concatenate(made)), np.median(np.concatenate(unseen))
    return {
        "near_copies": share(np.concatenate(near)),
        "memorised": share(np.concatenate(ratio) < MEMORISED),
        "nearest_distance_median": {"generated": rounded(generated), "unseen": rounded(compared)},
        "generated_over_unseen": rounded(generated / compared),
    }


def attributions(setting: Setting, trained: Trained, digits: Digits, samples: int, ablated: int = 0) -> dict[str, Any]:
    """Rank of the nearest work by influence, and properties of the most influential unit.

    ``ablated``: of the samples, how many are regenerated without every unit, too.
    """
    seeds = list(range(samples))
    works, labels = flat_works(trained), digits.labels[: trained.units]
    jacobian, y = landscapes.first_order(setting.cache, trained, seeds)
    images = pictures(y)
    named, _ = nearest(images, works)
    classes = classify(images, works, labels)
    found = {"jacobian": jacobian}
    if ablated:
        found["exact"] = np.stack([landscapes.exact(setting.cache, trained, seed).seen for seed in seeds[:ablated]])
    distances = np.sqrt(squared_distances(images, works))
    p_values = directional_p(trained, seeds, named)
    return {
        "samples": samples,
        "by_influence": {
            name: _facts(values, named[: len(values)], classes[: len(values)], distances[: len(values)], labels)
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
    influence: np.ndarray, named: np.ndarray, classes: np.ndarray, distance: np.ndarray, labels: np.ndarray
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
