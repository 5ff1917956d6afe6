"""E25 on adapters: which rightsholder mattered most? Adapters are trained without each in turn.

The truth for a query is the loss, under its text, of the adapter that never saw the rightsholder.
Rankers sum their scores over the rightsholder's works. Measures and ceiling are those of
:mod:`benchmarks.lds.rightsholders`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from attribution.ranking.rankers.feature_kernel import Embedding
from benchmarks.lds.rightsholders import ceiling, measured, summed_up
from benchmarks.text_to_image.adapters import Bench
from benchmarks.text_to_image.outputs import Queries
from benchmarks.text_to_image.ranking import candidates_for

SEEDS = (1,)
"""Trainings without every rightsholder; one training has no ceiling."""


def measure(bench: Bench, embeddings: list[Embedding]) -> dict[str, Any]:
    """All facts of one set, graded on outputs."""
    queries = Queries(bench)
    names = sorted({work.rightsholder for work in bench.works.works})
    theirs = np.array([[work.rightsholder == name for work in bench.works.works] for name in names])
    loss = np.stack(
        [
            bench.losses(f"without-{seed}", bench.opened("without", ~theirs, seed), queries.images, queries.prompts)
            for seed in SEEDS
        ]
    )
    candidates, _, _, failed = candidates_for(queries, embeddings)
    truth = loss.mean(axis=0)
    chance = np.random.default_rng(0).random((len(queries.texts), len(names)))
    grades = {name: measured(scores @ theirs.T.astype(np.float64), truth) for name, scores in candidates.items()}
    grades["at random"] = measured(chance, truth)
    return {
        "rightsholders": {name: int(row.sum()) for name, row in zip(names, theirs, strict=True)},
        "trainings": len(loss),
        "one_training_by_another": (
            ceiling(loss, queries.generated)["one_by_another"]["generated"]
            if len(loss) > 1
            else {"not_measured": "one training only"}
        ),
        "grades": {name: summed_up(found, queries.generated)["generated"] for name, found in grades.items()},
        "not_measured": failed,
    }


def held(facts: Mapping[str, Any]) -> bool:
    """Whether the default ranking's interval lies above chance."""
    ours, chance = (facts["grades"][name]["reciprocal_rank"] for name in ("default", "at random"))
    return bool(ours["over_queries"][0] > chance["mean"])
