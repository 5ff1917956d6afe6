"""``creditline audit``: where did an image come from?"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.commands.attribution.rankers import RankerOption, ScoresOption, WeightsOption
from cli.commands.ensembles.train import DeviceOption, EnsembleOption, WorkersOption
from cli.common import HomeOption, JsonOption, home_at, narrate, print_json, print_table, progress_bars
from registry.errors import IntegrityError, UsageError
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from attribution.metrics.euclidean import NotMeasured
    from attribution.metrics.lpips_weights import LpipsWeights
    from registry.storage.tables import Audit, Candidate


LpipsOption = Annotated[
    str | None,
    typer.Option(
        "--lpips",
        metavar="alex|vgg|squeeze",
        help="Measure LPIPS with this network; its weights are downloaded on first use, their hash checked.",
    ),
]
LpipsFileOption = Annotated[
    Path | None,
    typer.Option(
        "--lpips-weights",
        metavar="FILE",
        envvar="CREDITLINE_LPIPS_WEIGHTS",
        help="torchvision's weights of LPIPS's network.",
    ),
]


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("audit")(audit)
    app.command("ablate")(ablate)


def audit(
    samples: Annotated[
        list[str] | None, typer.Argument(metavar="[SAMPLE]...", help="Ids or their first digits.", show_default=False)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All samples of the ensemble.")] = False,
    images: Annotated[
        list[Path] | None,
        typer.Option(
            "--image", metavar="FILE", help="Any image file: ranked and tested, but it has no counterfactual."
        ),
    ] = None,
    label: Annotated[
        str | None, typer.Option("--label", help="Class to audit an --image under, where the ensemble has classes.")
    ] = None,
    shortlist: Annotated[int, typer.Option("--shortlist", min=1, help="Units to test.")] = 10,
    rate: Annotated[
        float, typer.Option("--false-discovery-rate", help="q at or under which a candidate is called a source.")
    ] = 0.05,
    decoys: Annotated[int, typer.Option("--decoys", min=1, help="Decoys to test against, at most.")] = 20_000,
    jacobian: Annotated[bool, typer.Option(help="Estimate the influence of every unit from the Jacobian.")] = True,
    exact: Annotated[
        bool, typer.Option("--exact", help="Measure the influence of every unit by real ablation.")
    ] = False,
    ranker: RankerOption = None,
    scores: ScoresOption = None,
    weights: WeightsOption = None,
    jacobian_members: Annotated[
        int | None,
        typer.Option(
            "--jacobian-members", min=1, help="Cheaper Jacobian: tangents through so many members a step, drawn anew."
        ),
    ] = None,
    lpips: LpipsOption = None,
    lpips_file: LpipsFileOption = None,
    ensemble: EnsembleOption = None,
    device: DeviceOption = None,
    workers: WorkersOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Rank all units for an image, test the shortlist, and regenerate the image without each of its
    units.

    The table shows the candidate with the smallest q, which need not be the one ranked first;
    --json has them all.

    An audit that was made before, with the same settings, is found and not repeated. Rankers are
    those that `creditline rankers --keep` kept with the ensemble, or pixel-kernel and
    responsibilities; --ranker names others.

    Examples:
        creditline audit --all

        creditline audit 3fa2b1c09d11 --exact --lpips alex

        creditline audit --image found-on-the-web.png
    """
    from attribution.audit.auditor import Auditor
    from attribution.audit.record import AuditSettings
    from attribution.ensemble.serving import NOT_ITS_MEMBERS, ensembles_that_served, serving_ensemble
    from attribution.metrics.euclidean import NotMeasured
    from attribution.process_pool import choose_device
    from attribution.ranking.kept_choice import needs_of, rankers_to_use
    from registry.outputs.queries import candidates_of, named_ensemble, samples_of
    from registry.storage.database import Registry
    from registry.storage.tables import Sample
    from registry.works.queries import find_by_prefix

    if label is not None and not images:
        raise UsageError("--label goes with --image: a sample keeps the label that it was generated under")
    if sum(map(bool, (samples, every, images))) != 1:
        raise UsageError("expected one of: SAMPLE ids, --all, or --image FILE; `creditline samples` lists samples")
    registry = Registry.open(home_at(home)).patient()
    with registry.session() as session:
        named = [find_by_prefix(session, Sample, prefix) for prefix in samples or []]
        if ensemble is None and len({row.ensemble_id for row in named}) == 1:
            ensemble = named[0].ensemble_id
        chosen = named_ensemble(session, ensemble)
        rows = samples_of(session, chosen.id) if every else named
    if not images and not rows:
        raise UsageError(f"ensemble {chosen.id} has no samples; `creditline sample --count 8` makes some")
    settings = AuditSettings(
        shortlist=shortlist,
        false_discovery_rate=rate,
        decoy_limit=decoys,
        jacobian=jacobian,
        exact=exact,
        jacobian_members=jacobian_members,
    )
    with progress_bars() as progress:
        where = choose_device(device, workers)
        perceptual = _lpips(progress, lpips, lpips_file)
        groups = [(serving_ensemble(registry, chosen.id), rows)] if images else ensembles_that_served(registry, rows)
        made: list[Audit] = []
        for reference, own in groups:
            if reference is None:
                raise IntegrityError(f"sample {own[0].id}: {NOT_ITS_MEMBERS}; restore the registry from a copy")
            task = progress.add_task("preparing", total=None)
            advance = partial(_advance, progress, task)
            needs = needs_of(registry, reference, weights, scores, advance)
            used = rankers_to_use(registry, chosen.id, ranker or (), needs)
            auditor = Auditor.prepare(registry, reference, settings, where, used, perceptual)
            made += auditor.audit_images(images, label, advance) if images else auditor.audit_samples(own, advance)
            progress.remove_task(task)
    with registry.session() as session:
        facts = [_facts(row, candidates_of(session, row)) for row in made]
    if as_json:
        print_json("audit", {"ensemble": chosen.id, "audits": facts})
        return
    columns = ("audit", "output", "strongest candidate", "p", "q", "leans on it" if images else "attributable")
    print_table(columns, [_line(fact) for fact in facts])
    if images:
        narrate(
            "an image from outside: what passes is what these models lean on for it, by resemblance where they never saw it; "
            "where the image came from is not tested"
        )
    _narrate_not_tested(facts)
    if lpips and isinstance(perceptual, NotMeasured):
        narrate(f"LPIPS was not measured: {perceptual.reason}")
    narrate(f"{len(facts)} audits registered; next: creditline report --all")


def _advance(progress: Progress, task: TaskID, done: int, total: int) -> None:
    progress.update(task, description="auditing", advance=done, total=total)


def _lpips(progress: Progress, net: str | None, path: Path | None) -> LpipsWeights | NotMeasured:
    """The weights of LPIPS, downloaded where a network was asked for by name."""
    from attribution.metrics.lpips_weights import lpips_weights
    from attribution.metrics.perceptual import openable

    task = progress.add_task("weights of LPIPS", total=None)
    try:
        return openable(lpips_weights(net, path, advanced=lambda count: progress.advance(task, count)))
    finally:
        progress.remove_task(task)


def _narrate_not_tested(facts: list[dict[str, Any]]) -> None:
    for fact in facts:
        for passed in fact["test"].get("not_tested", []):
            narrate(
                f"{fact['output']}: unit {passed['unit']}, ranked {passed['rank']}, was not tested: {passed['reason']}"
            )


def ablate(
    sample: Annotated[str, typer.Argument(metavar="SAMPLE", help="Id or its first digits.")],
    without: Annotated[
        list[str],
        typer.Option(
            "--without", metavar="UNIT", help="Unit to take out: its number or its exact label; may be repeated."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="PNG file to write.")],
    lpips: LpipsOption = None,
    lpips_file: LpipsFileOption = None,
    device: DeviceOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Generate a sample again without one or several units, by the members that saw none of them.

    Examples:
        creditline ablate 3fa2b1c09d11 --without "Red apple" --out without-apple.png

        creditline ablate 3fa2b1c09d11 --without 4 --without 17 --out without-both.png
    """
    from attribution.ablation.joint import ablate_sample
    from attribution.metrics.euclidean import NotMeasured
    from attribution.process_pool import choose_device
    from registry.home import write_bytes_atomically
    from registry.storage.database import Registry

    registry = Registry.open(home_at(home))
    with progress_bars() as progress:
        perceptual = _lpips(progress, lpips, lpips_file)
    found = ablate_sample(registry, sample, without, choose_device(device, 1), perceptual)
    write_bytes_atomically(out, found.png)
    if as_json:
        facts = {"sample": found.sample_id, "without": list(found.labels), "members": list(found.survivors)}
        measured = found.lpips.to_json() if isinstance(found.lpips, NotMeasured) else found.lpips
        print_json("ablate", {**facts, "influence": found.influence, "lpips": measured, "file": str(out)})
    else:
        typer.echo(str(out))
        narrate(
            f"{len(found.survivors)} members saw none of {', '.join(found.labels)}; "
            f"the output moves by {found.influence:.1f} (scaled Euclidean; black to white is 443.4)"
            + ("" if isinstance(found.lpips, NotMeasured) else f", by {found.lpips:.3f} as LPIPS")
        )
        if lpips and isinstance(found.lpips, NotMeasured):
            narrate(f"LPIPS was not measured: {found.lpips.reason}")


def _facts(row: Audit, candidates: list[tuple[Candidate, str]]) -> dict[str, Any]:
    return {
        "id": row.id,
        "output": row.sample_id or row.image_name,
        "attributable": row.attributable,
        "ranker": row.ranker,
        "test": row.test,
        "landscape": row.landscape,
        "candidates": [
            {
                "rank": candidate.rank,
                "unit": candidate.unit_number,
                "label": label,
                "score": candidate.score,
                "statistic": candidate.statistic,
                "p": candidate.p_value,
                "q": candidate.q_value,
                "effect": candidate.effect,
                "effect_low": candidate.effect_low,
                "effect_high": candidate.effect_high,
                "effect_not_measured": candidate.effect_not_measured,
                "influence_exact": candidate.influence_exact,
                "influence_estimate": candidate.influence_estimate,
                "influence_exact_lpips": candidate.influence_exact_lpips,
                "influence_estimate_lpips": candidate.influence_estimate_lpips,
                "not_measured": candidate.not_measured,
                "lpips_not_measured": candidate.lpips_not_measured,
            }
            for candidate, label in candidates
        ],
    }


def _line(fact: dict[str, Any]) -> tuple[object, ...]:
    best = min(fact["candidates"], key=lambda candidate: (candidate["q"], candidate["rank"]))
    verdict = "yes" if fact["attributable"] else "no"
    return (
        fact["id"],
        fact["output"],
        f"{best['label']} (unit {best['unit']})",
        f"{best['p']:.4f}",
        f"{best['q']:.4f}",
        verdict,
    )
