"""The ridge of the joint regression, and what the test names where there is nothing to name.

On outputs of finished homes, the first ten works of the ranking are tested as in an audit:

- *ridge*: how often the first-ranked work is found, and how wide the effects' intervals are, by the
  ridge of the regression that takes off the other works' effects;
- *planted look-alikes*: a picture made of four fifths of the strongest finding's picture and one
  fifth of another work's gets codes that no unit has. No member saw it, so it may pass p <= 0.05 in
  5 %, and no grade may name it more often than that;
- *wrong codes*: all works get other codes after training
  (:mod:`attribution.evaluation.calibration`).
  The share of audits that name a main source is what the pages state.

    python -m benchmarks.grades.joint_effects HOME... [--samples 16] [--redraws 1000]

Takes about two minutes of one core per home.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from attribution.audit.auditor import Auditor
from attribution.audit.record import AuditSettings
from attribution.evaluation.calibration import kept_samples, null_calibration
from attribution.evidence import adjustment
from attribution.evidence.adjustment import member_alignment, neighbours_of
from attribution.evidence.randomisation import assess_alignment, assess_units, mean_predictions
from attribution.metrics.statistics import share_of
from benchmarks.grades.finished_homes import DEFAULTS, THRESHOLDS, auditor_of, examined, model_facts
from benchmarks.record import conclude
from registry.outputs.grades import MAIN_SOURCE, MATTERS, grade_of

RIDGES = (3.0, 1.0, 0.3, 0.1, 0.03, 0.01)
PLANTED = 60
"""Codes that a planted look-alike gets, one after the other."""
SHARE = 0.8
"""Of the strongest finding's picture in the look-alike's."""


def main() -> int:
    """Measure, write the result, and return 1 if look-alikes or wrong codes pass too often."""
    parser = argparse.ArgumentParser()
    parser.add_argument("homes", nargs="+", type=Path)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--redraws", type=int, default=1000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = {path.name: measured(path, options.samples, options.redraws) for path in options.homes}
    named = [facts["wrong_codes"]["audits_with_a_main_source"] for facts in results.values()]
    planted = [facts["ridge"][f"{adjustment.RIDGE:g}"]["planted"] for facts in results.values()]
    count, total = sum(each["count"] for each in named), sum(each["total"] for each in named)
    held = share_of(np.arange(total) < count).more_than_p(0.05) > 0.01
    held &= all(each["main_source"]["share"] <= 0.05 for each in planted)
    figures = {
        "thresholds": asdict(THRESHOLDS),
        "homes": results,
        "main_source_under_wrong_codes": share_of(np.arange(total) < count).to_json(),
    }
    claim = "under wrong codes at most 5 % of audits name a main source, and so do planted look-alikes that did nothing"
    command = f"python -m benchmarks.grades.joint_effects HOME... --redraws {options.redraws}"
    return conclude("grades/joint_effects", claim, held, figures, ("torch", "numpy"), command)


def measured(path: Path, samples: int, redraws: int) -> dict[str, Any]:
    """The facts of one home."""
    auditor = auditor_of(path, AuditSettings(jacobian=False))
    default, facts = adjustment.RIDGE, {}
    for ridge in RIDGES:
        adjustment.RIDGE = ridge
        facts[f"{ridge:g}"] = by_ridge(auditor, samples)
    adjustment.RIDGE = default
    null = null_calibration(auditor, redraws).to_json()
    print(path.name, {name: (each["first_found"]["share"], each["width"]) for name, each in facts.items()}, flush=True)
    kept = ("redraws", "p_at_most_0.05", "audits_with_a_discovery", "audits_with_a_main_source")
    return {
        **model_facts(auditor),
        "ridge": facts,
        "wrong_codes": {name: null[name] for name in kept},
    }


def by_ridge(auditor: Auditor, samples: int) -> dict[str, Any]:
    """Power, intervals and planted look-alikes under the ridge that is set."""
    encoded, ensemble = auditor.context.encoded, auditor.context.ensemble
    first, widths, planted, grades = [], [], [], []
    for row in kept_samples(auditor)[:samples]:
        predictions, found = examined(auditor, row)
        units, pictures = found.shortlisted.unit_numbers, found.shortlisted.images
        around = neighbours_of(encoded, found.image.reshape(-1), found.neighbours)
        predicted, words = mean_predictions(predictions), found.decoys.words
        others = ensemble.membership_of(words.ravel()).reshape(*words.shape, -1)
        alone = assess_units(predicted, pictures, ensemble.membership_of(found.codes), others, around, units)
        first.append(alone.p_value[0])
        widths.append(np.median(alone.effects.high - alone.effects.low))
        strongest = int(np.argmax(np.nan_to_num(alone.effects.low, nan=-1.0)))
        other = 1 if strongest == 0 else 0
        picture = SHARE * pictures[strongest] + (1.0 - SHARE) * pictures[other]
        aligned = member_alignment(predicted, picture[None], around, [units[:0]])
        pool = others if others.ndim == 2 else others[strongest]
        for code in np.random.default_rng(0).permutation(len(pool))[:PLANTED]:
            one = assess_alignment(aligned, pool[[code]], np.delete(pool, code, axis=0))
            planted.append(one.p_value[0])
            grades.append(
                grade_of(float(one.q_value[0]), float(one.effects.low[0]), DEFAULTS.false_discovery_rate, THRESHOLDS)
            )
    return {
        "first_found": share_of(np.array(first) <= 0.05).to_json(),
        "width": round(float(np.median(widths)), 4),
        "planted": {
            "p_at_most_0.05": share_of(np.array(planted) <= 0.05).to_json(),
            "matters": share_of(np.isin(grades, MATTERS)).to_json(),
            "main_source": share_of(np.array(grades) == MAIN_SOURCE).to_json(),
        },
    }


if __name__ == "__main__":
    sys.exit(main())
