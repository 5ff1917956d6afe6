"""E25: leave one rightsholder out. Models are retrained without each rightsholder; rankers must
predict whose absence raises an image's loss most.

The works, networks and queries are those of :mod:`benchmarks.lds.compare`; a rightsholder is a
digit's class or a house of emoji. The truth for a query is the loss under the model that never saw
the rightsholder, mean over training seeds. Rankers sum their scores over the rightsholder's works.
Measures: Spearman's correlation over rightsholders, the reciprocal rank of the one that matters
most, and NDCG over the first three. The ceiling is one training graded by another, and one half of
the trainings by the other half.

    python -m benchmarks.lds.rightsholders --data digits --cache DIR --peers
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from scipy import stats

from benchmarks.lds.data import Material, material
from benchmarks.lds.grades import over_queries
from benchmarks.lds.ground_truth import Ground, ground_truth, losses_of, models_of
from benchmarks.lds.rankers import DEFAULT, fused, of_peers, ours
from benchmarks.record import conclude

SEEDS = (5, 6, 7, 8, 9, 10)
FIRST = 3
CLAIM = "which rightsholder mattered: Spearman, MRR and NDCG@3 of the default ranking at or above the best peer's"
MEASURES = ("spearman", "reciprocal_rank", "ndcg_at_3")


def main() -> int:
    """Retrain without each rightsholder and grade all rankers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=("digits", "emoji"), default="digits")
    parser.add_argument("--source", type=Path, help="folder of the emoji; the digits are scikit-learn's")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--peers", action="store_true", help="grade other libraries' methods too")
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    works = material(options.data, options.source)
    ground = ground_truth(works, options.cache, seeds=0)
    results = compare(ground, options.cache, options.peers, SEEDS[: options.seeds])
    command = f"python -m benchmarks.lds.rightsholders --data {options.data} --source SOURCE --cache CACHE --peers"
    held = results.pop("held")
    return conclude("lds/rightsholders", CLAIM, held, {"data": options.data, **results}, ("torch", "numpy"), command)


def groups_of(works: Material) -> tuple[list[str], np.ndarray]:
    """The rightsholders, and the index of each work's."""
    names = sorted(set(works.group_of_work))
    return names, np.array([names.index(name) for name in works.group_of_work], dtype=np.int64)


def compare(ground: Ground, cache: Path, peers: bool, seeds: tuple[int, ...]) -> dict[str, Any]:
    """Grade creditline's rankers and the peers against retraining."""
    folder = cache / ground.material.name
    names, group_of_work = groups_of(ground.material)
    without = np.stack([group_of_work != group for group in range(len(names))])
    loss = np.stack(
        [
            losses_of(
                folder, f"without-{seed}", models_of(ground.material, folder, "without", without, seed), ground.queries
            )
            for seed in seeds
        ]
    )
    theirs, failed = of_peers(ground, folder) if peers else ({}, {"all": "--peers was not given"})
    scored = ours(ground, folder, None)
    default, choice = fused([one for one in scored if one.name in DEFAULT], ground)
    candidates = {"default": default, **{one.name: fused([one], ground)[0] for one in scored}, **theirs}
    truth = loss.mean(axis=0)
    values = {name: measured(scores @ ~without.T, truth) for name, scores in candidates.items()}
    grades = {name: summed_up(found, ground.generated) for name, found in values.items()}
    best = {
        measure: max((grades[name]["generated"][measure]["mean"] for name in theirs), default=None)
        for measure in MEASURES
    }
    held = all(
        value is None or grades["default"]["generated"][measure]["mean"] >= value for measure, value in best.items()
    )
    return {
        "rightsholders": {name: int((group_of_work == group).sum()) for group, name in enumerate(names)},
        "training_seeds": len(seeds),
        "queries": {"generated": int(ground.generated.sum()), "held_out": int((~ground.generated).sum())},
        "default": [part.to_json() for part in choice.parts],
        "ceiling": ceiling(loss, ground.generated) if len(seeds) > 1 else {"not_measured": "one seed only"},
        "grades": grades,
        "default_minus_peer": {
            name: summed_up({kind: values["default"][kind] - values[name][kind] for kind in MEASURES}, ground.generated)
            for name in theirs
        },
        "peers_that_failed": failed,
        "best_peer_on_generated": best,
        "held": held and bool(theirs),
    }


def ceiling(loss: Float64[np.ndarray, "seed query group"], generated: np.ndarray) -> dict[str, Any]:
    """One training graded by another, mean over pairs; and the two halves of the trainings."""
    pairs = [measured(one, other) for one, other in permutations(loss, 2)]
    middle = len(loss) // 2
    halves = measured(loss[:middle].mean(axis=0), loss[middle:].mean(axis=0))
    return {
        "one_by_another": summed_up(
            {measure: np.mean([pair[measure] for pair in pairs], axis=0) for measure in MEASURES}, generated
        ),
        "half_by_half": summed_up(halves, generated),
    }


def measured(
    predicted: Float64[np.ndarray, "query group"], loss: Float64[np.ndarray, "query group"]
) -> dict[str, Float64[np.ndarray, " query"]]:
    """All measures for every query."""
    return {
        "spearman": np.array([stats.spearmanr(p, t).statistic for p, t in zip(predicted, loss, strict=True)]),
        "reciprocal_rank": reciprocal_ranks(predicted, loss),
        "ndcg_at_3": ndcg(predicted, loss, FIRST),
    }


def summed_up(rows: Mapping[str, Float64[np.ndarray, " query"]], generated: np.ndarray) -> dict[str, Any]:
    """Means with 95 % bootstrap intervals over queries, for generated and held-out queries."""
    facts: dict[str, Any] = {}
    for kind, chosen in (("generated", generated), ("held_out", ~generated)):
        facts[kind] = {}
        for measure, values in rows.items():
            facts[kind][measure] = {
                "mean": round(100 * float(values[chosen].mean()), 1),
                "over_queries": over_queries(values[chosen]),
            }
    return facts


def reciprocal_ranks(
    predicted: Float64[np.ndarray, "query group"], loss: Float64[np.ndarray, "query group"]
) -> Float64[np.ndarray, " query"]:
    """1 / predicted place of the rightsholder with the largest loss."""
    first = loss.argmax(axis=1)
    own = predicted[np.arange(len(predicted)), first][:, None]
    return np.asarray(1.0 / np.maximum(1, (predicted >= own).sum(axis=1)))


def ndcg(
    predicted: Float64[np.ndarray, "query group"], loss: Float64[np.ndarray, "query group"], places: int
) -> Float64[np.ndarray, " query"]:
    """Normalised discounted cumulative gain of the first places; gain: loss over the smallest."""
    gain = loss - loss.min(axis=1, keepdims=True)
    discount = 1.0 / np.log2(np.arange(places) + 2)
    order = np.argsort(-predicted, axis=1, kind="stable")[:, :places]
    found = (np.take_along_axis(gain, order, axis=1) * discount).sum(axis=1)
    best = (-np.sort(-gain, axis=1)[:, :places] * discount).sum(axis=1)
    return np.asarray(found / np.maximum(best, 1e-300))


if __name__ == "__main__":
    sys.exit(main())
