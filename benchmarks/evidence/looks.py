"""Which looks of the test carry its power, and what fewer of them cost.

A look is one noised view of an output, shown to all members. An audit's test uses pairs of opposite
noise at every second step above sqrt(alpha_bar) = 0.1: 34 looks, of which those above 0.3 count.
This study tests the same outputs by fewer looks, by the members' predictions along the output's own
sampling run (which sampling makes anyway), and by both. Every plan is a weighted mean over the same
looks, with the same expectation over levels, so effects stay on one scale:

    levels   K looks at the middles of K parts of the schedule that weigh the same, signs in turn
    pairs    the same with K / 2 levels, and both signs of the noise at each
    highest  K looks at the step nearest to the image

Power is that of the first works of the ranking; everything is paired by output. With codes dealt
anew after training no work made a difference: the p-values of every plan must be uniform.

Sets are those of :mod:`benchmarks.grades.held_out_sizes`; finished homes may stand beside them.

    python -m benchmarks.evidence.looks --members CACHE [--source NAME=DIR]... [--home HOME]...
        --cache FOLDER [--works 48 256] [--outputs 48]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy import stats
from torch import Tensor

from attribution.audit.record import AuditSettings, Subject
from attribution.denoisers.ensemble import Ensemble
from attribution.ensemble.serving import open_ensemble
from attribution.evaluation.calibration import kept_samples
from attribution.evidence.randomisation import Evidence
from attribution.metrics.statistics import share_of
from attribution.sampling.noise import noise_batch
from attribution.sampling.predictions import (
    BAND_EDGES,
    MemberPredictions,
    NoisedView,
    load_sample,
    noised_views,
    weight_of,
)
from attribution.sampling.sampler import Observation, predicted_clean, sample
from attribution.sampling.schedule import SamplerSettings, Step, steps_of
from benchmarks.grades.finished_homes import auditor_of
from benchmarks.grades.held_out_sizes import Bench, prepared
from benchmarks.record import conclude
from registry.home import write_atomically
from registry.outputs.grades import Thresholds, grade_of

DEFAULT, TRAJECTORY = "34 looks, the default", "the sampling run alone"
FEW = (4, 6, 8, 12)
SHARES = (0.5,)
"""Of the sampling run, in a mixture with looks."""
DRAWS = 2
"""Independent sets of noise; a plan of few looks is tested with each."""
SHORTLIST = 5
WITHIN = 0.05
"""Of 1: the slope of effects under few looks on those under all."""
NULL = (DEFAULT, TRAJECTORY, "6 looks, levels", "6 looks, levels, 50% run", "6 looks, pairs")
"""Plans whose p-values are looked at under wrong codes, too."""
CLAIM = "six looks in pairs find the first work in as many outputs as 34 looks do, and keep the scale of effects"
Evaluated = Float64[np.ndarray, "look member value"]


@dataclass(frozen=True)
class Plan:
    """Weights, with sum 1, of the looks and of the steps of the sampling run."""

    name: str
    weights: Float64[np.ndarray, " look"]


def plans(sampler: SamplerSettings) -> list[Plan]:
    """All plans, over ``DRAWS`` sets of pairs at every step and then the steps of the run."""
    views, run = noised_views(sampler, 1), steps_of(sampler)
    steps = [view.step for view in views[::2]]
    places = {step: place for place, step in enumerate(steps)}
    count = DRAWS * len(views)

    def of_looks(chosen: Sequence[tuple[Step, float, float]], draw: int) -> Float64[np.ndarray, " look"]:
        """(step, sign, weight) of some looks of one draw."""
        weights = np.zeros(count + len(run))
        for step, sign, weight in chosen:
            weights[draw * len(views) + 2 * places[step] + (sign < 0)] += weight
        return np.asarray(weights / weights.sum())

    kept = {view.step for view in noised_views(sampler)}
    usual = [(step, sign, weight_of(step)) for step in steps if step in kept for sign in (1.0, -1.0)]
    along = np.zeros(count + len(run))
    along[count:] = [weight_of(step) for step in run]
    along /= along.sum()
    found = [Plan(DEFAULT, of_looks(usual, draw)) for draw in range(DRAWS)]
    found.append(Plan(TRAJECTORY, along))
    for few in FEW:
        for draw in range(DRAWS):
            levels = of_looks([(step, (-1.0) ** k, 1.0) for k, step in enumerate(middles(steps, few))], draw)
            pairs = of_looks([(step, sign, 1.0) for step in middles(steps, few // 2) for sign in (1.0, -1.0)], draw)
            found += [Plan(f"{few} looks, levels", levels), Plan(f"{few} looks, pairs", pairs)]
            for share in SHARES:
                found.append(Plan(f"{few} looks, levels, {share:.0%} run", share * along + (1 - share) * levels))
    return found


def middles(steps: Sequence[Step], parts: int) -> list[Step]:
    """The middle step of each of some parts of the schedule that weigh the same in the test."""
    weights = np.cumsum([weight_of(step) for step in steps])
    wanted = (np.arange(parts) + 0.5) / parts * weights[-1]
    return [steps[place] for place in np.searchsorted(weights, wanted)]


@torch.no_grad()
def shown(
    ensemble: Ensemble, image: Float[Tensor, "channel height width"], sampler: SamplerSettings, seed: int
) -> Evaluated:
    """What each member predicts under the looks of all draws."""
    parts = []
    for draw in range(DRAWS):
        views: list[NoisedView] = noised_views(sampler, 1)
        noise = torch.stack([view.noise(seed + draw * 2**40, image) for view in views])
        x_t = torch.stack([view.noised(image, z) for view, z in zip(views, noise, strict=True)])
        t = torch.tensor([view.step.timestep for view in views])
        outputs = ensemble.predict(x_t, t)
        for row, view in enumerate(views):
            clean = predicted_clean(view.step, x_t[row : row + 1], outputs[:, row : row + 1])
            parts.append(clean.flatten(1).double().numpy())
    return np.stack(parts)


@torch.no_grad()
def sampled(
    ensemble: Ensemble, sampler: SamplerSettings, seeds: Sequence[int], shape: tuple[int, int, int]
) -> tuple[Float[Tensor, "output channel height width"], list[Evaluated]]:
    """Outputs, and what each member predicted at each step of each run."""
    seen: list[np.ndarray] = []

    def observe(observation: Observation) -> None:
        seen.append(observation.clean_images().flatten(2).float().numpy())

    y = sample(ensemble, noise_batch(list(seeds), sampler.draws, shape), sampler, observe=observe)
    return y, [np.stack([step[:, row] for step in seen]).astype(np.float64) for row in range(len(seeds))]


Tester = Callable[[int, Float64[np.ndarray, "member value"], int | None], Evidence]
"""The test of one output by the members' mean predictions; under other codes with a seed."""


@dataclass(frozen=True)
class Material:
    """The outputs of an ensemble, under every plan."""

    facts: dict[str, Any]
    sampler: SamplerSettings
    evaluated: Callable[[int], Evaluated]
    """Of an output: under all looks and at all steps of the run."""
    test: Tester


def of_set(name: str, works: int, source: Path | None, members: Path, outputs: int) -> Material:
    """The outputs of a set's ensemble."""
    bench = prepared(name, works, source, members, 1)  # type: ignore[arg-type]  # digits need no folder
    sampler, network = SamplerSettings(), bench.found.network
    shape = (network.channels, network.size, network.size)
    drawn: dict[int, np.ndarray] = {}

    def evaluated(output: int) -> Evaluated:
        y, [run] = sampled(bench.ensemble, sampler, [output + 1], shape)
        image = y[0].clamp(-1.0, 1.0)
        drawn[output] = ((image + 1.0) / 2.0).flatten()[None].numpy().astype(np.float32)
        return np.concatenate([shown(bench.ensemble, image, sampler, output + 1), run])

    def test(output: int, mean: Float64[np.ndarray, "member value"], redraw: int | None) -> Evidence:
        holding: Bench = replace(bench, predictions=[mean], pixels=drawn[output])
        assignment = bench.assignment if redraw is None else bench.assignment.dealt_anew(redraw)
        return holding.evidence(0, assignment)

    return Material({"works": works, "n": bench.ensemble.n, "outputs": outputs}, sampler, evaluated, test)


def of_home(home: Path, outputs: int) -> Material:
    """The outputs of a finished home, whose members denoise pixels."""
    auditor = auditor_of(home, AuditSettings(shortlist=SHORTLIST, jacobian=False))
    context = auditor.context
    rows = kept_samples(auditor)[:outputs]
    ensemble = open_ensemble(context.registry.home, context.ensemble, "cpu")
    sampler = SamplerSettings.from_json(rows[0].sampler)
    shape = context.ensemble.settings.network.shape
    kept = [load_sample(context.registry.home.sample_tensors(row.id))[1] for row in rows]

    def test(output: int, mean: Float64[np.ndarray, "member value"], redraw: int | None) -> Evidence:
        if redraw is not None:
            raise NotImplementedError("homes are tested under their own codes alone")
        sums = np.zeros((len(BAND_EDGES) - 1, *mean.shape), dtype=np.float32)
        sums[-1] = mean
        predictions = MemberPredictions(sums, np.eye(len(sums))[-1], np.zeros(len(mean)))
        return auditor.examine(Subject.of_sample(rows[output]), predictions, kept[output]).evidence

    def evaluated(output: int) -> Evaluated:
        y, [run] = sampled(ensemble, sampler, [rows[output].seed], shape)
        return np.concatenate([shown(ensemble, y[0].clamp(-1.0, 1.0), sampler, rows[output].seed), run])

    facts = {"works": len(context.encoded.codes), "n": ensemble.n, "outputs": len(rows)}
    return Material(facts, sampler, evaluated, test)


def measured(material: Material, redraws: int, cache: Path, first: int, *, only_kept: bool) -> dict[str, Any]:
    """Power, intervals and agreement of every plan, and its p-values under wrong codes.

    The cache has a file for each output, so that several processes can share the outputs.
    ``only_kept``: of the outputs that it has.
    """
    cache.mkdir(parents=True, exist_ok=True)
    count = material.facts["outputs"]
    for place in range(0 if only_kept else count):
        output = (first + place) % count
        path = cache / f"{output}.json"
        if not path.exists():
            write_atomically(path, partial(_write, of_output(material, output, -(-redraws // count))))
    paths = [cache / f"{output}.json" for output in range(count)]
    found = [json.loads(path.read_text()) for path in paths if path.exists()]
    usual = [each["rows"][DEFAULT] for each in found]
    told: dict[str, Any] = {}
    for name in found[0]["rows"]:
        rows = [each["rows"][name] for each in found]
        told[name] = {**power_of(list(chain(*rows))), "beside_the_default": beside(rows, usual)}
        null = list(chain(*(each["null"].get(name, []) for each in found)))
        if null:
            told[name]["codes_dealt_anew"] = null_of(null)
    return {**material.facts, "outputs": len(found), "plans": told}


def of_output(material: Material, output: int, redraws: int) -> dict[str, Any]:
    """The rows of all plans, one per draw, and p-values under wrong codes of some plans."""
    evaluated = material.evaluated(output)
    rows: dict[str, list[dict[str, Any]]] = {}
    null: dict[str, list[float]] = {}
    for plan in plans(material.sampler):
        mean = np.tensordot(plan.weights, evaluated, axes=1)
        rows.setdefault(plan.name, []).append(row_of(material.test(output, mean, None)))
        if plan.name in NULL and plan.name not in null:
            seeds = range(1 + output * redraws, 1 + (output + 1) * redraws)
            null[plan.name] = [float(material.test(output, mean, seed).p_value[0]) for seed in seeds]
    print(f"output {output}", flush=True)
    return {"rows": rows, "null": null}


def _write(found: dict[str, Any], part: Path) -> None:
    part.write_text(json.dumps(found))


def row_of(found: Evidence) -> dict[str, Any]:
    """The figures of one output under one plan."""
    grades = Thresholds(AuditSettings().main_source, AuditSettings().contributes)
    rate = AuditSettings().false_discovery_rate
    return {
        "p": found.p_value[:SHORTLIST].tolist(),
        "estimate": found.effects.estimate[:SHORTLIST].tolist(),
        "width": float(found.effects.high[0] - found.effects.low[0]),
        "grades": [
            grade_of(float(q), float(low), rate, grades)
            for q, low in zip(found.q_value[:SHORTLIST], found.effects.low[:SHORTLIST], strict=True)
        ],
    }


def power_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Of the first work of the ranking."""
    first = np.array([row["p"][0] for row in rows])
    return {
        "p_at_most_0.05": round(float((first <= 0.05).mean()), 4),
        "p_at_most_0.01": round(float((first <= 0.01).mean()), 4),
        "p_at_most_0.05_of_the_first_five": round(float((np.array([row["p"] for row in rows]) <= 0.05).mean()), 4),
        "mean_log10_p": round(float(np.log10(first).mean()), 4),
        "median_width": round(float(np.nanmedian([row["width"] for row in rows])), 4),
    }


def beside(mine: list[list[dict[str, Any]]], usual: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """Paired by output: means over the draws of each are compared."""

    def mean(rows: list[list[dict[str, Any]]], figure: Callable[[dict[str, Any]], float]) -> np.ndarray:
        return np.array([np.mean([figure(row) for row in each]) for each in rows])

    figures: Mapping[str, Callable[[dict[str, Any]], float]] = {
        "p_at_most_0.05": lambda row: float(row["p"][0] <= 0.05),
        "p_at_most_0.01": lambda row: float(row["p"][0] <= 0.01),
        "log10_p": lambda row: float(np.log10(row["p"][0])),
        "width": lambda row: row["width"],
    }
    found: dict[str, Any] = {}
    for name, figure in figures.items():
        difference = mean(mine, figure) - mean(usual, figure)
        wide = stats.t.ppf(0.975, len(difference) - 1) * stats.sem(difference)
        centre = float(np.mean(difference))
        found[name] = {
            "difference": round(centre, 4),
            "interval_95": [round(centre - wide, 4), round(centre + wide, 4)],
        }
    mine_first, usual_first = (np.array([each[0]["estimate"] for each in rows]) for rows in (mine, usual))
    known = np.isfinite(mine_first) & np.isfinite(usual_first)
    one, other = mine_first[known], usual_first[known]
    same = [
        a == b for m, u in zip(mine, usual, strict=True) for a, b in zip(m[0]["grades"], u[0]["grades"], strict=True)
    ]
    found["slope_of_effects"] = round(float((one @ other) / (other @ other)), 4)
    found["correlation_of_effects"] = round(float(np.corrcoef(one, other)[0, 1]), 4)
    found["same_grade"] = share_of(np.array(same)).to_json()
    return found


def null_of(p_values: list[float]) -> dict[str, Any]:
    """The p-values under codes dealt anew."""
    found = np.array(p_values)
    return {
        "p_at_most_0.05": share_of(found <= 0.05).to_json(),
        "kolmogorov_smirnov_p": round(float(stats.kstest(found, "uniform").pvalue), 4),
    }


def main() -> int:
    """Measure, write the result, and return 1 if the claim does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence.looks")
    parser.add_argument("--members", type=Path, required=True, help="the cache of benchmarks.lds")
    parser.add_argument("--source", action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--works", type=int, nargs="+", default=[48, 256])
    parser.add_argument("--home", action="append", default=[], type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="keeps the figures of each output")
    parser.add_argument("--first", type=int, default=0, help="output to begin with")
    parser.add_argument("--only-kept", action="store_true", help="tell of the outputs that the cache has")
    parser.add_argument("--outputs", type=int, default=48)
    parser.add_argument("--redraws", type=int, default=300)
    options = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, Any] = {}
    for one in options.source:
        name, _, source = one.partition("=")
        for works in options.works:
            material = of_set(name, works, Path(source), options.members, options.outputs)
            label = f"{works} {name}"
            results[label] = measured(
                material, options.redraws, options.cache / label, options.first, only_kept=options.only_kept
            )
    for home in options.home:
        results[home.name] = measured(
            of_home(home, options.outputs), 0, options.cache / home.name, options.first, only_kept=options.only_kept
        )
    six = [found["plans"]["6 looks, pairs"]["beside_the_default"] for found in results.values()]
    held = all(
        each["p_at_most_0.05"]["difference"] >= 0.0 and abs(each["slope_of_effects"] - 1.0) <= WITHIN for each in six
    )
    return conclude("evidence/looks", CLAIM, held, {"sets": results}, ("torch", "numpy", "scipy"))


if __name__ == "__main__":
    sys.exit(main())
