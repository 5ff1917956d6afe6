"""``creditline rankers``: which method tells best what a work would change, as the ensemble itself
grades them.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.commands.ensembles.train import EnsembleOption
from cli.common import HomeOption, JsonOption, home_at, narrate, print_json, print_table, progress_bars
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
        help="Parquet of scores that were computed without the codes: sample or image_sha256, asset_id or asset_sha256, score.",
    ),
]
WeightsOption = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        metavar="FILE",
        help="MobileNetV2's ImageNet weights as torchvision offers them; or set CREDITLINE_MOBILENET.",
    ),
]


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("rankers")(rankers)


def rankers(
    ensemble: EnsembleOption = None,
    ranker: RankerOption = None,
    scores: ScoresOption = None,
    weights: WeightsOption = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Use these rankers, and this choice, in all audits of the ensemble.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Grade rankers on an ensemble's samples by member-LDS, and find the fusion of them that grades
    best.

    Each is graded at the bandwidth that the other half of the samples chose. Intervals hold 95 %:
    over samples, and over members.

    All rankers that are named have a say in what an audit tests. The choice knows the codes,
    through its grade: it orders what is shown and no more.

    Without --ranker, all that can be had are graded; gradients needs `creditline members reference`
    first, as do trak, d-trak and ekfac, which come with creditline[peers]. Nothing is recorded
    without --keep.

    Examples:
        creditline rankers

        creditline rankers --ranker pixel-kernel --ranker responsibilities --keep

        creditline rankers --weights mobilenet_v2-b0353104.pth --scores trak.parquet --json
    """
    import datetime

    from attribution.ensemble.serving import serving_ensemble
    from attribution.ranking.grading import grade_rankers, graded_samples
    from attribution.ranking.kept_choice import keep_choice, needs_of
    from attribution.ranking.rankers.catalogue import available_rankers, make_rankers
    from attribution.ranking.shortlist import load_corpus
    from attribution.training.dataset import build_training_set
    from registry.outputs.queries import named_ensemble
    from registry.storage.database import Registry

    registry = Registry.open(home_at(home)).patient()
    with registry.session() as session:
        chosen = named_ensemble(session, ensemble)
    reference = serving_ensemble(registry, chosen.id)
    with progress_bars() as progress:
        reading = progress.add_task("preparing works", total=None)
        advance = partial(_advance, progress, reading)
        needs = needs_of(registry, reference, weights, scores, advance)
        missing: dict[str, str] = {}
        if ranker:
            made = make_rankers(ranker, needs)
        else:
            made, missing = available_rankers(needs)
        corpus = load_corpus(
            registry,
            reference,
            build_training_set(registry, chosen.id, reference.encoding.id, reference.settings, advance),
        )
        grading = progress.add_task("grading", total=None)
        samples = graded_samples(registry, reference)
        grades = grade_rankers(made, corpus, samples, partial(_advance, progress, grading))
    if keep:
        keep_choice(registry, chosen.id, made, grades.choice, weights, scores, datetime.datetime.now(datetime.UTC))
    if as_json:
        print_json("rankers", {"ensemble": chosen.id, **_facts(made, grades), "missing": missing, "kept": keep})
        return
    _print(made, grades)
    for reason in missing.values():
        narrate(f"not graded: {reason}")
    narrate(
        f"kept with ensemble {chosen.id}: its audits rank with these from now on"
        if keep
        else "nothing was recorded; with --keep, audits of this ensemble rank with these"
    )


def _advance(progress: Progress, task: TaskID, done: int, total: int) -> None:
    progress.update(task, advance=done, total=total)


def _facts(made: list[Ranker], grades: Grades) -> dict[str, Any]:
    """The rankers by themselves, and their fusion."""
    choice = grades.choice
    not_measured = {"not_measured": choice.not_graded}
    alone = []
    for one, found in zip(made, grades.rankers, strict=True):
        fit = found.fit
        alone.append(
            {
                "name": one.name,
                "settings": one.settings(),
                "scales": list(found.scales),
                "scale": None if fit is None else fit.parts[0].scale,
                "member_lds": not_measured if fit is None or fit.grade is None else fit.grade.to_json(),
                "member_lds_by_scale": [] if fit is None else list(fit.by_scale[0]),
                "weight": sum(part.weight for part in choice.parts if part.name == one.name),
            }
        )
    fusion = {
        "name": choice.name,
        "parts": [part.to_json() for part in choice.parts],
        "member_lds": not_measured if choice.grade is None else choice.grade.to_json(),
    }
    return {"rankers": alone, "choice": fusion}


def _print(made: list[Ranker], grades: Grades) -> None:
    choice = grades.choice
    rows = []
    for one, found in zip(made, grades.rankers, strict=True):
        fit = found.fit
        scale = "" if fit is None or len(found.scales) == 1 else f"{fit.parts[0].scale:g}"
        weight = sum(part.weight for part in choice.parts if part.name == one.name)
        rows.append((one.name, scale, *_cells(None if fit is None else fit.grade), f"{weight:g}"))
    if len(rows) > 1:
        rows.append(("chosen fusion", "", *_cells(choice.grade), "1"))
    print_table(("ranker", "scale", "member-LDS", "over samples", "over members", "samples", "weight"), rows)
    if choice.grade is None:
        narrate(f"member-LDS not measured: {choice.not_graded}")


def _cells(grade: MemberLds | None) -> tuple[str, str, str, str]:
    if grade is None:
        return ("not measured", "", "", "")
    members = "" if grade.over_members is None else "{:.2f} to {:.2f}".format(*grade.over_members)
    return (f"{grade.value:.3f}", f"{grade.low:.2f} to {grade.high:.2f}", members, str(grade.samples))
