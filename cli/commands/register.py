"""``creditline register``: works and whose they are, from wherever they lie or are listed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="A folder of images, a ZIP or TAR archive, img2dataset's shards (a .tar or their folder), or a list of works: "
            "Parquet (a file or a folder), CSV, JSON lines, Croissant.",
        ),
    ],
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
        bool, typer.Option("--folder-per-rightsholder", help="SOURCE has one folder per rightsholder, named so.")
    ] = False,
    rightsholder: Annotated[
        str | None,
        typer.Option("--rightsholder", metavar="NAME", help="Whose the works are; in a list, of rows that state none."),
    ] = None,
    allow_unowned: Annotated[
        bool, typer.Option("--allow-unowned", help="Also register works for which no owner is stated.")
    ] = False,
    licence: Annotated[
        str | None, typer.Option("--licence", metavar="REF", help="Licence of works for which none is stated.")
    ] = None,
    data_set: Annotated[
        str | None, typer.Option("--data-set", metavar="NAME", help="Name of this source.", show_default="its own")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            metavar="NAME",
            help="Layout of a list: laion, pd12m, img2dataset, owner-table, croissant.",
            show_default="told by its columns",
        ),
    ] = None,
    mapped: Annotated[
        list[str] | None,
        typer.Option(
            "--map", metavar="OURS=COLUMN", help="Read url, rightsholder, licence, … from this column of a list."
        ),
    ] = None,
    constants: Annotated[
        list[str] | None, typer.Option("--set", metavar="OURS=VALUE", help="The same value for all rows of a list.")
    ] = None,
    attributes: Annotated[
        list[str] | None, typer.Option("--attribute", metavar="COLUMN", help="A further column of a list to keep.")
    ] = None,
    metadata_only: Annotated[
        bool,
        typer.Option("--metadata-only", help="Read lists alone: of shards the Parquet beside them, not the images."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be registered and what refused; change nothing.")
    ] = False,
    decode: Annotated[
        bool,
        typer.Option("--decode", help="Decode every image completely: slower, finds damage inside JPEG and WebP data."),
    ] = False,
    near_duplicates: Annotated[
        bool, typer.Option("--near-duplicates/--no-near-duplicates", help="Look for works that look alike.")
    ] = True,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if anything is listed.")] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes that read.", show_default="one per core")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Register works with their owners and licences, from files or from a list.

    What is not an image, is damaged, leads out of the source, or has no owner is listed with the reason, and the rest
    goes in. Run it again at any time: what is registered stays, what is new or declared anew is added.

    Examples:
        creditline register photographs --owners owners.csv

        creditline register agencies --folder-per-rightsholder --licence CC-BY-4.0

        creditline register scans.zip --rightsholder "Ada Example" --licence LicenseRef-own

        creditline register works.parquet --map rightsholder=creator --attribute collection --dry-run

        creditline register pd12m.parquet --rightsholder "Source.Plus" --licence CC0-1.0
    """
    from cli.commands.registering_lists import ListWishes, register_a_list
    from registry.database import Registry
    from registry.errors import UsageError
    from registry.ingest.sources import SourceKind, kind_of

    kind = kind_of(source)
    if metadata_only and kind is SourceKind.SHARDS and source.is_dir():
        kind = SourceKind.LIST
    registry = Registry.open(home_at(home))
    wishes = ListWishes.parse(preset, mapped or (), constants or (), attributes or ())
    if kind is SourceKind.LIST:
        if owners is not None or folder_per_rightsholder:
            raise UsageError(
                f"{source} is a list of works, which says itself whose they are: map its column with --map "
                "rightsholder=COLUMN; --owners and --folder-per-rightsholder are for files"
            )
        narrate(printable(f"{source} is a list of works: registering what it says, no files are read"))
        register_a_list(
            registry,
            source,
            wishes,
            data_set=data_set,
            rightsholder=rightsholder,
            licence=licence,
            allow_unowned=allow_unowned,
            dry_run=dry_run,
            strict=strict,
            as_json=as_json,
        )
        return
    if metadata_only or wishes.any:
        raise UsageError(
            f"{source} is {_A[kind]}: --preset, --map, --set, --attribute and --metadata-only are for lists of works"
        )
    if not as_json:
        narrate(printable(f"{source} is {_A[kind]}"))
    owner_source = _owner_source(owners, folder_per_rightsholder, rightsholder, allow_unowned, licence)
    if dry_run:
        _dry_run(source, kind, owner_source, registry.home.root, as_json=as_json)
        return
    with _file_progress() as (on_progress, on_fingerprints):
        report = _register_files(
            kind,
            registry,
            source,
            owner_source,
            data_set=data_set,
            workers=workers or _cores(),
            decode=decode,
            near_duplicates=near_duplicates,
            on_progress=on_progress,
            on_fingerprints=on_fingerprints,
            **({"excluded": () if owners is None else (owners,)} if kind is SourceKind.FOLDER else {}),
        )
    _finish(source, report, strict=strict, as_json=as_json)


_A = {
    "folder": "a folder of images",
    "archive": "an archive",
    "shards": "shards of img2dataset",
    "list": "a list of works",
}


def _register_files(kind: str, *arguments: Any, **options: Any) -> RegistrationReport:
    from datetime import UTC, datetime

    from registry.ingest.registration import register_archive, register_folder, register_shards

    functions: dict[str, Callable[..., RegistrationReport]]
    functions = {"folder": register_folder, "archive": register_archive, "shards": register_shards}
    return functions[kind](*arguments, now=datetime.now(UTC), **options)


def _finish(source: Path, report: RegistrationReport, *, strict: bool, as_json: bool) -> None:
    from registry.errors import InputError

    if as_json:
        print_json("register", report.to_json())
    else:
        for finding in report.findings:
            narrate(printable(f"{finding.kind}: {finding.path}: {finding.reason}"))
        _print_report(report)
    if not report.works:
        raise InputError(
            f"no work of {source} could be registered: {report.files} files were read, {sum(report.counts.values())} are "
            "listed with the reason; correct these or give a source of images"
        )
    if strict and report.findings:
        raise typer.Exit(1)


def _dry_run(source: Path, kind: str, owners: OwnerSource, home: Path, *, as_json: bool) -> None:
    """How many files there are, and whose the first ones would be."""
    from cli.common import print_table
    from registry.ingest.looking import look_at_files

    seen = look_at_files(source, kind, owners, excluded=(home,))
    if as_json:
        print_json("register dry run", {"source": str(source), "kind": kind, **seen.to_json()})
        return
    typer.echo(f"{seen.files:,}{' or more' if seen.more else ''} files; nothing was changed")
    columns = ("path", "rightsholder", "licence", "title", "would be refused")
    print_table(
        columns,
        [[getattr(row, name) for name in ("path", "rightsholder", "licence", "title", "reason")] for row in seen.first],
    )


def _owner_source(
    table: Path | None, per_folder: bool, rightsholder: str | None, allow_unowned: bool, licence: str | None
) -> OwnerSource:
    from registry.errors import UsageError
    from registry.ingest.owner_table import OwnerTable
    from registry.ingest.owners import FolderPerRightsholder, OneOwner

    given = [table is not None, per_folder, rightsholder is not None].count(True)
    if given > 1 or (given == 0 and not allow_unowned):
        raise UsageError(
            f"got {given} statements of whose the works are, expected one: --owners FILE, --folder-per-rightsholder or "
            "--rightsholder NAME (or --allow-unowned without any)"
        )
    name, reference = stated_on_the_command_line(rightsholder, licence)
    if table is not None:
        return OwnerTable(table, licence=reference, allow_unowned=allow_unowned)
    if per_folder:
        return FolderPerRightsholder(reference, allow_unowned)
    return OneOwner(name, reference)


def stated_on_the_command_line(rightsholder: str | None, licence: str | None) -> tuple[str | None, str | None]:
    """The two, tidied.

    Raises:
        UsageError: one is no line of text.
    """
    from registry.errors import UsageError
    from registry.ingest.owners import has_control_characters, tidy

    name, reference = tidy(rightsholder), tidy(licence)
    if (rightsholder is not None and name is None) or has_control_characters(f"{name}{reference}"):
        raise UsageError(
            f"got the rightsholder {rightsholder!r} and the licence {licence!r}, expected one line of text each"
        )
    return name, reference


@contextmanager
def _file_progress() -> Iterator[Sequence[Callable[[int, int], None]]]:
    with progress_bars() as bars:

        def shown(title: str) -> Callable[[int, int], None]:
            task = bars.add_task(title, total=None, visible=False)
            drawn = 0.0

            def advance(done: int, total: int) -> None:
                nonlocal drawn
                if done == total or time.monotonic() - drawn > 0.1:  # drawing costs more than reading a small file
                    drawn = time.monotonic()
                    bars.update(task, completed=done, total=total or None, visible=True)

            return advance

        yield shown("reading"), shown("comparing")


def _print_report(report: RegistrationReport) -> None:
    lines = (
        ("registered", report.registered),
        ("unchanged", report.unchanged),
        ("moved", report.moved),
        ("found again", report.found_again),
        ("known by a list before", report.superseded),
        ("declarations recorded", report.declarations),
        ("newer declarations recorded", report.declarations_changed),
        ("works whose file says something about itself", report.embedded),
        ("rights signals", report.signals),
        ("conflicts between file and declaration", report.conflicts),
        ("pairs that look alike", report.near_duplicate_pairs),
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
