"""E28: is the choice of a ranker right? The old rule and the new one beside single rankers.

The ensemble chooses from its own members' losses; retrained models then say what the choice is
worth. Data sets, networks, queries and ground truth are those of :mod:`benchmarks.lds.compare`, and
a fourth set that no setting was made on: round flags, from the npm package
@iconify-json/circle-flags (HatScripts, MIT licence).

- Old rule: on samples alone, the fusion with the best grade; where `gradients` is there, only if
  its gain is more than two standard errors over images. One choice for all images.
- New rule: :func:`attribution.ranking.rankers.fusion.fit_fusion`, on samples for generated images
  and on re-noised works for held-out ones.

Both choose from the default rankers, with and without `gradients`. LDS is given in hundredths; all
intervals are over queries and retrained models together. One ensemble chooses once, by luck or not,
so both rules also choose in smaller ensembles: random subsets of the members. Everything trained or
measured is kept in ``--cache``: delete a set's choice.json to measure it again.

    python -m benchmarks.lds.choice --cache DIR --source emoji=DIR --source flags=DIR ...
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64

from attribution.ranking.encoded_works import EncodedWorks
from attribution.ranking.given_images import GIVEN_IMAGES, SEED
from attribution.ranking.grading import GradedImages, graded_scores
from attribution.ranking.rankers.catalogue import EKFAC, GRADIENTS
from attribution.ranking.rankers.fusion import Fusion, SummedScores, WeightedRanker, fit_fusion, simplest, weight_grid
from attribution.ranking.rankers.interface import Images, PixelRows, Works
from attribution.ranking.rankers.member_lds import correlations_of, gain_over, grade_of
from benchmarks.lds.data import material
from benchmarks.lds.grades import per_query, seen_by
from benchmarks.lds.ground_truth import Ground, ground_truth, losses_of, models_of
from benchmarks.lds.rankers import DEFAULT, Scored, default_rankers, of_peers, ours
from benchmarks.record import conclude
from registry.home import write_bytes_atomically

DATA = ("digits", "emoji", "cifar", "flags")
HALVES = 16
SMALLER, FEWER_MEMBERS = 20, 10
"""Smaller ensembles, and the members of each."""
CLAIM = (
    "on no data set and on neither kind of image is the new choice below the old one, the simplest ranker alone or EKFAC "
    "by more than its interval over queries and models"
)


def main() -> int:
    """Choose by both rules on every data set, and measure what the choices are worth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="where models and scores are kept")
    parser.add_argument("--source", action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--halves", type=int, default=HALVES, help="retrained models")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sources = {name: Path(path) for name, _, path in (one.partition("=") for one in options.source)}
    results: dict[str, Any] = {}
    for name in DATA:
        if name != "digits" and name not in sources:
            continue
        kept = options.cache / name / "choice.json"
        if not kept.exists():
            ground = ground_truth(material(name, sources.get(name)), options.cache, options.halves, seeds=1)
            facts = json.dumps(choices_on(ground, options.cache / name)).encode()
            write_bytes_atomically(kept, facts)
            print(name, flush=True)
        results[name] = json.loads(kept.read_bytes())
    below = [
        f"{name}, {pool}, {kind}: {other}"
        for name, pools in results.items()
        for pool, found in pools["pools"].items()
        for kind, facts in found["lds"].items()
        for other, gap in facts["new_minus"].items()
        if gap["interval"][1] < 0
    ]
    command = "python -m benchmarks.lds.choice --cache CACHE --source emoji=DIR --source cifar=DIR --source flags=DIR"
    return conclude("lds/choice", CLAIM, not below, {"data": results, "below": below}, ("torch", "numpy"), command)


def choices_on(ground: Ground, folder: Path) -> dict[str, Any]:
    """Both rules on one data set, with and without `gradients`."""
    scored = {one.name: one for one in ours(ground, folder, None)}
    theirs, failed = of_peers(ground, folder, (EKFAC,))
    summed = {"generated": _on_samples(ground, scored), "held_out": _on_works(ground, folder)}
    losses = {"generated": ground.member_loss[ground.generated], "held_out": _works(ground, folder).member_loss}
    pools = {"with gradients": DEFAULT, "without gradients": tuple(name for name in DEFAULT if name != GRADIENTS)}
    found = {}
    for pool, names in pools.items():
        new = new_rule({kind: [summed[kind][name] for name in names] for kind in summed}, losses)
        old = old_rule([summed["generated"][name] for name in names], losses["generated"])
        found[pool] = {
            "old": [part.to_json() for part in old],
            "new": {kind: _chosen(choice) for kind, choice in new.items()},
            "lds": {kind: _worth(ground, scored, theirs, old, new[kind], kind) for kind in new},
            "smaller_ensembles": _smaller(
                ground, scored, {kind: [summed[kind][n] for n in names] for kind in new}, losses
            ),
        }
    return {
        "works": len(ground.material.works),
        "ensemble": {"n": ground.membership.shape[1]},
        "retrained_models": ground.half_loss.shape[2],
        "graded_on": {"samples": int(ground.generated.sum()), "works": GIVEN_IMAGES},
        "training_steps": ground.material.training.steps,
        "image_size": ground.material.network.size,
        "peers_that_failed": failed,
        "pools": found,
    }


def new_rule(
    summed: dict[str, list[SummedScores]], losses: dict[str, Float64[np.ndarray, "image member"]]
) -> dict[str, Fusion]:
    """On samples with their own scales; on works the samples' scales are the simpler ones."""
    known = {one.name: fit_fusion([one], losses["generated"]).parts[0].scale for one in summed["generated"]}
    return {
        kind: fit_fusion(parts, losses[kind], None if kind == "generated" else known) for kind, parts in summed.items()
    }


def old_rule(rankers: list[SummedScores], loss: Float64[np.ndarray, "image member"]) -> tuple[WeightedRanker, ...]:
    """The best weights of the grid; `gradients` alone unless they gain two standard errors."""
    scales = [int(np.argmax([correlations_of(seen, loss).mean() for seen in one.seen])) for one in rankers]
    stacked = np.stack([one.seen[scale] for one, scale in zip(rankers, scales, strict=True)])
    grid = weight_grid(len(rankers))
    grades = np.array([correlations_of(np.einsum("r,rim->im", row, stacked), loss) for row in grid])
    best, names = int(np.round(grades.mean(axis=1), 12).argmax()), [one.name for one in rankers]
    if GRADIENTS in names:
        alone = int(np.flatnonzero(grid[:, names.index(GRADIENTS)] == 1.0)[0])
        gain = grades[best] - grades[alone]
        best = best if gain.mean() > 2.0 * gain.std(ddof=1) / len(gain) ** 0.5 else alone
    parts = zip(rankers, scales, grid[best].tolist(), strict=True)
    return tuple(WeightedRanker(one.name, one.scales[scale], weight) for one, scale, weight in parts if weight > 0)


def _smaller(
    ground: Ground,
    scored: dict[str, Scored],
    summed: dict[str, list[SummedScores]],
    losses: dict[str, Float64[np.ndarray, "image member"]],
) -> dict[str, Any]:
    """How often both rules leave the simplest ranker in smaller ensembles, and the LDS of both."""
    generator = np.random.default_rng(0)
    names = [one.name for one in summed["generated"]]
    base = names[simplest(names)]
    left: dict[str, dict[str, int]] = {kind: {"old": 0, "new": 0} for kind in summed}
    lds: dict[str, dict[str, list[float]]] = {kind: {"old": [], "new": []} for kind in summed}
    for _ in range(SMALLER):
        members = np.sort(generator.permutation(ground.membership.shape[1])[:FEWER_MEMBERS])
        few = {
            kind: [SummedScores(one.name, one.scales, one.seen[:, :, members]) for one in summed[kind]]
            for kind in summed
        }
        old = old_rule(few["generated"], losses["generated"][:, members])
        choices = new_rule(few, {kind: loss[:, members] for kind, loss in losses.items()})
        for kind in summed:
            new = choices[kind].parts
            rows = ground.generated if kind == "generated" else ~ground.generated
            for rule, parts in (("old", old), ("new", new)):
                left[kind][rule] += [part.name for part in parts] != [base]
                worth = per_query(_fused(scored, parts)[rows], ground.half_loss[0][rows], ground.halves)
                lds[kind][rule].append(100 * float(worth.mean()))
    return {
        "ensembles": SMALLER,
        "members": FEWER_MEMBERS,
        "simplest": base,
        **{
            kind: {
                **{f"{rule}_leaves_it": left[kind][rule] for rule in ("old", "new")},
                **{f"{rule}_mean_lds": round(float(np.mean(lds[kind][rule])), 1) for rule in ("old", "new")},
                **{f"{rule}_lowest_lds": round(float(np.min(lds[kind][rule])), 1) for rule in ("old", "new")},
            }
            for kind in summed
        },
    }


def _on_samples(ground: Ground, scored: dict[str, Scored]) -> dict[str, SummedScores]:
    return {name: one.summed(ground.membership, ground.generated) for name, one in scored.items()}


def _on_works(ground: Ground, folder: Path) -> dict[str, SummedScores]:
    """Sums for the re-noised works, by the product's own functions."""
    works = _works(ground, folder)
    source = Works(
        PixelRows(ground.material.works),
        np.arange(len(ground.material.works)),
        [hashlib.sha256(work.tobytes()).hexdigest() for work in ground.material.works],
        folder,
    )
    empty = EncodedWorks.in_memory(
        ground.flat_works(), np.arange(len(source)), np.zeros(len(source), dtype=np.uint64), ground.membership
    )
    encoded = replace(empty, source=source, shape=works.images.shape)
    return {one.name: graded_scores(one, encoded, works.images, works.left_out) for one in default_rankers(ground)}


def _works(ground: Ground, folder: Path) -> GradedImages:
    """Random works, with the losses of the members that did not see them."""
    network = ground.material.network
    stack = models_of(ground.material, folder, "members", ground.membership.T, 0)
    losses = losses_of(folder, "members-works", stack, ground.material.images())
    rows = np.random.default_rng(SEED).permutation(len(losses))[:GIVEN_IMAGES]
    shape = (network.channels, network.size, network.size)
    images = Images(ground.flat_works()[rows], shape, (frozenset(),) * len(rows))
    return GradedImages(images, np.where(ground.membership[rows], np.nan, losses[rows]), rows)


def _chosen(choice: Fusion) -> dict[str, Any]:
    return {
        "parts": [part.to_json() for part in choice.parts],
        "member_lds": None if choice.grade is None else choice.grade.to_json(),
        "comparisons": [one.to_json() for one in choice.comparisons],
    }


def _worth(
    ground: Ground,
    scored: dict[str, Scored],
    theirs: dict[str, np.ndarray],
    old: tuple[WeightedRanker, ...],
    new: Fusion,
    kind: str,
) -> dict[str, Any]:
    """LDS of both choices, of the simplest ranker alone and of EKFAC; and the differences."""
    rows = ground.generated if kind == "generated" else ~ground.generated
    loss = ground.half_loss[0][rows]
    first = new.comparisons[0].simpler if new.comparisons else new.parts
    scores = {"new": _fused(scored, new.parts), "old": _fused(scored, old), "simplest": _fused(scored, first)}
    sums = {name: seen_by(one[rows], ground.halves) for name, one in (scores | theirs).items()}
    facts: dict[str, Any] = {"lds": {}, "new_minus": {}}
    for name, seen in sums.items():
        grade = grade_of(seen, loss)
        if grade is not None:
            facts["lds"][name] = _hundredths(grade.value, grade.low, grade.high)
        found = gain_over(seen, [sums["new"]], loss)
        if name != "new" and found is not None:
            facts["new_minus"][name] = _hundredths(found[1].value, found[1].low, found[1].high)
    return facts


def _fused(scored: dict[str, Scored], parts: tuple[WeightedRanker, ...]) -> Float64[np.ndarray, "query work"]:
    found = [scored[p.name].standardised()[scored[p.name].scales.index(p.scale)] * p.weight for p in parts]
    return np.asarray(np.sum(found, axis=0))


def _hundredths(value: float, low: float, high: float) -> dict[str, Any]:
    return {"value": round(100 * value, 1), "interval": [round(100 * low, 1), round(100 * high, 1)]}


if __name__ == "__main__":
    sys.exit(main())
