"""``creditline rankers``: grade rankers on an ensemble."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.opening import ensemble_named, now, open_registry
from cli.options import EnsembleOption, HomeOption, JsonOption
from cli.output import narrate, print_json, print_table, progress_bars
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from attribution.ranking.grading import Grades
    from attribution.ranking.rankers.interface import Ranker
    from attribution.ranking.rankers.member_lds import MemberLds

RankerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--ranker",
        metavar="NAME",
        help="pixel-kernel, responsibilities, mobilenet, open-clip, lpips, gradients or supplied-scores; may be repeated.",
        show_default=False,
    ),
]
ScoresOption = Annotated[
    Path | None,
    typer.Option(
        "--scores",
        metavar="FILE",
        help="Scores for supplied-scores, computed without the codes. Parquet with the columns sample or image_sha256, "
        "asset_id or asset_sha256, and score.",
    ),
]
WeightsOption = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        metavar="FILE",
        help="torchvision's ImageNet weights of MobileNetV2, for mobilenet; or set CREDITLINE_MOBILENET.",
    ),
]

_LEGEND = {
    "ranker": "Method that scores every unit for an image.",
    "scale": "Bandwidth of the ranker's kernel that graded best.",
    "member-LDS": "Grade: rank correlation, over members, between the scores of a member's works and its loss; 0 is chance.",
    "over samples": "95 % interval of the grade, over samples.",
    "over members": "95 % interval of the grade, over members.",
    "samples": "Number of samples that were graded.",
    "weight": "Weight of the ranker in the chosen fusion.",
}


def rankers(
    ensemble: EnsembleOption = None,
    ranker: RankerOption = None,
    scores: ScoresOption = None,
    weights: WeightsOption = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Use these rankers, and their best fusion, in all audits of the ensemble.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Grade rankers on the samples of an ensemble, and find the fusion that grades best.

    Every ranker is graded by member-LDS, at the bandwidth chosen on the other half of the samples.
    Every named ranker contributes to the shortlist of an audit. The fusion only orders what is
    shown, because its choice depends on the codes.

    Without --ranker, all available rankers are graded. gradients, and trak, d-trak and ekfac from
    creditline[peers], need `creditline members reference` first. Nothing is recorded without
    --keep.

    Examples:
        creditline rankers
        creditline rankers --ranker pixel-kernel --ranker responsibilities --keep
        creditline rankers --weights mobilenet_v2-b0353104.pth --scores trak.parquet --json
    """
    from attribution.ensemble.serving import serving_ensemble
    from attribution.ranking.encoded_works import load_encoded_works
    from attribution.ranking.grading import grade_rankers, graded_samples
    from attribution.ranking.rankers.catalogue import available_rankers, make_rankers
    from attribution.ranking.recorded_choice import ranker_inputs, record_choice
    from attribution.training.dataset import build_training_set

    registry = open_registry(home).patient()
    chosen = ensemble_named(registry, ensemble)
    reference = serving_ensemble(registry, chosen.id)
    with progress_bars() as progress:
        advance = partial(_advance, progress, progress.add_task("preparing works", total=None))
        needs = ranker_inputs(registry, reference, weights, scores, advance)
        missing: dict[str, str] = {}
        if ranker:
            made = make_rankers(ranker, needs)
        else:
            made, missing = available_rankers(needs)
        training_set = build_training_set(registry, chosen.id, reference.encoding.id, reference.settings, advance)
        encoded = load_encoded_works(registry, reference, training_set)
        grading = progress.add_task("grading", total=None)
        samples = graded_samples(registry, reference)
        grades = grade_rankers(made, encoded, samples, partial(_advance, progress, grading))
    if keep:
        record_choice(registry, chosen.id, made, grades.choice, weights, scores, now())
    if as_json:
        print_json("rankers", {"ensemble": chosen.id, **_facts(made, grades), "missing": missing, "kept": keep})
        return
    _print(made, grades)
    for reason in missing.values():
        narrate(f"not graded: {reason}")
    narrate(
        f"kept with ensemble {chosen.id}: its audits use these rankers from now on"
        if keep
        else "nothing was recorded; with --keep, audits of this ensemble use these rankers"
    )


def _advance(progress: Progress, task: TaskID, done: int, total: int) -> None:
    progress.update(task, advance=done, total=total)


def _facts(made: list[Ranker], grades: Grades) -> dict[str, Any]:
    """The grade of every ranker and of their fusion."""
    choice = grades.choice
    not_measured = {"not_measured": choice.not_graded}
    alone = []
    for one, found in zip(made, grades.rankers, strict=True):
        best = found.fusion
        alone.append(
            {
                "name": one.name,
                "settings": one.settings(),
                "scales": list(found.scales),
                "scale": None if best is None else best.parts[0].scale,
                "member_lds": not_measured if best is None or best.grade is None else best.grade.to_json(),
                "member_lds_by_scale": [] if best is None else list(best.by_scale[0]),
                "weight": _weight(one, grades),
            }
        )
    fusion = {
        "name": choice.name,
        "parts": [part.to_json() for part in choice.parts],
        "member_lds": not_measured if choice.grade is None else choice.grade.to_json(),
    }
    return {"rankers": alone, "choice": fusion}


def _weight(ranker: Ranker, grades: Grades) -> float:
    return sum(part.weight for part in grades.choice.parts if part.name == ranker.name)


def _print(made: list[Ranker], grades: Grades) -> None:
    choice = grades.choice
    rows = []
    for one, found in zip(made, grades.rankers, strict=True):
        best = found.fusion
        scale = "" if best is None or len(found.scales) == 1 else f"{best.parts[0].scale:g}"
        rows.append((one.name, scale, *_cells(None if best is None else best.grade), f"{_weight(one, grades):g}"))
    if len(rows) > 1:
        rows.append(("chosen fusion", "", *_cells(choice.grade), "1"))
    print_table(list(_LEGEND), rows, legend=_LEGEND)
    if choice.grade is None:
        narrate(f"member-LDS was not measured: {choice.not_graded}")


def _cells(grade: MemberLds | None) -> tuple[str, str, str, str]:
    if grade is None:
        return ("not measured", "", "", "")
    members = "" if grade.over_members is None else "{:.2f} to {:.2f}".format(*grade.over_members)
    return (f"{grade.value:.3f}", f"{grade.low:.2f} to {grade.high:.2f}", members, str(grade.samples))
