"""E20, E21, E24: power and null of the test of layer 2 on adapters, and the space to test in.

- Power: p-values of the work nearest to an output (in latents), and of works further down the list.
- Null: *null works*, drawings that no adapter trained on, have codes from the same draw and are
  tested as works are; and all codes are dealt anew after training. Their p-values must be uniform.
- Given images: works, and unseen drawings of the same houses, shown as images from outside.

The statistic is taken of the members' predicted latents, and of their predicted pictures, decoded,
as pixels and as features; under the guidance that the output was sampled with, and without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy import stats

from attribution.denoisers.interface import Prompt
from attribution.evidence.adjustment import MOST, Neighbours, member_alignment
from attribution.evidence.randomisation import Evidence, assess_alignment, mean_predictions
from attribution.images import from_pixels
from attribution.metrics.statistics import share_of
from attribution.ranking.rankers.feature_kernel import Embedding
from attribution.ranking.rankers.kernel import mean_squared_differences
from attribution.sampling.predictions import OUTSIDE_SPACING, MemberPredictions
from benchmarks.text_to_image.adapters import Bench
from benchmarks.text_to_image.outputs import Queries

DECOYS = 5_000
PLACES = (1, 2, 3, 5, 10, 20, 40)
SHORTLIST = 5
"""Nearest works that draw their decoys together; the first of them counts."""
LEVELS = (0.05, 0.01)
"""Of p-values; works in no training may pass a level as often as it says."""
LATENTS, PIXELS = "latents", "decoded pixels"

Predict = Callable[[MemberPredictions], Float64[np.ndarray, "member value"]]


@dataclass(frozen=True)
class Tests:
    """The test in one space: how predictions get there, and the works and null works in it."""

    bench: Bench
    predict: Predict
    works: Float[np.ndarray, "work value"]
    unseen: Float[np.ndarray, "drawing value"]

    def evidence_under(
        self,
        predictions: MemberPredictions,
        order: np.ndarray,
        units: np.ndarray,
        codes: np.ndarray,
        decoys: np.ndarray,
    ) -> Evidence:
        """The test of some units, by number (first the works, then the null works), under codes.

        ``order``: the works, best first; the effects of the first are subtracted.
        """
        members_of, around = self.bench.members_of, order[:MOST]
        near = Neighbours(around, self.works[around].astype(np.float64), members_of(codes[around]))
        pictures = np.concatenate([self.works, self.unseen])[units]
        left_out = [units[place : place + 1] for place in range(len(units))]
        aligned = member_alignment(self.predict(predictions), pictures, near, left_out)
        return assess_alignment(aligned, members_of(codes[units]), members_of(decoys))

    def evidence(self, predictions: MemberPredictions, order: np.ndarray, units: np.ndarray) -> Evidence:
        """The test of some units under the codes that the members were trained by."""
        assignment = self.bench.assignment
        decoys = assignment.decoys(units, DECOYS, 0, self.bench.serving).words
        return self.evidence_under(predictions, order, units, assignment.codes, decoys)

    def p_values(self, predictions: MemberPredictions, order: np.ndarray, units: np.ndarray) -> np.ndarray:
        """The p-values of the same test."""
        return self.evidence(predictions, order, units).p_value


def in_latents(bench: Bench) -> Tests:
    """The product's test."""
    return Tests(bench, mean_predictions, bench.latents, bench.unseen_latents)


@dataclass
class Decoder:
    """The members' predicted pictures in [0, 1], decoded once for all spaces."""

    bench: Bench
    kept: dict[int, np.ndarray] = field(default_factory=dict)
    """By the identity of the predictions, which the queries keep."""

    @torch.no_grad()
    def __call__(self, predictions: MemberPredictions) -> Float[np.ndarray, "member 3 height width"]:
        if id(predictions) not in self.kept:
            latents = torch.from_numpy(mean_predictions(predictions)).float().reshape(-1, *self.bench.kind.shape)
            self.kept[id(predictions)] = ((self.bench.kind.decode(latents).clamp(-1, 1) + 1) / 2).numpy()
        return self.kept[id(predictions)]


def decoded(bench: Bench, decoder: Decoder, embedding: Embedding | None) -> Tests:
    """The same test on the decoded predictions: their pixels, or features of them."""

    def seen(pictures: np.ndarray) -> np.ndarray:
        return pictures.reshape(len(pictures), -1) if embedding is None else embedding.embed(pictures)

    def predict(predictions: MemberPredictions) -> Float64[np.ndarray, "member value"]:
        return np.asarray(seen(decoder(predictions)), dtype=np.float64)

    def of(drawings: np.ndarray) -> np.ndarray:
        return seen(((from_pixels(drawings) + 1) / 2).numpy())

    works = bench.works
    return Tests(bench, predict, of(works.pixels(works.works)), of(works.pixels(works.unseen)))


def measure(bench: Bench, embeddings: list[Embedding]) -> dict[str, Any]:
    """All facts of one set."""
    queries = Queries(bench)
    count = len(queries.outputs)
    orders = order_of(queries.latents[:count], bench.latents)
    decoder = Decoder(bench)
    spaces = {LATENTS: in_latents(bench), PIXELS: decoded(bench, decoder, None)}
    spaces |= {f"decoded {one.name} features": decoded(bench, decoder, one) for one in embeddings}
    plain, guided = queries.predictions[:count], queries.guided
    latents = spaces[LATENTS]
    kinds = [one.kind for one in queries.outputs]
    facts: dict[str, Any] = {
        "outputs": {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)},
        "spaces": {
            name: {
                "with guidance": power_of(tests, guided, orders),
                "without guidance": power_of(tests, plain, orders),
            }
            for name, tests in spaces.items()
        },
        "by_prompt": {kind: power_of(latents, *_of_kind(kind, kinds, guided, orders)) for kind in dict.fromkeys(kinds)},
        "by_place": by_place(latents, guided, orders),
        "captioned_work": {
            name: {
                "with guidance": captioned(tests, queries, guided, orders),
                "without guidance": captioned(tests, queries, plain, orders),
            }
            for name, tests in spaces.items()
        },
        "codes_dealt_anew": dealt_anew(latents, guided, orders),
    }
    return facts | {"given_works": given(bench, latents)}


def order_of(images: Float[np.ndarray, "image value"], works: Float[np.ndarray, "work value"]) -> np.ndarray:
    """The works by distance, nearest first, for each image."""
    return np.argsort(mean_squared_differences(images, works), axis=1, kind="stable")


def _of_kind(
    kind: str, kinds: list[str], predictions: list[MemberPredictions], orders: np.ndarray
) -> tuple[list[MemberPredictions], np.ndarray]:
    rows = [row for row, one in enumerate(kinds) if one == kind]
    return [predictions[row] for row in rows], orders[rows]


def power_of(tests: Tests, predictions: list[MemberPredictions], orders: np.ndarray) -> dict[str, Any]:
    """P-values of the nearest work and of null works of every output."""
    works, unseen = len(tests.works), len(tests.unseen)
    null_works = works + np.arange(unseen)
    nearest, null = [], []
    for one, order in zip(predictions, orders, strict=True):
        units = np.concatenate([order[:SHORTLIST], null_works])
        found = tests.p_values(one, order, units)
        nearest.append(found[0])
        null.append(found[SHORTLIST:])
    return {"nearest_work": levels(np.array(nearest)), "null_works": levels_over_outputs(np.array(null))}


def levels(p_values: np.ndarray) -> dict[str, Any]:
    """Shares of p-values at or under both levels, with exact intervals."""
    return {f"p_at_most_{level}": share_of(p_values <= level).to_json() for level in LEVELS}


def levels_over_outputs(p_values: Float64[np.ndarray, "output unit"]) -> dict[str, Any]:
    """The same shares, with bootstrap intervals over outputs: p-values of one output are not
    independent.
    """
    drawn = np.random.default_rng(0).integers(0, len(p_values), (1000, len(p_values)))
    facts = {}
    for level in LEVELS:
        passed = p_values <= level
        bounds = np.quantile(passed.mean(axis=1)[drawn].mean(axis=1), [0.025, 0.975])
        facts[f"p_at_most_{level}"] = {
            "share": float(passed.mean()),
            "over_outputs": [round(float(bound), 4) for bound in bounds],
        }
    return facts


def by_place(tests: Tests, predictions: list[MemberPredictions], orders: np.ndarray) -> dict[str, Any]:
    """P-values of works at some places of the order."""
    places = [place for place in PLACES if place <= orders.shape[1]]
    found = [
        tests.p_values(one, order, order[[place - 1 for place in places]])
        for one, order in zip(predictions, orders, strict=True)
    ]
    return {str(place): levels(column) for place, column in zip(places, np.array(found).T, strict=True)}


def captioned(
    tests: Tests, queries: Queries, predictions: list[MemberPredictions], orders: np.ndarray
) -> dict[str, Any]:
    """Of outputs under a work's caption: how often that work is nearest, and its p-value."""
    rows = [(row, one.work) for row, one in enumerate(queries.outputs) if one.work is not None]
    first = [bool(orders[row][0] == work) for row, work in rows]
    p_values = [tests.p_values(predictions[row], orders[row], np.array([work]))[0] for row, work in rows]
    return {"nearest": share_of(np.array(first)).to_json(), **levels(np.array(p_values))}


def dealt_anew(tests: Tests, predictions: list[MemberPredictions], orders: np.ndarray) -> dict[str, Any]:
    """The nearest works' tests with codes that are all wrong."""
    assignment, redraws = tests.bench.assignment, tests.bench.sizes.redraws
    p_values = []
    for redraw in range(redraws):
        dealt = assignment.dealt_anew(10_000 + redraw)
        row = redraw % len(predictions)
        units = orders[row][:SHORTLIST]
        decoys = dealt.decoys(units, DECOYS, redraw, tests.bench.serving).words
        evidence = tests.evidence_under(predictions[row], orders[row], units, dealt.codes, decoys)
        p_values.append(evidence.p_value[0])
    uniform = stats.kstest(p_values, "uniform")
    return {
        "redraws": redraws,
        **levels(np.array(p_values)),
        "kolmogorov_smirnov_p": round(float(uniform.pvalue), 4),
    }


def given(bench: Bench, tests: Tests) -> dict[str, Any]:
    """Works and unseen drawings as images from outside, which come without a prompt."""
    rows = np.random.default_rng(3).permutation(len(bench.latents))[: bench.sizes.given]
    unseen = np.arange(len(bench.unseen_latents))[: bench.sizes.given]
    shown = {
        "works": (bench.works.pixels(tuple(bench.works.works[row] for row in rows)), bench.latents[rows]),
        "unseen": (bench.works.pixels(tuple(bench.works.unseen[row] for row in unseen)), bench.unseen_latents[unseen]),
    }
    facts: dict[str, Any] = {}
    for name, (pixels, latents) in shown.items():
        images = from_pixels(pixels)
        found = bench.predicted(f"given-{name}", bench.ensemble, images, [Prompt()] * len(images), OUTSIDE_SPACING)
        facts[name] = power_of(tests, found, order_of(latents, bench.latents))
    return facts


def held(facts: Mapping[str, Any]) -> bool:
    """Whether the null holds: wrong codes give uniform p-values, and null works seldom pass."""
    null = facts["spaces"][LATENTS]["with guidance"]["null_works"]["p_at_most_0.05"]
    return bool(facts["codes_dealt_anew"]["kolmogorov_smirnov_p"] > 0.01 and null["over_outputs"][0] <= 0.05)
