"""``creditline register``: works and whose they are, from wherever they lie or are listed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.common import HomeOption, JsonOption, home_at, narrate, printable
from registry.home import DEFAULT_HOME


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

    What is not an image, is damaged, leads out of the source, or has no owner is listed with the
    reason, and the rest goes in. Run it again at any time: what is registered stays, what is new or
    declared anew is added.

    Examples:
        creditline register photographs --owners owners.csv

        creditline register agencies --folder-per-rightsholder --licence CC-BY-4.0

        creditline register scans.zip --rightsholder "Ada Example" --licence LicenseRef-own

        creditline register works.parquet --map rightsholder=creator --attribute collection
        --dry-run

        creditline register pd12m.parquet --rightsholder "Source.Plus" --licence CC0-1.0
    """
    from cli.commands.works.register_files import Wishes, cores, owner_source, register_files
    from cli.commands.works.register_lists import ListWishes, register_a_list
    from registry.errors import UsageError
    from registry.ingest.source_kind import SourceKind, kind_of
    from registry.storage.database import Registry

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
            f"{source} is {kind.described}: --preset, --map, --set, --attribute and --metadata-only are for lists of works"
        )
    register_files(
        registry,
        source,
        kind,
        owner_source(owners, folder_per_rightsholder, rightsholder, allow_unowned, licence),
        Wishes(data_set, workers or cores(), decode, near_duplicates, strict, as_json),
        excluded=() if owners is None else (owners,),
        dry_run=dry_run,
    )
