"""The exemplar test: an artist's few works among all, found from outputs in the artist's style?

After "Evaluating Data Attribution for Text-to-Image Models" (Wang et al. 2023), in which a model is
tuned on exemplars, and these count as the truth for outputs that are prompted by them. Here the
truth is the artist's works in an ensemble that was trained on all works. Recall at k: the share of
the artist's works among the first k of a ranking, over all works of the set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float64

from attribution.ranking.rankers.feature_kernel import Embedding
from benchmarks.lds.grades import over_queries
from benchmarks.text_to_image.adapters import Bench
from benchmarks.text_to_image.outputs import ARTIST, ARTIST_ELSEWHERE, Queries
from benchmarks.text_to_image.ranking import candidates_for

PLACES = (1, 5, 10)


def measure(bench: Bench, embeddings: list[Embedding]) -> dict[str, Any]:
    """All facts of one set."""
    queries = Queries(bench)
    candidates, _, _, failed = candidates_for(queries, embeddings)
    artists = bench.works.rows_of(bench.works.artist)
    kinds = np.array([one.kind for one in queries.outputs] + [""] * len(bench.works.unseen))
    facts: dict[str, Any] = {
        "works": len(bench.works.works),
        "artists_works": len(artists),
        "at_random": {str(k): round(100 * max(k, len(artists)) / len(bench.works.works), 1) for k in PLACES},
        "not_measured": failed,
    }
    for kind in (ARTIST, ARTIST_ELSEWHERE):
        rows = np.flatnonzero(kinds == kind)
        facts[kind] = {"outputs": len(rows)} | {
            name: recalls(scores[rows], artists) for name, scores in candidates.items()
        }
    return facts


def recalls(scores: Float64[np.ndarray, "output work"], artists: np.ndarray) -> dict[str, Any]:
    """Recall at each place, in hundredths, with bootstrap intervals over outputs.

    At 1 it is the share of outputs with a work of the artist first: one place holds one work.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    found: dict[str, Any] = {}
    for k in PLACES:
        hits = np.isin(order[:, :k], artists).sum(axis=1) / min(k, len(artists))
        found[str(k)] = {"recall": round(100 * float(hits.mean()), 1), "over_outputs": over_queries(hits)}
    return found


def held(facts: Mapping[str, Any]) -> bool:
    """Whether the default ranking's interval lies above chance, for both kinds of prompts."""
    last = str(PLACES[-1])
    return all(
        facts[kind]["default"][last]["over_outputs"][0] > facts["at_random"][last]
        for kind in (ARTIST, ARTIST_ELSEWHERE)
    )
