"""``creditline register``: register works and their rightsholders from files or from a list."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.opening import open_registry
from cli.options import HomeOption, JsonOption
from cli.output import narrate
from registry.errors import UsageError
from registry.home import DEFAULT_HOME


def register(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="Files: a folder of images, a ZIP or TAR archive, or img2dataset shards (a .tar or their folder). "
            "Or a list of works: Parquet (a file or a folder), CSV, JSON lines or Croissant. Each may be an address: "
            "s3://, gs:// or, of one file, https://.",
        ),
    ],
    owners: Annotated[
        str | None,
        typer.Option(
            "--owners",
            metavar="FILE",
            help="CSV or Parquet table with the columns rightsholder, and path or sha256. Optional: licence, title, "
            "creator, source_url, caption. Further columns become attributes.",
        ),
    ] = None,
    folder_per_rightsholder: Annotated[
        bool,
        typer.Option("--folder-per-rightsholder", help="Each folder in SOURCE is named after its rightsholder."),
    ] = False,
    rightsholder: Annotated[
        str | None,
        typer.Option(
            "--rightsholder", metavar="NAME", help="Rightsholder of all files, or of a list's rows that state none."
        ),
    ] = None,
    allow_unowned: Annotated[
        bool, typer.Option("--allow-unowned", help="Also register works without a stated rightsholder.")
    ] = False,
    licence: Annotated[
        str | None, typer.Option("--licence", metavar="LICENCE", help="Licence of works that state none.")
    ] = None,
    caption: Annotated[
        str | None,
        typer.Option(
            "--caption",
            metavar="TEMPLATE",
            help="Make captions of columns, as in '{title}, by {creator}'; {caption} is the work's own one.",
            show_default="each work's own caption",
        ),
    ] = None,
    data_set: Annotated[
        str | None,
        typer.Option("--data-set", metavar="NAME", help="Name of the data set.", show_default="the name of SOURCE"),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            metavar="NAME",
            help="Layout of a list: laion, pd12m, img2dataset, owner-table or croissant.",
            show_default="detected from the columns",
        ),
    ] = None,
    mapped: Annotated[
        list[str] | None,
        typer.Option(
            "--map", metavar="FIELD=COLUMN", help="Read url, rightsholder, licence, … from this column of a list."
        ),
    ] = None,
    constants: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Use this value for all rows of a list.")
    ] = None,
    attributes: Annotated[
        list[str] | None,
        typer.Option("--attribute", metavar="COLUMN", help="Keep this column of a list; may be repeated."),
    ] = None,
    metadata_only: Annotated[
        bool,
        typer.Option(
            "--metadata-only",
            help="Register from metadata only; do not open image files. For img2dataset shards, read the Parquet files.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the works that would be registered or refused; change nothing.")
    ] = False,
    decode: Annotated[
        bool,
        typer.Option(
            "--decode",
            help="Decode every image completely: slower, finds damage that a decoder notices. docs/registry.md says how much.",
        ),
    ] = False,
    near_duplicates: Annotated[
        bool, typer.Option("--near-duplicates/--no-near-duplicates", help="Search for works that look alike.")
    ] = True,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if any file or row is refused or reported.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Number of processes that read files.", show_default="one per core"),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Register works with their rightsholders and licences, from files or from a list.

    Files that are no image, are damaged, lie outside the source or have no rightsholder are listed
    with the reason; all others are registered. Run the command again at any time: registered works
    stay, new works and newer statements are added.

    What an address names is copied into the home first, and again where it has changed.

    Examples:
        creditline register photographs --owners owners.csv
        creditline register agencies --folder-per-rightsholder --licence CC-BY-4.0
        creditline register scans.zip --rightsholder "Ada Example" --licence LicenseRef-own
        creditline register works.parquet --map rightsholder=creator --dry-run
        creditline register pd12m.parquet --rightsholder "Source.Plus" --licence CC0-1.0
        creditline register scans --owners scans.csv --caption "{title}, by {creator}"
        creditline register s3://bucket/photographs --owners s3://bucket/owners.csv
    """
    from cli.addresses import file_of
    from cli.commands.works.register_files import RegisterOptions, owner_source, register_files
    from cli.commands.works.register_lists import ListOptions, register_a_list
    from registry.captions.template import Template
    from registry.ingest.source_kind import SourceKind, kind_of
    from registry.object_storage.addresses import is_address

    template = None if caption is None else Template.parse(caption)
    # A fault of a path is told before a fault of the home.
    registry = open_registry(home) if is_address(source) else None
    place = Path(source) if registry is None else file_of(registry, source, dry_run=dry_run)
    kind = kind_of(place)
    if metadata_only and kind is SourceKind.SHARDS and place.is_dir():
        kind = SourceKind.LIST
    registry = registry or open_registry(home)
    options = ListOptions.parse(preset, mapped or (), constants or (), attributes or ())
    holder, reference = _stated(rightsholder, licence)
    if kind is SourceKind.LIST:
        if owners is not None or folder_per_rightsholder:
            raise UsageError(
                f"{place} is a list of works: --owners and --folder-per-rightsholder are for files; name the list's column "
                "of rightsholders with --map rightsholder=COLUMN"
            )
        narrate(f"{place} is a list of works: only its metadata is registered, no image file is opened")
        register_a_list(
            registry,
            place,
            options,
            data_set=data_set,
            rightsholder=holder,
            licence=reference,
            allow_unowned=allow_unowned,
            captions=template,
            dry_run=dry_run,
            strict=strict,
            as_json=as_json,
        )
        return
    if metadata_only or options.any:
        raise UsageError(
            f"{place} is {kind.described}: --preset, --map, --set, --attribute and --metadata-only are for lists of works"
        )
    table = None if owners is None else file_of(registry, owners, dry_run=dry_run)
    register_files(
        registry,
        place,
        kind,
        owner_source(table, folder_per_rightsholder, holder, allow_unowned, reference),
        RegisterOptions(template, data_set, workers, decode, near_duplicates, strict, as_json),
        excluded=() if table is None else (table,),
        dry_run=dry_run,
    )


def _stated(rightsholder: str | None, licence: str | None) -> tuple[str | None, str | None]:
    """``--rightsholder`` and ``--licence`` without surrounding space.

    Raises:
        UsageError: one is not a line of text.
    """
    from registry.text import has_control_characters, tidy

    name, reference = tidy(rightsholder), tidy(licence)
    if (rightsholder is not None and name is None) or has_control_characters(f"{name}{reference}"):
        raise UsageError(
            f"got the rightsholder {rightsholder!r} and the licence {licence!r}, expected one line of text each"
        )
    return name, reference
