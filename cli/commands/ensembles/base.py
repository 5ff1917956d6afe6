"""``creditline base``: register, list and show base models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.asking import DryRunOption
from cli.opening import now, open_registry
from cli.options import HomeOption, JsonOption
from cli.output import echo, narrate, print_fields, print_json, print_table, progress_bars
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from pathlib import Path

    from registry.bases.reading import BaseReading
    from registry.bases.records import BaseRecord

_LARGE = 10**8
"""Bytes of a base that take long enough to show progress."""

base = typer.Typer(
    no_args_is_help=True,
    help="""Register, list and show base models: the frozen models that adapters are trained on.

    Examples:
        creditline base add stable-diffusion-v1-5
        creditline base list
    """,
)

BaseArgument = Annotated[
    str, typer.Argument(metavar="BASE", help="Base model: name, id, or the first digits of its id.")
]


@base.command("add")
def add(
    folder: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER_OR_NAME",
            help="Folder in diffusers' format, or the name of a model in the hub's cache: owner/model, owner/model@revision.",
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Name for commands and pages.", show_default="the folder's"),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(
            "--licence", metavar="LICENCE", help="Licence of the base itself.", show_default="that of its model card"
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source", metavar="TEXT", help="Where the base is from.", show_default="its name and commit on the hub"
        ),
    ] = None,
    trained_on: Annotated[
        str | None,
        typer.Option(
            "--trained-on",
            metavar="DATA_SET",
            help="Registered data set that the base was trained on.",
            show_default="not known",
        ),
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(
            "--variant",
            metavar="VARIANT",
            help="Variant of the weight files, such as fp16.",
            show_default="files without a variant, else the one that is there",
        ),
    ] = None,
    dry_run: DryRunOption = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Register a base model: a diffusers pipeline with a UNet, such as Stable Diffusion or SDXL.

    The base stays where it lies. creditline reads its configuration and hashes its files; nothing
    of it is executed, downloaded or copied. Weights must be safetensors. The same files are the
    same base: add a base again from its new folder after a move, or to state more about it.
    Details that are not given stay as they are; '' takes one back.

    Examples:
        creditline base add stable-diffusion-v1-5 --licence CreativeML-OpenRAIL-M
        creditline base add owner/model --name sd15
        creditline base add my-base --trained-on house-photographs
    """
    from registry.bases.hub import find_folder
    from registry.bases.recording import Stated, add_base, check_stated
    from registry.ingest.dry_run import scratch_copy

    registry = open_registry(home)
    if not dry_run:
        registry.check_writable()
    stated = Stated(name, licence, source, trained_on)
    with registry.connection() as connection:
        check_stated(connection, stated)
    found = find_folder(folder)
    reading = _read(found.folder, variant)
    if dry_run:
        with scratch_copy(registry) as copy:
            added = add_base(copy, reading, stated, now(), name=found.name, source=found.source)
    else:
        added = add_base(registry, reading, stated, now(), name=found.name, source=found.source)
    if as_json:
        facts = {"dry_run": dry_run, "new": added.new, "changed": list(added.changed), "notes": list(reading.notes)}
        print_json("base", {**facts, **added.base.to_json()})
        return
    done = "registered" if added.new else f"{', '.join(added.changed).replace('_', ' ') or 'nothing'} changed"
    echo(f"{added.base.name} ({added.base.id[:12]}): {done}")
    _narrate(added.base, reading.notes)
    if dry_run:
        narrate("a dry run: nothing was recorded")


@base.command("list")
def list_bases(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """List the base models, by name.

    Examples:
        creditline base list
    """
    from registry.bases.records import all_bases

    with open_registry(home).connection() as connection:
        found = all_bases(connection)
    if as_json:
        print_json("bases", {"bases": [each.to_json() for each in found]})
        return
    columns = ("base", "id", "family", "prediction", "image size", "licence", "trained on", "folder")
    rows = [
        (
            each.name,
            each.id[:12],
            each.facts.family,
            each.facts.prediction,
            "x".join(map(str, each.facts.image_size)),
            each.licence,
            _trained_on(each),
            each.folder,
        )
        for each in found
    ]
    print_table(columns, rows, empty_columns=True)


@base.command("show")
def show(name: BaseArgument, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Show a base model: its parts with their hashes, licence, source, and training data if known.

    The files are not read: `creditline doctor` compares them with their hashes.

    Examples:
        creditline base show sd15
        creditline base show 9ec17b65 --json
    """
    from registry.bases.records import named_base
    from registry.outputs.base_claim import BaseClaim

    with open_registry(home).connection() as connection:
        found = named_base(connection, name)
    if as_json:
        print_json("base", found.to_json())
        return
    facts, latents, schedule = found.facts, found.facts.latents, found.facts.schedule
    print_fields(
        [
            ("base", found.name),
            ("id", found.id),
            ("folder", found.folder),
            ("pipeline", f"{facts.pipeline} ({facts.family})"),
            ("predicts", facts.prediction),
            ("images", "x".join(map(str, facts.image_size))),
            ("latents", f"{latents.channels}x{latents.height}x{latents.width}, scale {latents.scale:g}"),
            ("texts", f"up to {facts.tokens} tokens"),
            (
                "schedule",
                f"{schedule.steps} steps, {schedule.betas} betas from {schedule.beta_start:g} to {schedule.beta_end:g}",
            ),
            ("variant", facts.variant or "none"),
            ("licence", found.licence or "not stated"),
            ("source", found.source or "not stated"),
            ("trained on", _trained_on(found)),
            ("recorded", f"by {found.recorded_by}, {found.recorded_at:%Y-%m-%d %H:%M} UTC"),
        ]
    )
    rows = [(each.name, each.class_name, each.weights or None, each.size, each.sha256) for each in facts.components]
    print_table(
        ("part", "class", "weights", "bytes", "sha256"),
        rows,
        legend={"weights": "number of values in its weight files"},
    )
    narrate(BaseClaim(found.id, found.name, found.trained_on, found.stated_training).unknown)


def _trained_on(base: BaseRecord) -> str:
    if base.trained_on is None and base.stated_training is not None:
        return f"as its card states, not verified: {base.stated_training}"
    return base.trained_on or "not known"


def _read(folder: Path, variant: str | None) -> BaseReading:
    from registry.bases.reading import read_base

    with progress_bars() as progress:
        task = progress.add_task("MB hashed", total=None)

        def advance(done: int, total: int) -> None:
            if total >= _LARGE:
                progress.update(task, completed=done // 10**6, total=total // 10**6)

        return read_base(folder, variant=variant, on_progress=advance)


def _narrate(base: BaseRecord, notes: tuple[str, ...]) -> None:
    from registry.outputs.base_claim import BaseClaim

    for note in notes:
        narrate(note)
    if base.licence is None:
        narrate("no licence is stated for this base: state it with --licence")
    elif base.licence_training == "unclear":
        narrate(f"the terms {base.licence!r} are kept as they are: creditline does not know them; read them")
    narrate(BaseClaim(base.id, base.name, base.trained_on, base.stated_training).unknown)
