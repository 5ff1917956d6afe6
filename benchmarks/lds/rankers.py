"""Scores of creditline's rankers, of the ensemble's chosen fusions, and of other libraries."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float64

from attribution.ranking.rankers.catalogue import PEERS, RankerInputs, make_ranker
from attribution.ranking.rankers.embeddings import mobilenet
from attribution.ranking.rankers.feature_kernel import FeatureKernel
from attribution.ranking.rankers.fusion import Fusion, SummedScores, fit_fusion
from attribution.ranking.rankers.gradients.whitened import VIEWS, Gradients
from attribution.ranking.rankers.interface import Images, Ranker, Works, dense_scores
from attribution.ranking.rankers.kernel import PixelKernel
from attribution.ranking.rankers.member_lds import correlations_of
from attribution.ranking.rankers.responsibilities import Responsibilities
from attribution.training.reference_model import ReferenceModel
from benchmarks.lds.ground_truth import SAMPLER, Ground
from registry.errors import MissingPartError
from registry.home import write_atomically

DEFAULT = ("pixel-kernel", "responsibilities", "gradients")
"""The rankers of the default fusion; the feature kernel needs weights that must be downloaded."""
TRACIN = "tracin"


class Measured(Protocol):
    """Works, queries, and the losses of an ensemble on them: members on pixels, or adapters."""

    @property
    def generated(self) -> Bool[np.ndarray, " query"]:
        """Which queries the ensemble generated."""

    @property
    def membership(self) -> Bool[np.ndarray, "work member"]:
        """Which member saw which work."""

    @property
    def member_loss(self) -> Float64[np.ndarray, "query member"]:
        """Every member's loss on every query."""

    def images_to_rank(self) -> Images:
        """The queries as a ranker takes them."""

    def works_to_rank(self, folder: Path | None) -> Works:
        """The works as a ranker takes them, which keeps its features in ``folder``."""

    def reference_model(self) -> ReferenceModel:
        """The model of all works for gradient methods."""


@dataclass(frozen=True)
class Scored:
    """One ranker at all its scales."""

    name: str
    scales: tuple[float, ...]
    scores: Float64[np.ndarray, "scale query work"]

    def standardised(self) -> Float64[np.ndarray, "scale query work"]:
        """Scores with mean 0 and deviation 1 over the works, as fusions use them."""
        deviation = self.scores.std(axis=2, keepdims=True)
        return np.asarray((self.scores - self.scores.mean(axis=2, keepdims=True)) / np.maximum(deviation, 1e-300))

    def summed(
        self, membership: Bool[np.ndarray, "work member"], rows: Bool[np.ndarray, " query"] | None = None
    ) -> SummedScores:
        """Standardised scores of some queries (None: all), summed over the works of each member."""
        scores = self.standardised()
        scores = scores if rows is None else scores[:, rows]
        return SummedScores(self.name, self.scales, scores @ membership.astype(np.float64))


def ours(ground: Ground, folder: Path, weights: Path | None) -> list[Scored]:
    """Each of creditline's rankers at every scale; ``weights``: of MobileNetV2."""
    rankers = default_rankers(ground)
    if weights is not None:
        rankers.append(FeatureKernel(mobilenet(weights)))
    return [scored(one, ground, folder) for one in rankers]


def scored(ranker: Ranker, ground: Measured, folder: Path) -> Scored:
    """One ranker's scores of all works for all queries."""
    works = ground.works_to_rank(folder)
    found = dense_scores(ranker.prepare(ground.images_to_rank(), works), len(works))
    return Scored(ranker.name, tuple(ranker.scales), found)


def default_rankers(ground: Ground) -> list[Ranker]:
    """The rankers of :data:`DEFAULT`."""
    return [PixelKernel(), Responsibilities(), Gradients(ground.reference_model(), VIEWS)]


def fused(parts: list[Scored], ground: Measured) -> tuple[Float64[np.ndarray, "query work"], Fusion]:
    """The fusion chosen by member-LDS on the ensemble's own samples, applied to every query."""
    rows = ground.generated
    graded = [part.summed(ground.membership, rows) for part in parts]
    choice = fit_fusion(graded, ground.member_loss[rows])
    by_name = {part.name: part for part in parts}
    scores = np.zeros(parts[0].scores.shape[1:])
    for chosen in choice.parts:
        part = by_name[chosen.name]
        scores += chosen.weight * part.standardised()[part.scales.index(chosen.scale)]
    return scores, choice


def member_lds(scores: Float64[np.ndarray, "query work"], ground: Measured) -> Float64[np.ndarray, " query"]:
    """A ranker's member-LDS on each query."""
    centred = scores - scores.mean(axis=1, keepdims=True)
    return np.asarray(correlations_of(centred @ ground.membership.astype(np.float64), ground.member_loss))


def of_peers(
    ground: Measured, folder: Path, names: Collection[str] = (*PEERS, TRACIN)
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Other libraries' scores by method and setting (kept in ``folder``), and reasons for gaps."""
    inputs = RankerInputs(SAMPLER, reference=ground.reference_model)
    methods: dict[str, Callable[[], dict[str, np.ndarray]]] = {
        name: lambda name=name: _at_scales(make_ranker(name, inputs), ground, folder)  # type: ignore[misc]
        for name in PEERS
    }
    found: dict[str, np.ndarray] = {}
    failed: dict[str, str] = {}
    if isinstance(ground, Ground):
        methods |= {TRACIN: lambda: _tracin(ground)}
    for name, scores_of in methods.items():
        if name not in names:
            continue
        kept = folder / f"peer-{name}.npz"
        if not kept.exists():
            try:
                scores = scores_of()
            except (ImportError, MissingPartError) as error:
                failed[name] = str(error)
                continue
            write_atomically(kept, lambda part, scores=scores: _save(part, scores))  # type: ignore[misc]
        with np.load(kept, allow_pickle=False) as arrays:
            found |= {key: np.asarray(arrays[key], dtype=np.float64) for key in arrays.files}
    return found, failed


def _at_scales(ranker: Ranker, ground: Measured, folder: Path) -> dict[str, np.ndarray]:
    found = scored(ranker, ground, folder)
    if len(found.scores) == 1:
        return {ranker.name: found.scores[0]}
    return {f"{ranker.name}/{scale:g}": row for scale, row in zip(found.scales, found.scores, strict=True)}


def _tracin(ground: Ground) -> dict[str, np.ndarray]:
    from benchmarks.lds.tracin import tracin

    return {TRACIN: tracin(ground)}


def _save(path: Path, scores: dict[str, np.ndarray]) -> None:
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **scores)
