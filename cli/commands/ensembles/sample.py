"""``creditline sample``: generate images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli.opening import ensemble_named, open_registry
from cli.options import AddressOption, DeviceOption, EngineOption, EnsembleOption, HomeOption, JsonOption, WorkersOption
from cli.output import narrate, plural, print_json, progress_bars
from cli.prompts import PromptRow, prompt_text, prompts_asked
from registry.errors import UsageError
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from attribution.denoisers.schedule import Method, Serve, Spacing
    from attribution.sampling.requests import Request
    from attribution.sampling.schedule import SamplerSettings
    from registry.storage.database import Registry
    from registry.storage.tables import Sample

MOST_SAMPLES = 100_000
"""By one command."""


def sample(
    prompt: Annotated[
        list[str] | None,
        typer.Option(
            "--prompt",
            metavar="TEXT",
            help="What to show: a text, or a class of an ensemble with classes; may be repeated.",
        ),
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            "--prompts",
            metavar="FILE",
            help="Prompts from a file: one a line; or .csv or .jsonl with prompt, negative, seed, count.",
        ),
    ] = None,
    negative: Annotated[
        str | None, typer.Option("--negative", metavar="TEXT", help="Text that guidance leads away from.")
    ] = None,
    guidance: Annotated[
        float | None,
        typer.Option(
            "--guidance",
            help="Weight of the prompt against the negative text; 1: no guidance.",
            show_default="7.5 with a prompt on a base model",
        ),
    ] = None,
    count: Annotated[
        int, typer.Option("--count", min=1, help="Number of samples per prompt, with consecutive seeds.")
    ] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the first sample of each prompt.")] = 0,
    method: Annotated[
        Literal["ddpm", "ddim", "dpm++"] | None,
        typer.Option("--sampler", help="Sampler.", show_default="ddpm; ddim on a base model"),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option("--steps", min=1, help="Steps of the sampler.", show_default="50; 30 on a base model"),
    ] = None,
    spacing: Annotated[
        Literal["leading", "trailing"] | None,
        typer.Option(
            "--spacing",
            help="Place of the sampler's steps in the schedule, as in diffusers.",
            show_default="leading, or as the base model's scheduler",
        ),
    ] = None,
    serve: Annotated[
        Literal["mean", "merged"],
        typer.Option(
            "--serve",
            help="mean: of the members' predictions, at every step. merged: one adapter, the mean of the members', at the "
            "price of one member.",
        ),
    ] = "mean",
    clip: Annotated[
        bool | None,
        typer.Option(
            "--clip/--no-clip",
            help="Clamp the predicted clean image at intermediate steps.",
            show_default="clip; latents are never clipped",
        ),
    ] = None,
    looks: Annotated[
        int | None,
        typer.Option(
            "--looks",
            metavar="N",
            help="Noised views of each image that its audit will rest on. 0: pairs at every second step, 34 of 50 steps.",
            show_default="8; 0 on a base model",
        ),
    ] = None,
    ensemble: EnsembleOption = None,
    device: DeviceOption = None,
    workers: WorkersOption = None,
    engine: EngineOption = "local",
    address: AddressOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Generate images, and keep everything needed to regenerate and audit them.

    The noise of a sample depends only on its seed. The same command finds its earlier samples
    again. Members that are out of service take no part; the others share the weight equally.

    Examples:
        creditline sample --count 16 --seed 1
        creditline sample --prompt "a red fox, flat colours" --prompt "a lamp" --count 4
        creditline sample --prompts prompts.csv --negative blurred --sampler dpm++ --steps 20
        creditline sample --seed 7 --prompt animals --sampler ddim
    """
    from attribution.engines.device import choose_device
    from attribution.ensemble.serving import serving_ensemble
    from attribution.sampling.generate import generate_samples
    from attribution.sampling.requests import default_sampler, sample_id_of, usual_looks

    registry = open_registry(home).patient()
    chosen = ensemble_named(registry, ensemble)
    reference = serving_ensemble(registry, chosen.id)
    if not reference.complete:
        listed = ", ".join(map(str, reference.indices))
        narrate(
            f"{len(reference.indices)} of {reference.encoding.n} members are in service ({listed}): the others were trained on "
            f"withdrawn works; `creditline retrain --ensemble {reference.id}` trains them again without these"
        )
    asked = prompts_asked(prompt, prompts, reference.settings.classes)
    negative = prompt_text(negative, "negative text")
    total = sum(row.count or count for row in asked)
    if total > MOST_SAMPLES:
        raise UsageError(f"got a request for {total:,} samples, at most {MOST_SAMPLES:,} are made by one command")
    usual_sampler = default_sampler(reference.settings)
    sampler = _sampler(usual_sampler, method, steps, spacing, serve, clip)
    sampler = replace(sampler, looks=usual_looks(reference.settings, sampler) if looks is None else looks)
    usual = reference.settings.network.sampling.guidance if guidance is None else guidance
    requests = [request for row in asked for request in _requests(row, negative, guidance, usual, seed, count)]
    texts = {text for request in requests for text in (request.prompt.label, request.prompt.negative) if text}
    cut = reference.settings.network.cut(sorted(texts))
    if cut:
        narrate(f"longer than the base reads, so the end is cut: {plural(len(cut), 'text')}")
    keys = list(dict.fromkeys(sample_id_of(reference, request.seed, sampler, request.prompt) for request in requests))
    where = choose_device(device, workers, engine, address)
    with progress_bars() as progress:
        task = progress.add_task("samples", total=len(keys))
        found = {
            row.id: row
            for row in generate_samples(
                registry, reference, requests, sampler, where, lambda done: progress.advance(task, done)
            )
        }
    made = [found[key] for key in keys]
    if as_json:
        serving = {"members": list(reference.indices), "members_in_all": reference.encoding.n}
        facts = [sample_facts(registry, row) for row in made]
        print_json("sample", {"ensemble": chosen.id, **serving, "samples": facts})
    else:
        for row in made:
            typer.echo(row.id)
        narrate(f"{plural(len(made), 'sample')} in {registry.home.root / 'samples'}; next: creditline audit --all")


def _sampler(
    usual: SamplerSettings,
    method: Method | None,
    steps: int | None,
    spacing: Spacing | None,
    serve: Serve,
    clip: bool | None,
) -> SamplerSettings:
    """The usual sampler of an ensemble, but for the options given."""
    return replace(
        usual,
        method=usual.method if method is None else method,
        steps=usual.steps if steps is None else steps,
        spacing=usual.spacing if spacing is None else spacing,
        offset=0 if spacing == "trailing" else usual.offset,
        serve=serve,
        clip=usual.clip if clip is None else clip,
    )


def _requests(
    row: PromptRow, negative: str | None, guidance: float | None, usual: float, seed: int, count: int
) -> list[Request]:
    """The samples of one prompt; the row's own values come before those of the options."""
    from attribution.denoisers.interface import Prompt
    from attribution.sampling.requests import requests_for

    negative = negative if row.negative is None else row.negative
    if guidance is None:
        # Guidance from the empty text to itself changes nothing and costs an evaluation.
        guidance = 1.0 if row.prompt is None and negative is None else usual
    first = seed if row.seed is None else row.seed
    seeds = range(first, first + (count if row.count is None else row.count))
    return requests_for(seeds, Prompt(row.prompt, guidance, negative))


def sample_facts(registry: Registry, row: Sample) -> dict[str, Any]:
    """A sample in JSON documents."""
    return {
        "id": row.id,
        "seed": row.seed,
        "label": row.label,
        # In the registry's order, so that an earlier sample prints the same.
        "sampler": dict(sorted(row.sampler.items())),
        "file": str(registry.home.sample_image(row.id)),
        "image_sha256": row.image_sha256,
        "noise_sha256": row.noise_sha256,
        "members": row.members,
        "members_sha256": row.members_sha256,
        "saturated_fraction": row.saturated_fraction,
    }
