"""``creditline sample``, ``samples`` and ``verify``: generated outputs, and whether they still are
what they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli.commands.ensembles.train import DeviceOption, EnsembleOption, WorkersOption
from cli.common import HomeOption, JsonOption, home_at, narrate, print_json, print_table, progress_bars
from registry.errors import UsageError
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from attribution.sampling.replay import Verification
    from registry.storage.database import Registry
    from registry.storage.tables import Sample


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("sample")(sample)
    app.command("samples")(list_samples)
    app.command("verify")(verify)


def sample(
    count: Annotated[int, typer.Option("--count", min=1, help="How many; their seeds follow one another.")] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the first sample.")] = 0,
    label: Annotated[str | None, typer.Option("--label", help="Class, where the ensemble has classes.")] = None,
    method: Annotated[Literal["ddpm", "ddim"], typer.Option("--method", help="ddpm or ddim.")] = "ddpm",
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps of the sampler.")] = 50,
    clip: Annotated[bool, typer.Option(help="Clamp the predicted clean image at intermediate steps.")] = True,
    ensemble: EnsembleOption = None,
    device: DeviceOption = None,
    workers: WorkersOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Generate images, keeping all that is needed to generate them again and to audit them.

    The noise of a sample is a function of its seed alone. Running the same command again finds the
    samples that it made. Members that saw withdrawn works do not serve; the others then share the
    weight equally.

    Examples:
        creditline sample --count 16 --seed 1

        creditline sample --seed 7 --label animals --method ddim
    """
    from attribution.denoisers.interface import Prompt
    from attribution.ensemble.serving import serving_ensemble
    from attribution.process_pool import choose_device
    from attribution.sampling.generate import generate_samples
    from attribution.sampling.schedule import SamplerSettings
    from registry.outputs.queries import named_ensemble
    from registry.storage.database import Registry

    registry = Registry.open(home_at(home)).patient()
    with registry.session() as session:
        chosen = named_ensemble(session, ensemble)
    reference = serving_ensemble(registry, chosen.id)
    if not reference.complete:
        listed = ", ".join(map(str, reference.indices))
        narrate(
            f"{len(reference.indices)} of {reference.encoding.n} members serve ({listed}): the others saw works that were "
            f"withdrawn; `creditline retrain --ensemble {reference.id}` brings them back without these works"
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
    with progress_bars() as progress:
        task = progress.add_task("samples", total=count)
        made = sorted(
            generate_samples(
                registry,
                reference,
                range(seed, seed + count),
                sampler,
                Prompt(label),
                choose_device(device, workers),
                lambda done: progress.advance(task, done),
            ),
            key=lambda row: row.seed,
        )
    if as_json:
        serving = {"members": list(reference.indices), "members_in_all": reference.encoding.n}
        facts = [_facts(registry, row) for row in made]
        print_json("sample", {"ensemble": chosen.id, **serving, "samples": facts})
    else:
        for row in made:
            typer.echo(row.id)
        narrate(f"{len(made)} samples in {registry.home.root / 'samples'}; next: creditline audit --all")


def list_samples(ensemble: EnsembleOption = None, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """List the samples of an ensemble."""
    from registry.outputs.queries import named_ensemble, samples_of
    from registry.storage.database import Registry

    registry = Registry.open(home_at(home))
    with registry.session() as session:
        chosen = named_ensemble(session, ensemble)
        facts = [_facts(registry, row) for row in samples_of(session, chosen.id)]
    if as_json:
        print_json("samples", {"ensemble": chosen.id, "samples": facts})
    else:
        columns = ("sample", "seed", "label", "sampler", "file")
        print_table(
            columns,
            [
                (
                    fact["id"],
                    fact["seed"],
                    fact["label"],
                    f"{fact['sampler']['method']} {fact['sampler']['steps']}",
                    fact["file"],
                )
                for fact in facts
            ],
        )


def verify(
    samples: Annotated[
        list[str] | None, typer.Argument(metavar="[SAMPLE]...", help="Ids or their first digits.", show_default=False)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All samples of all ensembles.")] = False,
    device: DeviceOption = None,
    workers: WorkersOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Generate samples again from their rows and compare them with their files; exits 1 if one is
    not what it was.

    Each is generated by the members that made it, also where these do not serve any more.

    identical: the same pixels. reproduced: within rounding, as another machine gives. differs:
      another picture.
    altered: a file or a member is not the one that was registered.

    Example:
        creditline verify 3fa2b1c09d11
    """
    from attribution.process_pool import choose_device
    from attribution.sampling.replay import verify_named
    from registry.storage.database import Registry

    if bool(samples) == every:
        raise UsageError("expected either SAMPLE ids or --all; `creditline samples` lists them")
    registry = Registry.open(home_at(home))
    found = []
    with progress_bars() as progress:
        task = progress.add_task("verifying", total=None)
        for verification in verify_named(registry, samples or None, choose_device(device, workers)):
            progress.advance(task)
            found.append(verification)
    if as_json:
        print_json("verify", {"samples": [_verification(item) for item in found]})
    else:
        print_table(
            ("sample", "condition", "detail"), [(item.sample_id, item.condition, item.detail) for item in found]
        )
    if any(item.condition in {"differs", "altered"} for item in found):
        raise typer.Exit(1)


def _verification(item: Verification) -> dict[str, Any]:
    return {
        "id": item.sample_id,
        "condition": item.condition,
        "detail": item.detail,
        "largest_difference": item.largest_difference,
    }


def _facts(registry: Registry, row: Sample) -> dict[str, Any]:
    return {
        "id": row.id,
        "seed": row.seed,
        "label": row.label,
        # In the order in which the registry keeps them, so that a sample that was there prints the
        # same.
        "sampler": dict(sorted(row.sampler.items())),
        "file": str(registry.home.sample_image(row.id)),
        "image_sha256": row.image_sha256,
        "noise_sha256": row.noise_sha256,
        "members": row.members,
        "members_sha256": row.members_sha256,
        "saturated_fraction": row.saturated_fraction,
    }
