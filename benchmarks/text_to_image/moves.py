"""How attribution moves with rank, members, works and steps: one part of the recipe is changed.

Every variant is asked for the same outputs: those under captions of works, which all variants have,
under the same prompts and noise. Beside variants of
the recipe stands the recipe itself with other codes and other training noise: what differs between
these two differs by chance. Measured of each variant:

- the test of layer 2 of the work with the prompt's caption: p, effect, and grade in a list of ten
  works by the product's default rankers;
- the null: drawings that no adapter trained on, and codes that are dealt anew after training;
- outputs with a finding in their list;
- the captioned work's place by distance in latents;
- processor seconds of one member's training.

Differences to the recipe are paired by output.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from attribution.audit.record import AuditSettings
from attribution.metrics.statistics import Share, benjamini_hochberg, share_of
from attribution.ranking.rankers.catalogue import make_ranker
from attribution.ranking.rankers.feature_kernel import Embedding
from benchmarks.papers.measures import interval
from benchmarks.text_to_image.adapters import Bench
from benchmarks.text_to_image.outputs import Output, Queries, outputs_of
from benchmarks.text_to_image.power import DECOYS, LEVELS, dealt_anew, in_latents, levels, levels_over_outputs, order_of
from benchmarks.text_to_image.ranking import inputs_for
from benchmarks.text_to_image.shortlists import IN_TURNS, encoded_works, listed, shared
from benchmarks.text_to_image.works import work_set
from registry.outputs.grades import GRADES, Thresholds, grade_of

RECIPE = "the recipe"
FEWER, FURTHER = 16, 4
"""Works of the variant with few; further works of each rightsholder in the variants with more."""
IN_SERVICE = 8
"""Members in service of the variant after withdrawals."""
SETTINGS = AuditSettings()
SELDOM = 0.001
"""P-value of a test of the null below which a variant fails: there are about ten variants."""


@dataclass(frozen=True)
class Moved(Bench):
    """A bench that differs from the recipe's in one part."""

    recipe: Bench | None = None


@dataclass(frozen=True)
class Seen:
    """What was measured of the work with an output's prompt as its caption, in the output."""

    kind: str
    found: bool
    """Whether a work of the output's list has a q at most the audit's rate."""
    p: float
    effect: float | None
    """None: too few decoys."""
    low: float | None
    high: float | None
    grade: str | None
    """None: the work is not in the list."""
    place: int
    """By distance in latents, from 1."""


def variants(recipe: Bench, name: str, packages: Path) -> Iterator[tuple[str, Bench]]:
    """The recipe and its variants, in order of value."""

    def with_sizes(**changed: Any) -> Bench:
        return Moved(recipe.works, recipe.base, recipe.cache, replace(recipe.sizes, **changed), recipe=recipe)

    more = replace(with_sizes(), works=work_set(name, packages, FURTHER))
    captioned = {one.work for one in outputs_of(recipe) if one.work is not None}
    rows = sorted(range(len(recipe.works.works)), key=lambda row: row not in captioned)[:FEWER]
    fewer = replace(with_sizes(), works=recipe.works.of_rows(np.array(sorted(rows))))
    yield RECIPE, recipe
    yield "40 steps", with_sizes(steps=40)
    yield (
        f"{IN_SERVICE} of the {recipe.sizes.members} members in service",
        replace(with_sizes(), serving=tuple(range(IN_SERVICE))),
    )
    yield "rank 4", with_sizes(rank=4)
    yield f"{len(more.works.works)} works", more
    yield "10 members", with_sizes(members=10, ones=5)
    yield "other codes and training noise", replace(with_sizes(), draw=1)
    yield "160 steps", with_sizes(steps=160)
    yield "16 members", with_sizes(members=16, ones=8)
    yield f"{FEWER} works", fewer
    yield "rank 64", with_sizes(rank=64)
    yield f"{len(more.works.works)} works, 160 steps", replace(more, sizes=replace(recipe.sizes, steps=160))


def measure(bench: Bench, _embeddings: list[Embedding]) -> dict[str, Any]:
    """All facts of one variant."""
    recipe = (bench.recipe if isinstance(bench, Moved) else None) or bench
    # The recipe's own outputs are those of the other stages: their predictions are kept by row.
    queries = Queries(bench, None if recipe is bench else tuple(asked_of(bench, outputs_of(recipe))))
    rows = captioned_rows(queries)
    orders = order_of(queries.latents[: len(queries.outputs)], bench.latents)
    seen, null = seen_and_null(queries)
    decoys = bench.assignment.decoys(np.arange(1), DECOYS, 0, bench.serving).count
    facts = facts_of(seen) | {
        "decoys": decoys,
        "smallest_p": round(1 / (1 + decoys), 5),
        "null_works": levels_over_outputs(null),
        "codes_dealt_anew": dealt_anew(in_latents(bench), [queries.guided[row] for row in rows], orders[rows]),
        "processor_seconds_of_a_member": round(bench.seconds_of_a_member(), 3),
        "by_output": [asdict(one) for one in seen],
    }
    if recipe is not bench:
        facts["minus_the_recipe"] = differences(seen, seen_and_null(Queries(recipe))[0])
    return facts


def asked_of(bench: Bench, outputs: list[Output]) -> Iterator[Output]:
    """The outputs under captions of works, with the rows of this bench's works."""
    rows = {work.caption: row for row, work in enumerate(bench.works.works)}
    for one in outputs:
        if one.work is not None:
            yield replace(one, work=rows[one.prompt])


def captioned_rows(queries: Queries) -> list[int]:
    """The outputs under a work's caption."""
    return [row for row, one in enumerate(queries.outputs) if one.work is not None]


def seen_and_null(queries: Queries) -> tuple[list[Seen], Float64[np.ndarray, "output drawing"]]:
    """What is seen of every output under a work's caption, and its null works' p-values."""
    bench, lists = queries.bench, lists_of(queries)
    tests, orders = in_latents(bench), order_of(queries.latents[: len(queries.outputs)], bench.latents)
    null_works = len(bench.works.works) + np.arange(len(bench.works.unseen))
    thresholds = Thresholds(SETTINGS.main_source, SETTINGS.contributes)
    seen, null = [], []
    for row in captioned_rows(queries):
        work, order, listed_works = queries.outputs[row].work, orders[row], lists[row]
        units = np.concatenate([listed_works, null_works, [work]]).astype(np.int64)
        evidence = tests.evidence(queries.guided[row], order, units)
        count, effects = len(listed_works), evidence.effects
        q_values = benjamini_hochberg(evidence.p_value[:count])
        null.append(evidence.p_value[count:-1])
        effect, low, high = (
            float(part[-1]) if np.isfinite(part[-1]) else None for part in (effects.estimate, effects.low, effects.high)
        )
        own = q_values[listed_works == work]
        seen.append(
            Seen(
                kind=queries.outputs[row].kind,
                found=bool((q_values <= SETTINGS.false_discovery_rate).any()),
                p=float(evidence.p_value[-1]),
                effect=effect,
                low=low,
                high=high,
                grade=grade_of(float(own[0]), low, SETTINGS.false_discovery_rate, thresholds) if len(own) else None,
                place=1 + int(np.flatnonzero(order == work)[0]),
            )
        )
    return seen, np.array(null)


def lists_of(queries: Queries) -> list[np.ndarray]:
    """The works that an audit tests of each output, by the default rankers."""
    encoded, inputs = encoded_works(queries), inputs_for(queries)
    found = [listed(queries, encoded, make_ranker(name, inputs))[0] for name in inputs.default]
    return [
        shared(list(chain.from_iterable(one[row] for one in found)), IN_TURNS)[: SETTINGS.shortlist]
        for row in range(len(queries.outputs))
    ]


def facts_of(seen: list[Seen]) -> dict[str, Any]:
    """Shares and medians over the outputs."""
    effects = np.array([one.effect for one in seen if one.effect is not None])
    grades, places = Counter(one.grade for one in seen), np.array([one.place for one in seen])
    return {
        "outputs": len(seen),
        "captioned_work": levels(np.array([one.p for one in seen])),
        "effect": {"median": float(np.median(effects)), "interval": interval(effects, np.median)}
        if len(effects)
        else {"not_measured": "too few decoys"},
        "grades": {name: grades[name] for name in GRADES} | {"in no list": grades[None]},
        "outputs_with_a_finding": share_of(np.array([one.found for one in seen])).to_json(),
        "place_by_distance": {"median": float(np.median(places)), "first": share_of(places == 1).to_json()},
    }


def differences(seen: list[Seen], recipe: list[Seen]) -> dict[str, Any]:
    """Means over outputs of what a variant has more than the recipe, paired."""
    pairs = list(zip(seen, recipe, strict=True))
    effects = [one.effect - other.effect for one, other in pairs if one.effect is not None and other.effect is not None]
    return {
        **{
            f"p_at_most_{level}": _stated([float(one.p <= level) - float(other.p <= level) for one, other in pairs])
            for level in LEVELS
        },
        "effect": _stated(effects),
        "outputs_with_a_finding": _stated([float(one.found) - float(other.found) for one, other in pairs]),
        "first_by_distance": _stated([float(one.place == 1) - float(other.place == 1) for one, other in pairs]),
    }


def _stated(values: list[float]) -> dict[str, Any]:
    """The mean with its interval over outputs."""
    if not values:
        return {"not_measured": "too few decoys"}
    return {"mean": round(float(np.mean(values)), 4), "interval": interval(np.array(values)), "outputs": len(values)}


def held(facts: Mapping[str, Any]) -> bool:
    """Whether p-values of wrong codes are uniform, and pass a level no more often than it says."""
    anew = facts["codes_dealt_anew"]
    passed = Share(anew["p_at_most_0.05"]["count"], anew["p_at_most_0.05"]["total"])
    return bool(anew["kolmogorov_smirnov_p"] > SELDOM and passed.more_than_p(0.05) > SELDOM)
