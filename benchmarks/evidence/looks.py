"""Do fewer looks find as much as 34, where effects are small, too?

A look is one noised view of an output, shown to all members. An audit's test uses pairs of opposite
noise at every second step above sqrt(alpha_bar) = 0.1: 34 looks of the usual sampler. ``sample
--looks K`` takes K of them, a pair in each of K / 2 parts of the schedule. This study tests the
same outputs under both, by the product's own functions; the members' predictions along the run that
made the output cost nothing and may stand beside them.

Plans are compared pairwise by output, under the same seed, with two seeds. *Other noise*: 34 looks
under the other seed beside those under the first. They tell what chance in the noise alone does.

**What is enough**, fixed before sets were run. The parts of the schedule were changed once, after
256 digits had been looked at: those are told, and decide nothing. The smallest K of 6, 8, 10 and 12
that meets all of this may become the default of networks on pixels:

1. power: the share of outputs whose first work has p <= 0.05, under K looks minus under 34, has a
   95 % interval above -5 points, over all sets and over those with *room*: where 34 looks find the
   first work in at most 95 % of the outputs. The same for p <= 0.01.
2. scale: the slope of the first works' effects on those under 34 looks is within 5 % of 1, over all
   sets.
3. grades: at least 95 % of all candidates have the same grade, or at most 2 points fewer than under
   other noise.
4. level: under codes dealt anew after training, when no work made a difference by its code, the
   share of p <= 0.05 has an exact 95 % interval that reaches down to 5 %.

Grades of rankers rest on the members' losses under the same looks. So the rankers by pixels are
graded under each plan: member-LDS with its interval, the best scale, and the choice.

Sets are those of :mod:`benchmarks.grades.held_out_sizes`, and digits; finished homes may stand
beside them, with their prompts. The cache has a file for some outputs at a time, so that an
interrupted run goes on; results are written after each set.

    python -m benchmarks.evidence.looks --members CACHE [--source NAME=DIR]... [--home HOME]...
        --cache FOLDER [--works 48 256] [--outputs 192] [--redraws 400]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64

from attribution.audit.record import AuditSettings, Subject
from attribution.ensemble.serving import open_ensemble
from attribution.evaluation.calibration import kept_samples
from attribution.evidence.randomisation import Evidence, mean_predictions
from attribution.ranking.rankers.fusion import SummedScores
from attribution.ranking.rankers.interface import Images, PixelRows, Works, dense_scores
from attribution.ranking.rankers.kernel import PixelKernel
from attribution.ranking.rankers.responsibilities import Responsibilities
from attribution.sampling.predictions import BAND_EDGES, MemberPredictions, load_sample, renoise_together
from attribution.sampling.requests import request_of
from attribution.sampling.schedule import SamplerSettings
from benchmarks.evidence.looks_compared import CANDIDATES, MIXED, USUAL, Row, decided, rankers_told, told
from benchmarks.grades.finished_homes import DEFAULTS, THRESHOLDS, auditor_of, model_facts
from benchmarks.grades.held_out_sizes import Bench, prepared
from benchmarks.lds.rankers import Scored
from benchmarks.record import conclude
from registry.home import write_atomically
from registry.outputs.grades import grade_of

FEW = (4, 6, 8, 10, 12)
SEEDS_APART = 2**40
DESIGNED_ON = "256 digits"
"""The set that was looked at before the parts of the schedule were changed."""
TOGETHER = 24
"""Outputs of a file of the cache."""
ROWS_AT_ONCE = 512
CLAIM = (
    "{} looks in pairs find the first work in at most 5 points fewer outputs than 34 looks do, keep the scale of effects "
    "within 5 %, and keep grades and level"
)
Predicted = dict[str, list[MemberPredictions]]
"""By plan: the members' predictions on each output."""


@dataclass(frozen=True)
class Material:
    """The outputs of an ensemble."""

    facts: dict[str, Any]
    outputs: int
    predicted: Callable[[Sequence[int], int], Predicted]
    """Of some outputs, under every plan; the noise is shifted by a number."""
    test: Callable[[int, Float64[np.ndarray, "member value"], int | None], Evidence]
    """Of an output, by the members' mean predictions; under other codes with a seed."""
    summed: Callable[[], list[SummedScores]] | None = None
    """The scores of rankers over the works that each member saw."""


def of_set(name: str, works: int, source: Path | None, members: Path, outputs: int) -> Material:
    """The outputs of a set's ensemble."""
    bench = prepared(name, works, source, members, outputs)  # type: ignore[arg-type]  # digits need no folder
    network, sampler = bench.found.network, SamplerSettings()
    images = torch.from_numpy(2.0 * bench.pixels - 1.0).reshape(outputs, *network.shape)

    def predicted(chosen: Sequence[int], shift: int) -> Predicted:
        rows, seeds = list(chosen), [output + 1 + shift for output in chosen]
        found = {
            name: list(renoise_together(bench.ensemble, images[rows], plan, seeds, rows_at_once=ROWS_AT_ONCE))
            for name, plan in plans(sampler).items()
        }
        run = [bench.predictions[output] for output in chosen]
        found[MIXED] = [
            as_predictions(0.5 * along + 0.5 * mean_predictions(eight), eight.member_loss)
            for along, eight in zip(run, found["8 looks"], strict=True)
        ]
        return found

    def test(output: int, mean: Float64[np.ndarray, "member value"], redraw: int | None) -> Evidence:
        holding: Bench = replace(bench, predictions={output: mean})  # type: ignore[arg-type]  # is only indexed
        return holding.evidence(output, bench.assignment if redraw is None else bench.assignment.dealt_anew(redraw))

    def summed() -> list[SummedScores]:
        stored = Works(PixelRows(bench.found.works), np.arange(works), [str(work) for work in range(works)])
        shown = Images(bench.pixels, network.shape)
        membership = bench.membership(bench.assignment)
        return [
            Scored(ranker.name, tuple(ranker.scales), dense_scores(ranker.prepare(shown, stored), works)).summed(
                membership
            )
            for ranker in (PixelKernel(), Responsibilities(sampler))
        ]

    facts = {"works": works, "n": bench.ensemble.n, "members": "networks on pixels"}
    return Material(facts, outputs, predicted, test, summed)


def of_home(home: Path, outputs: int) -> Material:
    """The outputs of a finished home, under their own samplers and prompts."""
    auditor = auditor_of(home, AuditSettings(jacobian=False))
    context = auditor.context
    rows = kept_samples(auditor)[:outputs]
    ensemble = open_ensemble(context.registry.home, context.ensemble, "cpu")
    kept = [load_sample(context.registry.home.sample_tensors(row.id))[1] for row in rows]

    def predicted(chosen: Sequence[int], shift: int) -> Predicted:
        found: Predicted = {}
        for output in chosen:
            sampler, prompt = request_of(rows[output])
            condition = context.ensemble.settings.conditions([prompt])
            image = torch.from_numpy(2.0 * kept[output] - 1.0)[None]
            seeds = [rows[output].seed + shift]
            for name, plan in plans(sampler).items():
                found.setdefault(name, []).extend(renoise_together(ensemble, image, plan, seeds, condition))
        return found

    def test(output: int, mean: Float64[np.ndarray, "member value"], redraw: int | None) -> Evidence:
        if redraw is not None:
            raise NotImplementedError("homes are tested under their own codes alone")
        found = as_predictions(mean, np.zeros(len(mean)))
        return auditor.examine(Subject.of_sample(rows[output]), found, kept[output]).evidence

    return Material(model_facts(auditor), len(rows), predicted, test)


def plans(sampler: SamplerSettings) -> dict[str, SamplerSettings]:
    """The samplers by plan: those that take looks, not the run."""
    return {USUAL: replace(sampler, looks=0), **{f"{few} looks": replace(sampler, looks=few) for few in FEW}}


def as_predictions(
    mean: Float64[np.ndarray, "member value"], loss: Float64[np.ndarray, " member"]
) -> MemberPredictions:
    """Predictions with this weighted mean."""
    sums = np.zeros((len(BAND_EDGES) - 1, *mean.shape), dtype=np.float32)
    sums[-1] = mean
    return MemberPredictions(sums, np.eye(len(sums))[-1], loss)


def measured(material: Material, redraws: int, cache: Path, *, only_kept: bool) -> list[Row]:
    """The rows of all outputs, from the cache or measured now; ``only_kept``: those it has."""
    cache.mkdir(parents=True, exist_ok=True)
    found: list[Row] = []
    each = -(-redraws // material.outputs)
    for start in range(0, material.outputs, TOGETHER):
        chosen = range(start, min(start + TOGETHER, material.outputs))
        path = cache / f"{start}-{len(chosen)}-{redraws}.json"
        if only_kept and not path.exists():
            continue
        if not path.exists():
            rows = list(rows_of(material, chosen, each))
            write_atomically(path, lambda part, rows=rows: part.write_text(json.dumps(rows)))  # type: ignore[misc]
            print(f"{cache.name}: outputs {chosen.start} to {chosen.stop - 1}", flush=True)
        found += json.loads(path.read_text())
    return found


def rows_of(material: Material, chosen: Sequence[int], redraws: int) -> Iterator[Row]:
    """Of each output: by plan a row per seed, losses, and p-values under wrong codes."""
    predicted = [material.predicted(chosen, shift) for shift in (0, SEEDS_APART)]
    for place, output in enumerate(chosen):
        mine = {name: [each[name][place] for each in predicted] for name in predicted[0]}
        means = {name: [mean_predictions(one) for one in pair] for name, pair in mine.items()}
        yield {
            "output": output,
            "rows": {
                name: [row_of(material.test(output, mean, None)) for mean in pair] for name, pair in means.items()
            },
            "loss": {name: [one.member_loss.tolist() for one in pair] for name, pair in mine.items()},
            "null": {
                name: [
                    float(material.test(output, pair[0], seed).p_value[0])
                    for seed in range(1 + output * redraws, 1 + (output + 1) * redraws)
                ]
                for name, pair in means.items()
                if name != MIXED
            },
        }


def row_of(found: Evidence) -> Row:
    """The figures of one output under one plan."""
    rate = DEFAULTS.false_discovery_rate
    return {
        "p": found.p_value.tolist(),
        "estimate": float(found.effects.estimate[0]),
        "width": float(found.effects.high[0] - found.effects.low[0]),
        "grades": [
            grade_of(float(q), float(low), rate, THRESHOLDS)
            for q, low in zip(found.q_value, found.effects.low, strict=True)
        ],
    }


def main() -> int:
    """Measure, write the result, and return 1 if no number of looks is enough."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence.looks")
    parser.add_argument("--members", type=Path, required=True, help="the cache of benchmarks.lds")
    parser.add_argument("--source", action="append", default=[], metavar="NAME=DIR", help="digits= needs no folder")
    parser.add_argument("--works", type=int, nargs="+", default=[48, 256])
    parser.add_argument("--home", action="append", default=[], type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="keeps the figures of the outputs")
    parser.add_argument("--only-kept", action="store_true", help="tell of the outputs that the cache has")
    parser.add_argument("--outputs", type=int, default=192)
    parser.add_argument("--redraws", type=int, default=400)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sources = [one.partition("=")[::2] for one in options.source]
    jobs: dict[str, Callable[[], Material]] = {
        f"{works} {name}": partial(of_set, name, works, Path(source), options.members, options.outputs)
        for name, source in sources
        for works in options.works
    }
    jobs |= {home.name: partial(of_home, home, options.outputs) for home in options.home}
    results: dict[str, Any] = {}
    pixels: dict[str, list[Row]] = {}
    status = 1
    for label, job in jobs.items():
        if options.only_kept and not (options.cache / label).exists():
            continue
        material = job()
        rows = measured(
            material, options.redraws if material.summed else 0, options.cache / label, only_kept=options.only_kept
        )
        results[label] = {**material.facts, "outputs": len(rows), "plans": told(rows)}
        if material.summed:
            if label != DESIGNED_ON:
                pixels[label] = rows
            results[label]["rankers"] = rankers_told(rows, material.summed())
        together = decided(pixels) if pixels else {"enough": {}}
        enough = [name for name, found in together["enough"].items() if all(found.values())]
        claim = CLAIM.format(enough[0].split()[0] if enough else CANDIDATES[0])
        found = {"sets": results, "networks_on_pixels": together}
        status = conclude("evidence/looks", claim, bool(enough), found, ("torch", "numpy", "scipy"))
    return status


if __name__ == "__main__":
    sys.exit(main())
