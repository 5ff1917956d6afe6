"""The tables of ``docs/text-to-image-results.md``, read from the result files, never typed.

python -m benchmarks.text_to_image.page    rewrite the tables between their marks
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.papers.table import NOT_RUN, renewed
from benchmarks.record import RESULTS

PAGE = Path(__file__).parents[2] / "docs" / "text-to-image-results.md"
LEVELS = ("p_at_most_0.05", "p_at_most_0.01")
Rows = Iterator[Sequence[str]]


def with_tables(page: str, results: Path) -> str:
    """The page with every stage's table between its marks."""
    for stage in TABLES:
        page = renewed(page, stage, f"\n{table_of(stage, results)}\n")
    return page


def table_of(stage: str, results: Path) -> str:
    """A stage's table, and whether its claim held; a stage without a result file says so."""
    path = results / "text_to_image" / f"{stage}.json"
    if not path.exists():
        return NOT_RUN
    document = json.loads(path.read_bytes())
    found = document["results"]
    held = found.pop("held")
    lines = []
    for number, row in enumerate(TABLES[stage](found)):
        lines.append("| " + " | ".join(row) + " |")
        if number == 0:
            lines.append("|" + "---|" * len(row))
    verdict = "held" if held else "did not hold"
    said = f"Claim: {document['claim']}. It {verdict} ({document['date']})."
    return "\n".join([*lines, "", *textwrap.wrap(said, 100)])


def power(results: Mapping[str, Any]) -> Rows:
    """Shares of nearest works and of null works that pass, by space."""
    yield "set", "what is tested", "outputs", "p <= 0.05", "p <= 0.01", "null works p <= 0.05", "null works p <= 0.01"
    for name, facts in results.items():
        for space, by_guidance in facts["spaces"].items():
            for guidance, found in by_guidance.items():
                yield name, f"{space}, {guidance}", *_power(found)
        for kind, found in facts["by_prompt"].items():
            yield name, f"latents, with guidance; prompts: {kind}", *_power(found)
        for space, by_guidance in facts["captioned_work"].items():
            for guidance, found in by_guidance.items():
                yield name, f"{space}, {guidance}; the work with the prompt's caption", *_levels(found), "", ""
        for place, found in facts["by_place"].items():
            yield name, f"latents, with guidance; work at place {place} by distance", *_levels(found), "", ""
        for kind, found in facts["given_works"].items():
            shown = "works" if kind == "works" else "unseen drawings"
            yield name, f"latents; {shown} as images from outside, without a text", *_power(found)
        anew = facts["codes_dealt_anew"]
        uniform = f"uniform: p = {anew['kolmogorov_smirnov_p']:.2f}"
        yield name, f"latents, with guidance; codes dealt anew ({uniform})", *_levels(anew), "", ""


def _levels(found: Mapping[str, Any]) -> Iterator[str]:
    """Number of p-values, and the shares at or under both levels."""
    yield str(found["p_at_most_0.05"]["total"])
    yield _share(found["p_at_most_0.05"])
    yield _share(found["p_at_most_0.01"])


def _power(found: Mapping[str, Any]) -> Iterator[str]:
    """The same of nearest works; and the shares of null works."""
    yield from _levels(found["nearest_work"])
    for level in LEVELS:
        yield _null(found["null_works"][level])


def _null(found: Mapping[str, Any]) -> str:
    """A share of null works that pass, with its interval over outputs."""
    low, high = found["over_outputs"]
    return f"{100 * found['share']:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def shortlists(results: Mapping[str, Any]) -> Rows:
    """Recall of the captioned work, outputs with a finding, and cost, by list."""
    yield (
        "set",
        "rankers",
        "places shared",
        "captioned work first",
        "among 5",
        "among 10",
        "outputs with a finding: list of 5",
        "of 10",
        "of 20",
        "captioned work found: list of 10",
        "processor seconds an output",
    )
    for name, facts in results.items():
        for rankers, by_sharing in facts["lists"].items():
            for sharing, found in by_sharing.items():
                yield (
                    name,
                    rankers,
                    sharing,
                    *(_share(one) for one in found["recall"].values()),
                    *(_share(one) for one in found["found"].values()),
                    _share(found["captioned_work_found"]["10"]),
                    f"{facts['processor_seconds_an_output'][rankers]:.2f}",
                )


def ranking(results: Mapping[str, Any]) -> Rows:
    """LDS of every ranker, best first."""
    yield "set", "ranker", "LDS, outputs", "LDS, unseen drawings", "processor seconds"
    for name, facts in results.items():
        ceiling = facts["ceiling"]
        if "generated" in ceiling:
            shown = [f"{ceiling[kind]['perfect_against_the_mean']:.1f}" for kind in ("generated", "held_out")]
            yield name, "a perfect ranker, by the trainings' own agreement", *shown, ""
        grades = sorted(facts["lds"].items(), key=lambda item: -item[1]["generated"]["lds"])
        for ranker, found in grades:
            shown = [
                f"{found[kind]['lds']:.1f} {_bounds(found[kind]['over_queries'])}" for kind in ("generated", "held_out")
            ]
            yield name, ranker, *shown, str(facts["ranker_seconds"].get(ranker, ""))


def rightsholders(results: Mapping[str, Any]) -> Rows:
    """Spearman, MRR and NDCG@3 on outputs."""
    yield "set", "ranker", "Spearman", "MRR", "NDCG@3"
    measures = ("spearman", "reciprocal_rank", "ndcg_at_3")
    for name, facts in results.items():
        rows = dict(sorted(facts["grades"].items(), key=lambda item: -item[1]["ndcg_at_3"]["mean"]))
        if "not_measured" not in facts["one_training_by_another"]:
            rows = {"one training by another": facts["one_training_by_another"], **rows}
        for ranker, found in rows.items():
            shown = [found[measure] for measure in measures]
            yield name, ranker, *(f"{one['mean']:.1f} {_bounds(one['over_queries'])}" for one in shown)


def exemplars(results: Mapping[str, Any]) -> Rows:
    """Recall at 1, 5 and 10 for both kinds of prompts."""
    yield "set", "prompts", "ranker", "recall@1", "recall@5", "recall@10"
    for name, facts in results.items():
        for kind in ("artist", "artist, further motif"):
            rankers = {key: value for key, value in facts[kind].items() if key != "outputs"}
            for ranker, found in sorted(rankers.items(), key=lambda item: -item[1]["10"]["recall"]):
                shown = (f"{one['recall']:.0f} {_bounds(one['over_outputs'])}" for one in found.values())
                yield name, kind, ranker, *shown
            yield name, kind, "at random", *(f"{value:.0f}" for value in facts["at_random"].values())


def counterfactuals(results: Mapping[str, Any]) -> Rows:
    """Distances between counterfactuals, and cosines of effects."""
    views = list(next(iter(results.values()))["by"])
    yield "set", "what", *views
    for name, facts in results.items():
        for measure, words in (("distance", "distance"), ("cosine_of_effects", "cosine of effects")):
            for pair in facts["by"][views[0]][measure]:
                shown = (facts["by"][view][measure][pair] for view in views)
                yield name, f"{words}: {pair}", *(f"{one['mean']:.3f} {_bounds(one['interval'])}" for one in shown)


def serving(results: Mapping[str, Any]) -> Rows:
    """Loss, energy distance, nearest to the captioned work, and cost, by way to serve."""
    views = list(next(iter(next(iter(results.values()))["ways"].values()))["energy_distance_to_works"])
    yield (
        "set",
        "served by",
        "loss on unseen drawings",
        "minus the mean's",
        *(f"energy distance, {view}" for view in views),
        *(f"nearest to its captioned work, {view}" for view in views),
        "processor seconds an output",
    )
    for name, facts in results.items():
        for way, found in facts["ways"].items():
            gap = found["loss_minus_that_of_the_mean"]
            energy = (found["energy_distance_to_works"][view] for view in views)
            yield (
                name,
                way,
                f"{found['loss_on_unseen']['mean']:.4f}",
                f"{gap['mean']:+.4f} {_bounds(gap['interval'])}",
                *(f"{one['value']:.3f} {_bounds(one['interval'])}" for one in energy),
                *(_share(found["nearest_to_the_captioned_work"][view]) for view in views),
                f"{found['processor_seconds_an_output']:.1f}",
            )
        for way in ("mean", "merged"):
            found = facts["merged_tested"][way]
            said = f"{_share(found['p_at_most_0.05'])} (p <= 0.05), {_share(found['p_at_most_0.01'])} (p <= 0.01)"
            yield name, f"{way}: nearest works that pass the test", said, *[""] * (2 * len(views) + 2)


def moves(results: Mapping[str, Any]) -> Rows:
    """What was measured of every variant, and under it what it has more than the recipe."""
    yield (
        "what differs",
        "decoys",
        "captioned work, p <= 0.05",
        "p <= 0.01",
        "median effect",
        "main source / contributes / slight / not shown / in no list",
        "outputs with a finding",
        "captioned work nearest in latents",
        "its median place",
        "null works p <= 0.05",
        "null works p <= 0.01",
        "codes dealt anew, p <= 0.05",
        "processor seconds a member",
    )
    for name, facts in results.items():
        place, effect = facts["place_by_distance"], facts["effect"]
        yield (
            name,
            str(facts["decoys"]),
            *[_share(facts["captioned_work"][level]) for level in LEVELS],
            f"{effect['median']:.3f} [{effect['interval'][0]:.3f}, {effect['interval'][1]:.3f}]"
            if "median" in effect
            else effect["not_measured"],
            " / ".join(str(count) for count in facts["grades"].values()),
            _share(facts["outputs_with_a_finding"]),
            _share(place["first"]),
            f"{place['median']:g}",
            *[_null(facts["null_works"][level]) for level in LEVELS],
            _share(facts["codes_dealt_anew"]["p_at_most_0.05"]),
            f"{facts['processor_seconds_of_a_member']:.0f}",
        )
        if "minus_the_recipe" in facts:
            more = {key: _difference(found, key) for key, found in facts["minus_the_recipe"].items()}
            shown = (more[key] for key in (*LEVELS, "effect"))
            yield (
                "minus the recipe",
                "",
                *shown,
                "",
                more["outputs_with_a_finding"],
                more["first_by_distance"],
                *[""] * 5,
            )


def _difference(found: Mapping[str, Any], key: str) -> str:
    """A mean difference with its interval: of effects as it is, of shares in hundredths."""
    if "mean" not in found:
        return str(found["not_measured"])
    values = (found["mean"], *found["interval"])
    form, scale = ("{:+.3f} [{:+.3f}, {:+.3f}]", 1) if key == "effect" else ("{:+.0f} [{:+.0f}, {:+.0f}]", 100)
    return form.format(*(scale * value for value in values))


TABLES = {
    "power": power,
    "shortlists": shortlists,
    "ranking": ranking,
    "rightsholders": rightsholders,
    "exemplars": exemplars,
    "counterfactuals": counterfactuals,
    "serving": serving,
    "moves": moves,
}


def _share(found: Mapping[str, Any]) -> str:
    return f"{100 * found['share']:.0f} % [{100 * found['low']:.0f}, {100 * found['high']:.0f}]"


def _bounds(interval: Sequence[float]) -> str:
    return f"[{interval[0]:.3g}, {interval[1]:.3g}]"


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), RESULTS), encoding="utf-8")
