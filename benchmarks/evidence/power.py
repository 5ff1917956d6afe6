"""E20, E21, E24: power of the randomisation test, and its false findings.

On the demonstration's ensemble (`creditline demo --pixels` first), over generated images, the
training works and works of the same houses that no member saw:

- power: p-values of the first-ranked work and of works further down the list (E24), and of planted
  copies, training works that are audited as images from outside (E20);
- null: codes redrawn after training, so that every code is wrong. P-values must be uniform
  (Kolmogorov-Smirnov), and audits with a finding at the false discovery rate must be rare (E21);
- specificity: works outside the training set. All findings there are due to resemblance.

    python -m benchmarks.evidence.power [--home creditline-demo-pixels] [--samples 64]
"""

from __future__ import annotations

import argparse
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from attribution.audit.record import AuditSettings
from attribution.audit.shortlist_test import decoys_of
from attribution.engines.device import choose_device
from attribution.ensemble.serving import open_ensemble
from attribution.evidence.adjustment import MOST, neighbours_of
from attribution.evidence.randomisation import Evidence, assess_shortlist
from attribution.images import ImageSettings, pixels_of
from attribution.metrics.statistics import share_of
from attribution.ranking.encoded_works import EncodedWorks
from attribution.ranking.rankers.interface import Images
from attribution.ranking.rankers.kernel import mean_squared_differences
from attribution.ranking.shortlist import Shortlisted, shortlists_for
from attribution.sampling.generate import generate_samples
from attribution.sampling.image_predictions import seed_of_image
from attribution.sampling.predictions import MemberPredictions, load_predictions, renoise
from attribution.sampling.requests import requests_for
from attribution.sampling.schedule import SamplerSettings
from benchmarks.grades.finished_homes import auditor_of
from benchmarks.record import conclude
from cli.demo.houses import picture_of
from registry.encodings.words import bits

RATE = 0.05
SHORTLIST = 5
PLACES = (1, 2, 3, 5, 10, 20, 30)
REDRAWS = 200
UNSEEN = {"twemoji": "🐙🐞🍌🍩🌻⭐🔑💎", "openmoji": "🦁🐠🍦🌽☁⚡🎸🧸"}
"""Of the demonstration's houses, in the same style, but in no member's training set."""


class Bench:
    """The demonstration's ensemble, and images with the members' predictions."""

    def __init__(self, home: Path) -> None:
        self.device = choose_device()
        auditor = auditor_of(home, AuditSettings(shortlist=SHORTLIST), self.device)
        self.auditor, self.context = auditor, auditor.context
        self.registry, self.reference = self.context.registry, self.context.ensemble
        self.encoded: EncodedWorks = auditor.context.encoded

    def samples(self, count: int) -> list[tuple[np.ndarray, MemberPredictions]]:
        """Generated images in [0, 1] and the members' predictions."""
        made = generate_samples(
            self.registry, self.reference, requests_for(range(1, count + 1)), SamplerSettings(), self.device
        )
        found = []
        for row in sorted(made, key=lambda row: row.seed):
            predictions, further = load_predictions(self.registry.home.sample_tensors(row.id))
            found.append(((np.clip(further["output"], -1, 1).reshape(-1) + 1) / 2, predictions))
        return found

    def shown(self, images: list[np.ndarray]) -> list[tuple[np.ndarray, MemberPredictions]]:
        """Outside images in [0, 1], channels first; the members' predictions after re-noising."""
        ensemble = open_ensemble(self.registry.home, self.reference)
        found = []
        for number, image in enumerate(images):
            y = torch.from_numpy(2 * image - 1).float()
            found.append((image.reshape(-1), renoise(ensemble, y, SamplerSettings(), seed_of_image(str(number)))))
        return found

    def p_values(self, image: np.ndarray, predictions: MemberPredictions, order: np.ndarray) -> np.ndarray:
        """P-values of units in this order."""
        pictures = self.encoded.works[order].astype(np.float64) * 2 - 1
        return self._tested(
            image, predictions, pictures, order, order, self.encoded.codes, decoys_of(self.context, order).words
        ).p_value

    def discoveries(
        self, image: np.ndarray, predictions: MemberPredictions, codes: np.ndarray, drawn: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """P- and q-values of an audit's shortlist under these codes and decoys."""
        listed = self.shortlist(image)
        order = listed.blind_order(MOST)
        found = self._tested(image, predictions, listed.images, listed.unit_numbers, order, codes, drawn)
        return found.p_value, found.q_value

    def audited(self, image: np.ndarray, predictions: MemberPredictions) -> tuple[np.ndarray, np.ndarray]:
        """P- and q-values of an audit's shortlist."""
        drawn = decoys_of(self.context, self.shortlist(image).unit_numbers).words
        return self.discoveries(image, predictions, self.encoded.codes, drawn)

    def _tested(
        self,
        image: np.ndarray,
        predictions: MemberPredictions,
        pictures: np.ndarray,
        units: np.ndarray,
        order: np.ndarray,
        codes: np.ndarray,
        drawn: np.ndarray,
    ) -> Evidence:
        near = neighbours_of(self.encoded, image, order)
        around = replace(near, membership=bits(codes[near.units], self.encoded.n))
        return assess_shortlist(predictions, pictures, codes[units], drawn, self.encoded.n, None, around, units)

    def shortlist(self, image: np.ndarray) -> Shortlisted:
        """The units that an audit would test."""
        shown = Images(image[None].astype(np.float32), self.encoded.shape, (frozenset(),))
        return shortlists_for(
            self.context.rankers, self.encoded, shown, self.context.choices.generated.parts, SHORTLIST, 1
        )[0]


def main() -> int:
    """Measure, write the result, and return 1 if the null fails or planted copies are missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, default=Path("creditline-demo-pixels"))
    parser.add_argument("--samples", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(1)
    bench = Bench(options.home)
    size = bench.reference.settings.image.size
    works = [work.reshape(3, size, size) for work in bench.encoded.works]
    generated, planted, unseen = bench.samples(options.samples), bench.shown(works), bench.shown(unseen_works(size))
    results = {
        "ensemble": ensemble_facts(bench),
        "generated": facts_of(bench, generated),
        "planted_copies": {**facts_of(bench, planted), "planted_work_ranked_first": ranked_first(bench, planted)},
        "unseen_works": facts_of(bench, unseen),
        "codes_drawn_anew": null_facts(bench, generated),
    }
    held = (
        results["codes_drawn_anew"]["kolmogorov_smirnov_p"] > 0.01
        and results["codes_drawn_anew"]["more_discoveries_than_allowed_p"] > 0.01
        and results["planted_copies"]["attributed"] >= 0.8
    )
    claim = f"planted copies found at q <= {RATE}; with wrong codes p uniform and false discoveries at or under {RATE}"
    return conclude("evidence/power", claim, held, results, ("torch", "diffusers", "numpy", "duckdb"))


def unseen_works(size: int) -> list[np.ndarray]:
    """Pictures unseen by all members, channels first, in [0, 1]."""
    settings = ImageSettings(size=size)
    pictures = [picture_of(house, character) for house, emoji in UNSEEN.items() for character in emoji]
    return [np.moveaxis(pixels_of(picture, settings) / 255.0, -1, 0) for picture in pictures]


def ensemble_facts(bench: Bench) -> dict[str, Any]:
    """Sizes and settings of the ensemble."""
    encoding, training = bench.reference.encoding, bench.reference.settings.training
    return {
        "works": len(bench.encoded.works),
        "n": encoding.n,
        "h": encoding.h,
        "decoys": bench.context.decoys.count,
        "image_size": bench.reference.settings.image.size,
        "network_widths": bench.reference.settings.network.to_json()["widths"],
        "training_steps": training.steps,
        "member_lds": bench.context.choices.generated.grade_json(),
        "shortlist": SHORTLIST,
        "false_discovery_rate": RATE,
        "unseen": [unicodedata.name(character).lower() for emoji in UNSEEN.values() for character in emoji],
    }


def facts_of(bench: Bench, shown: list[tuple[np.ndarray, MemberPredictions]]) -> dict[str, Any]:
    """Power: share of images with a finding, and p-values by place in the ranking."""
    images = np.stack([image for image, _ in shown])
    orders = np.argsort(mean_squared_differences(images, bench.encoded.works), axis=1, kind="stable")
    p_values = np.stack([bench.p_values(i, c, order) for (i, c), order in zip(shown, orders, strict=True)])
    q_values = np.stack([bench.audited(image, predictions)[1] for image, predictions in shown])
    passed = q_values <= RATE
    found: np.ndarray = passed.max(axis=1)
    return {
        "images": len(shown),
        "attributed": share(found),
        "first_candidate_attributed": share(passed[:, 0]),
        "interval_95": [round(bound, 3) for bound in share_of(found).interval()],
        "p_by_place": {
            str(place): {
                "median": round(float(np.median(p_values[:, place - 1])), 4),
                "at_most_0.05": share(p_values[:, place - 1] <= 0.05),
                "at_most_0.01": share(p_values[:, place - 1] <= 0.01),
            }
            for place in PLACES
            if place <= p_values.shape[1]
        },
    }


def ranked_first(bench: Bench, planted: list[tuple[np.ndarray, MemberPredictions]]) -> float:
    """Share of planted works ranked first."""
    nearest = mean_squared_differences(np.stack([image for image, _ in planted]), bench.encoded.works).argmin(axis=1)
    return share(nearest == np.arange(len(planted)))


def null_facts(bench: Bench, generated: list[tuple[np.ndarray, MemberPredictions]]) -> dict[str, Any]:
    """The test under redrawn codes."""
    assignment = bench.context.assignment
    p_values, discoveries = [], []
    for redraw in range(REDRAWS):
        dealt = assignment.dealt_anew(assignment.seed + 1 + redraw)
        image, predictions = generated[redraw % len(generated)]
        units = bench.shortlist(image).unit_numbers
        p_value, q_value = bench.discoveries(image, predictions, dealt.codes, dealt.decoys(units, 20_000, 0).words)
        p_values.append(p_value[0])
        discoveries.append(bool((q_value <= RATE).any()))
    return {
        "redraws": REDRAWS,
        "kolmogorov_smirnov_p": round(float(stats.kstest(p_values, "uniform").pvalue), 4),
        "p_at_most_0.05": share(np.array(p_values) <= 0.05),
        "audits_with_a_discovery": share(np.array(discoveries)),
        "more_discoveries_than_allowed_p": round(share_of(np.array(discoveries)).more_than_p(RATE), 4),
    }


def share(found: np.ndarray) -> float:
    """The share of true values."""
    return round(float(found.mean()), 4)


if __name__ == "__main__":
    sys.exit(main())
