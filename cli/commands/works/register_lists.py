"""The part of ``creditline register`` for lists of works."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import typer

from cli.commands.works.register_files import caption_counts
from cli.opening import now
from cli.options import pairs_of
from cli.output import echo, narrate, plural, print_counts, print_json, print_table, progress_bars
from registry.captions.template import Template
from registry.errors import InputError
from registry.home import scratch_folder
from registry.ingest.bulk import ListReport, Refusal, register_list
from registry.ingest.bulk.registration import with_captions, with_defaults
from registry.ingest.dry_run import ListDryRun, dry_run_of_list
from registry.ingest.findings import Kind
from registry.ingest.lists import CANONICAL, Constant, ListSource, open_list
from registry.storage.database import Registry

_REASONS = 20
"""Most reasons for refusals to print."""


@dataclass(frozen=True)
class ListOptions:
    """The options on a list's columns."""

    preset: str | None
    mapping: Mapping[str, str]
    constants: Mapping[str, str]
    attributes: Sequence[str]

    @classmethod
    def parse(
        cls, preset: str | None, mapped: Sequence[str], constants: Sequence[str], attributes: Sequence[str]
    ) -> ListOptions:
        """Read ``--map`` and ``--set``.

        Raises:
            UsageError: an option has no equals sign, or repeats a field.
        """
        mapping = pairs_of("--map", mapped, "FIELD=COLUMN", "rightsholder=COLUMN")
        fixed = pairs_of("--set", constants, "FIELD=VALUE", "rightsholder=VALUE")
        return cls(preset, mapping, fixed, tuple(attributes))

    @property
    def any(self) -> bool:
        """Whether any option was given."""
        return bool(self.preset or self.mapping or self.constants or self.attributes)


def register_a_list(
    registry: Registry,
    path: Path,
    options: ListOptions,
    *,
    data_set: str | None,
    rightsholder: str | None,
    licence: str | None,
    allow_unowned: bool,
    captions: Template | None,
    dry_run: bool,
    strict: bool,
    as_json: bool,
) -> None:
    """Register a list of works, or show what registering it would do.

    Raises:
        InputError: the list cannot be read, or none of its rows could be registered.
        UsageError: the template of captions has a field that is no column.
        Exit: rows were refused, repeated or contradict, and ``strict`` is set.
    """
    with scratch_folder(registry.staging_place, "list-") as folder:
        source = open_list(
            path,
            preset=options.preset,
            mapping=options.mapping,
            constants=options.constants,
            attributes=options.attributes,
            staging=folder,
        )
        if not as_json:
            _narrate_mapping(with_captions(with_defaults(source, rightsholder, licence), captions))
        with progress_bars() as bars:
            task = bars.add_task("rows", total=source.rows)

            def register(into: Registry, on_rows: Callable[[pa.Table], object] = lambda _rows: None) -> ListReport:
                return register_list(
                    into,
                    source,
                    root=path,
                    now=now(),
                    data_set=data_set,
                    rightsholder=rightsholder,
                    licence=licence,
                    allow_unowned=allow_unowned,
                    captions=captions,
                    on_progress=lambda done, total: bars.update(task, completed=done, total=total),
                    on_rows=on_rows,
                )

            tried = dry_run_of_list(registry, register) if dry_run else None
            report = tried.report if tried else register(registry)
    if tried:
        _answer_dry_run(path, source, tried, as_json=as_json)
        return
    _answer(path, report, strict=strict, as_json=as_json)


def _answer(path: Path, report: ListReport, *, strict: bool, as_json: bool) -> None:
    if as_json:
        print_json("register list", report.to_json())
    else:
        _narrate_refusals(report.refusals)
        _narrate_conflicts(report)
        _print_report(report)
    if not report.rows:
        raise InputError(f"{path} has columns but no rows; check how the list was written")
    if not report.works:
        raise InputError(
            f"no work of {path} could be registered: {plural(report.rows, 'row')} read, {report.refused:,} refused; correct "
            "the list, or map its columns with --map (see --dry-run)"
        )
    if strict and (report.refused or report.repeated or report.conflicts):
        raise typer.Exit(1)


def _print_report(report: ListReport) -> None:
    are = "row is a registered work" if report.rows == 1 else "rows are registered works"
    echo(f"data set {report.data_set}: {report.works:,} of {report.rows:,} {are}")
    _print_counts(report)
    if report.changed_nothing:
        echo("everything was registered before: nothing was changed")


def _print_counts(report: ListReport) -> None:
    print_counts(
        {
            "registered": report.registered,
            "unchanged": report.unchanged,
            "declarations recorded": report.declarations,
            "newer declarations recorded": report.declarations_changed,
            "further declarations recorded": report.further,
            "conflicts between declarations": report.conflicts,
            "rights signals recorded": report.signals,
            "captions recorded": report.captions,
            "of these, in place of another caption": report.captions_changed,
            **caption_counts(report.captioned),
            "rows that name a work again": report.repeated,
            "refused": report.refused,
        }
    )


def _narrate_refusals(refusals: Sequence[Refusal]) -> None:
    for refusal in refusals[:_REASONS]:
        more = ", …" if refusal.rows > len(refusal.first) else ""
        narrate(f"refused: {plural(refusal.rows, 'row')}: {refusal.reason} ({'; '.join(refusal.places)}{more})")
    if rest := sum(refusal.rows for refusal in refusals[_REASONS:]):
        narrate(f"refused: {plural(rest, 'row')} for {len(refusals) - _REASONS:,} further reasons (--json lists them)")


def _narrate_conflicts(report: ListReport) -> None:
    for finding in report.findings:
        narrate(f"{finding.kind}: {finding.path}: {finding.reason}")
    if (rest := report.conflicts - sum(finding.kind is Kind.CONFLICT for finding in report.findings)) > 0:
        narrate(
            f"conflict: {plural(rest, 'row')} more {'contradicts' if rest == 1 else 'contradict'} other declarations"
        )


def _narrate_mapping(source: ListSource) -> None:
    pairs = ", ".join(f"{ours} = {_shown(theirs)}" for ours, theirs in source.mapping.items())
    narrate(f"layout {source.preset}: {pairs}")
    if source.not_taken:
        narrate(f"not taken: {', '.join(source.not_taken[:40])} (keep one with --attribute)")
    for name, value in source.defaults.items():
        narrate(f"for rows that state no {name}: {value}")


def _shown(value: str | Constant) -> str:
    return f"the value {value.value!r}" if isinstance(value, Constant) else value


def _answer_dry_run(path: Path, source: ListSource, tried: ListDryRun, *, as_json: bool) -> None:
    report = tried.report
    if as_json:
        print_json("register list dry run", _document(path, source, tried))
        return
    names = [*CANONICAL, "row_number"]
    if tried.first:
        print_table(names, [[row[name] for name in names] for row in tried.first])
    _narrate_refusals(report.refusals)
    _narrate_conflicts(report)
    echo(f"{plural(report.rows, 'row')} read, {report.refused:,} would be refused; nothing was changed")
    _print_counts(report)


def _document(path: Path, source: ListSource, tried: ListDryRun) -> dict[str, Any]:
    report = tried.report
    return {
        "source": str(path),
        "preset": source.preset,
        "mapping": {
            ours: {"value": theirs.value} if isinstance(theirs, Constant) else {"column": theirs}
            for ours, theirs in source.mapping.items()
        },
        "not_taken": list(source.not_taken),
        "rows": source.rows,
        "first": [dict(row) for row in tried.first],
        "looked_at": report.rows,
        "refusals": [asdict(refusal) for refusal in report.refusals],
        "registered": report.registered,
        "unchanged": report.unchanged,
        "repeated": report.repeated,
        "declarations_changed": report.declarations_changed,
        "conflicts": report.conflicts,
        "captions": report.captions,
        "captioned": dict(report.captioned),
        "signals": report.signals,
        "findings": [asdict(finding) for finding in report.findings],
    }
