"""Our rankers' and the peers' scores on one ground truth, each query and work in memory."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from attribution.ranking.rankers.embeddings import mobilenet
from attribution.ranking.rankers.feature_kernel import FeatureKernel
from attribution.ranking.rankers.fusion import Fit, Graded, fit
from attribution.ranking.rankers.gradients import LOOKS as GRADIENT_LOOKS
from attribution.ranking.rankers.gradients import Gradients, Looks
from attribution.ranking.rankers.interface import Images, PixelRows, Ranker, Works, dense_scores
from attribution.ranking.rankers.member_lds import correlations_of
from attribution.ranking.rankers.pixel_kernel import PixelKernel
from attribution.ranking.rankers.responsibilities import Responsibilities
from benchmarks.lds_ground import SAMPLER, Ground
from benchmarks.lds_models import with_checkpoints
from benchmarks.peers.exchange import Given
from benchmarks.peers.exchange import Looks as PeerLooks

DEFAULT = ("pixel-kernel", "responsibilities", "gradients")
"""The rankers of the default fusion; the feature kernel needs weights that not everyone has."""
LOOKS = 24
"""Looks at an image that a peer is given."""
CHECKPOINTS = 4
PEERS = ("ekfac", "trak", "tracin")


@dataclass(frozen=True)
class Scored:
    """One ranker at all its scales."""

    name: str
    scales: tuple[float, ...]
    scores: Float64[np.ndarray, "scale query work"]

    def standardised(self) -> Float64[np.ndarray, "scale query work"]:
        """Mean 0 and deviation 1 over the works, as fusions have them."""
        deviation = self.scores.std(axis=2, keepdims=True)
        return np.asarray((self.scores - self.scores.mean(axis=2, keepdims=True)) / np.maximum(deviation, 1e-300))


def ours(ground: Ground, folder: Path, weights: Path | None) -> list[Scored]:
    """Every ranker of ours at every scale."""
    network = ground.material.network
    shape = (network.channels, network.size, network.size)
    images = Images(ground.flat_queries(), shape)
    hashes = [hashlib.sha256(work.tobytes()).hexdigest() for work in ground.material.works]
    works = Works(PixelRows(ground.material.works), np.arange(len(hashes)), hashes, folder)
    rankers: list[Ranker] = [
        PixelKernel(),
        Responsibilities(),
        Gradients(ground.reference.model(0), "reference", looks=GRADIENT_LOOKS),
    ]
    if weights is not None:
        rankers.append(FeatureKernel(mobilenet(weights)))
    found = []
    for ranker in rankers:
        scores = dense_scores(ranker.prepare(images, works), len(works))
        found.append(Scored(ranker.name, tuple(ranker.scales), scores))
    return found


def fused(parts: list[Scored], ground: Ground) -> tuple[Float64[np.ndarray, "query work"], Fit]:
    """The fusion that the ensemble's own samples choose by member-LDS, applied to every query."""
    rows = ground.generated
    graded = [
        Graded(part.name, part.scales, part.standardised()[:, rows] @ ground.membership.astype(np.float64))
        for part in parts
    ]
    choice = fit(graded, ground.member_loss[rows])
    by_name = {part.name: part for part in parts}
    scores = np.zeros(parts[0].scores.shape[1:])
    for chosen in choice.parts:
        part = by_name[chosen.name]
        scores += chosen.weight * part.standardised()[part.scales.index(chosen.scale)]
    return scores, choice


def member_lds(scores: Float64[np.ndarray, "query work"], ground: Ground) -> Float64[np.ndarray, " query"]:
    """Per query, what the ensemble's members say of a ranker."""
    centred = scores - scores.mean(axis=1, keepdims=True)
    return np.asarray(correlations_of(centred @ ground.membership.astype(np.float64), ground.member_loss))


def of_peers(ground: Ground, folder: Path, environment: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Scores by method, and why a method has none."""
    given = folder / "given.safetensors"
    if not given.exists():
        _given(ground).write(given)
    found: dict[str, np.ndarray] = {}
    failed: dict[str, str] = {}
    for peer in PEERS:
        out = folder / f"peer-{peer}.npz"
        if not out.exists():
            run = subprocess.run(
                [environment / "bin" / "python", "-m", f"benchmarks.peers.{peer}", given, out],
                env={**os.environ, "PYTHONPATH": f"{Path.cwd()}:{os.environ.get('PYTHONPATH', '')}"},
                capture_output=True,
                text=True,
                check=False,
            )
            if run.returncode:
                failed[peer] = run.stderr.strip().splitlines()[-1]
                continue
        with np.load(out, allow_pickle=False) as scores:
            found |= {name: np.asarray(scores[name], dtype=np.float64) for name in scores.files}
    return found, failed


def _given(ground: Ground) -> Given:
    """The reference model with checkpoints of its training, trained again beside the one that is
    there.
    """
    network, training = ground.material.network, ground.material.training
    shape = (network.channels, network.size, network.size)
    steps = [training.steps * (number + 1) // CHECKPOINTS for number in range(CHECKPOINTS)]
    checkpoints, rates = with_checkpoints(ground.material.images(), network, training, steps)
    looks = Looks.spread(LOOKS, SAMPLER, training.snr_cap, shape)
    return Given(
        network,
        checkpoints,
        rates,
        ground.material.images(),
        ground.queries,
        PeerLooks(looks.timesteps, looks.noise, looks.weight),
    )
