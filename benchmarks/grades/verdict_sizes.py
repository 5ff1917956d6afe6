"""The thresholds of the grades: from which effect on does a work go from the picture without it?

For each output of finished homes the first ten works of the ranking are tested as in an audit, and
left out one at a time by real ablation. Leaving members out changes a picture in any case, so works
far down the same ranking are left out too: they are the placebo. A work's part in the output is
*visible* if without it the picture is further from the work than 95 % of the placebos of the same
output are. The lower end of the effect, as an audit has it, is compared with that. Beside it stands
the change without a direction, the distance from the output.

Distances are LPIPS-style (:mod:`benchmarks.papers.caffe_lpips`), 1 - SSIM, and root mean squares
over pixels in [0, 1]; the first one counts. A home is what `creditline demo`, `creditline demo
--pixels`, or `register`, `encode`, `train` and `sample` leave.

    python -m benchmarks.grades.verdict_sizes HOME... --squeezenet FILE --cache FOLDER
        [--samples 16]

The thresholds were chosen on these homes; :mod:`benchmarks.grades.held_out_sizes` measures them on
others.

Beside the thresholds stand two further rules for a main source: also at least half of the largest
effect of the output, and the largest effect alone.

The cache keeps the pictures of every output, and the figures of every home that is complete. Takes
about ten seconds of one core per output of a home on pixels of 16x16, and half a minute per output
of the demonstration's text to image.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64, UInt8
from scipy import ndimage
from torch import Tensor

from attribution.audit.auditor import Auditor
from attribution.audit.record import AuditSettings, Findings
from attribution.audit.worker import run_audit_task
from attribution.evaluation.calibration import kept_samples
from attribution.evidence.randomisation import Evidence
from attribution.images import from_pixels
from attribution.metrics.perceptual import PerceptualDistance
from attribution.metrics.roc import area_under_curve
from attribution.metrics.statistics import share_of
from benchmarks.grades.finished_homes import auditor_of, examined, model_facts
from benchmarks.papers.caffe_lpips import WORDS, open_caffe_lpips
from benchmarks.record import conclude
from registry.outputs.grades import CONTRIBUTES, MAIN_SOURCE, SLIGHT

SHORTLIST, PLACEBOS = 10, 24
VISIBLE = 0.95
"""Share of the placebos that a visible change exceeds."""
LEAST_SIDE = 64
"""Smaller pictures are enlarged to this side for the network."""
THRESHOLDS = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3)
BANDS = (-math.inf, 0.05, 0.15, math.inf)
"""The grades of findings by the defaults: slight, contributes, main source."""
RULES = ("threshold alone", "and half of the largest", "the largest alone")
CLAIM = (
    "in every home, main sources are gone from the picture without them more than twice as often as works that the "
    "test does not show, and slight findings in less than half"
)
METRICS = ("lpips-style", "1 - ssim", "rms")
GONE, CHANGED = "from the work", "from the output"
"""What the picture without a work is compared with."""
Picture = UInt8[np.ndarray, "height width channel"]
Beaten = dict[str, Float64[np.ndarray, " candidate"]]
"""By metric and comparison: the share of the output's placebos that are nearer."""


@dataclass(frozen=True)
class Tested:
    """The candidates of one home, over all of its outputs."""

    low: Float64[np.ndarray, " candidate"]
    q: Float64[np.ndarray, " candidate"]
    output: Int64[np.ndarray, " candidate"]
    """The number of the candidate's output, from 0 in each home."""
    beaten: Beaten
    facts: dict[str, Any]


def main() -> int:
    """Measure, write the result, and return 1 if main sources are not visible."""
    parser = argparse.ArgumentParser()
    parser.add_argument("homes", nargs="+", type=Path)
    parser.add_argument("--squeezenet", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=16)
    options = parser.parse_args()
    torch.set_num_threads(1)
    network = open_caffe_lpips(options.squeezenet)
    options.cache.mkdir(parents=True, exist_ok=True)
    found = {home.name: kept(home, options.samples, network, options.cache) for home in options.homes}
    results, held = concluded(found)
    command = "python -m benchmarks.grades.verdict_sizes HOME... --squeezenet FILE --cache FOLDER"
    return conclude("grades/verdict_sizes", CLAIM, held, results, ("torch", "numpy", "lpips"), command)


def concluded(found: Mapping[str, Tested]) -> tuple[dict[str, Any], bool]:
    """The results by set of works, and whether the claim held in every one."""
    results: dict[str, Any] = {
        "lpips-style": WORDS,
        "visible": f"without it the picture is further from the work than {VISIBLE:.0%} of the output's placebos",
        "homes": {name: facts_of([tested]) | tested.facts for name, tested in found.items()},
        "all": facts_of(list(found.values())),
    }
    homes = [results["homes"][name][f"{METRICS[0]} {GONE}"]["visible_by_grade"] for name in found]
    by_grade = [{grade: facts and facts["share"] for grade, facts in home.items()} for home in homes]
    held = all(
        (facts[MAIN_SOURCE] is None or facts[MAIN_SOURCE] > 2 * facts["not shown"])
        and (facts[SLIGHT] is None or facts[SLIGHT] < 0.5)
        for facts in by_grade
    )
    return results, held


def kept(path: Path, samples: int, network: PerceptualDistance, cache: Path) -> Tested:
    """The figures of one home: from the cache, or measured now."""
    return kept_or_measured(cache, path.name, lambda: measured(path, samples, network, cache / f"{path.name}-pictures"))


def kept_or_measured(cache: Path, name: str, measure: Callable[[], Tested]) -> Tested:
    """The figures of one set of works: from the cache, or measured now."""
    arrays, facts = cache / f"{name}.npz", cache / f"{name}.json"
    if not facts.exists():
        tested = measure()
        values: dict[str, Any] = {"low": tested.low, "q": tested.q, "output": tested.output, **tested.beaten}
        np.savez(arrays, **values)
        facts.write_text(json.dumps(tested.facts))
    with np.load(arrays) as found:
        beaten = {key: found[key] for key in found.files if key not in ("low", "q", "output")}
        told = json.loads(facts.read_text())
        return Tested(found["low"], found["q"], found["output"], beaten, told)


def measured(path: Path, samples: int, network: PerceptualDistance, pictures_in: Path) -> Tested:
    """Effects and changes of the candidates of one home."""
    auditor = auditor_of(path, AuditSettings(shortlist=SHORTLIST, jacobian=False))
    encoded = auditor.context.encoded
    rows = kept_samples(auditor)[:samples]
    findings = [examined(auditor, row)[1] for row in rows]
    units = {
        row.id: np.concatenate([one.shortlisted.unit_numbers, placebos(auditor, one)])
        for row, one in zip(rows, findings, strict=True)
    }
    pictures_in.mkdir(exist_ok=True)
    missing = [row for row in rows if not (pictures_in / f"{row.id}.npy").exists()]
    for task in auditor.ablation_tasks(missing, units, 1):
        for made_without in run_audit_task(task, lambda _: None):
            np.save(pictures_in / f"{made_without.sample_id}.npy", made_without.pictures)
            print(f"{path.name}: {made_without.sample_id}", flush=True)
    pictures = {row.id: np.load(pictures_in / f"{row.id}.npy") for row in rows}
    beaten = []
    for row, one in zip(rows, findings, strict=True):
        made = (np.moveaxis(one.image, 0, -1) * 255.0).round().astype(np.uint8)
        works = [encoded.index.rows_of(int(unit))[0] for unit in one.shortlisted.unit_numbers]
        drawn = encoded.pictures(np.array(works)).reshape(len(works), *encoded.shape)
        shown = (np.moveaxis(drawn, 1, -1) * 255.0).round().astype(np.uint8)
        beaten.append(beaten_by(made, pictures[row.id], shown, network))
    evidence = [one.evidence for one in findings]
    facts = {
        **model_facts(auditor),
        "h": auditor.context.ensemble.encoding.h,
        "size": encoded.shape[-1],
        "outputs": len(rows),
    }
    return tested_of(evidence, beaten, facts)


def tested_of(evidence: Sequence[Evidence], beaten: Sequence[Beaten], facts: dict[str, Any]) -> Tested:
    """The candidates of all outputs in one."""
    found = [each.q_value <= 0.05 for each in evidence]
    return Tested(
        np.concatenate([each.effects.low for each in evidence]),
        np.concatenate([each.q_value for each in evidence]),
        np.repeat(np.arange(len(evidence)), [len(each) for each in found]),
        {metric: np.concatenate([each[metric] for each in beaten]) for metric in beaten[0]},
        facts | {"findings_per_output": round(float(np.mean([each.sum() for each in found])), 2)},
    )


def beaten_by(
    made: Picture,
    pictures: UInt8[np.ndarray, "unit height width channel"],
    works: UInt8[np.ndarray, "work height width channel"],
    network: PerceptualDistance,
) -> Beaten:
    """By metric and comparison: the share of placebos that each work's picture is further than.

    ``pictures``: the output without each work, then without each placebo.
    """
    count = len(works)
    shown = Shown.of(np.concatenate([made[None], pictures, works]), network)
    without, placebo = 1 + np.arange(count), np.arange(1 + count, 1 + len(pictures))
    beaten: Beaten = {}
    for metric, changes in shown.distances(0, np.concatenate([without, placebo])).items():
        beaten[f"{metric} {CHANGED}"] = (changes[count:][None] < changes[:count, None]).mean(axis=1)
    gone: dict[str, list[float]] = {metric: [] for metric in METRICS}
    for place, mine in enumerate(without):
        work = 1 + len(pictures) + place
        for metric, away in shown.distances(work, np.append(placebo, mine)).items():
            gone[metric].append(float((away[:-1] < away[-1]).mean()))
    return beaten | {f"{metric} {GONE}": np.array(shares) for metric, shares in gone.items()}


def placebos(auditor: Auditor, found: Findings) -> Int64[np.ndarray, " unit"]:
    """The last testable units of the ranking: at most half of all."""
    order = found.shortlisted.blind_order(len(auditor.context.encoded.codes))
    listed = set(found.shortlisted.unit_numbers.tolist())
    last = [int(unit) for unit in order[len(order) // 2 :] if int(unit) not in auditor.context.encoded.not_testable]
    return np.array([unit for unit in last if unit not in listed][-PLACEBOS:], dtype=np.int64)


@dataclass(frozen=True)
class Shown:
    """Some pictures, and what the network sees in them."""

    pictures: UInt8[np.ndarray, "picture height width channel"]
    features: Float[Tensor, "picture feature"]

    @classmethod
    @torch.no_grad()
    def of(cls, pictures: UInt8[np.ndarray, "picture height width channel"], network: PerceptualDistance) -> Shown:
        """Look at pictures in colour and at least at the smallest side of the network."""
        colour = np.repeat(pictures, 3, axis=-1) if pictures.shape[-1] == 1 else pictures
        images = from_pixels(colour)
        factor = max(1, LEAST_SIDE // images.shape[-1])
        enlarged = images.repeat_interleave(factor, dim=-1).repeat_interleave(factor, dim=-2)
        return cls(pictures, network.features(enlarged))

    def distances(self, one: int, others: Int64[np.ndarray, " other"]) -> dict[str, Float64[np.ndarray, " other"]]:
        """How far other pictures are from one, by every metric."""
        first, rest = self.pictures[one], self.pictures[others]
        seen = (self.features[torch.from_numpy(others)] - self.features[one]).double()
        return {
            "lpips-style": seen.square().sum(dim=1).numpy(),
            "1 - ssim": np.array([1.0 - ssim(first / 255.0, other / 255.0) for other in rest]),
            "rms": np.sqrt((((rest.astype(np.float64) - first) / 255.0) ** 2).mean(axis=(1, 2, 3))),
        }


def ssim(one: Float[np.ndarray, "height width channel"], other: Float[np.ndarray, "height width channel"]) -> float:
    """Mean structural similarity over windows of 7x7 and channels [Wang et al. 2004]."""

    def mean(values: np.ndarray) -> np.ndarray:
        return np.asarray(ndimage.uniform_filter(values, size=(7, 7, 1)))

    first, second = mean(one), mean(other)
    spread = mean(one * one) - first**2 + mean(other * other) - second**2
    common = mean(one * other) - first * second
    small, smaller = 0.01**2, 0.03**2
    top = (2 * first * second + small) * (2 * common + smaller)
    return float((top / ((first**2 + second**2 + small) * (spread + smaller))).mean())


def facts_of(tested: list[Tested]) -> dict[str, Any]:
    """Area under the curve, and what every threshold separates, by metric."""
    low, q = (np.concatenate([getattr(one, name) for one in tested]) for name in ("low", "q"))
    facts: dict[str, Any] = {"candidates": len(low), "found": share_of(q <= 0.05).to_json()}
    named = {rule: np.concatenate([rules_of(one)[rule] for one in tested]) for rule in RULES}
    outputs = sum(len(np.unique(one.output)) for one in tested)
    for metric in tested[0].beaten:
        visible = np.concatenate([one.beaten[metric] for one in tested]) >= VISIBLE
        facts[metric] = {
            "visible": share_of(visible).to_json(),
            "visible_of_those_found": share_of(visible[q <= 0.05]).to_json() if (q <= 0.05).any() else None,
            "visible_by_grade": {
                "not shown": _share(visible, q > 0.05),
                **{
                    grade: _share(visible, (q <= 0.05) & (low >= least) & (low < most))
                    for grade, least, most in zip((SLIGHT, CONTRIBUTES, MAIN_SOURCE), BANDS, BANDS[1:], strict=False)
                },
            },
            "visible_by_rule": {
                rule: {"per_output": round(float(chosen.sum() / outputs), 2), "visible": _share(visible, chosen)}
                for rule, chosen in named.items()
            },
            "area_under_curve": area(low, visible),
            "thresholds": [
                {
                    "low_at_least": threshold,
                    "visible": _share(visible, (low >= threshold) & (q <= 0.05)),
                    "of_the_visible": _share((low >= threshold) & (q <= 0.05), visible),
                    "of_the_others": _share((low >= threshold) & (q <= 0.05), ~visible),
                }
                for threshold in THRESHOLDS
            ],
        }
    return facts


def rules_of(tested: Tested) -> dict[str, Bool[np.ndarray, " candidate"]]:
    """The candidates of one home that each rule calls main sources."""
    main = (tested.q <= 0.05) & (tested.low >= BANDS[2])
    largest = np.array([tested.low[(tested.output == output) & main].max(initial=0.0) for output in tested.output])
    return dict(zip(RULES, (main, main & (tested.low >= largest / 2), main & (tested.low >= largest)), strict=True))


def area(score: Float64[np.ndarray, " candidate"], truth: Bool[np.ndarray, " candidate"]) -> float | None:
    """The probability that a visible candidate scores above another; None: of one kind only."""
    if truth.all() or not truth.any():
        return None
    return round(area_under_curve(score[truth], score[~truth]), 3)


def _share(of: Bool[np.ndarray, " candidate"], among: Bool[np.ndarray, " candidate"]) -> dict[str, Any] | None:
    """Count and total; the figures of one threshold need no interval."""
    found = share_of(of[among])
    return (
        {"share": round(found.count / found.total, 3), "count": found.count, "total": found.total}
        if among.any()
        else None
    )


if __name__ == "__main__":
    sys.exit(main())
