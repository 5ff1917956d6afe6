"""``creditline train``: train every member of an encoding."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from cli.commands.ensembles.member_jobs import plan_jobs, refuse_recipe, train_member_apart
from cli.commands.ensembles.members import member_facts
from cli.commands.ensembles.recipes import adapters_recipe, pixels_recipe
from cli.commands.ensembles.run_training import run_training
from cli.opening import open_registry
from cli.options import AddressOption, DeviceOption, EngineOption, EnsembleOption, HomeOption, JsonOption, WorkersOption
from cli.output import narrate, print_json
from registry.home import DEFAULT_HOME


def train(
    context: typer.Context,
    encoding: Annotated[
        str | None,
        typer.Option("--encoding", metavar="ID", help="Encoding: id or its first digits.", show_default="the newest"),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            "--base",
            metavar="BASE",
            help="Train adapters (LoRA) on this base model, under the works' captions: name, id or its first digits.",
            show_default="none: members are whole networks, trained from noise",
        ),
    ] = None,
    rank: Annotated[
        int | None, typer.Option("--rank", min=1, help="With --base: rank of the adapters.", show_default="16")
    ] = None,
    target: Annotated[
        Literal["attention", "attention+conv"] | None,
        typer.Option(
            "--target", help="With --base: the layers of the network that get adapters.", show_default="attention"
        ),
    ] = None,
    caption_dropout: Annotated[
        float | None,
        typer.Option(
            "--caption-dropout",
            metavar="SHARE",
            help="With --base: share of works per step that train without their caption, for guidance.",
            show_default="0.1",
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            "--label",
            metavar="COLUMN",
            help="Condition the members on this column of the works: its values are classes; with --base, texts.",
            show_default="none; with --base the captions",
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            "--size",
            "--resolution",
            min=1,
            help="Side of the images, in pixels.",
            show_default="16; with --base the base's",
        ),
    ] = None,
    grey: Annotated[bool, typer.Option("--grey", help="One channel instead of three.")] = False,
    fit: Annotated[
        Literal["pad", "crop"], typer.Option("--fit", help="pad: keep the whole work. crop: fill the square.")
    ] = "pad",
    background: Annotated[
        str, typer.Option("--background", metavar="COLOUR", help="Colour under transparent parts.")
    ] = "#ffffff",
    widths: Annotated[
        str | None,
        typer.Option("--widths", metavar="N,N,…", help="Feature maps at each resolution.", show_default="32,64"),
    ] = None,
    layers: Annotated[
        int | None, typer.Option("--layers", help="Residual layers at each resolution.", show_default="1")
    ] = None,
    attention: Annotated[bool, typer.Option("--attention", help="Add attention in the middle of the network.")] = False,
    patch: Annotated[
        int | None,
        typer.Option("--patch", help="Side of the patches that become channels; 1: no patches.", show_default="2"),
    ] = None,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Optimisation steps of each member.")] = 2000,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Works per step.")] = 16,
    accumulation: Annotated[
        int,
        typer.Option(
            "--accumulation", min=1, help="Passes per step, each with its part of the batch: for less memory."
        ),
    ] = 1,
    precision: Annotated[
        Literal["float32", "bfloat16"],
        typer.Option(
            "--precision",
            help="Arithmetic of a step. bfloat16 is faster on processors that have it, and rounds more; weights stay float32.",
        ),
    ] = "float32",
    learning_rate: Annotated[
        float | None,
        typer.Option("--learning-rate", help="Peak learning rate of AdamW.", show_default="0.006; with --base 0.0001"),
    ] = None,
    min_snr: Annotated[
        float,
        typer.Option(
            "--min-snr",
            metavar="GAMMA",
            help="Largest signal-to-noise ratio that counts in a step's weight; 0: equal weights.",
        ),
    ] = 5.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the initial weights and of all draws.")] = 0,
    common: Annotated[
        Literal["works", "noise", "nothing"],
        typer.Option(
            "--common",
            help="Randomness that members share. works: all members trained on a work draw it at the same steps with the same "
            "noise, so members differ only in their works. noise: initial weights, timesteps and noise. nothing: none.",
        ),
    ] = "works",
    plan_only: Annotated[
        bool,
        typer.Option(
            "--plan-only", help="Record the ensemble and prepare its works for jobs of --member; train nothing."
        ),
    ] = False,
    member: Annotated[
        int | None,
        typer.Option(
            "--member",
            metavar="INDEX",
            min=0,
            help="With --no-register: train only this member of a planned ensemble, as one job of an array.",
            show_default="all",
        ),
    ] = None,
    no_register: Annotated[
        bool,
        typer.Option(
            "--no-register", help="With --member: only read the registry; `members collect` registers the member."
        ),
    ] = False,
    ensemble: EnsembleOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FOLDER",
            help="With --member: the folder for the member and its checkpoint.",
            show_default="the home",
        ),
    ] = None,
    device: DeviceOption = None,
    workers: WorkersOption = None,
    engine: EngineOption = "local",
    address: AddressOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Train every member of an encoding on exactly the works that its codes assign.

    With --base, a member is an adapter of a registered base model, and works train under their
    captions. Withdrawn works are left out. After an interruption, the same command continues from
    the last checkpoint and ends with the same weights.

    On a cluster, --plan-only records the ensemble, jobs with --member and --no-register train one
    member each, also one that is out of service, and `creditline members collect` registers them.

    Examples:
        creditline train
        creditline train --label category --size 32 --patch 4 --steps 5000
        creditline train --base emoji-base --rank 8 --steps 1000
        creditline train --steps 5000 --plan-only
        creditline train --ensemble 3fa2b1c09d11 --member 5 --no-register
    """
    _only_with({"--ensemble": ensemble, "--out": out}, member is not None, "needs --member INDEX and --no-register")
    if (member is not None) != no_register:
        raise typer.BadParameter(
            "--member and --no-register go together: such a job trains one member and registers nothing"
        )
    if member is not None:
        refuse_recipe(context)
        train_member_apart(home, ensemble, member, out, device, as_json=as_json)
        return
    from attribution.engines.device import choose_device
    from attribution.ensemble.recipe import TrainingSettings
    from attribution.images import ImageSettings
    from attribution.training.lifecycle import create_ensemble
    from registry.storage.tables import Encoding
    from registry.works.queries import find_by_prefix, latest_encoding

    registry = open_registry(home).patient()
    with registry.session() as session:
        chosen = find_by_prefix(session, Encoding, encoding) if encoding else latest_encoding(session)
    where = choose_device(device, workers, engine, address)
    adapters = {"--rank": rank, "--target": target, "--caption-dropout": caption_dropout}
    network = {
        "--grey": grey or None,
        "--widths": widths,
        "--layers": layers,
        "--attention": attention or None,
        "--patch": patch,
    }
    _only_with(adapters, base is not None, "needs --base BASE: it describes adapters on a base model")
    _only_with(network, base is None, "is not for --base BASE: the base determines it")
    rate = learning_rate if learning_rate is not None else 6e-3 if base is None else 1e-4
    training = TrainingSettings(
        steps=steps,
        batch_size=batch_size,
        accumulation=accumulation,
        precision=precision,
        learning_rate=rate,
        snr_cap=min_snr,
        seed=seed,
        common_draws=common != "nothing",
        common_works=common == "works",
    )
    image = ImageSettings(size=16 if size is None else size, channels=1 if grey else 3, fit=fit, background=background)
    if base is None:
        settings = pixels_recipe(
            registry, chosen.id, image, training, label, widths, layers, patch, attention=attention
        )
    else:
        settings = adapters_recipe(
            registry, chosen.id, base, image, training, label, size, rank, target, caption_dropout
        )
    made = create_ensemble(registry, chosen.id, settings)
    if plan_only:
        plan_jobs(registry, made.id, where, as_json=as_json)
        return
    facts = [member_facts(each) for each in run_training(registry, made.id, where)]
    if as_json:
        print_json("train", {"ensemble": made.id, "encoding": chosen.id, "members": facts})
    else:
        typer.echo(made.id)
        narrate(f"ensemble {made.id}: all {len(facts)} members trained; next: creditline sample --count 8 --seed 1")


def _only_with(options: Mapping[str, object], fits: bool, why: str) -> None:
    """Refuse options that do not fit."""
    given = [name for name, value in options.items() if value is not None]
    if given and not fits:
        raise typer.BadParameter(f"{given[0]} {why}")
