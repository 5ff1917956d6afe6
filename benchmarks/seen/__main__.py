"""Does the question *did these models see this very work?* get the right answer?

Works of four sets are shown as images from outside, and pictures of the same sets that no member
saw. Sets, networks and members are those of the comparison of rankers (:mod:`benchmarks.lds`):
16 members, each on half of 256 works: of 54,000 weights and 16x16 pixels, and for the digits of
44,000 and 8x8. Digits come with scikit-learn; of a set without a source the result on record stays.
Reported are

- the ROC of the product's statistic beside rival attacks on the same members
  (:mod:`benchmarks.seen.attacks`);
- false alarms of the conformal p: unseen pictures are dealt at random into probes and images, so
  that the mean over divisions is right by construction and checks the code; one division varies;
- changed copies of works: the share that is found with an error of at most 5 %;
- look-alikes: false alarms among the unseen pictures nearest to a work.

    python -m benchmarks.seen --cache DIR --source flags=DIR --source emoji=DIR --source cifar=DIR
    python -m benchmarks.seen --cache DIR          digits alone

A few minutes of one core per set, if the members are in the cache. The cache keeps everything.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from attribution.metrics.roc import area_facts, curve, found_at, threshold_at
from attribution.metrics.statistics import share_of
from attribution.seen.statistic import conformal_p
from benchmarks.lds.ground_truth import MEMBERS, ONES
from benchmarks.record import RESULTS, conclude
from benchmarks.seen.attacks import PULL, PULL_AS_IT_IS, Statistics, lira_on_one_member, statistics_of
from benchmarks.seen.measured import SetMeasured, measure_set

WITHOUT_SOURCE = "digits"
SETS = ("flags", "emoji", "cifar", WITHOUT_SOURCE)
RATES = (0.05, 0.01, 0.001)
PROBES = 39
"""Of each random division of the unseen pictures into probes and images."""
DIVISIONS = 2000
NEAREST = 0.1
"""Share of the unseen pictures that count as look-alikes: those nearest to a work."""
CLAIM = (
    "on every set the pull towards the image finds more works at 5 % and at 1 % than the loss threshold, and the conformal "
    "p is at most 0.05 for 4 to 6 % of unseen pictures"
)


def main() -> int:
    """Measure all sets and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="where models and predictions are kept")
    parser.add_argument("--source", action="append", default=[], metavar="NAME=DIR")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sources = {name: Path(path) for name, _, path in (one.partition("=") for one in options.source)}
    recorded = RESULTS / "seen.json"
    results = json.loads(recorded.read_text())["results"]["sets"] if recorded.exists() else {}
    for name in SETS:
        if name in sources or name == WITHOUT_SOURCE:
            results[name] = facts_of(measure_set(name, sources.get(name), options.cache))
    held = all(_holds(facts) for facts in results.values())
    settings = {"n": MEMBERS, "h": ONES, "probes": PROBES, "divisions": DIVISIONS}
    command = "python -m benchmarks.seen --cache CACHE --source flags=DIR --source emoji=DIR --source cifar=DIR"
    return conclude("seen", CLAIM, held, {**settings, "sets": results}, ("torch", "numpy", "scipy"), command)


def facts_of(found: SetMeasured) -> dict[str, Any]:
    """All facts of one set."""
    seen, unseen = statistics_of(found, found.seen), statistics_of(found, found.unseen)
    pull, against = seen.values[PULL], unseen.values[PULL]
    changed = {kind: statistics_of(found, part) for kind, part in found.copies.items()}
    ratios, saw = lira_on_one_member(found)
    return {
        "works_shown": len(pull),
        "unseen": len(against),
        "attacks": {name: separation(seen.values[name], unseen.values[name]) for name in seen.values},
        "another_question": {
            "LiRA on one member, works that it saw against works that it did not": separation(ratios[saw], ratios[~saw])
        },
        "curve": curve(pull, against),
        "unseen_with_randomisation_p_at_most_0.05": share_of(unseen.randomisation_p <= 0.05).to_json(),
        "conformal": conformal(against, pull),
        "copies": {kind: _found(copies, unseen, PULL) for kind, copies in changed.items()},
        "copies_as_they_are": {kind: _found(copies, unseen, PULL_AS_IT_IS) for kind, copies in changed.items()},
        "look_alikes": look_alikes(found, against),
    }


def _found(copies: Statistics, unseen: Statistics, name: str) -> dict[str, Any]:
    """The share of copies found while at most 5 % of the unseen pictures are."""
    return share_of(found_at(copies.values[name], unseen.values[name], 0.05)).to_json()


def separation(seen: np.ndarray, unseen: np.ndarray) -> dict[str, Any]:
    """Area under the curve, and shares of the seen found while few of the unseen are."""
    found = {f"found_at_{rate}": share_of(found_at(seen, unseen, rate)).to_json() for rate in RATES}
    return {"area_under_curve": area_facts(seen, unseen), **found}


def conformal(unseen: np.ndarray, seen: np.ndarray) -> dict[str, Any]:
    """False alarms and works found by the conformal p, over random divisions of the unseen."""
    generator = np.random.default_rng(0)
    alarms, found = np.empty(DIVISIONS), np.empty(DIVISIONS)
    for place in range(DIVISIONS):
        order = generator.permutation(len(unseen))
        probes, images = unseen[order[:PROBES]], unseen[order[PROBES:]]
        alarms[place] = np.mean([conformal_p(value, probes) <= 0.05 for value in images])
        found[place] = np.mean([conformal_p(value, probes) <= 0.05 for value in seen])
    return {
        "false_alarms_at_0.05": float(alarms.mean()),
        "of_one_division": [float(each) for each in np.quantile(alarms, [0.05, 0.95])],
        "works_found_at_0.05": float(found.mean()),
    }


def look_alikes(found: SetMeasured, unseen: np.ndarray) -> dict[str, Any]:
    """False alarms at 5 % among the unseen pictures that are nearest to a work, and the others."""
    nearest = found.works[found.unseen.nearest]
    distance = np.square(found.unseen.images[:, 1] - nearest).mean(axis=1)
    close = distance <= np.quantile(distance, NEAREST)
    alarms = unseen > threshold_at(unseen, 0.05)
    return {
        "nearest_tenth": share_of(alarms[close]).to_json(),
        "others": share_of(alarms[~close]).to_json(),
        "distance_of_the_tenth": float(np.sqrt(np.quantile(distance, NEAREST))),
    }


def _holds(facts: dict[str, Any]) -> bool:
    def share(attack: str, rate: float) -> float:
        return float(facts["attacks"][attack][f"found_at_{rate}"]["share"])

    better = all(share(PULL, rate) > share("loss threshold", rate) for rate in (0.05, 0.01))
    return better and 0.04 <= facts["conformal"]["false_alarms_at_0.05"] <= 0.06


if __name__ == "__main__":
    sys.exit(main())
