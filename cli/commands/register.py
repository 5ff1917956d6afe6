"""``creditline register``: works and whose they are, from wherever they are listed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.common import (
    HomeOption,
    JsonOption,
    home_at,
    narrate,
    print_json,
    printable,
    progress_bars,
)
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from registry.ingest.owners import OwnerSource
    from registry.ingest.registration import RegistrationReport


def register_commands(app: typer.Typer) -> None:
    """Add the command of this group."""
    app.command("register")(register)


def register(
    folder: Annotated[Path, typer.Argument(help="Folder of images; everything below it counts.")],
    owners: Annotated[
        Path | None,
        typer.Option(
            "--owners",
            metavar="FILE",
            help="CSV or Parquet with the columns path or sha256, and rightsholder; "
            "also licence, title, creator, source_url. Further columns become attributes.",
        ),
    ] = None,
    folder_per_rightsholder: Annotated[
        bool, typer.Option("--folder-per-rightsholder", help="FOLDER has one folder per rightsholder, named so.")
    ] = False,
    rightsholder: Annotated[
        str | None, typer.Option("--rightsholder", metavar="NAME", help="All works are this rightsholder's.")
    ] = None,
    allow_unowned: Annotated[
        bool, typer.Option("--allow-unowned", help="Also register works for which no owner is stated.")
    ] = False,
    licence: Annotated[
        str | None, typer.Option("--licence", metavar="REF", help="Licence of works for which none is stated.")
    ] = None,
    data_set: Annotated[
        str | None, typer.Option("--data-set", metavar="NAME", help="Name of this source.", show_default="the folder's")
    ] = None,
    decode: Annotated[
        bool,
        typer.Option("--decode", help="Decode every image completely: slower, finds damage inside JPEG and WebP data."),
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if anything is listed.")] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes that read.", show_default="one per core")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Register a folder of works with their owners and licences.

    What is not an image, is damaged, leads out of the folder, or has no owner is listed with the reason, and the rest
    goes in. Run it again at any time: what is registered stays, what is new or declared anew is added.

    Examples:
        creditline register photographs --owners owners.csv

        creditline register agencies --folder-per-rightsholder --licence CC-BY-4.0

        creditline register mine --rightsholder "Ada Example" --licence LicenseRef-own
    """
    from datetime import UTC, datetime

    from registry.database import Registry
    from registry.errors import InputError
    from registry.ingest.registration import register_folder

    source = _owner_source(owners, folder_per_rightsholder, rightsholder, allow_unowned, licence)
    registry = Registry.open(home_at(home))
    with _file_progress() as on_progress:
        report = register_folder(
            registry,
            folder,
            source,
            now=datetime.now(UTC),
            data_set=data_set,
            workers=workers or _cores(),
            decode=decode,
            excluded=() if owners is None else (owners,),
            on_progress=on_progress,
        )
    if as_json:
        print_json("register", report.to_json())
    else:
        for finding in report.findings:
            narrate(printable(f"{finding.kind}: {finding.path}: {finding.reason}"))
        _print_report(report)
    if not report.works:
        raise InputError(
            f"no work of {folder} could be registered: {report.files} files were read, {len(report.findings)} are listed "
            "with the reason; correct these or give a folder of images"
        )
    if strict and report.findings:
        raise typer.Exit(1)


def _owner_source(
    table: Path | None, per_folder: bool, rightsholder: str | None, allow_unowned: bool, licence: str | None
) -> OwnerSource:
    from registry.errors import UsageError
    from registry.ingest.owner_table import OwnerTable
    from registry.ingest.owners import FolderPerRightsholder, OneOwner, has_control_characters, tidy

    given = [table is not None, per_folder, rightsholder is not None].count(True)
    if given > 1 or (given == 0 and not allow_unowned):
        raise UsageError(
            f"got {given} statements of whose the works are, expected one: --owners FILE, --folder-per-rightsholder or "
            "--rightsholder NAME (or --allow-unowned without any)"
        )
    name, reference = tidy(rightsholder), tidy(licence)
    if (rightsholder is not None and name is None) or has_control_characters(f"{name}{reference}"):
        raise UsageError(
            f"got the rightsholder {rightsholder!r} and the licence {licence!r}, expected one line of text each"
        )
    if table is not None:
        return OwnerTable(table, licence=reference, allow_unowned=allow_unowned)
    if per_folder:
        return FolderPerRightsholder(reference, allow_unowned)
    return OneOwner(name, reference)


@contextmanager
def _file_progress() -> Iterator[Callable[[int, int], None]]:
    with progress_bars() as bars:
        task = bars.add_task("reading", total=None)
        shown = 0.0

        def advance(done: int, total: int) -> None:
            nonlocal shown
            if done == total or time.monotonic() - shown > 0.1:  # drawing costs more than reading a small file
                shown = time.monotonic()
                bars.update(task, completed=done, total=total)

        yield advance


def _print_report(report: RegistrationReport) -> None:
    lines = (
        ("registered", report.registered),
        ("unchanged", report.unchanged),
        ("moved", report.moved),
        ("found again", report.found_again),
        ("declarations recorded", report.declarations),
        ("newer declarations recorded", report.declarations_changed),
        ("refused", report.refused),
        ("duplicates", report.duplicates),
        ("missing", report.missing),
        ("hidden files and folders passed over", report.hidden),
    )
    typer.echo(
        printable(f"data set {report.data_set}: {report.works:,} of {report.files:,} files are registered works")
    )
    for name, number in lines:
        if number:
            typer.echo(f"{number:>10,}  {name}")


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
