"""``creditline train`` and ``creditline members``: the ensemble and who saw what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli.common import HomeOption, JsonOption, home_at, narrate, print_json, print_table, progress_bars
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from registry.storage.database import Registry
    from registry.storage.tables import Member

DeviceOption = Annotated[
    str | None, typer.Option("--device", help="cpu or cuda.", show_default="a GPU when there is one")
]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Processes side by side.", show_default="one per core; one on a GPU"),
]
EnsembleOption = Annotated[
    str | None, typer.Option("--ensemble", help="Id or its first digits.", show_default="the newest")
]


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("train")(train)
    members = typer.Typer(
        no_args_is_help=True, help="The trained members, members that were trained elsewhere, and the reference model."
    )
    members.command("list")(list_members)
    members.command("import")(import_members)
    members.command("reference")(train_reference)
    app.add_typer(members, name="members")


def train(
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="Id or its first digits.", show_default="the newest")
    ] = None,
    label: Annotated[
        str | None, typer.Option("--label", metavar="COLUMN", help="Condition the members on this column of the works.")
    ] = None,
    size: Annotated[int, typer.Option("--size", help="Side of the generated images, in pixels.")] = 16,
    grey: Annotated[bool, typer.Option("--grey", help="One channel instead of three.")] = False,
    fit: Annotated[
        Literal["pad", "crop"], typer.Option("--fit", help="pad: keep the whole work. crop: fill the square.")
    ] = "pad",
    background: Annotated[str, typer.Option("--background", help="Colour under transparent parts.")] = "#ffffff",
    widths: Annotated[str, typer.Option("--widths", help="Feature maps per resolution.")] = "32,64",
    layers: Annotated[int, typer.Option("--layers", help="Residual layers per resolution.")] = 1,
    attention: Annotated[bool, typer.Option("--attention", help="Attend in the middle of the network.")] = False,
    patch: Annotated[int, typer.Option("--patch", help="Side of the patches that become channels; 1: pixels.")] = 2,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Optimisation steps of each member.")] = 2000,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Works per step.")] = 16,
    learning_rate: Annotated[float, typer.Option("--learning-rate", help="Peak rate of AdamW.")] = 6e-3,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the members' start and of all draws.")] = 0,
    common: Annotated[
        Literal["works", "noise", "nothing"],
        typer.Option(
            "--common",
            help="What members share. works: a work is drawn at the same steps, under the same noise, by all that saw it, so "
            "that members differ by what they saw alone. noise: start, timesteps and noise. nothing: each draws its own.",
        ),
    ] = "works",
    device: DeviceOption = None,
    workers: WorkersOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Train every member of an encoding on exactly the works that its codes give it; withdrawn
    works are left out.

    Interrupt it at any time: the same command goes on from the last checkpoint and ends with the
    same weights.

    Examples:
        creditline train

        creditline train --label category --size 32 --patch 4 --steps 5000
    """
    from attribution.denoisers.pixels import PixelUNet
    from attribution.ensemble.recipe import EnsembleSettings, TrainingSettings
    from attribution.images import ImageSettings
    from attribution.process_pool import choose_device
    from attribution.training.lifecycle import create_ensemble, labels_of
    from registry.storage.database import Registry
    from registry.storage.tables import Encoding
    from registry.works.queries import find_by_prefix, latest_encoding

    registry = Registry.open(home_at(home)).patient()
    with registry.session() as session:
        chosen = find_by_prefix(session, Encoding, encoding) if encoding else latest_encoding(session)
    channels = 1 if grey else 3
    labels = labels_of(registry, chosen.id, label)
    choose_device(device, workers)
    settings = EnsembleSettings(
        image=ImageSettings(size=size, channels=channels, fit=fit, background=background),
        network=PixelUNet(
            size=size,
            channels=channels,
            widths=_widths(widths),
            layers_per_block=layers,
            attention=attention,
            patch=patch,
            class_count=len(labels.classes),
        ),
        training=TrainingSettings(
            steps=steps,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
            common_draws=common != "nothing",
            common_works=common == "works",
        ),
        label_column=label,
        classes=labels.classes,
        labels_sha256=labels.sha256,
    )
    ensemble = create_ensemble(registry, chosen.id, settings)
    members = run_training(registry, ensemble.id, device, workers)
    facts = [_member_facts(member) for member in members]
    if as_json:
        print_json("train", {"ensemble": ensemble.id, "encoding": chosen.id, "members": facts})
    else:
        typer.echo(ensemble.id)
        narrate(f"ensemble {ensemble.id}: all {len(facts)} members trained; next: creditline sample --count 8 --seed 1")


def run_training(
    registry: Registry, ensemble_id: str, device: str | None, workers: int | None, *, again: bool = False
) -> list[Member]:
    """Prepare the works and train what is missing, with a bar per member; returns the newest of all
    members.

    ``again``: train those anew that saw withdrawn works, instead of those that were never trained.
    """
    from attribution.ensemble.recipe import EnsembleSettings
    from attribution.process_pool import choose_device
    from attribution.training.dataset import build_training_set
    from attribution.training.lifecycle import plan_retraining, retrain_ensemble, train_ensemble
    from registry.members.serving import service_of

    service = service_of(registry, ensemble_id)
    encoding, settings = service.encoding, EnsembleSettings.from_json(service.ensemble.settings)
    present = {state.member.index for state in service.states}
    wanted = set(range(encoding.n)) - present
    if again:
        wanted = set(plan_retraining(registry, ensemble_id).wanted)
    with progress_bars() as progress:
        reading = progress.add_task("reading works", total=None)
        build_training_set(
            registry,
            ensemble_id,
            encoding.id,
            settings,
            lambda done, total: progress.update(reading, advance=done, total=total),
        )
        progress.remove_task(reading)
        total = settings.training.steps
        done_before = 0 if again else total * len(present)
        everyone = progress.add_task("all members", total=total * len(wanted) + done_before, completed=done_before)
        bars = {index: progress.add_task(f"member {index}", total=total, start=False) for index in sorted(wanted)}

        def advance(index: int, done: int) -> None:
            progress.start_task(bars[index])
            progress.advance(bars[index], done)
            progress.advance(everyone, done)

        run = retrain_ensemble if again else train_ensemble
        for member in run(registry, ensemble_id, choose_device(device, workers), advance):
            progress.remove_task(bars[member.index])
            if not progress.console.is_terminal:
                # A log has no bars; it gets a line a member.
                narrate(f"member {member.index} of {encoding.n} is trained and registered")
    return [state.member for state in service_of(registry, ensemble_id).states]


def list_members(ensemble: EnsembleOption = None, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """List the members of an ensemble, all generations, with the hashes of their weights and
    manifests.

    serves: it saw no withdrawn work. out of service: it saw some. replaced: a later generation took
      its place.
    """
    from registry.members.serving import generations_of, service_of
    from registry.outputs.queries import named_ensemble
    from registry.storage.database import Registry

    registry = Registry.open(home_at(home))
    with registry.session() as session:
        chosen = named_ensemble(session, ensemble)
        members = generations_of(session, chosen.id)
    states = {
        state.member.id: "serves" if state.serves else "out of service"
        for state in service_of(registry, chosen.id).states
    }
    facts = [{**_member_facts(member), "state": states.get(member.id, "replaced")} for member in members]
    if as_json:
        print_json("members", {"ensemble": chosen.id, "members": facts})
    else:
        columns = ("member", "generation", "state", "works", "origin", "weights", "manifest")
        print_table(
            columns,
            [
                (
                    fact["id"],
                    fact["generation"],
                    fact["state"],
                    fact["works"],
                    fact["origin"],
                    fact["weights_sha256"][:12],
                    fact["manifest_sha256"][:12],
                )
                for fact in facts
            ],
        )


def import_members(
    folders: Annotated[
        list[Path], typer.Argument(metavar="FOLDER...", help="Folders of members, each with its manifest.")
    ],
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Register members that were trained elsewhere.

    A member's folder has config.json, diffusion_pytorch_model.safetensors, manifest.json and
    works.txt. The encoding that the manifest names must be registered here, and the works must be
    those that it gives to the member.

    Example:
        creditline members import ../gpu-run/creditline-home/members/*
    """
    from attribution.training.lifecycle import import_member
    from registry.storage.database import Registry

    registry = Registry.open(home_at(home))
    facts = [_member_facts(import_member(registry, folder)) for folder in folders]
    if as_json:
        print_json("members", {"members": facts})
    else:
        for fact in facts:
            typer.echo(fact["id"])


def train_reference(
    ensemble: EnsembleOption = None,
    device: DeviceOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Train the reference model of an ensemble: one more of its kind, on all works that were not
    withdrawn.

    It serves no image and knows no codes; the ranker gradients differentiates it. When works were
    withdrawn since, it is not used any more, and the same command trains it again without them.
    Interrupt it at any time: the same command goes on.

    Examples:
        creditline members reference

        creditline members reference --ensemble 3fa2b1c09d11 --device cpu
    """
    from attribution.ensemble.recipe import EnsembleSettings
    from attribution.process_pool import choose_device
    from attribution.training.reference_model import train_reference_model
    from registry.outputs.queries import named_ensemble
    from registry.storage.database import Registry

    registry = Registry.open(home_at(home)).patient()
    with registry.session() as session:
        chosen = named_ensemble(session, ensemble)
    total = EnsembleSettings.from_json(chosen.settings).training.steps
    with progress_bars() as progress:
        reading = progress.add_task("reading works", total=None)
        bar = progress.add_task("reference model", total=total)
        found = train_reference_model(
            registry,
            chosen.id,
            choose_device(device, 1),
            lambda done, works: progress.update(reading, advance=done, total=works),
            lambda steps: progress.advance(bar, steps),
        )
    manifest = found.folder.manifest
    if as_json:
        facts = {
            "ensemble": chosen.id,
            "trained": found.trained,
            "works": manifest.works.count,
            "withdrawn_through": manifest.withdrawn_through,
            "weights_sha256": manifest.weights_sha256,
            "manifest_sha256": manifest.sha256,
            "merkle_root": manifest.works.merkle_root,
        }
        print_json("reference", facts)
        return
    typer.echo(str(found.folder.path))
    narrate(
        f"{'trained' if found.trained else 'already trained'} on {manifest.works.count:,} works; next: creditline rankers"
    )


def _member_facts(member: Member) -> dict[str, Any]:
    return {
        "id": member.id,
        "index": member.index,
        "generation": member.generation,
        "withdrawn_through": member.manifest["withdrawn_through"],
        "origin": member.origin,
        "works": member.manifest["works"]["count"],
        "weights_sha256": member.weights_sha256,
        "manifest_sha256": member.manifest_sha256,
    }


def _widths(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: expected whole numbers with commas, such as 32,64") from error
