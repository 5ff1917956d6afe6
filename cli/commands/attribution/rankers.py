"""``creditline rankers``: grade rankers on an ensemble."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.opening import ensemble_named, now, open_registry
from cli.options import AddressOption, DeviceOption, EngineOption, EnsembleOption, HomeOption, JsonOption, WorkersOption
from cli.output import narrate, print_json, print_table, progress_bars
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from attribution.ranking.grading import Grades, RankerChoice
    from attribution.ranking.rankers.fusion import Comparison, Fusion
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
    "images": "generated: samples of the ensemble. given: works, each graded by the members that did not see it.",
    "scale": "Bandwidth of the ranker's kernel that graded best.",
    "member-LDS": "Grade: rank correlation, over members, between the scores of a member's works and its loss; 0 is chance.",
    "95 % interval": "Interval of the grade, over images and members together.",
    "over images": "Interval if the members were fixed.",
    "over members": "Interval if the images were fixed.",
    "graded": "Number of images that were graded.",
    "weight": "Weight of the ranker in the choice for this kind of image.",
}


def rankers(
    ensemble: EnsembleOption = None,
    ranker: RankerOption = None,
    scores: ScoresOption = None,
    weights: WeightsOption = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Use these rankers, and the choices, in all audits of the ensemble.")
    ] = False,
    device: DeviceOption = None,
    workers: WorkersOption = None,
    engine: EngineOption = "local",
    address: AddressOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Grade rankers on an ensemble, and choose one for generated and one for given images.

    Every ranker is graded by member-LDS, at the bandwidth chosen on the other half of the images.
    Given images are represented by up to 48 works, whose predictions are measured once. Another
    ranker or a fusion replaces the simplest one only if it grades clearly better, over images and
    members. Every named ranker contributes to the shortlist of an audit. The choice only orders
    what is shown, because it depends on the codes.

    Without --ranker, all available rankers are graded. gradients, and trak, d-trak and ekfac from
    creditline[peers], need `creditline members reference` first. Nothing is recorded without
    --keep.

    Examples:
        creditline rankers
        creditline rankers --ranker pixel-kernel --ranker responsibilities --keep
        creditline rankers --weights mobilenet_v2-b0353104.pth --scores trak.parquet --json
    """
    from attribution.engines.device import choose_device
    from attribution.ensemble.serving import serving_ensemble
    from attribution.ranking.encoded_works import load_encoded_works
    from attribution.ranking.given_images import given_images
    from attribution.ranking.grading import grade_rankers, graded_samples
    from attribution.ranking.rankers.catalogue import available_rankers, make_rankers
    from attribution.ranking.recorded_choice import ranker_inputs, record_choice
    from attribution.training.dataset import build_training_set

    registry = open_registry(home).patient()
    chosen = ensemble_named(registry, ensemble)
    reference = serving_ensemble(registry, chosen.id)
    where = choose_device(device, workers, engine, address)
    with progress_bars() as progress:
        advance = partial(_advance, progress, progress.add_task("preparing works", total=None))
        needs = ranker_inputs(registry, reference, weights, scores, advance, where.name)
        missing: dict[str, str] = {}
        if ranker:
            made = make_rankers(ranker, needs)
        else:
            made, missing = available_rankers(needs)
        training_set = build_training_set(registry, chosen.id, reference.encoding.id, reference.settings, advance)
        encoded = load_encoded_works(registry, reference, training_set)
        grading = progress.add_task("grading", total=None)
        samples = graded_samples(registry, reference)
        noising = partial(_advance, progress, progress.add_task("noising works again", total=None))
        given = given_images(registry, reference, encoded, training_set, where, on_progress=noising)
        grades = grade_rankers(made, encoded, samples, given, partial(_advance, progress, grading))
    if keep:
        record_choice(registry, chosen.id, made, grades.choices, weights, scores, now())
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
    """The grade of every ranker and of the choices, on both kinds of image."""
    choices = grades.choices
    alone = []
    for one, found in zip(made, grades.rankers, strict=True):
        alone.append(
            {
                "name": one.name,
                "settings": one.settings(),
                "scales": list(found.scales),
                **_alone(one, found.generated, choices.generated),
                "given_images": _alone(one, found.given, choices.given),
            }
        )
    return {
        "rankers": alone,
        "choice": _chosen(choices.generated),
        "choice_for_given_images": _chosen(choices.given),
    }


def _alone(one: Ranker, found: Fusion | None, choice: RankerChoice) -> dict[str, Any]:
    from attribution.ranking.grading import grade_facts

    return {
        "scale": None if found is None else found.parts[0].scale,
        "member_lds": grade_facts(found, choice),
        "member_lds_by_scale": [] if found is None else list(found.by_scale[0]),
        "weight": _weight(one, choice),
    }


def _chosen(choice: RankerChoice) -> dict[str, Any]:
    return {
        "name": choice.name,
        "parts": [part.to_json() for part in choice.parts],
        "member_lds": choice.grade_json(),
        "comparisons": [one.to_json() for one in choice.comparisons],
    }


def _weight(ranker: Ranker, choice: RankerChoice) -> float:
    return sum(part.weight for part in choice.parts if part.name == ranker.name)


def _print(made: list[Ranker], grades: Grades) -> None:
    rows = []
    generated, given = [one.generated for one in grades.rankers], [one.given for one in grades.rankers]
    kinds = (("generated", grades.choices.generated, generated), ("given", grades.choices.given, given))
    for kind, choice, alone in kinds:
        for one, best in zip(made, alone, strict=True):
            scale = "" if best is None or len(one.scales) == 1 else f"{best.parts[0].scale:g}"
            grade = _cells(None if best is None else best.grade)
            rows.append((one.name, kind, scale, *grade, f"{_weight(one, choice):g}"))
        if len(made) > 1:
            rows.append(("chosen", kind, "", *_cells(choice.grade), "1"))
    print_table(list(_LEGEND), rows, legend=_LEGEND)
    for kind, choice, _ in kinds:
        if choice.grade is None:
            narrate(f"member-LDS on {kind} images was not measured: {choice.not_graded}")
        for step in choice.comparisons:
            narrate(f"{kind} images: {_in_words(step)}")


def _in_words(step: Comparison) -> str:
    simpler, best = (" + ".join(part.name for part in parts) for parts in (step.simpler, step.best))
    gain = f"{step.gain.value:+.3f} [{step.gain.low:+.3f}, {step.gain.high:+.3f}]"
    if step.gain.clear:
        return f"{best} replaces {simpler}, with {gain} more member-LDS"
    return f"{simpler} stays; the best of {step.alternatives} alternatives, {best}, has {gain} more member-LDS"


def _cells(grade: MemberLds | None) -> tuple[str, ...]:
    """Value, three intervals, number of images."""
    if grade is None:
        return ("not measured", "", "", "", "")
    bounds = ((grade.low, grade.high), grade.over_images, grade.over_members)
    between = ("" if pair is None else "{:.2f} to {:.2f}".format(*pair) for pair in bounds)
    return (f"{grade.value:.3f}", *between, str(grade.samples))
