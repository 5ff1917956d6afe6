"""What goes from a picture without a work, by the ablations that the audits of a home have kept.

An audit keeps the output without each of its candidates, made by exact ablation. A work is *gone*
if the picture without it is further from the work than the picture without any other candidate of
the output is. Where nothing separates works, that is so for one of all candidates: with five, for
20 %. Nothing is generated, so a home of adapters takes seconds;
:mod:`benchmarks.grades.verdict_sizes` has more placebos, and needs to generate them. Tests and
effects are those on record; grades are by the present thresholds. Distances are those of
:mod:`benchmarks.grades.verdict_sizes`.

    python -m benchmarks.grades.kept_ablations HOME... --squeezenet FILE

A home is what ``creditline demo``, or ``register``, ``encode``, ``train``, ``sample`` and ``audit``
leave.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file

from attribution.metrics.perceptual import PerceptualDistance
from attribution.metrics.statistics import share_of
from attribution.training.dataset import open_training_set
from benchmarks.grades.finished_homes import DEFAULTS, THRESHOLDS
from benchmarks.grades.verdict_sizes import METRICS, Shown
from benchmarks.papers.caffe_lpips import WORDS, open_caffe_lpips
from benchmarks.record import conclude
from registry.home import Home
from registry.outputs.grades import GRADES, MAIN_SOURCE, NOT_SHOWN, grade_of
from registry.storage.database import Registry

CANDIDATES = """
    SELECT audit.id AS audit, audit.ensemble_id AS ensemble, asset.sha256 AS work, q_value, effect_low
    FROM audit JOIN ensemble ON ensemble.id = audit.ensemble_id
    JOIN candidate ON candidate.audit_id = audit.id
    JOIN unit_asset ON unit_asset.encoding_id = ensemble.encoding_id
        AND unit_asset.unit_number = candidate.unit_number
    JOIN asset ON asset.id = unit_asset.asset_id
    WHERE audit.sample_id IS NOT NULL ORDER BY audit.id, candidate.rank
"""
"""A row per candidate of every audited output; units are works."""
CLAIM = (
    "in every home more than half of the main sources are gone from the picture without them, and by that often more "
)
CLAIM += "than works that the test does not show"


def main() -> int:
    """Measure, write the result, and return 1 if main sources are not gone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("homes", nargs="+", type=Path)
    parser.add_argument("--squeezenet", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    network = open_caffe_lpips(options.squeezenet)
    homes = {path.name: measured(path, network) for path in options.homes}
    gone = [facts[METRICS[0]]["by_grade"] for facts in homes.values()]
    held = all(
        one[MAIN_SOURCE]["share"] > max(0.5, one[NOT_SHOWN]["share"]) for one in gone if one[MAIN_SOURCE] is not None
    )
    results = {"lpips-style": WORDS, "thresholds": asdict(THRESHOLDS), "homes": homes}
    command = "python -m benchmarks.grades.kept_ablations HOME... --squeezenet FILE"
    return conclude("grades/kept_ablations", CLAIM, held, results, ("torch", "numpy", "lpips"), command)


def measured(path: Path, network: PerceptualDistance) -> dict[str, Any]:
    """The facts of one home."""
    home = Home(path)
    with Registry(home).connection() as connection:
        rows = connection.execute(CANDIDATES).to_arrow_table().to_pylist()
    grades: list[str] = []
    size: list[float] = []
    gone: dict[str, list[bool]] = {metric: [] for metric in METRICS}
    audits = list(dict.fromkeys(row["audit"] for row in rows))
    for audit in audits:
        listed = [row for row in rows if row["audit"] == audit]
        stored = open_training_set(home.training(listed[0]["ensemble"]))
        works = stored.pixels[[stored.hashes.index(row["work"]) for row in listed]]
        without = load_file(home.audit(audit))["counterfactual"]
        count = len(listed)
        lows = [row["effect_low"] or 0.0 for row in listed]
        size += [low / max(lows) if max(lows) > 0 else 0.0 for low in lows]
        shown = Shown.of(np.concatenate([without, works]), network)
        for place, row in enumerate(listed):
            grades.append(grade_of(row["q_value"], row["effect_low"], DEFAULTS.false_discovery_rate, THRESHOLDS))
            for metric, away in shown.distances(count + place, np.arange(count)).items():
                gone[metric].append(bool((np.delete(away, place) < away[place]).all()))
    graded = np.array(grades)
    return {
        "outputs": len(audits),
        "candidates": len(grades),
        "main_sources_per_output": round(float((graded == MAIN_SOURCE).sum() / len(audits)), 2),
        **{
            metric: {
                "by_grade": _by_grade(graded, np.array(values)),
                "main_sources_by_size": _by_size(np.array(size), graded == MAIN_SOURCE, np.array(values)),
            }
            for metric, values in gone.items()
        },
    }


def _by_grade(graded: np.ndarray, gone: np.ndarray) -> dict[str, Any]:
    """The share of works that are gone, by grade; None: no work has the grade."""
    return {grade: share_of(gone[graded == grade]).to_json() if (graded == grade).any() else None for grade in GRADES}


def _by_size(size: np.ndarray, main: np.ndarray, gone: np.ndarray) -> dict[str, Any]:
    """Main sources with at least half of their output's largest effect, by the lower end, and
    others.
    """
    halves = {"half of the largest or more": main & (size >= 0.5), "less": main & (size < 0.5)}
    return {name: share_of(gone[chosen]).to_json() if chosen.any() else None for name, chosen in halves.items()}


if __name__ == "__main__":
    sys.exit(main())
