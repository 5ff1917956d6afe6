"""The thresholds of the grades on sets of works that had no part in their choice.

The study of :mod:`benchmarks.grades.verdict_sizes`, with the same shortlists, placebos, distances
and thresholds. Sets, networks and members are those of the comparison of rankers
(:mod:`benchmarks.lds`): flags, emoji of eight houses, or photographs of 16x16 pixels, 16 members of
54,000 weights, each on half of 256 works, and on half of 48 of them, trained together as a stack.
Outputs, tests and ablations are made by the product's own functions; works are ranked by pixels.

*Wrong codes*: all works get other codes after training, and the same outputs are audited again. No
work made a difference by its code then, so nothing may be named. The samples of finished homes may
stand beside the sets.

    python -m benchmarks.grades.held_out_sizes --members CACHE --source flags=DIR --source emoji=DIR
        --source cifar=DIR --squeezenet FILE --cache FOLDER [--home HOME]...

``--members`` is the cache of :mod:`benchmarks.lds`. About a minute of one core per set and number
of works if it has the members, and as much to train them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor

from attribution.ablation.exact import counterfactuals
from attribution.denoisers.ensemble import Ensemble
from attribution.evaluation.calibration import UnderWrongCodes, null_calibration
from attribution.evidence.adjustment import MOST, Neighbours
from attribution.evidence.look_alikes import drawn_together, look_alikes
from attribution.evidence.randomisation import Evidence, assess_units, mean_predictions
from attribution.images import to_pixels
from attribution.metrics.perceptual import PerceptualDistance
from attribution.metrics.statistics import share_of
from attribution.ranking.rankers.kernel import mean_squared_differences
from attribution.sampling.noise import noise_batch
from attribution.sampling.predictions import PredictionSums
from attribution.sampling.sampler import sample
from benchmarks.grades.finished_homes import DEFAULTS, THRESHOLDS, auditor_of
from benchmarks.grades.verdict_sizes import (
    CLAIM,
    PLACEBOS,
    SHORTLIST,
    Tested,
    beaten_by,
    concluded,
    kept_or_measured,
    tested_of,
)
from benchmarks.lds.data import WORKS, Material, material
from benchmarks.lds.ground_truth import MEMBERS, ONES, SAMPLER, models_of
from benchmarks.papers.caffe_lpips import open_caffe_lpips
from benchmarks.record import conclude
from benchmarks.seen.measured import CODE_SEED, flat
from benchmarks.shares.truth import stacked
from registry.encodings.assignment import Assignment
from registry.encodings.codes import codes_of
from registry.encodings.keys import FIRST_FORMAT
from registry.encodings.words import bits

SETS = ("flags", "emoji", "cifar")
FEW = 48
"""Works of the smaller ensembles: few enough to be learnt by heart, as in the demonstration."""
WRONG = (
    "p_at_most_0.05",
    "audits_with_a_discovery",
    "audits_with_a_unit_that_matters",
    "audits_with_a_main_source",
)
"""Shares under wrong codes, as :mod:`attribution.evaluation.calibration` names them."""
NO_PAIRS = np.empty((0, 2), dtype=np.int64)
"""Works of a cache have no fingerprints: pictures alone tell look-alikes."""


@dataclass(frozen=True)
class Bench:
    """The outputs of one set's ensemble, and what their tests need."""

    found: Material
    ensemble: Ensemble
    assignment: Assignment
    predictions: Sequence[Float64[np.ndarray, "member value"]]
    """By output."""
    pixels: Float32[np.ndarray, "output value"]
    """The outputs in [0, 1]."""
    noise: Tensor
    decoys: int = DEFAULTS.decoy_limit
    """Of a test, at most."""

    @cached_property
    def works(self) -> Float64[np.ndarray, "work value"]:
        """In the members' space."""
        return 2.0 * flat(self.found.works).astype(np.float64) - 1.0

    @cached_property
    def order(self) -> Int64[np.ndarray, "output work"]:
        """The works by their distance from each output."""
        return np.argsort(mean_squared_differences(self.pixels, flat(self.found.works)), axis=1, kind="stable")

    def membership(self, assignment: Assignment) -> Bool[np.ndarray, "work member"]:
        return bits(assignment.codes, assignment.n)

    def evidence(self, output: int, assignment: Assignment) -> Evidence:
        """The test of an output's shortlist, as in an audit, if codes were these."""
        listed, around = self.order[output, :SHORTLIST], self.order[output, :MOST]
        seen = self.membership(assignment)
        decoys = assignment.decoys(listed, self.decoys, 0).words
        alike = look_alikes(self.works[listed], self.works[around].mean(axis=0), NO_PAIRS)
        together = drawn_together(
            alike, listed, assignment, decoys.shape[-1], None, lambda words: bits(words, assignment.n), output
        )
        neighbours = Neighbours(around, self.works[around], seen[around])
        return assess_units(
            self.predictions[output],
            self.works[listed],
            seen[listed],
            bits(decoys, assignment.n),
            neighbours,
            listed,
            together,
        )


def main() -> int:
    """Measure, write the result, and return 1 if main sources are not visible."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=Path, required=True, help="the cache of benchmarks.lds")
    parser.add_argument("--source", action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--works", type=int, nargs="+", default=[FEW, WORKS])
    parser.add_argument("--home", action="append", default=[], type=Path)
    parser.add_argument("--squeezenet", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--redraws", type=int, default=300)
    options = parser.parse_args()
    torch.set_num_threads(1)
    network = open_caffe_lpips(options.squeezenet)
    options.cache.mkdir(parents=True, exist_ok=True)
    sources = {name: Path(path) for name, _, path in (one.partition("=") for one in options.source)}
    found: dict[str, Tested] = {}
    wrong: dict[str, dict[str, Any]] = {}
    for name in SETS:
        for works in options.works if name in sources else ():
            label = f"{works} {name}"
            found[label], wrong[label] = of_set(label, options, network, name, works, sources[name])
            print(label, wrong[label], flush=True)
    for home in options.home:
        wrong[home.name] = kept_json(
            options.cache / f"{home.name}-wrong-codes.json", partial(wrong_codes_of, home, options.redraws)
        )
    results, held = concluded(found)
    named = [f"--source {name}=DIR" for name in sources] + [f"--home {home.name}" for home in options.home]
    works = " ".join(map(str, options.works))
    command = (
        f"python -m benchmarks.grades.held_out_sizes --members CACHE {' '.join(named)} --works {works} --squeezenet FILE "
        f"--cache FOLDER --samples {options.samples} --redraws {options.redraws}"
    )
    return conclude(
        "grades/held_out_sizes",
        CLAIM,
        held,
        {**results, "wrong_codes": summed(wrong)},
        ("torch", "numpy", "lpips"),
        command,
    )


def of_set(
    label: str, options: argparse.Namespace, network: PerceptualDistance, name: str, works: int, source: Path
) -> tuple[Tested, dict[str, Any]]:
    """The figures of one set and number of works: from the cache, or measured now."""

    @cache
    def bench() -> Bench:
        return prepared(name, works, source, options.members, options.samples)

    tested = kept_or_measured(options.cache, label, lambda: measured(bench(), network))
    path = options.cache / f"{label}-wrong-codes.json"
    return tested, kept_json(path, lambda: wrong_codes(bench(), options.redraws))


def prepared(name: str, works: int, source: Path, members: Path, outputs: int) -> Bench:
    """Generate the outputs of a set's members, from the noise of the seeds 1, 2, ...

    Fewer works than the set has are spread over its groups.
    """
    found = material(name, source)
    folder = members / name
    if works < len(found.works):
        chosen = np.linspace(0, len(found.works) - 1, works).round().astype(np.int64)
        groups = tuple(found.group_of_work[row] for row in chosen)
        found, folder = replace(found, works=found.works[chosen], group_of_work=groups), folder / f"of-{works}"
    codes = codes_of(CODE_SEED, MEMBERS, ONES, np.arange(len(found.works)))
    stack = models_of(found, folder, "members", bits(codes, MEMBERS).T, 0)
    ensemble = stacked(stack)
    network = found.network
    noise = noise_batch(list(range(1, outputs + 1)), SAMPLER.draws, (network.channels, network.size, network.size))
    sums = PredictionSums(ensemble, noise[:, 0])
    with torch.no_grad():
        y = sample(ensemble, noise, SAMPLER, observe=sums)
    predictions = [mean_predictions(sums.row(row, np.zeros(MEMBERS))) for row in range(outputs)]
    pixels = ((y.clamp(-1.0, 1.0) + 1.0) / 2.0).flatten(1).numpy().astype(np.float32)
    return Bench(found, ensemble, Assignment(MEMBERS, ONES, CODE_SEED, FIRST_FORMAT, codes), predictions, pixels, noise)


@torch.no_grad()
def measured(bench: Bench, network: PerceptualDistance) -> Tested:
    """Effects of the candidates, and what goes from the picture without them."""
    found, evidence, beaten = bench.found, [], []
    seen = bench.membership(bench.assignment)
    shape = bench.found.works.shape[1:]
    for output, order in enumerate(bench.order):
        evidence.append(bench.evidence(output, bench.assignment))
        listed = order[:SHORTLIST]
        placebos = order[len(order) // 2 :][-PLACEBOS:]
        units = np.concatenate([listed, placebos])
        without = counterfactuals(bench.ensemble, bench.noise[output], SAMPLER, seen[units])
        pictures = to_pixels(without).numpy()
        made = np.moveaxis(bench.pixels[output].reshape(shape[-1], *shape[:-1]), 0, -1)
        beaten.append(beaten_by((made * 255.0).round().astype(np.uint8), pictures, found.works[listed], network))
        print(f"{found.name}: output {output}", flush=True)
    facts = {
        "works": len(found.works),
        "n": MEMBERS,
        "h": ONES,
        "size": found.network.size,
        "members": "networks on pixels",
        "outputs": len(evidence),
    }
    return tested_of(evidence, beaten, facts)


def wrong_codes(bench: Bench, redraws: int) -> dict[str, Any]:
    """What audits name under codes dealt anew after training, one output each in turn."""
    outcomes = []
    for redraw, seed in enumerate(np.random.default_rng(0).integers(0, 2**62, redraws).tolist()):
        found = bench.evidence(redraw % len(bench.pixels), bench.assignment.dealt_anew(seed))
        outcomes.append(UnderWrongCodes.of(found, DEFAULTS))
    shares = UnderWrongCodes.shares(outcomes)
    return {name: shares[name].to_json() for name in WRONG}


def wrong_codes_of(home: Path, redraws: int) -> dict[str, Any]:
    """The same of a home's samples."""
    null = null_calibration(auditor_of(home, replace(DEFAULTS, jacobian=False)), redraws).to_json()
    return {part: null[part] for part in WRONG}


def kept_json(path: Path, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Facts from a file, or measured now."""
    if not path.exists():
        path.write_text(json.dumps(measure()))
    return dict(json.loads(path.read_text()))


def summed(wrong: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The sets, and all of them together."""
    every: dict[str, Any] = {}
    for name in next(iter(wrong.values()), {}):
        count, total = (sum(facts[name][part] for facts in wrong.values()) for part in ("count", "total"))
        every[name] = share_of(np.arange(total) < count).to_json()
    return {"thresholds": asdict(THRESHOLDS), "sets": wrong, "all": every}


if __name__ == "__main__":
    sys.exit(main())
