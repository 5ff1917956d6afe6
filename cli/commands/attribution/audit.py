"""``creditline audit``: test which works an image came from."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.commands.attribution.lpips import LpipsFileOption, LpipsOption, load_lpips, narrate_not_measured
from cli.commands.attribution.rankers import RankerOption, ScoresOption, WeightsOption
from cli.opening import now, open_registry
from cli.options import (
    AddressOption,
    DeviceOption,
    EngineOption,
    EnsembleOption,
    HomeOption,
    JsonOption,
    SamplesArgument,
    WorkersOption,
)
from cli.output import narrate, plural, print_json, print_table, progress_bars
from cli.prompts import prompt_given
from registry.errors import IntegrityError, UsageError
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from attribution.audit.auditor import Auditor
    from attribution.ensemble.serving import ServingEnsemble
    from registry.storage.tables import Audit, Candidate


def audit(
    samples: SamplesArgument = None,
    every: Annotated[bool, typer.Option("--all", help="Audit all samples of the ensemble.")] = False,
    images: Annotated[
        list[Path] | None,
        typer.Option("--image", metavar="FILE", help="Audit any image file, without counterfactuals; may be repeated."),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt", metavar="TEXT", help="Text or class to audit an --image under, as in `creditline sample`."
        ),
    ] = None,
    shortlist: Annotated[int, typer.Option("--shortlist", min=1, help="Number of units to test.")] = 10,
    rate: Annotated[
        float, typer.Option("--false-discovery-rate", metavar="RATE", help="Largest q of a finding.")
    ] = 0.05,
    main_source: Annotated[
        float,
        typer.Option(
            "--main-source", metavar="SHARE", help="Lower end of an effect from which a finding is a main source."
        ),
    ] = 0.15,
    contributes: Annotated[
        float,
        typer.Option("--contributes", metavar="SHARE", help="Lower end of an effect from which a finding contributes."),
    ] = 0.05,
    decoys: Annotated[int, typer.Option("--decoys", min=1, help="Largest number of decoys to test against.")] = 20_000,
    jacobian: Annotated[bool, typer.Option(help="Estimate the influence of every unit from the Jacobian.")] = True,
    exact: Annotated[bool, typer.Option("--exact", help="Measure the influence of every unit by ablation.")] = False,
    ranker: RankerOption = None,
    scores: ScoresOption = None,
    weights: WeightsOption = None,
    jacobian_members: Annotated[
        int | None,
        typer.Option(
            "--jacobian-members",
            min=1,
            help="Cheaper Jacobian: compute tangents through this many members, drawn again at each step.",
            show_default="all",
        ),
    ] = None,
    index: Annotated[
        bool,
        typer.Option(
            help="Let rankers by embedding search five million works and more through an index, if creditline[index] is "
            "installed."
        ),
    ] = True,
    lpips: LpipsOption = None,
    lpips_file: LpipsFileOption = None,
    ensemble: EnsembleOption = None,
    device: DeviceOption = None,
    workers: WorkersOption = None,
    engine: EngineOption = "local",
    address: AddressOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Test which units an image came from: rank all units, test the shortlist, measure influence.

    The table shows the candidate with the smallest q of each image, which may not be the one ranked
    first; --json has all candidates. An earlier audit with the same settings is not repeated.

    Rankers: those kept with `creditline rankers --keep`, otherwise pixel-kernel and
    responsibilities, and on a base also latent-kernel, captions and gradients; --ranker names
    others.

    For an --image, three answers are kept apart: the work was trained on; these models lean on
    registered works; nothing shown. The first is given where the file is a registered work that
    members saw. Otherwise it needs an encoding with probes (`creditline encode --probes`), and is
    given with an error of at most 5 %.

    Examples:
        creditline audit --all
        creditline audit 3fa2b1c09d11 --exact --lpips alex
        creditline audit --image found-on-the-web.png
    """
    from attribution.audit.auditor import Auditor
    from attribution.audit.joint_tests import record_joint_tests
    from attribution.audit.record import AuditSettings
    from attribution.engines.device import choose_device
    from attribution.ensemble.serving import NOT_ITS_MEMBERS, ensembles_that_served, serving_ensemble
    from attribution.images import check_images
    from attribution.ranking.recorded_choice import ranker_inputs, rankers_to_use
    from registry.outputs.queries import candidates_of, named_ensemble, samples_of
    from registry.outputs.searches import searched_works
    from registry.storage.tables import Sample
    from registry.works.queries import find_by_prefix
    from reports.seen.facts import Seen
    from reports.seen.read import read_seen

    if prompt is not None and not images:
        raise UsageError("--prompt needs --image: a sample keeps the prompt that it was generated under")
    if sum(map(bool, (samples, every, images))) != 1:
        raise UsageError("expected one of SAMPLE, --all and --image FILE; `creditline samples` lists the samples")
    registry = open_registry(home).patient()
    with registry.connection() as connection:
        on_record = {audit for (audit,) in connection.execute("SELECT id FROM audit").fetchall()}
    with registry.session() as session:
        named = [find_by_prefix(session, Sample, prefix) for prefix in samples or []]
        if ensemble is None and len({row.ensemble_id for row in named}) == 1:
            ensemble = named[0].ensemble_id
        chosen = named_ensemble(session, ensemble)
        rows = samples_of(session, chosen.id) if every else named
    if not images and not rows:
        raise UsageError(f"ensemble {chosen.id} has no samples; run `creditline sample --count 8`")
    settings = AuditSettings(
        shortlist=shortlist,
        false_discovery_rate=rate,
        decoy_limit=decoys,
        jacobian=jacobian,
        exact=exact,
        jacobian_members=jacobian_members,
        main_source=main_source,
        contributes=contributes,
    )
    where = choose_device(device, workers, engine, address)
    if images:
        serving = serving_ensemble(registry, chosen.id)
        prompt = None if prompt is None else prompt_given(prompt, serving.settings.classes)
        check_images(images)
        _narrate_few(serving)
    with progress_bars() as progress:
        perceptual = load_lpips(progress, lpips, lpips_file)
        groups = [(serving, rows)] if images else ensembles_that_served(registry, rows)
        made: list[Audit] = []
        for reference, own in groups:
            if reference is None:
                raise IntegrityError(f"sample {own[0].id}: {NOT_ITS_MEMBERS}; restore the registry from a copy")
            task = progress.add_task("preparing", total=None)
            advance = partial(_advance, progress, task)
            needs = ranker_inputs(registry, reference, weights, scores, advance, where.name, indexed=index)
            used = rankers_to_use(registry, chosen.id, ranker or (), needs)
            auditor = Auditor.prepare(registry, reference, settings, where, used, perceptual)
            if images and registry.writable:
                _ask_probes(auditor, progress, labelled=prompt is not None)
            made += auditor.audit_images(images, prompt, advance) if images else auditor.audit_samples(own, advance)
            progress.remove_task(task)
        task = progress.add_task("testing rightsholders over all images", total=None)
        together = None if images else record_joint_tests(registry, chosen.encoding_id, now())
        progress.remove_task(task)
    answers = [read_seen(row) for row in made]
    with registry.session() as session:
        facts = [_facts(row, candidates_of(session, row)) for row in made]
    if as_json:
        print_json("audit", {"ensemble": chosen.id, "audits": facts, "rightsholders_over_all_images": together})
        return
    found = sum(fact["attributable"] for fact in facts)
    if images:
        narrate(
            f"for {found} of {plural(len(facts), 'image')}, these models lean on at least one unit (q <= {rate:g}), by "
            "resemblance if they were never trained on the image"
        )
    else:
        narrate(f"{found} of {plural(len(facts), 'output')} attributable: at least one source found (q <= {rate:g})")
    verdict = "leans on it" if images else "attributable"
    print_table(
        ("audit", "output", "strongest candidate", "p", "q", "grade", verdict),
        [_line(fact) for fact in facts],
        legend={
            "strongest candidate": "The tested unit with the smallest q, then the smallest p, then the best rank.",
            "p": "How often a random code does as well as the unit's code.",
            "q": "The p-value, corrected for the number of tested units.",
            "grade": "How much the candidate matters: the lower end of its effect is at least "
            f"{main_source:g} for a main source, and {contributes:g} for one that contributes.",
            verdict: f"Whether the test finds a unit: q <= {rate:g}.",
        },
    )
    for fact, answer in zip(facts, answers, strict=True):
        if isinstance(answer, Seen):
            narrate(f"{fact['output']}: {answer.sentence} {answer.explanation}")
    for fact in facts:
        for passed in fact["test"].get("not_tested", []):
            unit = f"unit {passed['unit']}, ranked {passed['rank']},"
            narrate(f"{fact['output']}: {unit} was not tested: {passed['reason']}")
    for sentence in dict.fromkeys(sentence for fact in facts for sentence in searched_works(fact["ranker"])):
        narrate(sentence)
    narrate_not_measured(lpips, perceptual)
    if together is not None:
        found = sum(each["q"] <= together["rate"] for each in together["tested"])
        narrate(
            f"each rightsholder tested once over {plural(together['images'], 'audited image')} of the encoding: "
            f"the test finds {found} of {len(together['tested'])}, and names on average at most "
            f"{together['rate']:.0%} by chance"
        )
    new = sum(row.id not in on_record for row in made)
    earlier = f"{plural(len(made) - new, 'audit')} on record from before" if new < len(made) else ""
    told = ", ".join(filter(None, (f"{plural(new, 'audit')} registered" if new else "", earlier)))
    narrate(f"{told}; next: creditline report --all{'' if registry.writable else ' --out FOLDER'}")


def _ask_probes(auditor: Auditor, progress: Progress, *, labelled: bool) -> None:
    """Look at the probes before the images, since that can take longer."""
    task = progress.add_task("looking at probes", total=None)

    def advance(done: int, total: int) -> None:
        progress.update(task, advance=done, total=total)

    auditor.asker.probes(labelled=labelled, on_progress=advance)
    progress.remove_task(task)


def _narrate_few(serving: ServingEnsemble) -> None:
    """Say that an image from outside is tested over the members in service alone."""
    if not serving.complete:
        narrate(
            f"{len(serving.indices)} of {serving.encoding.n} members are in service, and only these are tested: the fewer, "
            f"the less a test can find; `creditline retrain --ensemble {serving.id}` brings the others back"
        )


def _advance(progress: Progress, task: TaskID, done: int, total: int) -> None:
    progress.update(task, description="auditing", advance=done, total=total)


def _facts(row: Audit, candidates: list[tuple[Candidate, str]]) -> dict[str, Any]:
    from registry.outputs.grades import grade_by, look_alikes_of

    groups = look_alikes_of(row.test)
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
                "grade": grade_by(row.settings, candidate.q_value, candidate.effect_low),
                "group": groups.get(candidate.rank),
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


def strongest(candidates: list[dict[str, Any]]) -> dict[str, Any]:
    """The first candidate by the evidence, as on the page of the report."""
    from registry.outputs.chance import evidence_key

    return min(candidates, key=lambda candidate: evidence_key(candidate["q"], candidate["p"], candidate["rank"]))


def _line(fact: dict[str, Any]) -> tuple[object, ...]:
    best = strongest(fact["candidates"])
    name = f"{best['label']} (unit {best['unit']})"
    return (
        fact["id"],
        fact["output"],
        name,
        f"{best['p']:.4f}",
        f"{best['q']:.4f}",
        best["grade"],
        bool(fact["attributable"]),
    )
