"""The part of ``creditline register`` that is about files: folders, archives and shards."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import typer

from cli.common import narrate, print_json, print_table, printable, progress_bars, stated_on_the_command_line
from registry.errors import InputError, UsageError
from registry.ingest.dry_run import DryRun, NewWork, dry_run_of_files
from registry.ingest.findings import Finding, Kind
from registry.ingest.owners.declarations import FolderPerRightsholder, OneOwner, OwnerSource
from registry.ingest.owners.table import OwnerTable
from registry.ingest.registration import Options, register_archive, register_folder, register_shards
from registry.ingest.report import RegistrationReport
from registry.ingest.source_kind import SourceKind
from registry.storage.database import Registry

_NAMED = 5
"""Findings of each kind that a dry run names; --json has them all."""


@dataclass(frozen=True)
class Wishes:
    """What the command line says about reading and telling."""

    data_set: str | None
    workers: int
    decode: bool
    near_duplicates: bool
    strict: bool
    as_json: bool


def register_files(
    registry: Registry,
    source: Path,
    kind: SourceKind,
    owners: OwnerSource,
    wishes: Wishes,
    *,
    excluded: Sequence[Path],
    dry_run: bool,
) -> None:
    """Register what a source of files has, or tell what registering it would do.

    Raises:
        InputError: it cannot be read, or no work of it could be registered.
        UsageError: the data set's name belongs to another source.
        Exit: something is listed, where that is to be an error.
    """
    if not wishes.as_json:
        narrate(printable(f"{source} is {kind.described}" + dry_run * "; reading all of it, nothing will be changed"))
    with _file_progress() as (on_progress, on_fingerprints):
        options = Options(
            data_set=wishes.data_set,
            workers=wishes.workers,
            decode=wishes.decode,
            near_duplicates=wishes.near_duplicates and not dry_run,
            on_progress=on_progress,
            on_fingerprints=on_fingerprints,
        )
        if dry_run:
            # The copy has another home: the folder's own must be left out by name.
            excluded = (registry.home.root, *excluded)
            tried = dry_run_of_files(registry, lambda copy: _register(copy, source, kind, owners, excluded, options))
        else:
            report = _register(registry, source, kind, owners, excluded, options)
    if dry_run:
        _print_dry_run(source, tried, as_json=wishes.as_json)
    else:
        _finish(source, report, as_json=wishes.as_json)
    if wishes.strict and (tried.findings if dry_run else report.findings):
        raise typer.Exit(1)


def _register(
    registry: Registry, source: Path, kind: SourceKind, owners: OwnerSource, excluded: Sequence[Path], options: Options
) -> RegistrationReport:
    now = datetime.now(UTC)
    if kind is SourceKind.FOLDER:
        return register_folder(registry, source, owners, now=now, excluded=excluded, **options)
    register = register_archive if kind is SourceKind.ARCHIVE else register_shards
    return register(registry, source, owners, now=now, **options)


def _finish(source: Path, report: RegistrationReport, *, as_json: bool) -> None:
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


def _print_dry_run(source: Path, tried: DryRun, *, as_json: bool) -> None:
    """What a dry run found."""
    if as_json:
        print_json("register dry run", {"source": str(source), **tried.to_json()})
        return
    _narrate_first(tried.findings, tried.counts)
    columns = ("path", "rightsholder", "licence", "title", "creator")
    if tried.first:
        print_table(
            (*columns, "the file says"),
            [[*(getattr(row, name) for name in columns), _said(row)] for row in tried.first],
        )
    typer.echo(
        printable(
            f"data set {tried.data_set}: {tried.works:,} of {tried.files:,} files would be registered; nothing was changed"
        )
    )
    _print_numbers(
        ("registered already", tried.known),
        ("of them moved within the source", tried.moved),
        ("known by a list before", tried.listed),
        ("works whose file says something about itself", tried.embedded),
        ("rights signals", tried.signals),
        ("conflicts between file and declaration", tried.conflicts),
        ("would be refused", tried.refused),
        ("duplicates", tried.duplicates),
        ("missing: registered from here, not found any more", tried.missing),
        ("hidden files and folders passed over", tried.hidden),
    )


def _said(row: NewWork) -> str:
    return "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in row.says.items())


def _narrate_first(findings: Sequence[Finding], counts: dict[str, int]) -> None:
    for kind in Kind:
        named = [finding for finding in findings if finding.kind is kind][:_NAMED]
        for finding in named:
            narrate(printable(f"{kind}: {finding.path}: {finding.reason}"))
        if (more := counts.get(str(kind), 0) - len(named)) > 0:
            narrate(f"{kind}: and {more:,} more; --json lists them")


def owner_source(
    table: Path | None, per_folder: bool, rightsholder: str | None, allow_unowned: bool, licence: str | None
) -> OwnerSource:
    """Who says whose the works are.

    Raises:
        UsageError: nobody, several, or by a name that is no line of text.
    """
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
    typer.echo(
        printable(f"data set {report.data_set}: {report.works:,} of {report.files:,} files are registered works")
    )
    _print_numbers(
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


def _print_numbers(*lines: tuple[str, int]) -> None:
    """Those of the numbers that are not zero."""
    for name, number in lines:
        if number:
            typer.echo(f"{number:>10,}  {name}")


def cores() -> int:
    """How many processes read unless told otherwise."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
