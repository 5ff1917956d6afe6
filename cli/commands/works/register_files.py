"""The part of ``creditline register`` for files: folders, archives and shards."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from cli.opening import now
from cli.output import echo, narrate, print_counts, print_json, print_table, progress_bars
from registry.captions.template import Template
from registry.errors import InputError, UsageError
from registry.ingest.dry_run import DryRun, NewWork, dry_run_of_files
from registry.ingest.findings import Finding, Kind
from registry.ingest.owners.declarations import FolderPerRightsholder, OneOwner, OwnerSource
from registry.ingest.owners.table import OwnerTable
from registry.ingest.registration import Options, RegistrationReport, register_archive, register_folder, register_shards
from registry.ingest.source_kind import SourceKind
from registry.storage.database import Registry
from registry.works.captions import NO_CAPTION

_NAMED = 5
"""Findings of each kind that a dry run prints; --json has all."""


@dataclass(frozen=True)
class RegisterOptions:
    """The options for reading files and for the answer."""

    captions: Template | None
    data_set: str | None
    workers: int | None
    """None: one per core."""
    decode: bool
    near_duplicates: bool
    strict: bool
    as_json: bool


def register_files(
    registry: Registry,
    source: Path,
    kind: SourceKind,
    owners: OwnerSource,
    options: RegisterOptions,
    *,
    excluded: Sequence[Path],
    dry_run: bool,
) -> None:
    """Register the files of a source, or show what registering them would do.

    Raises:
        InputError: the source cannot be read, or none of its files could be registered.
        UsageError: the data set's name belongs to another source, or the template of captions has a
            field that is no column.
        Exit: there are findings, and the options are strict.
    """
    if not options.as_json:
        narrate(f"{source} is {kind.described}" + dry_run * "; reading all of it, nothing will be changed")
    with _file_progress() as (on_progress, on_fingerprints):
        chosen = Options(
            captions=options.captions,
            data_set=options.data_set,
            workers=options.workers or _cores(),
            decode=options.decode,
            near_duplicates=options.near_duplicates and not dry_run,
            on_progress=on_progress,
            on_fingerprints=on_fingerprints,
        )

        def register(into: Registry) -> RegistrationReport:
            if kind is SourceKind.FOLDER:
                # A dry run writes to a copy in another home, so the registry's own home is excluded
                # by name.
                without = (registry.home.root, *excluded)
                return register_folder(into, source, owners, now=now(), excluded=without, **chosen)
            register_it = register_archive if kind is SourceKind.ARCHIVE else register_shards
            return register_it(into, source, owners, now=now(), **chosen)

        if dry_run:
            tried = dry_run_of_files(registry, register)
            report = tried.report
        else:
            report = register(registry)
    if dry_run:
        _answer_dry_run(source, tried, as_json=options.as_json)
    else:
        _answer(source, report, as_json=options.as_json)
    if options.strict and report.findings:
        raise typer.Exit(1)


def _answer(source: Path, report: RegistrationReport, *, as_json: bool) -> None:
    if as_json:
        print_json("register", report.to_json())
    else:
        for finding in report.findings:
            narrate(f"{finding.kind}: {finding.path}: {finding.reason}")
        _print_report(report)
    if not report.works:
        raise InputError(
            f"no work of {source} could be registered: {report.files} files were read, {sum(report.counts.values())} are "
            "listed with the reason; correct these, or name a source of images"
        )


def _answer_dry_run(source: Path, tried: DryRun, *, as_json: bool) -> None:
    report = tried.report
    if as_json:
        print_json("register dry run", {"source": str(source), **tried.to_json()})
        return
    _narrate_first(report.findings, report.counts)
    columns = ("path", "rightsholder", "licence", "title", "creator", "caption")
    if tried.first:
        rows = [[*(getattr(row, name) for name in columns), _embedded(row)] for row in tried.first]
        print_table((*columns, "embedded metadata"), rows)
    echo(
        f"data set {report.data_set}: {report.registered:,} of {report.files:,} files would be registered; nothing was changed"
    )
    print_counts(
        {
            "registered before": tried.known,
            "of these, moved within the source": report.moved,
            "known before from a list": report.superseded,
            "works with embedded metadata": report.embedded,
            "rights signals": report.signals,
            "conflicts with embedded metadata or between declarations": report.conflicts,
            "would be refused": report.refused,
            "duplicates": report.duplicates,
            "missing: registered from here before, not found now": report.missing,
            "hidden files and folders skipped": report.hidden,
            **caption_counts(report.captioned),
        }
    )


def caption_counts(captioned: Mapping[str, int]) -> dict[str, int]:
    """Lines for the works of a data set by the source of their captions."""
    lines = {f"works with a caption from the {name}": count for name, count in captioned.items() if name != NO_CAPTION}
    return lines | {"captions missing": captioned.get(NO_CAPTION, 0)}


def _embedded(row: NewWork) -> str:
    return "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in row.says.items())


def _narrate_first(findings: Sequence[Finding], counts: dict[str, int]) -> None:
    for kind in Kind:
        named = [finding for finding in findings if finding.kind is kind][:_NAMED]
        for finding in named:
            narrate(f"{kind}: {finding.path}: {finding.reason}")
        if (more := counts.get(str(kind), 0) - len(named)) > 0:
            narrate(f"{kind}: and {more:,} more; --json lists them")


def owner_source(
    table: Path | None, per_folder: bool, rightsholder: str | None, allow_unowned: bool, licence: str | None
) -> OwnerSource:
    """The source of the works' rightsholders.

    Raises:
        UsageError: no source is named, or several.
    """
    given = [table is not None, per_folder, rightsholder is not None].count(True)
    if given > 1 or (given == 0 and not allow_unowned):
        raise UsageError(
            f"got {given} sources of rightsholders, expected one of --owners FILE, --folder-per-rightsholder and "
            "--rightsholder NAME; or none of them with --allow-unowned"
        )
    if table is not None:
        return OwnerTable(table, licence=licence, allow_unowned=allow_unowned)
    if per_folder:
        return FolderPerRightsholder(licence, allow_unowned)
    return OneOwner(rightsholder, licence)


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
    echo(f"data set {report.data_set}: {report.works:,} of {report.files:,} files are registered works")
    print_counts(
        {
            "registered": report.registered,
            "unchanged": report.unchanged,
            "moved": report.moved,
            "found again": report.found_again,
            "known before from a list": report.superseded,
            "declarations recorded": report.declarations,
            "newer declarations recorded": report.declarations_changed,
            "further declarations recorded": report.further,
            "captions recorded": report.captions,
            "of these, in place of another caption": report.captions_changed,
            **caption_counts(report.captioned),
            "works with embedded metadata": report.embedded,
            "rights signals": report.signals,
            "conflicts with embedded metadata or between declarations": report.conflicts,
            "pairs that look alike": report.near_duplicate_pairs,
            "refused": report.refused,
            "duplicates": report.duplicates,
            "missing": report.missing,
            "hidden files and folders skipped": report.hidden,
        }
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
