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

    python -m benchmarks.verdict_sizes HOME... --squeezenet FILE --cache FOLDER [--samples 16]

The cache keeps the pictures of every output, and the figures of every home that is complete. Takes
about ten seconds of one core per output of a home on pixels of 16x16, and half a minute per output
of the demonstration's text to image.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64, UInt8
from scipy import ndimage

from attribution.audit.auditor import Auditor
from attribution.audit.record import AuditSettings, Findings
from attribution.audit.worker import run_audit_task
from attribution.evaluation.calibration import kept_samples
from attribution.images import from_pixels
from attribution.metrics.perceptual import PerceptualDistance
from attribution.metrics.roc import area_under_curve
from attribution.metrics.statistics import share_of
from benchmarks.finished_homes import auditor_of, examined, model_facts
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
METRICS = ("lpips-style", "1 - ssim", "rms")
GONE, CHANGED = "from the work", "from the output"
"""What the picture without a work is compared with."""
Picture = UInt8[np.ndarray, "height width channel"]


@dataclass(frozen=True)
class Tested:
    """The candidates of one home, over all of its outputs."""

    low: Float64[np.ndarray, " candidate"]
    q: Float64[np.ndarray, " candidate"]
    beaten: dict[str, Float64[np.ndarray, " candidate"]]
    """By metric and comparison: the share of the output's placebos that are nearer."""
    facts: dict[str, Any]


def main() -> int:
    """Measure, write the result, and return 1 if main sources are not visible."""
    parser = argparse.ArgumentParser()
    parser.add_argument("homes", nargs="+", type=Path)
    parser.add_argument("--squeezenet", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=16)
    options = parser.parse_args(sys.argv[1:] if __name__ == "__main__" else [])
    torch.set_num_threads(1)
    network = open_caffe_lpips(options.squeezenet)
    options.cache.mkdir(parents=True, exist_ok=True)
    found = {home.name: kept(home, options.samples, network, options.cache) for home in options.homes}
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
    claim = (
        "in every home, main sources are gone from the picture without them more than twice as often as works that the "
        "test does not show, and slight findings in less than half"
    )
    command = "python -m benchmarks.verdict_sizes HOME... --squeezenet FILE --cache FOLDER"
    return conclude("verdict_sizes", claim, held, results, ("torch", "numpy", "lpips"), command)


def kept(path: Path, samples: int, network: PerceptualDistance, cache: Path) -> Tested:
    """The figures of one home: from the cache, or measured now."""
    arrays, facts = cache / f"{path.name}.npz", cache / f"{path.name}.json"
    if not facts.exists():
        tested = measured(path, samples, network, cache / f"{path.name}-pictures")
        values: dict[str, Any] = {"low": tested.low, "q": tested.q, **tested.beaten}
        np.savez(arrays, **values)
        facts.write_text(json.dumps(tested.facts))
    with np.load(arrays) as found:
        beaten = {name: found[name] for name in found.files if name not in ("low", "q")}
        told = json.loads(facts.read_text())
        return Tested(found["low"], found["q"], beaten, told)


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
    low, q = [], []
    beaten: dict[str, list[np.ndarray]] = {f"{metric} {what}": [] for metric in METRICS for what in (GONE, CHANGED)}
    for row, one in zip(rows, findings, strict=True):
        made = (np.moveaxis(one.image, 0, -1) * 255.0).round().astype(np.uint8)
        count = len(one.shortlisted.unit_numbers)
        low.append(one.evidence.effects.low)
        q.append(one.evidence.q_value)
        without, placebo = pictures[row.id][:count], pictures[row.id][count:]
        for metric, changes in distances(made, pictures[row.id], network).items():
            beaten[f"{metric} {CHANGED}"].append((changes[count:][None] < changes[:count, None]).mean(axis=1))
        works = [encoded.index.rows_of(int(unit))[0] for unit in one.shortlisted.unit_numbers]
        drawn = encoded.pictures(np.array(works)).reshape(count, *encoded.shape)
        gone: dict[str, list[float]] = {metric: [] for metric in METRICS}
        for work, mine in zip((np.moveaxis(drawn, 1, -1) * 255.0).round().astype(np.uint8), without, strict=True):
            for metric, away in distances(work, np.concatenate([mine[None], placebo]), network).items():
                gone[metric].append(float((away[1:] < away[0]).mean()))
        for metric, shares in gone.items():
            beaten[f"{metric} {GONE}"].append(np.array(shares))
    facts = {
        **model_facts(auditor),
        "h": auditor.context.ensemble.encoding.h,
        "size": encoded.shape[-1],
        "outputs": len(rows),
        "findings_per_output": round(float(np.mean([(each <= 0.05).sum() for each in q])), 2),
    }
    joined = {metric: np.concatenate(values) for metric, values in beaten.items()}
    return Tested(np.concatenate(low), np.concatenate(q), joined, facts)


def placebos(auditor: Auditor, found: Findings) -> Int64[np.ndarray, " unit"]:
    """The last testable units of the ranking: at most half of all."""
    order = found.shortlisted.blind_order(len(auditor.context.encoded.codes))
    listed = set(found.shortlisted.unit_numbers.tolist())
    last = [int(unit) for unit in order[len(order) // 2 :] if int(unit) not in auditor.context.encoded.not_testable]
    return np.array([unit for unit in last if unit not in listed][-PLACEBOS:], dtype=np.int64)


def distances(
    one: Picture, others: UInt8[np.ndarray, "other height width channel"], network: PerceptualDistance
) -> dict[str, Float64[np.ndarray, " other"]]:
    """How far each other picture is from one, by every metric."""
    return {
        "lpips-style": lpips_style(one, others, network),
        "1 - ssim": np.array([1.0 - ssim(one / 255.0, other / 255.0) for other in others]),
        "rms": np.sqrt((((others.astype(np.float64) - one) / 255.0) ** 2).mean(axis=(1, 2, 3))),
    }


@torch.no_grad()
def lpips_style(
    one: Picture, others: UInt8[np.ndarray, "other height width channel"], network: PerceptualDistance
) -> Float64[np.ndarray, " other"]:
    """Distances by the network, in colour and at least at its smallest side."""

    def shown(pictures: np.ndarray) -> torch.Tensor:
        colour = np.repeat(pictures, 3, axis=-1) if pictures.shape[-1] == 1 else pictures
        images = from_pixels(colour)
        factor = max(1, LEAST_SIDE // images.shape[-1])
        return images.repeat_interleave(factor, dim=-1).repeat_interleave(factor, dim=-2)

    return np.asarray(network.distances(shown(one[None])[0], shown(others)).numpy(), dtype=np.float64)


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
