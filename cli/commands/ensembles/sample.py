"""``creditline sample``: generate images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli.opening import ensemble_named, open_registry
from cli.options import DeviceOption, EnsembleOption, HomeOption, JsonOption, WorkersOption
from cli.output import narrate, plural, print_json, progress_bars
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from registry.storage.database import Registry
    from registry.storage.tables import Sample


def sample(
    count: Annotated[int, typer.Option("--count", min=1, help="Number of samples, with consecutive seeds.")] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the first sample.")] = 0,
    label: Annotated[
        str | None, typer.Option("--label", metavar="CLASS", help="Class, if the ensemble has classes.")
    ] = None,
    method: Annotated[Literal["ddpm", "ddim"], typer.Option("--method", help="Sampler.")] = "ddpm",
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps of the sampler.")] = 50,
    clip: Annotated[bool, typer.Option(help="Clamp the predicted clean image at intermediate steps.")] = True,
    ensemble: EnsembleOption = None,
    device: DeviceOption = None,
    workers: WorkersOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Generate images, and keep everything needed to regenerate and audit them.

    The noise of a sample depends only on its seed. The same command finds its earlier samples
    again. Members that are out of service take no part; the others share the weight equally.

    Examples:
        creditline sample --count 16 --seed 1
        creditline sample --seed 7 --label animals --method ddim
    """
    from attribution.denoisers.interface import Prompt
    from attribution.ensemble.serving import serving_ensemble
    from attribution.process_pool import choose_device
    from attribution.sampling.generate import generate_samples
    from attribution.sampling.schedule import SamplerSettings

    registry = open_registry(home).patient()
    chosen = ensemble_named(registry, ensemble)
    reference = serving_ensemble(registry, chosen.id)
    if not reference.complete:
        listed = ", ".join(map(str, reference.indices))
        narrate(
            f"{len(reference.indices)} of {reference.encoding.n} members are in service ({listed}): the others were trained on "
            f"withdrawn works; `creditline retrain --ensemble {reference.id}` trains them again without these"
        )
    training = reference.settings.training
    sampler = SamplerSettings(
        method=method,
        steps=steps,
        clip=clip,
        train_steps=training.train_steps,
        beta_start=training.beta_start,
        beta_end=training.beta_end,
    )
    where = choose_device(device, workers)
    with progress_bars() as progress:
        task = progress.add_task("samples", total=count)
        made = sorted(
            generate_samples(
                registry,
                reference,
                range(seed, seed + count),
                sampler,
                Prompt(label),
                where,
                lambda done: progress.advance(task, done),
            ),
            key=lambda row: row.seed,
        )
    if as_json:
        serving = {"members": list(reference.indices), "members_in_all": reference.encoding.n}
        facts = [sample_facts(registry, row) for row in made]
        print_json("sample", {"ensemble": chosen.id, **serving, "samples": facts})
    else:
        for row in made:
            typer.echo(row.id)
        narrate(f"{plural(len(made), 'sample')} in {registry.home.root / 'samples'}; next: creditline audit --all")


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
