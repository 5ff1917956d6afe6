"""``creditline train``: train every member of an encoding."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from cli.commands.ensembles.members import member_facts
from cli.commands.ensembles.run_training import run_training
from cli.opening import open_registry
from cli.options import DeviceOption, HomeOption, JsonOption, WorkersOption
from cli.output import narrate, print_json
from registry.home import DEFAULT_HOME


def train(
    encoding: Annotated[
        str | None,
        typer.Option("--encoding", metavar="ID", help="Encoding: id or its first digits.", show_default="the newest"),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option("--label", metavar="COLUMN", help="Condition the members on this column of the works."),
    ] = None,
    size: Annotated[int, typer.Option("--size", help="Side of the images, in pixels.")] = 16,
    grey: Annotated[bool, typer.Option("--grey", help="One channel instead of three.")] = False,
    fit: Annotated[
        Literal["pad", "crop"], typer.Option("--fit", help="pad: keep the whole work. crop: fill the square.")
    ] = "pad",
    background: Annotated[
        str, typer.Option("--background", metavar="COLOUR", help="Colour under transparent parts.")
    ] = "#ffffff",
    widths: Annotated[
        str, typer.Option("--widths", metavar="N,N,…", help="Feature maps at each resolution.")
    ] = "32,64",
    layers: Annotated[int, typer.Option("--layers", help="Residual layers at each resolution.")] = 1,
    attention: Annotated[bool, typer.Option("--attention", help="Add attention in the middle of the network.")] = False,
    patch: Annotated[int, typer.Option("--patch", help="Side of the patches that become channels; 1: no patches.")] = 2,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Optimisation steps of each member.")] = 2000,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Works per step.")] = 16,
    learning_rate: Annotated[float, typer.Option("--learning-rate", help="Peak learning rate of AdamW.")] = 6e-3,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the initial weights and of all draws.")] = 0,
    common: Annotated[
        Literal["works", "noise", "nothing"],
        typer.Option(
            "--common",
            help="Randomness that members share. works: all members trained on a work draw it at the same steps with the same "
            "noise, so members differ only in their works. noise: initial weights, timesteps and noise. nothing: none.",
        ),
    ] = "works",
    device: DeviceOption = None,
    workers: WorkersOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Train every member of an encoding on exactly the works that its codes assign.

    Withdrawn works are left out. After an interruption, the same command continues from the last
    checkpoint and ends with the same weights.

    Examples:
        creditline train
        creditline train --label category --size 32 --patch 4 --steps 5000
    """
    from attribution.denoisers.pixels import PixelUNet
    from attribution.ensemble.recipe import EnsembleSettings, TrainingSettings
    from attribution.images import ImageSettings
    from attribution.process_pool import choose_device
    from attribution.training.lifecycle import create_ensemble, labels_of
    from registry.storage.tables import Encoding
    from registry.works.queries import find_by_prefix, latest_encoding

    registry = open_registry(home).patient()
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
    facts = [member_facts(member) for member in run_training(registry, ensemble.id, device, workers)]
    if as_json:
        print_json("train", {"ensemble": ensemble.id, "encoding": chosen.id, "members": facts})
    else:
        typer.echo(ensemble.id)
        narrate(f"ensemble {ensemble.id}: all {len(facts)} members trained; next: creditline sample --count 8 --seed 1")


def _widths(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"got --widths {text!r}, expected whole numbers with commas, such as 32,64") from error
